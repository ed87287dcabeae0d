-- Roll-ups. A bucket is named by the Unix time of its start, in UTC, and covers the rows whose `time` lies in it.
-- Sums are of integers, each row rounded once, so that raw rows and roll-ups give exactly the same.

CREATE TABLE history (                 -- one row: how far the roll-ups reach
    minute_until INTEGER NOT NULL,     -- system_minute covers all rows with time < minute_until, and no others
    hour_until   INTEGER NOT NULL,     -- the same for system_hour, core_hour and process_hour
    day_until    INTEGER NOT NULL,     -- the same for process_day
    raw_since    INTEGER NOT NULL      -- rows with time < raw_since may have been dropped
);
INSERT INTO history VALUES (0, 0, 0, 0);

CREATE TABLE system_minute (
    bucket           INTEGER PRIMARY KEY,
    samples          INTEGER NOT NULL,
    first_start      REAL NOT NULL,     -- Unix time at which the earliest interval began
    last_time        REAL NOT NULL,     -- the latest time
    interval_us      INTEGER NOT NULL,  -- sum of interval
    covered_us       INTEGER NOT NULL,  -- of rows with energy_uj
    discharged_uj    INTEGER NOT NULL,  -- of rows with energy_uj < 0, as a positive number
    charged_uj       INTEGER NOT NULL,
    drain_us         INTEGER NOT NULL,  -- of rows that are discharging: by energy_uj, else by status
    drain_energy_us  INTEGER NOT NULL,  -- of those with energy_uj
    drain_current_us INTEGER NOT NULL,  -- of those with current
    drain_uc         INTEGER NOT NULL,  -- of those: |current| × interval, µC
    drain_newest_ts  INTEGER,           -- ts of the newest of them
    battery_samples  INTEGER NOT NULL,  -- rows with any value of a battery
    cpu_samples      INTEGER NOT NULL,  -- rows with cpu_total
    cpu_sum          INTEGER NOT NULL,  -- of cpu_total, hundredths of a percent
    cpu_max          REAL,
    power_min        REAL,
    power_max        REAL,
    pct_min          REAL,
    pct_max          REAL,
    temp_min         REAL,
    temp_max         REAL
);

CREATE TABLE system_hour (
    bucket           INTEGER PRIMARY KEY,
    samples          INTEGER NOT NULL,
    first_start      REAL NOT NULL,
    last_time        REAL NOT NULL,
    interval_us      INTEGER NOT NULL,
    covered_us       INTEGER NOT NULL,
    discharged_uj    INTEGER NOT NULL,
    charged_uj       INTEGER NOT NULL,
    drain_us         INTEGER NOT NULL,
    drain_energy_us  INTEGER NOT NULL,
    drain_current_us INTEGER NOT NULL,
    drain_uc         INTEGER NOT NULL,
    drain_newest_ts  INTEGER,
    battery_samples  INTEGER NOT NULL,
    cpu_samples      INTEGER NOT NULL,
    cpu_sum          INTEGER NOT NULL,
    cpu_max          REAL,
    power_min        REAL,
    power_max        REAL,
    pct_min          REAL,
    pct_max          REAL,
    temp_min         REAL,
    temp_max         REAL
);

CREATE TABLE core_hour (
    bucket    INTEGER NOT NULL,
    core      INTEGER NOT NULL,
    samples   INTEGER NOT NULL,        -- rows with usage
    usage_sum INTEGER NOT NULL,        -- hundredths of a percent
    usage_max REAL,
    PRIMARY KEY (bucket, core)
) WITHOUT ROWID;

CREATE TABLE process_name (
    name_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE
);

CREATE TABLE process_hour (
    bucket       INTEGER NOT NULL,
    name_id      INTEGER NOT NULL,     -- in process_name; 0: rows without a name
    appearances  INTEGER NOT NULL,     -- rows
    cpu_samples  INTEGER NOT NULL,     -- rows with cpu
    cpu_sum      INTEGER NOT NULL,     -- hundredths of a percent
    cpu_max      REAL,
    mem_samples  INTEGER NOT NULL,
    mem_sum      INTEGER NOT NULL,     -- thousandths of a percent
    children_sum INTEGER NOT NULL,     -- hundredths of a percent
    PRIMARY KEY (bucket, name_id)
) WITHOUT ROWID;

CREATE TABLE process_day (
    bucket       INTEGER NOT NULL,
    name_id      INTEGER NOT NULL,
    appearances  INTEGER NOT NULL,
    cpu_samples  INTEGER NOT NULL,
    cpu_sum      INTEGER NOT NULL,
    cpu_max      REAL,
    mem_samples  INTEGER NOT NULL,
    mem_sum      INTEGER NOT NULL,
    children_sum INTEGER NOT NULL,
    PRIMARY KEY (bucket, name_id)
) WITHOUT ROWID;

ALTER TABLE run ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;  -- 1: its first row came from --import

CREATE TABLE dropped (                 -- runs of which rows were dropped
    run_id   INTEGER PRIMARY KEY REFERENCES run (run_id),
    last_seq INTEGER NOT NULL          -- the greatest dropped seq: samples up to it are not stored again
);

CREATE TABLE setting (                 -- the writer's limits, and notes about its progress
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;
