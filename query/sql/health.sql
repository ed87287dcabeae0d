-- One row for each period and each battery inserted then, the newest last: the values that this battery reported last in
-- that period, and what its discharges that ended in the period gave. A row of battery_health holds until the next one, so
-- it also applies to later periods. Then one row for each of several packs. A pack reports only its level and its percent;
-- the full charge is computed where the percent was highest, because it is a whole number.
WITH RECURSIVE
{{include health_pieces: *}},
held AS (
    SELECT since, until, last_time, in_order.number AS number, run_wh, pct_fallen, fallen_wh
    FROM in_order JOIN period USING (since) LEFT JOIN told USING (number) LEFT JOIN discharge USING (session_id)
    WHERE ts IS NULL
      AND (number > 0 OR session_id IS NOT NULL)
      AND in_order.time < until
      -- At the start of a period, because another battery may have been inserted before its first sample.
      AND (step > 0 OR next_time IS NULL
           OR EXISTS (SELECT 1 FROM system_sample AS s WHERE s.time >= since AND s.time < next_time)
           OR EXISTS (SELECT 1 FROM system_minute WHERE bucket >= since AND bucket <= next_time - 60)
           OR EXISTS (SELECT 1 FROM system_hour WHERE bucket >= since AND bucket <= next_time - 3600))
),
battery AS (
    SELECT since, until, last_time, MAX(number) AS number, 0 AS is_pack, name, full, design, cycles,
           COUNT(run_wh)                    AS full_runs,
           AVG(run_wh)                      AS run_wh,
           SUM(fallen_wh) / SUM(pct_fallen) AS wh_per_pct
    FROM held LEFT JOIN told USING (number)
    GROUP BY since, name, unit, design

    UNION ALL

    SELECT since, until, last_time, number, 1, name, full, NULL, NULL, NULL, NULL, NULL
    FROM (
        SELECT since, until, last_time, number, pack.name AS name, 100.0 * level / pct AS full, MAX(pct)
        FROM in_order JOIN period USING (since) CROSS JOIN battery_pack AS pack USING (ts)
        WHERE in_order.time < until AND level > 0 AND pct BETWEEN 20 AND 100
        GROUP BY since, pack.name
    )
)
SELECT since                                   AS start,
       min(until, coalesce(:until, last_time)) AS "end",
       battery.name                            AS name,
       battery.full                            AS full,
       battery.design                          AS design,
       unit,
       100.0 * battery.full / battery.design   AS health_pct,
       battery.cycles                          AS cycles,
       iif(is_pack, NULL, told)                AS told,
       full_runs,
       run_wh,
       wh_per_pct
FROM battery LEFT JOIN told USING (number)
ORDER BY start, is_pack, number, name
LIMIT coalesce(:limit, -1);
