"""Databases of older versions, whose compact tables had other views."""

from __future__ import annotations

import sqlite3
from typing import Final

from writer import schema
from writer.file.catalogue import objects

_PROCESS_ROW: Final = """
DROP TABLE process_sample;
CREATE TABLE process_row (
    ts       INTEGER NOT NULL,
    pid      INTEGER NOT NULL,
    name_id  INTEGER,                  -- in process_name
    cpu,
    mem,
    start    INTEGER,
    children,
    PRIMARY KEY (ts, pid)
) WITHOUT ROWID;
"""
_PROCESS_SAMPLE: Final = """
CREATE VIEW process_sample AS
SELECT r.ts,
       r.pid,
       n.name,
       iif(typeof(r.cpu) = 'integer', r.cpu / 100.0, r.cpu)                AS cpu,
       iif(typeof(r.mem) = 'integer', r.mem / 1000.0, r.mem)               AS mem,
       r.start,
       iif(typeof(r.children) = 'integer', r.children / 100.0, r.children) AS children
FROM process_row AS r LEFT JOIN process_name AS n ON n.name_id = r.name_id;

CREATE TRIGGER process_sample_insert INSTEAD OF INSERT ON process_sample
BEGIN
    INSERT INTO process_name (name)
    SELECT NEW.name
    WHERE NEW.name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM process_name WHERE name = NEW.name);

    INSERT INTO process_row VALUES (
        NEW.ts,
        NEW.pid,
        (SELECT name_id FROM process_name WHERE name = NEW.name),
        iif(round(NEW.cpu * 100) / 100.0 = NEW.cpu, CAST(round(NEW.cpu * 100) AS INTEGER), NEW.cpu),
        iif(round(NEW.mem * 1000) / 1000.0 = NEW.mem, CAST(round(NEW.mem * 1000) AS INTEGER), NEW.mem),
        NEW.start,
        iif(round(NEW.children * 100) / 100.0 = NEW.children,
            CAST(round(NEW.children * 100) AS INTEGER), NEW.children)
    );
END;

CREATE TRIGGER process_sample_delete INSTEAD OF DELETE ON process_sample
BEGIN
    DELETE FROM process_row WHERE ts = OLD.ts AND pid = OLD.pid;
END;
"""
"""The view of versions 3 to 9"""


def make_compact(database: sqlite3.Connection) -> None:
    """Convert the empty tables of versions 3 to 9 to compact ones."""
    schema.make_compact(database, "cpu_core")
    for statement in schema.statements(_PROCESS_ROW + _PROCESS_SAMPLE):
        database.execute(statement)


def lower_to_8(database: sqlite3.Connection) -> None:
    """Convert a compact database of the latest version to version 8."""
    for view in (*schema.VIEWS, "process_sample"):
        database.execute(f"DROP VIEW {view}")
    with schema.plain_model(8) as then, schema.plain_model(schema.LATEST) as now:
        later = {it.name for it in objects(now) if it.kind == "table"} - {it.name for it in objects(then)}
    for table in later:
        database.execute(f"DROP TABLE {table}")
    database.executescript(
        "ALTER TABLE history DROP COLUMN energy_until;"
        "ALTER TABLE history DROP COLUMN energy_hour_since;"
        "ALTER TABLE process_hour DROP COLUMN cpu_us;"
        "ALTER TABLE process_day DROP COLUMN cpu_us;"
        "CREATE TABLE names AS SELECT name_id, name FROM process_name;"
        "DROP TABLE process_name;"
        "CREATE TABLE process_name (name_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
        "INSERT INTO process_name SELECT * FROM names;"
        "DROP TABLE names;"
        "CREATE VIEW training_view AS SELECT ts FROM system_sample;"
        "PRAGMA user_version = 8"
    )
    for statement in schema.statements(_PROCESS_SAMPLE):
        database.execute(statement)
