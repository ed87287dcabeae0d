-- The battery in the newest sample: the machine's as a whole, then each pack if there are several. What a full charge
-- holds is known only for all packs together.
WITH health AS (
    SELECT * FROM battery_health WHERE time <= :last ORDER BY time DESC LIMIT 1
)
SELECT name, status, battery_pct, watts, voltage, full, design, unit, health_pct, cycles, told, level, time
FROM (
    SELECT 0                                                                            AS is_pack,
           iif(EXISTS (SELECT 1 FROM battery_pack AS p WHERE p.ts = s.ts), 'all packs', nullif(name, '')) AS name,
           s.status, battery_pct, ABS(power) AS watts, voltage,
           full, design, unit, 100.0 * full / design AS health_pct, cycles, health.time AS told,
           battery_level AS level, s.time
    FROM system_sample AS s LEFT JOIN health
    WHERE s.ts = :newest AND s.time >= :start
      AND coalesce(battery_pct, energy_uj, voltage, current, power, s.status) IS NOT NULL

    UNION ALL

    SELECT 1, p.name, p.status, p.pct, ABS(p.power), p.voltage, NULL, NULL, NULL, NULL, NULL, NULL, p.level, s.time
    FROM system_sample AS s CROSS JOIN battery_pack AS p ON p.ts = s.ts
    WHERE s.ts = :newest AND s.time >= :start
)
ORDER BY is_pack, name
LIMIT coalesce(:limit, -1);
