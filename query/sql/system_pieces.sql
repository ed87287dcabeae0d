-- The system figures of the window, in pieces: a row for each hour or minute that lies in it, and for each sample at
-- its ends. Each sample is rounded once, here and in the roll-ups, so that sums of either agree to the last digit.
raw_span (since, until)    AS (VALUES (:start, :fine_start), (:fine_stop, :stop)),
minute_span (since, until) AS (VALUES (:fine_start, :coarse_start), (:coarse_stop, :fine_stop)),
hour_span (since, until)   AS (VALUES (:coarse_start, :coarse_stop)),

piece AS (
    SELECT bucket AS moment, samples, first_start, last_time, covered_us, discharged_uj, charged_uj,
           drain_us, drain_energy_us, drain_current_us, drain_uc, drain_newest_ts, battery_samples
    FROM hour_span CROSS JOIN system_hour ON bucket >= since AND bucket < until

    UNION ALL

    SELECT bucket, samples, first_start, last_time, covered_us, discharged_uj, charged_uj,
           drain_us, drain_energy_us, drain_current_us, drain_uc, drain_newest_ts, battery_samples
    FROM minute_span CROSS JOIN system_minute ON bucket >= since AND bucket < until

    UNION ALL

    SELECT time, 1, time - coalesce(interval, 0), time,
           iif(energy_uj IS NOT NULL, interval_us, 0),
           iif(energy_uj < 0, -energy_uj, 0),
           iif(energy_uj > 0, energy_uj, 0),
           iif(discharging, interval_us, 0),
           iif(energy_uj < 0, interval_us, 0),
           iif(discharging AND current IS NOT NULL, interval_us, 0),
           iif(discharging, coalesce(ROUND(ABS(current) * interval * 1e6), 0), 0),
           iif(discharging, ts, NULL),
           has_battery
    FROM (
        SELECT *,
               coalesce(ROUND(interval * 1e6), 0)                               AS interval_us,
               energy_uj < 0 OR (energy_uj IS NULL AND status = 'Discharging')  AS discharging
        FROM (
            -- A damaged value, no number or past any that a sensor gives, counts as NULL, as it does in the roll-ups.
            SELECT ts, time, status,
                   iif(interval BETWEEN -1e9 AND 1e9, interval, NULL)     AS interval,
                   iif(current BETWEEN -1e9 AND 1e9, current, NULL)       AS current,
                   iif(energy_uj BETWEEN -1e15 AND 1e15, energy_uj, NULL) AS energy_uj,
                   coalesce(battery_pct, energy_uj, voltage, current, power, status) IS NOT NULL AS has_battery
            FROM raw_span CROSS JOIN system_sample ON time >= since AND time < until
        )
    )
)
