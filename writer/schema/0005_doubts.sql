-- What is in doubt: samples that were dated by a wrong clock, and roll-ups that disagree with raw rows.

ALTER TABLE system_sample ADD COLUMN clock_time REAL;  -- the clock's reading if it was wrong; time is then NULL

CREATE TABLE clock_step (              -- the clock was set by more than a day during a run
    run_id INTEGER NOT NULL REFERENCES run (run_id),
    seq    INTEGER NOT NULL,           -- of the first sample after it
    step   REAL NOT NULL,              -- s, positive: forward
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE rollup_difference (       -- roll-ups that differ from the sums of their raw rows
    table_name TEXT NOT NULL,
    bucket     INTEGER NOT NULL,       -- start of the hour; for process_day, of the day
    stored     INTEGER NOT NULL,       -- samples (for processes: appearances) that the roll-ups count
    raw        INTEGER NOT NULL,       -- samples that the raw rows give
    PRIMARY KEY (table_name, bucket)
) WITHOUT ROWID;
