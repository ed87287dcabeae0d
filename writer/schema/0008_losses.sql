-- What could not be copied from a damaged database, so that every hole in a report has an explanation.

CREATE TABLE loss (
    file       TEXT NOT NULL,          -- name of the damaged database that was set aside
    table_name TEXT NOT NULL,
    first      INTEGER NOT NULL,       -- first ts (in roll-ups: bucket) of the range in which rows are missing
    last       INTEGER NOT NULL,       -- last ts or bucket of the range
    lost       INTEGER,                -- at most this many samples (in roll-ups: buckets) are missing; NULL: unknown
    reason     TEXT NOT NULL,
    PRIMARY KEY (file, table_name, first)
) WITHOUT ROWID;
