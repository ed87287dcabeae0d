-- One row where the window holds a battery, none where it does not. A sample is discharging by its energy, or, where
-- the driver tells neither power nor current, by its status: percent and hours left are told all the same. What counts
-- as discharging is in the view system_sums.
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

-- Back from the newest discharging sample of the window, row by row, through the same discharge: all of it
-- inside the window, and beyond it until 3 % or 1 h lie behind. It ends at a row that is not discharging, at
-- a suspend of over 60 s and at a hole. Rows that follow each other in one run have no hole between them,
-- whatever the wall clock did: the later one's interval and suspend join them. Between others there is none
-- where the wall clock went on by 0 to 600 s. Behind a hole elapsed is NULL; that row is dropped below.
-- A driver may say Discharging for months, so the walk has an end: 28 h of samples every 5 s.
discharge (ts, time, run_id, seq, awake, asleep, pct, newest_pct, rise, elapsed) AS (
    SELECT ts, time, run_id, seq, interval, coalesce(suspended, 0), battery_pct, battery_pct, 0.0, 0.0
    FROM system_sample
    WHERE ts = (SELECT newest_discharging FROM averages)

    UNION ALL

    SELECT earlier.ts, earlier.time, earlier.run_id, earlier.seq, earlier.interval,
           coalesce(earlier.suspended, 0), earlier.battery_pct,
           coalesce(later.newest_pct, earlier.battery_pct),
           MAX(later.rise, coalesce(earlier.battery_pct - later.newest_pct, 0.0)),
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
      AND (earlier.time >= :start OR (later.elapsed < 3600 AND later.rise < 3))
    LIMIT 20000
),

-- Least squares of percent over time, both counted from the newest sample of the discharge.
sums AS (
    SELECT COUNT(*) AS n, SUM(x) AS x, SUM(y) AS y, SUM(x * y) AS xy, SUM(x * x) AS xx
    FROM (SELECT -elapsed AS x, pct - newest_pct AS y FROM discharge)
    WHERE x IS NOT NULL AND y IS NOT NULL
),
slope AS (
    SELECT 3600 * (n * xy - x * y) / (n * xx - x * x) AS pct_per_hour FROM sums
)

SELECT avg_drain_mah_per_min,
       avg_watts,
       pct_per_hour,
       CASE WHEN (SELECT discharging FROM system_sums WHERE ts = :newest) AND pct_per_hour < 0
            THEN newest.battery_pct / -pct_per_hour END AS hours_left,
       covered_s,
       :last AS time
FROM averages, slope LEFT JOIN system_sample AS newest ON newest.ts = :newest
WHERE battery_samples > 0
LIMIT coalesce(:limit, -1);
