"""Objects that a user added to a database of the original logger still exist and work after the upgrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from telemetry.errors import UserError
from tests.writer.reading import Rows, catalogue, changing, column_names, fresh_catalogue, rows, value
from tests.writer.samples import NOW, sample
from tests.writer.upgrade.originals import START, Old, assert_kept, build, contents, measured, upgrade
from writer import schema
from writer.store import CannotWrite, Store

WAYS = [pytest.param(True, id="full"), pytest.param(False, id="cheap")]

OWN = list(
    schema.statements("""
CREATE INDEX own_plain ON system_sample (voltage);
CREATE UNIQUE INDEX own_unique ON process_sample (ts, pid, name);
CREATE INDEX own_partial ON system_sample (power) WHERE power > 1;
CREATE INDEX own_expression ON cpu_core (usage * 2);
CREATE INDEX "own ""odd"" näme" ON Process_Sample (name COLLATE NOCASE);
CREATE TABLE own_log (ts INTEGER, power REAL, seq TEXT);
CREATE TABLE own_newest (id INTEGER PRIMARY KEY, ts INTEGER);
CREATE TABLE own_note (ts INTEGER REFERENCES system_sample (ts) ON DELETE CASCADE, text TEXT);
CREATE TABLE own_changes (what TEXT);
CREATE INDEX own_note_ts ON own_note (ts);
CREATE VIEW own_raw AS SELECT s.ts, s.power, c.usage FROM system_sample s JOIN cpu_core c USING (ts);
CREATE VIEW own_watts AS SELECT ts, watts FROM training_view WHERE watts IS NOT NULL;
CREATE VIEW own_stale AS SELECT x FROM nowhere;
CREATE TRIGGER own_log AFTER INSERT ON system_sample WHEN NEW.power < 0 BEGIN
  INSERT INTO own_log VALUES (NEW.ts, NEW.power, 'a;b');  -- with a comment
END;
CREATE TRIGGER own_newest AFTER INSERT ON system_sample BEGIN
  INSERT OR REPLACE INTO own_newest VALUES (1, NEW.ts);
END;
CREATE TRIGGER own_process AFTER INSERT ON process_sample WHEN NEW.name = 'firefox' BEGIN
  INSERT INTO own_log VALUES (NEW.ts, NEW.cpu, NEW.name);
END;
CREATE TRIGGER own_update AFTER UPDATE ON system_sample BEGIN INSERT INTO own_changes VALUES ('update'); END;
CREATE TRIGGER own_delete AFTER DELETE ON system_sample BEGIN INSERT INTO own_changes VALUES ('delete'); END;
CREATE TRIGGER own_instead INSTEAD OF INSERT ON training_view BEGIN
  INSERT INTO own_note VALUES (NEW.ts, 'watts ' || NEW.watts);
END;
CREATE TRIGGER own_elsewhere AFTER INSERT ON own_note BEGIN
  UPDATE system_sample SET load1 = 7 WHERE ts = NEW.ts;
END;
""")
)


@pytest.fixture(params=WAYS)
def has_room(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of the original with all these objects, not upgraded."""
    found = build(
        tmp_path / "telemetry.db", [Old(START, power=-9.0), Old(START + 5), *measured(30)[2:]], own=OWN
    )
    with changing(found) as database:
        database.execute("DELETE FROM own_changes")
        database.execute("DELETE FROM own_log")
        database.execute("INSERT INTO own_note VALUES (?, 'first')", (START + 5,))
        database.execute("DELETE FROM own_changes")
    return found


def test_every_object_has_the_same_sql_and_no_trigger_fired(path: Path, has_room: bool) -> None:
    before, made_before = contents(path), catalogue(path)
    newest = rows(path, "SELECT * FROM own_newest")
    upgrade(path, has_room=has_room)
    assert_kept(before, contents(path))
    made, fresh = catalogue(path), fresh_catalogue(compact=())  # the user's objects depend on both tables
    own = {key: sql for key, sql in made_before.items() if key not in fresh}
    assert len(own) == len(OWN)
    assert {key: sql for key, sql in made.items() if key not in fresh} == own
    if has_room:
        assert {key: sql for key, sql in made.items() if key in fresh} == fresh
    assert rows(path, "SELECT * FROM own_log") == []
    assert rows(path, "SELECT * FROM own_changes") == []
    assert rows(path, "SELECT * FROM own_note") == [(START + 5, "first")]
    assert rows(path, "SELECT * FROM own_newest") == newest


