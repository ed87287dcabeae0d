-- One row if the window holds a battery, else none. A sample is discharging by its energy, or, if
-- the driver reports neither power nor current, by its status; percent and hours left are shown in both cases. The view
-- system_sums defines what counts as discharging.
WITH RECURSIVE
{{include system_pieces:
  discharged_uj, drain_us, drain_energy_us, drain_current_us, drain_uc, drain_newest_ts, battery_samples}},
averages AS (
    SELECT TOTAL(drain_uc) * 1000 / 60 / SUM(drain_current_us)  AS avg_drain_mah_per_min,
           SUM(discharged_uj) / TOTAL(drain_energy_us)          AS avg_watts,
           TOTAL(drain_us) / 1e6                                AS covered_s,
           MAX(drain_newest_ts)                                 AS newest_discharging,
           SUM(battery_samples)                                 AS battery_samples
    FROM piece
),
pack AS MATERIALIZED (
    SELECT full, unit FROM battery_health WHERE time <= :last ORDER BY time DESC LIMIT 1
),

-- Back from the newest discharging sample of the window, row by row, through the same discharge: all of it
-- inside the window, and beyond it until 3 % or 1 h lie behind. It ends at a row that is not discharging, at
-- a suspend of over 60 s and at a hole. Rows that follow each other in one run have no hole between them,
-- whatever the wall clock did: the later one's interval and suspend join them. Between others there is none
-- if the wall clock advanced by 0 to 600 s. After a hole elapsed is NULL; that row is dropped below.
-- A driver may say Discharging for months, so the walk has an end: 28 h of samples every 5 s.
discharge (ts, time, run_id, seq, awake, asleep, pct, watts, volts, later_pct, later_elapsed, rise, elapsed) AS (
    SELECT ts, time, run_id, seq, interval, coalesce(suspended, 0), battery_pct, power, voltage,
           battery_pct, 0.0, 0.0, 0.0
    FROM system_sample
    WHERE ts = (SELECT newest_discharging FROM averages)

    UNION ALL

    SELECT earlier.ts, earlier.time, earlier.run_id, earlier.seq, earlier.interval,
           coalesce(earlier.suspended, 0), earlier.battery_pct, earlier.power, earlier.voltage,
           coalesce(later.pct, later.later_pct),
           iif(later.pct IS NULL, later.later_elapsed, later.elapsed),
           -- The fall of the percent from that row to the next one, if power explains it.
           later.rise + iif(later.pct <> later.later_pct AND explained(later.pct - later.later_pct,
               later.elapsed - later.later_elapsed, later.watts, (SELECT full FROM pack), (SELECT unit FROM pack),
               later.volts), later.pct - later.later_pct, 0.0),
           later.elapsed + CASE
               WHEN earlier.run_id = later.run_id AND earlier.seq = later.seq - 1
                   THEN later.awake + later.asleep
               WHEN later.time - earlier.time BETWEEN 0 AND 600
                   THEN later.time - earlier.time
           END
    FROM discharge AS later
    JOIN system_sample AS earlier
      ON earlier.ts = (SELECT MAX(ts) FROM system_sample WHERE ts < later.ts)
    WHERE later.elapsed IS NOT NULL
      AND later.asleep <= 60
      AND (SELECT discharging FROM system_sums AS sums WHERE sums.ts = earlier.ts)
      AND (earlier.time >= :start OR (later.elapsed < 3600 AND later.rise + iif(later.pct <> later.later_pct AND explained(later.pct - later.later_pct,
               later.elapsed - later.later_elapsed, later.watts, (SELECT full FROM pack), (SELECT unit FROM pack),
               later.volts), later.pct - later.later_pct, 0.0) < 3))
    LIMIT 20000
),

-- Steady percents, without the steps that power does not explain: telemetry.steady has the rule.
steady AS (
    SELECT elapsed, pct,
           even_percent(pct, seconds, watts, (SELECT full FROM pack), (SELECT unit FROM pack), volts)
               OVER (ORDER BY elapsed DESC, ts ROWS UNBOUNDED PRECEDING) AS even
    FROM (
        SELECT ts, elapsed, pct, watts, volts,
               coalesce(lag(elapsed) OVER (ORDER BY elapsed DESC, ts) - elapsed, 0) AS seconds
        FROM discharge
        WHERE elapsed IS NOT NULL AND pct IS NOT NULL
    )
),
newest_steady AS (
    SELECT pct, even FROM steady WHERE even IS NOT NULL ORDER BY elapsed LIMIT 1
),

-- Least squares of percent over time, both counted from the newest sample of the discharge.
sums AS (
    SELECT COUNT(*) AS n, SUM(x) AS x, SUM(y) AS y, SUM(x * y) AS xy, SUM(x * x) AS xx
    FROM (SELECT -elapsed AS x, even - (SELECT even FROM newest_steady) AS y FROM steady)
    WHERE y IS NOT NULL
),
slope AS (
    -- The percent does not rise during a discharge: a rise is an error of the gauge.
    SELECT iif(per_hour <= 0, per_hour, NULL) AS pct_per_hour
    FROM (SELECT 3600 * (n * xy - x * y) / (n * xx - x * x) AS per_hour FROM sums)
),

-- Hours to 0 % at that slope, if neither power nor energy is known. Four in five are within a factor of 1.8.
without_energy AS (
    SELECT CASE WHEN (SELECT discharging FROM system_sums WHERE ts = :newest) AND pct_per_hour < 0
                THEN (SELECT pct FROM newest_steady) / -pct_per_hour END AS by_slope
    FROM slope
)

SELECT avg_drain_mah_per_min,
       avg_watts,
       pct_per_hour,
       coalesce(:hours_left, by_slope)             AS hours_left,
       coalesce(:hours_left_low, by_slope / 1.8)   AS hours_left_low,
       coalesce(:hours_left_high, by_slope * 1.8)  AS hours_left_high,
       :hours_to_full                              AS hours_to_full,
       covered_s,
       :last AS time
FROM averages, slope, without_energy
WHERE battery_samples > 0
LIMIT coalesce(:limit, -1);
