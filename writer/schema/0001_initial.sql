-- The tables and the view of version 1. The first columns of system_sample, cpu_core, process_sample and
-- training_view are those of the original logger, in its order and its units, so that its users' queries still work.
-- docs/database.md explains each column to readers; a test checks that it lists the same columns.

CREATE TABLE run (
    run_id   INTEGER PRIMARY KEY,
    run      TEXT NOT NULL UNIQUE,  -- the sampler's id of the run, new at each start
    host     TEXT NOT NULL,
    boot_id  TEXT NOT NULL,         -- /proc/sys/kernel/random/boot_id
    first_ts INTEGER NOT NULL,      -- ts of the first stored row of the run
    started  REAL NOT NULL,         -- Unix time at which that row's interval began
    version  INTEGER NOT NULL       -- of the sample contract
);

CREATE TABLE system_sample (
    ts          INTEGER PRIMARY KEY,  -- Unix time, s, made unique and increasing: a key, not a clock
    voltage     REAL,                 -- V
    current     REAL,                 -- A, negative = discharging
    power       REAL,                 -- W, negative = discharging
    battery_pct REAL,                 -- 0 to 100
    cpu_total   REAL,                 -- %, mean of the cores
    cpu_freq    REAL,                 -- MHz
    load1       REAL,
    load5       REAL,
    load15      REAL,
    time        REAL,                 -- Unix time, s: the wall clock as read; windows and ages use it
    interval    REAL,                 -- s awake that this row covers; NULL: unknown
    suspended   REAL,                 -- s asleep inside that span
    status      TEXT,                 -- the status reported by the battery's driver
    cpu_temp    REAL,                 -- °C
    energy_uj   INTEGER,              -- µJ = power × interval, rounded once, so that sums agree in any order;
                                      -- negative = discharged; NULL: this row covers no energy
    run_id      INTEGER REFERENCES run (run_id),  -- NULL: written by the original logger
    seq         INTEGER               -- 1, 2, 3 ... within a run
);
CREATE INDEX system_sample_time ON system_sample (time);
CREATE UNIQUE INDEX system_sample_identity ON system_sample (run_id, seq) WHERE run_id IS NOT NULL;

CREATE TABLE cpu_core (
    ts    INTEGER NOT NULL,
    core  INTEGER NOT NULL,
    usage REAL,                       -- %
    PRIMARY KEY (ts, core)
) WITHOUT ROWID;

CREATE TABLE process_sample (
    ts       INTEGER NOT NULL,
    pid      INTEGER NOT NULL,
    name     TEXT,
    cpu      REAL,                    -- % of one core: may exceed 100
    mem      REAL,                    -- % of RAM
    start    INTEGER,                 -- clock ticks since boot: (pid, start) is a process's identity
    children REAL,                    -- % of one core used by children that it reaped and no sweep saw
    PRIMARY KEY (ts, pid)
) WITHOUT ROWID;

CREATE TABLE gap (                    -- samples that were published and are lost for good
    run_id    INTEGER NOT NULL REFERENCES run (run_id),
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    noticed   REAL NOT NULL,          -- Unix time
    PRIMARY KEY (run_id, first_seq)
) WITHOUT ROWID;
