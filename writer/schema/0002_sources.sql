-- What a sampler may report in addition to version 1: where the power came from, and what the machine was doing.

ALTER TABLE system_sample ADD COLUMN method TEXT;          -- how power was measured: power_now, voltage*current …
ALTER TABLE system_sample ADD COLUMN cpu_unowned REAL;     -- % of the cores: busy time that no process accounts for
ALTER TABLE system_sample ADD COLUMN on_ac INTEGER;        -- 1: a supply from outside is online
ALTER TABLE system_sample ADD COLUMN governor TEXT;        -- cpufreq
ALTER TABLE system_sample ADD COLUMN brightness REAL;      -- %
ALTER TABLE system_sample ADD COLUMN radios TEXT;          -- kinds that are on, in alphabetical order; '': all off
ALTER TABLE system_sample ADD COLUMN throttled TEXT;       -- what throttles the CPU now; '': nothing
ALTER TABLE system_sample ADD COLUMN source TEXT;          -- a power source that is not a battery
ALTER TABLE system_sample ADD COLUMN source_power REAL;    -- W

CREATE TABLE battery_pack (            -- only for a machine with several packs
    ts      INTEGER NOT NULL,
    name    TEXT NOT NULL,
    status  TEXT,
    voltage REAL,                      -- V
    current REAL,                      -- A, negative = discharging
    power   REAL,                      -- W, negative = discharging
    pct     REAL,                      -- 0 to 100
    PRIMARY KEY (ts, name)
) WITHOUT ROWID;

CREATE TABLE battery_health (          -- a row for each change
    time   REAL NOT NULL,              -- Unix time, s, of the first sample with these values
    name   TEXT NOT NULL,              -- of the battery
    full   REAL,                       -- what a full charge holds now
    design REAL,                       -- what it held when new
    unit   TEXT,                       -- Ah or Wh
    cycles INTEGER,
    PRIMARY KEY (name, time)
) WITHOUT ROWID;
