-- The newest :most samples of a span as telemetry.energy_model takes them, oldest first; where :battery is 1 those on
-- battery alone. What is no number a sensor gives is NULL.
SELECT s.ts, s.time, sums.interval_us, sums.covered_us, sums.discharged_uj,
       iif(s.cpu_total BETWEEN 0 AND 100, s.cpu_total, NULL),
       iif(s.cpu_unowned BETWEEN 0 AND 100, s.cpu_unowned, NULL),
       iif(s.cpu_freq BETWEEN 1 AND 1e5, s.cpu_freq, NULL),
       iif(s.brightness BETWEEN 0 AND 100, s.brightness, NULL),
       iif(s.suspended BETWEEN 0 AND 1e12, s.suspended, 0.0),
       s.run_id, s.seq
FROM (SELECT * FROM system_sample
      WHERE time >= :start AND time < :stop AND (:battery = 0 OR energy_uj < 0)
      ORDER BY time DESC LIMIT :most) AS s
JOIN system_sums AS sums ON sums.ts = s.ts
ORDER BY s.time, s.ts;
