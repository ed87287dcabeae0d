-- How far old roll-ups were folded into coarser ones to save space: see docs/database.md, What is dropped.

ALTER TABLE history ADD COLUMN minute_since INTEGER NOT NULL DEFAULT 0;        -- system_minute holds nothing older
ALTER TABLE history ADD COLUMN process_hour_since INTEGER NOT NULL DEFAULT 0;  -- the same for process_hour