def test_triggers_fire_at_the_next_append(path: Path, has_room: bool) -> None:
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        store.append([sample(1), sample(1), sample(2)], NOW)
    assert rows(path, "SELECT * FROM own_log") == [
        (NOW + 5, -2.0, "a;b"),
        (NOW + 5, 5.0, "firefox"),
        (NOW + 10, -2.0, "a;b"),
        (NOW + 10, 5.0, "firefox"),
    ]
    # OR REPLACE inside a trigger must still apply: an OR clause of the outer statement would override it.
    assert rows(path, "SELECT * FROM own_newest") == [(1, NOW + 10)]
    with changing(path) as database:
        database.execute("INSERT INTO training_view (ts, watts) VALUES (?, 5.5)", (NOW + 5,))
        database.execute("UPDATE system_sample SET load5 = 1 WHERE ts = ?", (NOW + 5,))
        database.execute("DELETE FROM system_sample WHERE ts = ?", (NOW + 10,))
    assert rows(path, "SELECT text FROM own_note WHERE ts = ?", NOW + 5) == [("watts 5.5",)]
    assert value(path, "SELECT load1 FROM system_sample WHERE ts = ?", NOW + 5) == 7
    assert rows(path, "SELECT * FROM own_changes") == [("update",), ("update",), ("delete",)]


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("own_plain", "SELECT ts FROM system_sample WHERE voltage = 4"),
        ("own_partial", "SELECT ts FROM system_sample WHERE power > 1 ORDER BY power"),
        ("own_expression", "SELECT ts FROM cpu_core WHERE usage * 2 = 6"),
        ('own "odd" näme', "SELECT ts FROM process_sample WHERE name = 'X' COLLATE NOCASE"),
        ("own_note_ts", "SELECT text FROM own_note WHERE ts = 1"),
    ],
)
def test_indexes_are_used(path: Path, has_room: bool, index: str, query: str) -> None:
    upgrade(path, has_room=has_room)
    plan = rows(path, f"EXPLAIN QUERY PLAN {query}")
    assert any(index in row[-1] for row in plan), plan


def test_a_unique_index_still_refuses(path: Path, has_room: bool) -> None:
    upgrade(path, has_room=has_room)
    with changing(path) as database:
        database.execute("INSERT INTO process_sample (ts, pid, name) VALUES (1, 1, 'a')")
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("INSERT INTO process_sample (ts, pid, name) VALUES (1, 1, 'a')")


def test_views_return_the_same_rows(path: Path, has_room: bool) -> None:
    def answers() -> list[Rows]:
        return [rows(path, f"SELECT * FROM {view} ORDER BY 1, 2") for view in ("own_raw", "own_watts")]

    before = answers()
    upgrade(path, has_room=has_room)
    assert answers() == before
    assert all(before)


def test_a_foreign_key_is_enforced(path: Path, has_room: bool) -> None:
    upgrade(path, has_room=has_room)
    with changing(path) as database:
        database.execute("PRAGMA foreign_keys = ON")
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            database.execute("INSERT INTO own_note VALUES (1, 'no such sample')")
        database.execute("DELETE FROM system_sample WHERE ts = ?", (START + 5,))
        assert database.execute("SELECT * FROM own_note").fetchall() == []


@pytest.mark.parametrize("rowid", ["rowid", "p._ROWID_", '"oid"'])
def test_a_view_that_uses_the_rowid(tmp_path: Path, has_room: bool, rowid: str) -> None:
    """The new tables have no rowid, so the old tables stay."""
    view = f"CREATE VIEW own_view AS SELECT {rowid} AS id, name FROM process_sample p"
    path = build(tmp_path / "telemetry.db", measured(3), own=[view])
    before = rows(path, "SELECT * FROM own_view ORDER BY 1")
    upgrade(path, has_room=has_room)
    assert rows(path, "SELECT * FROM own_view ORDER BY 1") == before
    assert len(before) == 9


# --- a user's own columns ---

COLUMNS = {
    "with a default": "ALTER TABLE system_sample ADD COLUMN own TEXT DEFAULT 'kit''chen'",
    "not null": "ALTER TABLE system_sample ADD COLUMN own INTEGER NOT NULL DEFAULT -1",
    "of the process": "ALTER TABLE process_sample ADD COLUMN own REAL DEFAULT 0.5",
    "of the core": "ALTER TABLE cpu_core ADD COLUMN own",
    "with a collation": "ALTER TABLE system_sample ADD COLUMN own TEXT COLLATE NOCASE DEFAULT 'A'",
    "with a check": "ALTER TABLE system_sample ADD COLUMN own INT DEFAULT 1 CHECK (own > 0)",
    "generated": "ALTER TABLE system_sample ADD COLUMN own REAL GENERATED ALWAYS AS (power * 5) VIRTUAL",
    "generated, in short": "ALTER TABLE process_sample ADD COLUMN own AS (upper(name))",
    "that refers": "ALTER TABLE system_sample ADD COLUMN own INTEGER REFERENCES place (id)",
}


def table_of(sql: str) -> str:
    return sql.split()[2]


