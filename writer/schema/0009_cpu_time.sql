-- CPU time of processes, by which reports rank them: see docs/database.md, process_hour.
-- For older roll-ups it is estimated from the mean interval of their samples. If their raw rows still exist, the writer
-- then computes it from those (writer/rollups/cpu_time.py): the setting holds how far it has come.

ALTER TABLE process_hour ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;  -- µs of CPU, including children
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
