-- The window, or the extent of the data, in one row; none where it holds no battery.
WITH
extent (start, stop) AS (
    SELECT coalesce(:since, (SELECT time - coalesce(interval, 0) FROM system_sample
                             WHERE time > -1e999 ORDER BY time LIMIT 1)),
           coalesce(:until, (SELECT MAX(time) FROM system_sample))
),

-- Sums of integers, so that any order and any split gives the same.
sums AS (
    SELECT -coalesce(SUM(energy_uj) FILTER (WHERE energy_uj < 0), 0) AS discharged_uj,
           coalesce(SUM(energy_uj) FILTER (WHERE energy_uj > 0), 0)  AS charged_uj,
           coalesce(SUM(CAST(ROUND(interval * 1e6) AS INTEGER))
                    FILTER (WHERE energy_uj IS NOT NULL), 0)         AS covered_us
    FROM system_sample
    WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)
)

SELECT start,
       stop                                         AS "end",
       discharged_uj / 3.6e9                        AS discharged_wh,
       charged_uj / 3.6e9                           AS charged_wh,
       covered_us / 1e6                             AS covered_s,
       MAX(stop - start - covered_us / 1e6, 0.0)    AS uncovered_s
FROM sums, extent
WHERE EXISTS (
    SELECT 1 FROM system_sample
    WHERE time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)
      AND coalesce(battery_pct, energy_uj, voltage, current, power, status) IS NOT NULL
)
LIMIT coalesce(:limit, -1);
