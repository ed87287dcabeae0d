-- One row for each bucket of the window that holds a sample; consecutive buckets without one are a single
-- row, so that a clock that once started in 1970 does not print 20,000 empty days. Without :since and :until the window is
-- the extent of the data. What was drawn asleep comes from the sleeps in sessions (asleep_uj, in query/sessions.py).
WITH
{{include system_pieces:
  first_start, last_time, covered_us, discharged_uj, charged_uj, battery_samples}},
part AS (
    SELECT since,
           until,
           MIN(first_start)     AS first_start,
           MAX(last_time)       AS last_time,
           SUM(discharged_uj)   AS discharged_uj,
           SUM(charged_uj)      AS charged_uj,
           TOTAL(covered_us)    AS covered_us,
           SUM(battery_samples) AS battery_samples
    FROM piece
    GROUP BY since
),
total AS (
    SELECT coalesce(:since, MIN(first_start)) AS start,
           coalesce(:until, MAX(last_time))   AS stop,
           SUM(battery_samples)               AS battery_samples
    FROM part
),
filled AS (
    SELECT max(since, total.start) AS start,
           min(until, total.stop)  AS stop,
           discharged_uj, charged_uj, covered_us
    FROM part, total
    WHERE total.battery_samples > 0
),
empty (start, stop) AS (
    -- In an open window, the data begin with the first sample, though its interval may reach into the bucket before.
    SELECT LAG(stop, 1, coalesce(:since, start)) OVER (ORDER BY start), start
    FROM filled
    UNION ALL
    SELECT MAX(filled.stop), total.stop FROM filled, total
),
shown AS (
    SELECT * FROM filled
    UNION ALL
    SELECT start, stop, 0, 0, 0 FROM empty WHERE start < stop
    UNION ALL
    -- A sleep may be longer than the window.
    SELECT start, stop, 0, 0, 0 FROM total
    WHERE NOT EXISTS (SELECT 1 FROM filled)
      AND CASE WHEN start IS NOT NULL AND stop IS NOT NULL THEN asleep_uj(start, stop) END > 0
)

SELECT start,
       stop                                         AS "end",
       discharged_uj / 3.6e9                        AS discharged_wh,
       charged_uj / 3.6e9                           AS charged_wh,
       asleep_uj(start, stop) / 3.6e9               AS asleep_wh,
       covered_us / 1e6                             AS covered_s,
       MAX(stop - start - covered_us / 1e6, 0.0)    AS uncovered_s
FROM shown
ORDER BY start, stop
LIMIT coalesce(:limit, -1);
