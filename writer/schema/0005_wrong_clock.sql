-- Samples that a wrong clock dated: which they are, and where a run's clock was set.

ALTER TABLE system_sample ADD COLUMN clock_time REAL;  -- what the clock said where it was wrong; time is NULL then

CREATE TABLE clock_step (              -- the clock was set by more than a day while a run went on
    run_id INTEGER NOT NULL REFERENCES run (run_id),
    seq    INTEGER NOT NULL,           -- of the first sample after it
    step   REAL NOT NULL,              -- s, positive: forward
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
