-- The samples around :at, in the order of time: :before of those at or before it, :after of those after it.
WITH chosen (ts) AS (
    SELECT * FROM (
        SELECT ts FROM system_sample WHERE time >= 0 AND time < :at ORDER BY time DESC, ts DESC LIMIT :before)
    UNION ALL
    SELECT * FROM (
        SELECT ts FROM system_sample WHERE time >= :at AND time < :last ORDER BY time, ts LIMIT :after)
)
SELECT s.ts, s.time, s.interval, s.battery_pct, s.status, s.power, s.on_ac, s.cpu_total, s.cpu_freq, s.cpu_temp,
       s.load1, s.governor, s.brightness, s.radios, s.throttled, s.run_id
FROM chosen CROSS JOIN system_sample AS s ON s.ts = chosen.ts
ORDER BY s.time, s.ts;
