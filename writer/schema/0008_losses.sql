-- What could not be copied out of a damaged database, so that no report has a hole without a reason.

CREATE TABLE loss (
    file       TEXT NOT NULL,          -- the damaged database, as it was set aside
    table_name TEXT NOT NULL,
    first      INTEGER NOT NULL,       -- ts, in roll-ups the bucket, from which on rows are missing
    last       INTEGER NOT NULL,       -- the last such
    lost       INTEGER,                -- samples, in roll-ups buckets, that have no row at most; NULL: not known
    reason     TEXT NOT NULL,
    PRIMARY KEY (file, table_name, first)
) WITHOUT ROWID;
