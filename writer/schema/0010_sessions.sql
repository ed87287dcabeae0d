-- Sessions: discharges, charges, rests on mains, sleeps and holes. telemetry/sessions/ has the rules, docs/database.md
-- what the columns mean. A session is stored once it has ended and the roll-ups of its hour are made.

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
    drawn_uj      INTEGER,              -- discharged less charged; of a sleep or hole, estimated
    wh_from       TEXT,                 -- how: measured, level, learned, nominal
    pct_from      REAL,
    pct_to        REAL,
    pct_fallen    REAL,                 -- while awake_us; of a sleep or hole from start to stop
    level_from    REAL,                 -- in the unit of battery_health
    level_to      REAL,
    flips         INTEGER NOT NULL,     -- directions that did not last 120 s
    pack          TEXT                  -- name in battery_health
);

CREATE TABLE session_percent (          -- what a discharge went through
    session_id INTEGER NOT NULL REFERENCES session (session_id),
    percent    INTEGER NOT NULL,
    drawn_uj   INTEGER NOT NULL,        -- while it was the lowest percent so far; of visits alone, if there are any
    visits     INTEGER NOT NULL,        -- how often it was entered and left by a step down
    PRIMARY KEY (session_id, percent)
) WITHOUT ROWID;

CREATE TABLE session_state (            -- between two rows: at the end of each day, and at the newest hour
    until        INTEGER PRIMARY KEY,   -- all rows with time < until are in it or in the sessions up to last_session
    last_session INTEGER NOT NULL,      -- session_id of the newest one then, 0: none
    state        TEXT NOT NULL          -- JSON, for the same version of the schema
);
