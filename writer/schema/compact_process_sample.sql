-- The same rows in two thirds of the space: percentages are stored as whole hundredths (memory: thousandths), and each
-- name with its owners only once. See compact_cpu_core.sql.

DROP TABLE process_sample;
CREATE TABLE process_row (
    ts       INTEGER NOT NULL,
    pid      INTEGER NOT NULL,
    name_id  INTEGER,                  -- in process_name
    cpu,
    mem,
    start    INTEGER,
    children,
    PRIMARY KEY (ts, pid)
) WITHOUT ROWID;
