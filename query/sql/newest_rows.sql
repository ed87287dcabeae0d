-- The newest rows up to a sample, newest first, as telemetry.sessions takes them.
SELECT sums.time, iif(s.interval BETWEEN 0 AND 1e9, s.interval, NULL),
       iif(s.suspended BETWEEN 0 AND 1e12, s.suspended, 0.0),
       sums.interval_us, sums.covered_us, sums.discharged_uj, sums.charged_uj,
       sums.power_min, s.status, s.on_ac, sums.pct_min,
       iif(s.battery_level BETWEEN 0 AND 1e9, s.battery_level, NULL),
       iif(s.voltage BETWEEN 0 AND 1e9, s.voltage, NULL),
       s.run_id, s.seq
FROM (SELECT * FROM system_sample WHERE ts <= :newest ORDER BY ts DESC LIMIT :most) AS s
JOIN system_sums AS sums ON sums.ts = s.ts
ORDER BY s.ts DESC;
