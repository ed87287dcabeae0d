-- CPU time of processes, by which reports rank them: see docs/database.md, process_hour.
-- Of older roll-ups it is estimated by the mean interval of their samples. Where raw rows are still there, the writer
-- then works it out from these (writer/rollups/cpu_time.py): the setting says how far it has come.

ALTER TABLE process_hour ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;  -- µs of CPU, with those of children
ALTER TABLE process_day ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;

UPDATE process_hour
SET cpu_us = coalesce(CAST(ROUND((cpu_sum + children_sum) * (
        SELECT 1.0 * interval_us / samples FROM system_hour AS s WHERE s.bucket = process_hour.bucket
    ) / 10000) AS INTEGER), 0);
UPDATE process_day
SET cpu_us = coalesce(CAST(ROUND((cpu_sum + children_sum) * (
        SELECT TOTAL(interval_us) / SUM(samples) FROM system_hour AS s
        WHERE s.bucket >= process_day.bucket AND s.bucket < process_day.bucket + 86400
    ) / 10000) AS INTEGER), 0);

INSERT INTO setting SELECT 'cpu_time_until', 0 WHERE EXISTS (SELECT 1 FROM process_hour);
