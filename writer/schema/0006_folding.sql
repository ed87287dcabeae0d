-- How far old roll-ups are folded into coarser ones where room is short: see docs/database.md, What is dropped.

ALTER TABLE history ADD COLUMN minute_since INTEGER NOT NULL DEFAULT 0;        -- system_minute holds nothing older
ALTER TABLE history ADD COLUMN process_hour_since INTEGER NOT NULL DEFAULT 0;  -- the same of process_hour