@pytest.mark.parametrize("sql", COLUMNS.values(), ids=COLUMNS.keys())
@pytest.mark.fast_cases(3)
def test_a_users_column_works_as_before(tmp_path: Path, has_room: bool, sql: str) -> None:
    """Old rows keep its value, new rows get its default, and its constraints still apply."""
    place = "CREATE TABLE place (id INTEGER PRIMARY KEY)"
    path = build(tmp_path / "telemetry.db", measured(20), own=[place])
    with changing(path) as database:
        database.execute(sql)
    before = contents(path)
    with changing(path) as database:  # the value that the original's next insert would have stored
        database.execute("BEGIN")
        database.execute(f"INSERT INTO {table_of(sql)} (ts) VALUES (1)")
        expected = database.execute(f"SELECT own FROM {table_of(sql)} WHERE ts = 1").fetchone()
        database.execute("ROLLBACK")
    upgrade(path, has_room=has_room)
    assert_kept(before, contents(path))
    with Store(path) as store:
        store.append([sample(1)._replace(battery=None)], NOW)
    found = value(path, f"SELECT own FROM {table_of(sql)} WHERE ts = ? LIMIT 1", NOW + 5)
    assert found == ("FIREFOX" if "upper" in sql else expected[0])
    if "NOT NULL" in sql:
        with changing(path) as database, pytest.raises(sqlite3.IntegrityError):
            database.execute("UPDATE system_sample SET own = NULL")
    if "CHECK" in sql:
        with changing(path) as database, pytest.raises(sqlite3.IntegrityError):
            database.execute("UPDATE system_sample SET own = 0")
    if "COLLATE" in sql:
        assert value(path, "SELECT COUNT(*) FROM system_sample WHERE own = 'a'") == 21
    if "REFERENCES" in sql:
        assert rows(path, 'SELECT "table", "from" FROM pragma_foreign_key_list(\'system_sample\')').count(
            ("place", "own")
        )


def test_a_users_column_with_a_name_of_the_schema_is_renamed(tmp_path: Path, has_room: bool) -> None:
    """Its values, index, view and trigger follow the renamed column."""
    own = [
        "ALTER TABLE system_sample ADD COLUMN status TEXT DEFAULT 'mine'",
        "ALTER TABLE system_sample ADD COLUMN TIME INTEGER DEFAULT 7",
        "ALTER TABLE system_sample ADD COLUMN original_status TEXT DEFAULT 'as well'",
        "ALTER TABLE process_sample ADD COLUMN start REAL DEFAULT 0.5",
        "CREATE INDEX own_index ON system_sample (status) WHERE time = 7",
        "CREATE VIEW own_view AS SELECT ts, status AS word, time AS t FROM system_sample",
        "CREATE TABLE log (word)",
        "CREATE TRIGGER own_t AFTER INSERT ON system_sample BEGIN INSERT INTO log VALUES (NEW.status); END",
    ]
    path = build(tmp_path / "telemetry.db", [Old(START)], own=own)
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        store.append([sample(1)], NOW)
    names = column_names(path, "system_sample")
    assert {"status", "original_original_status", "original_TIME", "original_status", "time"} <= set(names)
    assert rows(
        path,
        "SELECT status, time, original_original_status, original_TIME, original_status "
        "FROM system_sample ORDER BY ts",
    ) == [
        (None, START, "mine", 7, "as well"),
        ("Discharging", NOW + 5.25, "mine", 7, "as well"),
    ]
    assert rows(path, "SELECT start, original_start FROM process_sample ORDER BY ts, pid LIMIT 1") == [
        (None, 0.5)
    ]
    assert rows(path, "SELECT * FROM own_view ORDER BY ts") == [(START, "mine", 7), (NOW + 5, "mine", 7)]
    assert rows(path, "SELECT * FROM log") == [("mine",), ("mine",)]
    query = "SELECT ts FROM system_sample WHERE original_original_status = 'x' AND original_TIME = 7"
    assert "own_index" in rows(path, f"EXPLAIN QUERY PLAN {query}")[0][-1]


# --- conflicts ---


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("CREATE TABLE run (id)", "table run"),
        ("CREATE TABLE Gap (id)", "table Gap"),
        ("CREATE VIEW gap AS SELECT 1", "view gap"),
        ("CREATE INDEX system_sample_time ON system_sample (load1)", "index system_sample_time"),
    ],
)
def test_a_name_that_the_schema_needs_is_reported(tmp_path: Path, sql: str, what: str) -> None:
    path = build(tmp_path / "telemetry.db", measured(3), own=[sql])
    before, made_before = contents(path), catalogue(path)
    with pytest.raises(UserError, match=f"has your own {what}"):
        Store(path)
    assert contents(path) == before
    assert catalogue(path) == made_before


def test_a_trigger_may_have_any_name(tmp_path: Path) -> None:
    own = ["CREATE TRIGGER run AFTER INSERT ON system_sample BEGIN SELECT 1; END"]
    path = build(tmp_path / "telemetry.db", measured(3), own=own)
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert ("trigger", "run") in catalogue(path)


def test_a_users_constraint_that_refuses_a_sample_is_reported(tmp_path: Path, has_room: bool) -> None:
    own = ["CREATE UNIQUE INDEX own_unique ON system_sample (cpu_temp)"]
    path = build(tmp_path / "telemetry.db", [])
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        with changing(path) as database:
            database.execute(own[0])
        store.append([sample(1)], NOW)
        with pytest.raises(CannotWrite, match=r"UNIQUE constraint failed: system_sample\.cpu_temp"):
            store.append([sample(2)], NOW)
        with changing(path) as database:
            database.execute("DROP INDEX own_unique")
        assert store.append([sample(2)], NOW) == (1, 0)
