-- One row for each bucket of :bucket seconds, in UTC, that holds a sample; the buckets between two of them
-- that hold none are one row together: a clock that once woke in 1970 shall not print 20,000 empty days.
WITH
extent (start, stop) AS (
    SELECT coalesce(:since, (SELECT time - coalesce(interval, 0) FROM system_sample
                             WHERE time > -1e999 ORDER BY time LIMIT 1)),
           coalesce(:until, (SELECT MAX(time) FROM system_sample))
),

-- Sums of integers, so that any order and any split gives the same.
bucket AS (
    SELECT CAST(time / :bucket AS INTEGER) * :bucket                 AS start,
           -coalesce(SUM(energy_uj) FILTER (WHERE energy_uj < 0), 0) AS discharged_uj,
           coalesce(SUM(energy_uj) FILTER (WHERE energy_uj > 0), 0)  AS charged_uj,
           coalesce(SUM(CAST(ROUND(interval * 1e6) AS INTEGER))
                    FILTER (WHERE energy_uj IS NOT NULL), 0)         AS covered_us
    FROM system_sample
    WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)
    GROUP BY 1
),
filled AS (
    SELECT MAX(bucket.start, extent.start)          AS start,
           MIN(bucket.start + :bucket, extent.stop) AS stop,
           discharged_uj, charged_uj, covered_us
    FROM bucket, extent
),
empty (start, stop) AS (
    -- In an open window the first sample begins the data, though its interval may reach into the bucket before.
    SELECT LAG(stop, 1, CASE WHEN :since IS NULL THEN start ELSE :since END) OVER (ORDER BY start), start
    FROM filled
    UNION ALL
    SELECT MAX(filled.stop), extent.stop FROM filled, extent
),
span AS (
    SELECT * FROM filled
    UNION ALL
    SELECT start, stop, 0, 0, 0 FROM empty WHERE start < stop
)

SELECT start,
       stop                                         AS "end",
       discharged_uj / 3.6e9                        AS discharged_wh,
       charged_uj / 3.6e9                           AS charged_wh,
       covered_us / 1e6                             AS covered_s,
       MAX(stop - start - covered_us / 1e6, 0.0)    AS uncovered_s
FROM span
WHERE EXISTS (
    SELECT 1 FROM system_sample
    WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)
      AND coalesce(battery_pct, energy_uj, voltage, current, power, status) IS NOT NULL
)
ORDER BY start, stop
LIMIT coalesce(:limit, -1);
