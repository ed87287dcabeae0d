-- One row for each session that overlaps the window, the newest last. Watts refer to the time that its Wh cover, and
-- percent an hour to its time awake (for a sleep or hole: its whole time).
WITH
{{include session_pieces: }},
newest AS (
    SELECT *,
           iif(kind IN ('sleep', 'hole'), coalesce(asleep_us / 1e6, stop - start), covered_us / 1e6) AS wh_s,
           iif(kind IN ('sleep', 'hole'), coalesce(asleep_us / 1e6, stop - start), awake_us / 1e6)   AS pct_s
    FROM every_session
    WHERE start < :stop AND stop >= :start AND (:kind IS NULL OR kind = :kind)
    ORDER BY start DESC, stop DESC
    LIMIT coalesce(:limit, -1)
)

SELECT kind,
       start,
       stop                                  AS "end",
       awake_us / 1e6                        AS awake_s,
       asleep_us / 1e6                       AS asleep_s,
       pct_from,
       pct_to,
       drawn_uj / 3.6e9                      AS wh,
       wh_from,
       ABS(drawn_uj) / 1e6 / nullif(wh_s, 0) AS watts,
       pct_fallen * 3600 / nullif(pct_s, 0)  AS pct_per_hour,
       flips
FROM newest
ORDER BY start, stop;
