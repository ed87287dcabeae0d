-- Sessions: discharges, charges, rests on mains, sleeps and holes. telemetry/sessions/ has the rules, docs/database.md
-- explains the columns. A session is stored when it has ended and the roll-ups of its hour are complete.

CREATE TABLE session (
    session_id    INTEGER PRIMARY KEY,  -- 1, 2, 3 ... in the order in which they ended
    kind          TEXT NOT NULL,        -- discharge, charge, rest, sleep, hole
    start         REAL NOT NULL,        -- Unix time, s
    stop          REAL NOT NULL,
    awake_us      INTEGER,              -- NULL: a hole
    asleep_us     INTEGER,
    covered_us    INTEGER NOT NULL,     -- of awake_us, with energy_uj
    discharged_uj INTEGER NOT NULL,     -- measured awake, both positive
    charged_uj    INTEGER NOT NULL,
    drawn_uj      INTEGER,              -- discharged less charged; for a sleep or hole, an estimate
    wh_from       TEXT,                 -- the source of drawn_uj: measured, level, learned, nominal
    pct_from      REAL,
    pct_to        REAL,
    pct_fallen    REAL,                 -- during awake_us; for a sleep or hole, from start to stop
    level_from    REAL,                 -- in the unit of battery_health
    level_to      REAL,
    flips         INTEGER NOT NULL,     -- other directions that lasted less than 120 s
    pack          TEXT                  -- name in battery_health
);

CREATE TABLE session_percent (          -- the percents of a discharge
    session_id INTEGER NOT NULL REFERENCES session (session_id),
    percent    INTEGER NOT NULL,
    drawn_uj   INTEGER NOT NULL,        -- while it was the lowest percent so far; only in visits, if there are any
    visits     INTEGER NOT NULL,        -- how often it was entered and left by a step down
    PRIMARY KEY (session_id, percent)
) WITHOUT ROWID;

CREATE TABLE session_state (            -- the state at the end of each day, and at the newest hour
    until        INTEGER PRIMARY KEY,   -- all rows with time < until are in the state or in sessions up to last_session
    last_session INTEGER NOT NULL,      -- session_id of the newest session at that time, 0: none
    state        TEXT NOT NULL          -- JSON, for the same version of the schema
);
