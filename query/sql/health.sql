-- One row for each period and each battery that was in then, the newest last: what the last sample of that battery told
-- in that period, and what its discharges gave that ended in it. A row of battery_health holds until the next one, so
-- it is also of the periods that follow. Then one for each of several packs, of which nothing is told but the level and the
-- percent: the full charge is worked out where the percent was highest, since the percent is whole.
WITH RECURSIVE
{{include health_pieces: *}},
held AS (
    SELECT since, until, last_time, in_order.number AS number, run_wh, pct_fallen, fallen_wh
    FROM in_order JOIN period USING (since) LEFT JOIN told USING (number) LEFT JOIN discharge USING (session_id)
    WHERE ts IS NULL
      AND (number > 0 OR session_id IS NOT NULL)
      AND in_order.time < until
      -- At the start of a period: another battery may have come in before the first sample of it.
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
