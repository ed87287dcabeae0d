-- What health is made of: which row of battery_health holds when, the periods of the report, the discharges that ended
-- in its window, and a sample of every four hours of a machine with several packs.
{{include system_pieces: last_time, battery_samples}},
{{include session_pieces: }},
period AS MATERIALIZED (
    SELECT since, until, MAX(last_time) AS last_time FROM piece GROUP BY since HAVING SUM(battery_samples) > 0
),
told AS MATERIALIZED (
    SELECT ROW_NUMBER() OVER (ORDER BY time, name)  AS number,
           LEAD(time) OVER (ORDER BY time, name)    AS next_time,
           nullif(name, '') AS name, full, design, unit, cycles, time AS told
    FROM battery_health
    WHERE time <= :last
),
-- Ended discharges whose power was measured all the time, with what is known about the sleeps within them.
discharge AS MATERIALIZED (
    SELECT ROW_NUMBER() OVER (ORDER BY start, stop) AS session_id, start, stop, pct_from, pct_to,
           iif(pct_fallen >= 5, pct_fallen, NULL)       AS pct_fallen,
           iif(pct_fallen >= 5, drawn_uj, NULL) / 3.6e9 AS fallen_wh,
           iif(pct_from >= 90 AND pct_to <= 10, (
               SELECT iif(COUNT(*) = COUNT(asleep.drawn_uj), d.drawn_uj + TOTAL(asleep.drawn_uj), NULL)
               FROM every_session AS asleep
               WHERE asleep.kind = 'sleep' AND asleep.start >= d.start AND asleep.stop <= d.stop
           ), NULL) / 3.6e9                             AS run_wh
    FROM every_session AS d
    WHERE kind = 'discharge' AND NOT is_current AND stop >= :start AND stop < :stop AND drawn_uj > 0 AND covered_us >= 0.95 * awake_us
),
sampled (ts, time) AS (
    SELECT ts, time FROM system_sample
    WHERE ts = :newest AND time >= :start AND EXISTS (SELECT 1 FROM battery_pack)
    UNION ALL
    SELECT earlier.ts, earlier.time
    FROM sampled JOIN system_sample AS earlier ON earlier.ts = (
        SELECT ts FROM system_sample
        WHERE time < CAST(sampled.time AS INTEGER) / 14400 * 14400 AND time >= :start
        ORDER BY time DESC LIMIT 1)
),
-- By time, then by step: which row of battery_health holds, and which period it is.
in_order AS MATERIALIZED (
    SELECT time, step, session_id, ts,
           COUNT(number) OVER (ORDER BY time, step, number ROWS UNBOUNDED PRECEDING) AS number,
           MAX(since) OVER (ORDER BY time, step, number ROWS UNBOUNDED PRECEDING)    AS since
    FROM (
        SELECT since AS time, 0 AS step, since, NULL AS number, NULL AS session_id, NULL AS ts FROM period
        UNION ALL
        SELECT told, 1, NULL, number, NULL, NULL FROM told
        UNION ALL
        SELECT stop, 2, NULL, NULL, session_id, NULL FROM discharge
        UNION ALL
        SELECT time, 3, NULL, NULL, NULL, ts FROM sampled
    )
)
