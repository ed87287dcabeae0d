-- Energy by program. telemetry/energy_model/ has the method, docs/database.md explains the columns. name_id is that of
-- process_name, or one of the negative numbers of telemetry/energy_model/columns.py.

CREATE TABLE energy_hour (              -- hours of closed days: later rows do not change them
    bucket  INTEGER NOT NULL,
    name_id INTEGER NOT NULL,
    uj      INTEGER NOT NULL,           -- energy from the battery
    pm_uj   INTEGER NOT NULL,           -- 90 % of true values are within ± this much
    cpu_us  INTEGER NOT NULL,           -- CPU time on battery, including children
    hours   INTEGER NOT NULL,           -- 1
    PRIMARY KEY (bucket, name_id)
) WITHOUT ROWID;

CREATE TABLE energy_day (               -- the sum of its hours
    bucket  INTEGER NOT NULL,
    name_id INTEGER NOT NULL,
    uj      INTEGER NOT NULL,
    pm_uj   INTEGER NOT NULL,
    cpu_us  INTEGER NOT NULL,
    hours   INTEGER NOT NULL,           -- in which it took part
    PRIMARY KEY (bucket, name_id)
) WITHOUT ROWID;

CREATE TABLE energy_lesson (            -- what was learned from hours of open days
    bucket INTEGER PRIMARY KEY,
    lesson TEXT NOT NULL                -- JSON, for the same version of the schema
);

CREATE TABLE energy_model (             -- what was known when a day was closed
    day        INTEGER PRIMARY KEY,     -- Unix time of its start, UTC
    exponent   REAL,                    -- of the cost of a CPU second over frequency; NULL: not decided
    idle       REAL NOT NULL,           -- W
    common     REAL,                    -- W per busy core; NULL: nothing was learned
    blocks     INTEGER NOT NULL,        -- blocks from which the rates were learned
    battery_us INTEGER NOT NULL,        -- time on battery on this day
    delay      INTEGER NOT NULL,        -- samples by which the gauge lags
    averaged   INTEGER NOT NULL,        -- samples that it averages
    taught     TEXT,                    -- JSON: the sums of this day; NULL: the day is too old to count
    rates      TEXT,                    -- JSON: the learned rates; NULL: too old
    quiet      TEXT                     -- JSON: idle power of its hours; NULL: too old
);

ALTER TABLE history ADD COLUMN energy_until INTEGER NOT NULL DEFAULT 0;       -- earlier hours are in the energy tables
ALTER TABLE history ADD COLUMN energy_hour_since INTEGER NOT NULL DEFAULT 0;  -- energy_hour holds nothing older
