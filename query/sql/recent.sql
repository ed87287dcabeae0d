-- Newest first. Without a window the newest are those of the greatest ts, whatever the clock did.
-- In a window time orders them: then its index bounds the work by the limit.
WITH chosen (ts, age) AS (
    SELECT * FROM (
        SELECT ts, ts FROM system_sample
        WHERE :since IS NULL AND :until IS NULL AND time IS NOT NULL
        ORDER BY ts DESC LIMIT coalesce(:limit, -1)
    )
    UNION ALL
    SELECT * FROM (
        SELECT ts, time FROM system_sample
        WHERE (:since IS NOT NULL OR :until IS NOT NULL)
          AND time >= :start AND time < :stop
        ORDER BY time DESC, ts DESC LIMIT coalesce(:limit, -1)
    )
)
SELECT v.ts, v.time, v.battery_pct, v.status, v.watts, v.drain_mah_per_min, v.charge_mah_per_min,
       v.cpu_total, v.cpu_freq, v.load1, v.cpu_temp
FROM chosen CROSS JOIN training_view AS v ON v.ts = chosen.ts
ORDER BY chosen.age DESC, chosen.ts DESC;
