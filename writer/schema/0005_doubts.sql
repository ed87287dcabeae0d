-- What is in doubt: samples that a wrong clock dated, and roll-ups that disagree with raw rows.

ALTER TABLE system_sample ADD COLUMN clock_time REAL;  -- what the clock said where it was wrong; time is NULL then

CREATE TABLE clock_step (              -- the clock was set by more than a day while a run went on
    run_id INTEGER NOT NULL REFERENCES run (run_id),
    seq    INTEGER NOT NULL,           -- of the first sample after it
    step   REAL NOT NULL,              -- s, positive: forward
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE rollup_difference (       -- roll-ups that are not what the rows under them come to
    table_name TEXT NOT NULL,
    bucket     INTEGER NOT NULL,       -- start of the hour, of process_day the day
    stored     INTEGER NOT NULL,       -- samples (appearances, of processes) that the roll-ups count
    raw        INTEGER NOT NULL,       -- the same of the rows under them
    PRIMARY KEY (table_name, bucket)
) WITHOUT ROWID;
