-- Made anew at each open that changes the schema, after the numbered migrations.

-- One row a sample: features and targets for a power model. The direction is that of energy_uj where there
-- is one (an old row of a driver without a sign took it from the percent's trend), else that of current.
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
