-- One row for each period and each battery that was in then, the newest last: what the last sample of that battery told
-- in that period. A row of battery_health holds until the next one, so it is also of the periods that follow.
WITH
{{include system_pieces: last_time, battery_samples}},
period AS MATERIALIZED (
    SELECT since, until, MAX(last_time) AS last_time FROM piece GROUP BY since HAVING SUM(battery_samples) > 0
),
told AS MATERIALIZED (
    SELECT ROW_NUMBER() OVER (ORDER BY time, name)  AS number,
           LEAD(time) OVER (ORDER BY time, name)    AS next_time,
           *
    FROM battery_health
    WHERE time <= :last
),
-- In the order of time: which row of battery_health holds, and which period it is.
in_order AS (
    SELECT time, number IS NULL                                            AS begins,
           COUNT(number) OVER (ORDER BY time, number IS NOT NULL, number) AS number,
           MAX(since) OVER (ORDER BY time, number IS NOT NULL, number)     AS since
    FROM (SELECT since AS time, since, NULL AS number FROM period UNION ALL SELECT time, NULL, number FROM told)
),
held AS (
    SELECT since, until, last_time, MAX(number) AS number, name, full, design, unit, cycles, told.time
    FROM in_order JOIN period USING (since) JOIN told USING (number)
    WHERE iif(begins,
        -- Another battery may have come in before the first sample of the period.
        next_time IS NULL
        OR EXISTS (SELECT 1 FROM system_sample AS s WHERE s.time >= since AND s.time < next_time)
        OR EXISTS (SELECT 1 FROM system_minute WHERE bucket >= since AND bucket <= next_time - 60)
        OR EXISTS (SELECT 1 FROM system_hour WHERE bucket >= since AND bucket <= next_time - 3600),
        in_order.time < until)
    GROUP BY since, name, unit, design
)
SELECT since                            AS start,
       min(until, coalesce(:until, last_time)) AS "end",
       nullif(name, '')                 AS name,
       full,
       design,
       unit,
       100.0 * full / design            AS health_pct,
       cycles,
       time                             AS told
FROM held
ORDER BY start, number
LIMIT coalesce(:limit, -1);
