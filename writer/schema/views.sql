-- The views of every database. They are made again after the numbered migrations, whenever the schema is upgraded.

-- One row per sample: features and targets for a power model. The direction is that of energy_uj if there is one
-- (for an old row of a driver without a sign, the upgrade took it from the percentage's trend), else that of current.
CREATE VIEW training_view AS
SELECT ts,
       battery_pct,
       cpu_total,
       cpu_freq,
       load1,
       load5,
       load15,
       ABS(power) AS watts,
       CASE WHEN current IS NULL THEN NULL
            WHEN COALESCE(energy_uj, current) < 0 THEN ABS(current) * 1000.0 / 60.0
            ELSE 0.0 END AS drain_mah_per_min,
       CASE WHEN current IS NULL THEN NULL
            WHEN COALESCE(energy_uj, current) > 0 THEN ABS(current) * 1000.0 / 60.0
            ELSE 0.0 END AS charge_mah_per_min,
       time,
       interval,
       status,
       cpu_temp,
       governor,
       brightness,
       radios,
       on_ac
       -- and the columns that telemetry.records declares as exported
FROM system_sample;

-- One row per sample: what it contributes to a bucket of system_minute, column for column. Roll-ups and reports both
-- read this view, so both round a sample once and in the same way.
--
-- The inner query applies the bounds: a value that is not a number, or beyond what any sensor reports, counts as NULL
-- (texts and blobs are greater than any number). No core is busy for more than 100 % of the time, no process for more
-- than all cores of its sample, and no process holds more memory than there is.
--
-- Its ORDER BY costs nothing, because the index over time has that order, but it decides how SQLite runs the view. In
-- an aggregate query, SQLite does not flatten the inner query, so each value is checked once and not at each use; a
-- range of time is still pushed down to the index (LIMIT -1 would prevent that). If a query joins the view without
-- aggregation, only the requested columns are computed. A query that does both would read the whole view: it must join
-- in a subquery with LIMIT -1, as the roll-ups do for late rows.
CREATE VIEW system_sums AS
SELECT ts,
       time,
       discharging,
       1                                                                      AS samples,
       time - coalesce(interval, 0)                                           AS first_start,
       time                                                                   AS last_time,
       interval_us,
       iif(energy_uj IS NOT NULL, interval_us, 0)                             AS covered_us,
       iif(energy_uj < 0, -energy_uj, 0)                                      AS discharged_uj,
       iif(energy_uj > 0, energy_uj, 0)                                       AS charged_uj,
       iif(discharging, interval_us, 0)                                       AS drain_us,
       iif(energy_uj < 0, interval_us, 0)                                     AS drain_energy_us,
       iif(discharging AND current IS NOT NULL, interval_us, 0)               AS drain_current_us,
       iif(discharging, coalesce(ROUND(ABS(current) * interval * 1e6), 0), 0) AS drain_uc,
       iif(discharging, ts, NULL)                                             AS drain_newest_ts,
       has_battery                                                            AS battery_samples,
       cpu_total IS NOT NULL                                                  AS cpu_samples,
       coalesce(ROUND(cpu_total * 100), 0)                                    AS cpu_sum,
       cpu_total                                                              AS cpu_max,
       power                                                                  AS power_min,
       power                                                                  AS power_max,
       battery_pct                                                            AS pct_min,
       battery_pct                                                            AS pct_max,
       cpu_temp                                                               AS temp_min,
       cpu_temp                                                               AS temp_max
FROM (
    SELECT ts,
           time,
           iif(energy_uj BETWEEN -1e15 AND 1e15, energy_uj < 0, status IS 'Discharging') AS discharging,
           iif(interval BETWEEN -1e9 AND 1e9, interval, NULL)                            AS interval,
           iif(interval BETWEEN -1e9 AND 1e9, ROUND(interval * 1e6), 0)                  AS interval_us,
           iif(energy_uj BETWEEN -1e15 AND 1e15, energy_uj, NULL)                        AS energy_uj,
           iif(current BETWEEN -1e9 AND 1e9, current, NULL)                              AS current,
           iif(power BETWEEN -1e9 AND 1e9, power, NULL)                                  AS power,
           iif(battery_pct BETWEEN -1e9 AND 1e9, battery_pct, NULL)                      AS battery_pct,
           iif(cpu_total BETWEEN 0 AND 100, cpu_total, NULL)                             AS cpu_total,
           iif(cpu_temp BETWEEN -1e9 AND 1e9, cpu_temp, NULL)                            AS cpu_temp,
           coalesce(battery_pct, energy_uj, voltage, current, power, status) IS NOT NULL AS has_battery
    FROM system_sample
    ORDER BY time
);

-- One row per sample: what the rules for sessions use of it, within the bounds of system_sums. The power of an original
-- logger's row without energy_uj has no direction, so it is left out.
CREATE VIEW session_row AS
SELECT sums.ts,
       sums.time,
       iif(s.interval BETWEEN -1e9 AND 1e9, s.interval, NULL)       AS interval,
       iif(s.suspended BETWEEN 0 AND 1e9, s.suspended, 0.0)         AS asleep,
       CAST(sums.interval_us AS INTEGER)                            AS interval_us,
       CAST(sums.covered_us AS INTEGER)                             AS covered_us,
       CAST(sums.discharged_uj AS INTEGER)                          AS discharged_uj,
       CAST(sums.charged_uj AS INTEGER)                             AS charged_uj,
       CASE WHEN sums.covered_us > 0 THEN (sums.charged_uj - sums.discharged_uj) * 1.0 / sums.covered_us
            WHEN s.run_id IS NOT NULL AND s.power BETWEEN -1e9 AND 1e9 THEN s.power END AS watts,
       iif(typeof(s.status) = 'text', s.status, NULL)               AS status,
       iif(s.on_ac IN (0, 1), s.on_ac, NULL)                        AS on_ac,
       iif(s.battery_pct BETWEEN 0 AND 100, s.battery_pct, NULL)    AS pct,
       iif(s.battery_level BETWEEN 0 AND 1e9, s.battery_level, NULL) AS level,
       iif(s.voltage BETWEEN 0 AND 1e9, s.voltage, NULL)            AS voltage,
       s.run_id,
       s.seq
FROM system_sums AS sums CROSS JOIN system_sample AS s ON s.ts = sums.ts;

-- One row per sample: what energy by program is learned from, within the bounds of system_sums.
CREATE VIEW energy_row AS
SELECT sums.ts,
       sums.time,
       CAST(sums.interval_us AS INTEGER)                            AS interval_us,
       CAST(sums.covered_us AS INTEGER)                             AS covered_us,
       CAST(sums.discharged_uj AS INTEGER)                          AS discharged_uj,
       iif(s.cpu_total BETWEEN 0 AND 100, s.cpu_total, NULL)        AS cpu_total,
       iif(s.cpu_unowned BETWEEN 0 AND 100, s.cpu_unowned, NULL)    AS cpu_unowned,
       iif(s.cpu_freq BETWEEN 1 AND 1e5, s.cpu_freq, NULL)          AS cpu_freq,
       iif(s.brightness BETWEEN 0 AND 100, s.brightness, NULL)      AS brightness,
       iif(s.suspended BETWEEN 0 AND 1e12, s.suspended, 0.0)        AS suspended,
       iif(typeof(s.run_id) = 'integer', s.run_id, NULL)            AS run_id,
       iif(typeof(s.seq) = 'integer', s.seq, NULL)                  AS seq
FROM system_sums AS sums CROSS JOIN system_sample AS s ON s.ts = sums.ts;
