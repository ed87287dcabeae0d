"""Stored sessions match the raw rows, in whatever order these arrived."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from telemetry import END_OF_TIME
from telemetry.sample import Sample
from telemetry.sessions import Known, Row, Sessions
from tests.telemetry.fortnight import Laptop, fortnight
from tests.writer.laptop import samples_of
from tests.writer.reading import changing, reading, rows, value
from tests.writer.working import drop_older, roll_up, store_all, store_with_restarts
from writer import schema
from writer.mending import rebuild_rollups
from writer.store import Store

DAY = 86400
TABLES = ("session", "session_percent", "session_state")


@pytest.fixture(scope="module")
def week() -> Laptop:
    return fortnight(seed=7, days=5)


@pytest.fixture(scope="module")
def samples(week: Laptop) -> list[Sample]:
    return samples_of(week)


def stored(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def expected(tmp_path: Path, samples: list[Sample]) -> dict[str, list[tuple[Any, ...]]]:
    """The sessions stored from samples that arrived in order."""
    path = tmp_path / "expected.db"
    store_all(path, samples)
    return stored(path)


def test_finished_sessions_are_stored(path: Path, week: Laptop, samples: list[Sample]) -> None:
    store_all(path, samples)
    found = rows(
        path, "SELECT kind, start, stop, discharged_uj, charged_uj, flips FROM session ORDER BY start, stop"
    )
    true = [(it.kind, it.start, it.end, it.discharged_uj, it.charged_uj, it.flips) for it in week.truth]
    assert len(found) > 30
    assert set(found) <= set(true)
    until = value(path, "SELECT MAX(until) FROM session_state")
    assert until == samples[-1].time // 3600 * 3600
    ended = [it for it, behind in pairwise(true) if behind[1] < until - 3600]
    going_on = [it for it in ended if it not in found]
    assert all(it[0] == "discharge" for it in going_on)  # a discharge that a sleep may have interrupted
    assert len(going_on) <= 1


def test_the_sums_match_the_roll_ups(path: Path, samples: list[Sample]) -> None:
    """Exactly, including the open sessions in the state."""
    store_all(path, samples)
    state = Sessions.read(value(path, "SELECT state FROM session_state ORDER BY until DESC LIMIT 1"))
    until = value(path, "SELECT MAX(until) FROM session_state")
    for name in ("discharged_uj", "charged_uj", "covered_us"):
        total = value(path, f"SELECT TOTAL({name}) FROM session")
        total += sum(getattr(session, name) for session in state.now())
        assert total == value(path, f"SELECT TOTAL({name}) FROM system_hour WHERE bucket < ?", until)


@pytest.mark.slow
def test_a_restarted_writer_continues(path: Path, samples: list[Sample], expected: dict[str, Any]) -> None:
    store_with_restarts(path, samples, 900, 5)
    assert stored(path) == expected


@pytest.mark.slow
def test_late_rows_give_the_same_sessions(
    path: Path, samples: list[Sample], expected: dict[str, Any]
) -> None:
    """A day in the middle is imported at the end, followed by a part of the first day."""
    runs = sorted({sample.run for sample in samples})
    middle = range(len(samples) // 3, len(samples) // 2)
    early = range(300, 900)
    later = {*middle, *early}
    assert len(runs) > 1
    store_all(path, [sample for at, sample in enumerate(samples) if at not in later])
    assert stored(path) != expected
    with Store(path) as store:
        for part in (middle, early):
            store.import_samples([samples[at] for at in part])
            roll_up(store)
    assert stored(path) == expected


@pytest.mark.slow
def test_a_rebuild_gives_the_same(path: Path, samples: list[Sample], expected: dict[str, Any]) -> None:
    store_all(path, samples)
    with changing(path) as database:
        database.execute("UPDATE session SET drawn_uj = drawn_uj + 1, kind = 'hole'")
        database.execute("DELETE FROM session_percent WHERE percent > 60")
    with Store(path) as store:
        assert list(rebuild_rollups(store))
    assert stored(path) == expected


@pytest.mark.slow
def test_an_older_database_gets_sessions(path: Path, samples: list[Sample], expected: dict[str, Any]) -> None:
    store_all(path, samples)
    older = path.with_name("older.db")
    with changing(older) as database:
        schema.make_tables(database, version=9)
        database.execute("PRAGMA user_version = 9")
        database.execute("ATTACH ? AS newer", (str(path),))
        for table in ("run", "system_sample", "battery_health"):
            columns = ", ".join(name for _, name, *_ in database.execute(f"PRAGMA main.table_info({table})"))
            database.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    with Store(older) as store:
        roll_up(store)
    assert stored(older) == expected


def test_after_an_unreadable_state_sessions_are_recomputed(path: Path, samples: list[Sample]) -> None:
    store_all(path, samples[:-200])
    with changing(path) as database:
        database.execute("UPDATE session_state SET state = '{'")
    with Store(path) as store:
        store.append(samples[-200:], 0.0)
        roll_up(store)
    assert value(path, "SELECT COUNT(*) FROM session") > 0


@pytest.mark.slow
def test_sessions_outlast_the_raw_rows(path: Path, samples: list[Sample], expected: dict[str, Any]) -> None:
    """They also survive a rebuild; the states of dropped days are dropped."""
    store_all(path, samples)
    with Store(path) as store:
        drop_older(store, 2.0)
        since = value(path, "SELECT raw_since FROM history")
        assert 0 < since < END_OF_TIME
        with reading(path) as database:
            assert database.execute("SELECT MIN(time) >= ? FROM system_sample", (since,)).fetchone() == (1,)
        list(rebuild_rollups(store))
    found = stored(path)
    for table in ("session", "session_percent"):
        assert found[table] == expected[table]
    assert found["session_state"] == [row for row in expected["session_state"] if row[0] >= since]


def test_a_late_row_of_a_dropped_day_changes_nothing(path: Path, samples: list[Sample]) -> None:
    store_all(path, samples)
    with Store(path) as store:
        drop_older(store, 2.0)
        before = stored(path)
        late = samples[100]._replace(run="other", seq=1, time=samples[100].time + 1)
        store.import_samples([late])
        roll_up(store)
    assert stored(path) == before


def test_any_value_of_sqlite_stops_nothing(path: Path) -> None:
    """Texts and blobs instead of numbers, in each column that sessions read."""
    columns = ("interval", "suspended", "power", "energy_uj", "status", "on_ac", "battery_pct", "voltage")
    odd: tuple[Any, ...] = ("text", b"blob", -1e300, 1 << 60, 0, None)
    with Store(path) as store:

        def insert(database: sqlite3.Connection) -> None:
            for number in range(2000):
                names = ("ts", "time", columns[number % len(columns)], "battery_level")
                values = (10**9 + number, 1.7e9 + 5 * number, odd[number % 6], odd[number % 5])
                database.execute(
                    f"INSERT INTO system_sample ({', '.join(names)}) VALUES (?, ?, ?, ?)", values
                )

        store.apply(insert)
        roll_up(store)
    assert value(path, "SELECT MAX(until) FROM session_state") > 0


def test_a_clock_that_once_said_1970_removes_no_session(path: Path, samples: list[Sample]) -> None:
    store_all(path, samples)
    before = stored(path)
    with Store(path) as store:
        boot = [samples[0]._replace(run="boot", seq=seq, ts=5 * seq, time=5.0 * seq) for seq in range(1, 50)]
        store.append(boot, 0.0)
        roll_up(store)
    assert stored(path) == before


def test_the_view_has_the_columns_that_the_rules_read(path: Path) -> None:
    with Store(path):
        pass
    with reading(path) as database:
        names = [name for name, *_ in database.execute("SELECT * FROM session_row").description]
    assert names == ["ts", *Row._fields]
    assert "session_row" in schema.VIEWS


def test_sessions_do_not_need_health(path: Path, samples: list[Sample]) -> None:
    bare = [it._replace(battery=it.battery and it.battery._replace(health=None)) for it in samples[:3000]]
    store_all(path, bare)
    machine = Sessions()
    assert machine.known == Known()
    assert value(path, "SELECT COUNT(*) FROM session WHERE pack IS NULL") > 0
