-- Energy by program. telemetry/energy_model/ has the method, docs/database.md what the columns mean. name_id is that of
-- process_name, or one of the negative numbers of telemetry/energy_model/columns.py.

CREATE TABLE energy_hour (              -- of days that are closed: never changed by a later row
    bucket  INTEGER NOT NULL,
    name_id INTEGER NOT NULL,
    uj      INTEGER NOT NULL,           -- taken out of the battery
    pm_uj   INTEGER NOT NULL,           -- nine in ten true values lie within ±
    cpu_us  INTEGER NOT NULL,           -- CPU time on battery, with that of children
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

CREATE TABLE energy_lesson (            -- of hours of days that are not closed
    bucket INTEGER PRIMARY KEY,
    lesson TEXT NOT NULL                -- JSON, for the same version of the schema
);

CREATE TABLE energy_model (             -- what was known as a day was closed
    day        INTEGER PRIMARY KEY,     -- Unix time of its start, UTC
    exponent   REAL,                    -- of the cost of a CPU second over frequency; NULL: not decided
    idle       REAL NOT NULL,           -- W
    common     REAL,                    -- W a busy core; NULL: nothing was learned
    blocks     INTEGER NOT NULL,        -- that the rates rest on
    battery_us INTEGER NOT NULL,        -- of this day
    delay      INTEGER NOT NULL,        -- samples by which the gauge lags
    averaged   INTEGER NOT NULL,        -- samples that it averages
    taught     TEXT,                    -- JSON: the sums of this day; NULL: too old to count
    rates      TEXT,                    -- JSON: the rates that were known; NULL: the same
    quiet      TEXT                     -- JSON: idle power of its hours; NULL: the same
);

ALTER TABLE history ADD COLUMN energy_until INTEGER NOT NULL DEFAULT 0;       -- hours before are in tables of energy
ALTER TABLE history ADD COLUMN energy_hour_since INTEGER NOT NULL DEFAULT 0;  -- energy_hour holds nothing older
