"""Upgrades from older schemas of the writer to the latest one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.errors import UserError
from telemetry.sample import Process
from tests.writer.reading import (
    Rows,
    catalogue,
    changing,
    fresh_catalogue,
    is_whole,
    rows,
    stored_rows,
    value,
)
from tests.writer.rollups.recomputed import recomputed, rolled_up
from tests.writer.samples import NOW, sample
from tests.writer.upgrade.older import make_compact
from writer import schema
from writer.store import Store

OLDER = range(1, schema.LATEST)


@pytest.fixture(params=OLDER, ids=lambda version: f"from {version}")
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A database of an older version with one sample."""
    found = tmp_path / "telemetry.db"
    with closing(sqlite3.connect(found, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        schema.make_tables(database, version=request.param)
        database.executescript(
            "CREATE VIEW training_view AS SELECT ts, battery_pct FROM system_sample;"
            f"PRAGMA user_version = {request.param};"
            "INSERT INTO run (run_id, run, host, boot_id, first_ts, started, version) "
            "VALUES (1, 'old', 'pi', 'boot', 100, 95.0, 1);"
            "INSERT INTO system_sample (ts, time, interval, run_id, seq) VALUES (100, 100.5, 5.0, 1, 1);"
            "INSERT INTO cpu_core VALUES (100, 0, 12.3);"
            "INSERT INTO process_sample (ts, pid, name, cpu, mem, start, children) "
            "VALUES (100, 1, 'init', 1.25, 0.125, 7, NULL);"
        )
    return found


def kept(path: Path) -> list[Rows]:
    return [
        rows(path, "SELECT ts, time, interval, run_id, seq FROM system_sample WHERE ts = 100"),
        rows(path, "SELECT * FROM cpu_core WHERE ts = 100"),
        rows(path, "SELECT ts, pid, name, cpu, mem, start, children FROM process_sample WHERE ts = 100"),
        rows(path, "SELECT run, host FROM run WHERE run_id = 1"),
    ]


def test_an_upgraded_database_equals_a_fresh_one_and_keeps_its_rows(path: Path) -> None:
    before = kept(path)
    with Store(path) as store:
        assert store.position == ("old", 1)
        store.append([sample(1)], NOW)
    assert kept(path) == before
    assert catalogue(path).keys() == fresh_catalogue(compact=()).keys()
    assert value(path, "PRAGMA user_version") == schema.LATEST
    assert len(stored_rows(path, NOW + 5)[2]) == len(sample().processes)
    assert is_whole(path)


@pytest.mark.fast_cases(3)
def test_objects_of_a_user_are_kept(path: Path) -> None:
    trigger = (
        "CREATE TRIGGER own_instead INSTEAD OF INSERT ON training_view "
        "BEGIN INSERT INTO system_sample (ts) VALUES (NEW.ts); END"
    )
    own = (
        trigger,
        "CREATE INDEX own_index ON system_sample (voltage)",
        "CREATE VIEW own_view AS SELECT battery_pct FROM training_view",
    )
    with changing(path) as database:
        for sql in own:
            database.execute(sql)
    before = catalogue(path)
    with Store(path):
        pass
    after = catalogue(path)
    assert {key: sql for key, sql in after.items() if "own" in key[1]} == {
        key: sql for key, sql in before.items() if "own" in key[1]
    }
    with changing(path) as database:
        database.execute("INSERT INTO training_view (ts) VALUES (5)")
    assert value(path, "SELECT COUNT(*) FROM own_view") == 2


@pytest.mark.parametrize("path", [1, 2], indirect=True)
def test_a_users_column_with_a_needed_name_is_renamed(path: Path) -> None:
    with changing(path) as database:
        database.execute("ALTER TABLE run ADD COLUMN imported TEXT DEFAULT 'mine'")
    with Store(path):
        pass
    assert rows(path, "SELECT imported, original_imported FROM run") == [(0, "mine")]


@pytest.mark.parametrize("path", [1, 2], indirect=True)
def test_a_users_table_must_be_renamed_first(path: Path) -> None:
    with changing(path) as database:
        database.execute("CREATE TABLE system_hour (x)")
    before = path.read_bytes()
    with pytest.raises(
        UserError, match="has your own table system_hour, and telemetry-writer needs that name"
    ):
        Store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", range(1, schema.LATEST + 1))
@pytest.mark.fast_cases(3)
def test_a_restored_dump_is_recognised(tmp_path: Path, version: int) -> None:
    """It has no user_version."""
    path = tmp_path / "telemetry.db"
    with closing(sqlite3.connect(tmp_path / "dumped.db", isolation_level=None)) as dumped:
        if version == schema.LATEST:
            schema.fresh(dumped)
        else:
            schema.make_tables(dumped, version=version)
            for view, since in schema.VIEWS.items():
                if since <= version:
                    dumped.execute(f"CREATE VIEW {view} AS SELECT ts FROM system_sample")
        dumped.execute(
            "INSERT INTO run (run, host, boot_id, first_ts, started, version) VALUES ('a','','',1,1,1)"
        )
        dumped.execute("INSERT INTO system_sample (ts, time, run_id, seq) VALUES (5, 5.0, 1, 7)")
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.executescript("\n".join(dumped.iterdump()))
    assert value(path, "PRAGMA user_version") == 0
    with Store(path) as store:
        assert store.position == ("a", 7)
    assert value(path, "PRAGMA user_version") == schema.LATEST


@pytest.fixture
def compact(tmp_path: Path) -> Path:
    """A database of version 3 as its writer made it, with samples and a user's view."""
    found = tmp_path / "compact.db"
    with closing(sqlite3.connect(found, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        schema.make_tables(database, version=3)
        make_compact(database)
        database.execute("CREATE VIEW training_view AS SELECT ts, battery_pct FROM system_sample")
        database.execute("CREATE VIEW own_view AS SELECT ts FROM training_view")
        database.execute("INSERT INTO run VALUES (1, 'old', 'pi', 'boot', 100, 95.0, 1, 0)")
        for seq in range(1, 2000):
            database.execute(
                "INSERT INTO system_sample (ts, time, interval, energy_uj, run_id, seq) "
                "VALUES (?, ?, 5.0, ?, 1, ?)",
                (5 * seq, 5.0 * seq, -seq, seq),
            )
            database.execute("INSERT INTO cpu_core VALUES (?, 0, 12.34)", (5 * seq,))
            database.execute(
                "INSERT INTO process_sample VALUES (?, 1, 'init', 1.25, 0.125, 7, NULL)", (5 * seq,)
            )
        database.execute("PRAGMA user_version = 3")
    return found


@pytest.mark.slow
def test_compact_tables_stay_compact_and_are_summed_up(compact: Path) -> None:
    before = catalogue(compact)
    with Store(compact) as store:
        while store.roll_up():
            pass
    after = catalogue(compact)
    assert after.keys() == fresh_catalogue().keys() | {("view", "own_view")}
    of_processes = {"process_name", "process_hour", "process_day"}
    gain_columns = {"system_sample", "battery_pack", "history", *of_processes}
    for kind, name in before:
        if kind not in {"view", "trigger"} and name not in gain_columns:
            assert after[kind, name] == before[kind, name]
    assert value(compact, "SELECT COUNT(*) FROM own_view") == 1999
    assert rolled_up(compact) == recomputed(compact)
    assert value(compact, "SELECT SUM(usage_sum) FROM core_hour") == 2 * 720 * 1234 - 1234


@pytest.mark.slow
def test_old_and_new_rows_have_owners(compact: Path) -> None:
    """The view gets the columns, a user's triggers on it stay, and an old name keeps its name_id."""
    trigger = (
        "CREATE TRIGGER own_update INSTEAD OF UPDATE ON process_sample "
        "BEGIN UPDATE process_row SET cpu = NEW.cpu WHERE ts = OLD.ts AND pid = OLD.pid; END"
    )
    with changing(compact) as database:
        database.execute(trigger)
        (number,) = database.execute("SELECT name_id FROM process_name WHERE name = 'init'").fetchone()
    owned = Process(1, 7, "init", 2.5, 1.0, None, "an app", "root")
    with Store(compact) as store:
        store.append([sample(1)._replace(processes=(owned, owned._replace(pid=2, app=None)))], NOW)
    found = rows(
        compact, "SELECT name, app, user, COUNT(*) FROM process_sample GROUP BY 1, 2, 3 ORDER BY 2, 3"
    )
    assert found == [("init", None, None, 1999), ("init", None, "root", 1), ("init", "an app", "root", 1)]
    assert value(compact, "SELECT name_id FROM process_name WHERE user IS NULL") == number
    assert catalogue(compact)["trigger", "own_update"] == trigger
    with changing(compact) as database:
        database.execute("UPDATE process_sample SET cpu = 77 WHERE ts = 5")
    assert value(compact, "SELECT cpu FROM process_row WHERE ts = 5") == 77
    assert is_whole(compact)


@pytest.mark.slow
def test_a_users_view_of_a_new_name_must_be_renamed_first(compact: Path) -> None:
    with changing(compact) as database:
        database.execute("CREATE VIEW system_sums AS SELECT 1 AS one")
    with pytest.raises(UserError, match="has your own view system_sums"):
        Store(compact)
    assert value(compact, "SELECT one FROM system_sums") == 1
    assert value(compact, "PRAGMA user_version") == 3


@pytest.mark.slow
def test_a_restored_older_dump_gets_the_views(compact: Path, tmp_path: Path) -> None:
    """Its tables are those of the latest version; the missing views reveal its real version."""
    path = tmp_path / "read-back.db"
    with closing(sqlite3.connect(compact)) as dumped, closing(sqlite3.connect(path)) as database:
        database.executescript("\n".join(dumped.iterdump()))
    with Store(path):
        pass
    assert value(path, "SELECT COUNT(*) FROM core_sums") == 1999
