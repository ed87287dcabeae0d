"""CPU time in roll-ups from before its column existed: first estimated, then computed from raw rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.writer.reading import changing, rows, value
from tests.writer.rollups.recomputed import recomputed, rolled_up
from tests.writer.samples import NOW
from tests.writer.upgrade.older import lower_to_8
from writer import schema
from writer.mending import rebuild_rollups
from writer.rollups.witness import look
from writer.store import Store

HOUR, DAY = 3600, 86400
BEGIN = NOW - NOW % DAY
USED = 80 * 10**4
"""µs per % × s, times the 20 % of each process plus the 60 % of its children"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two days and three hours in version 8, rolled up, with varying intervals."""
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        store.apply(_fill)
        while store.roll_up():
            pass
    with changing(path) as database:
        lower_to_8(database)
    return path


def _fill(database: sqlite3.Connection) -> None:
    for number in range(51 * 12):
        ts = BEGIN + 300 * number
        database.execute(
            "INSERT INTO system_sample (ts, time, interval) VALUES (?, ?, ?)",
            (ts, float(ts), 1.0 + number % 7),
        )
        database.executemany(
            "INSERT INTO process_sample (ts, pid, name, cpu, mem, children) VALUES (?, ?, ?, 20, 1, 60)",
            [(ts, pid, name) for pid, name in enumerate(["a", "b"]) if pid == 0 or number % 3 == 0],
        )


def upgraded(path: Path) -> None:
    with Store(path) as store:
        while store.roll_up():
            pass


def test_roll_ups_with_raw_rows_become_exact(path: Path) -> None:
    upgraded(path)
    assert rolled_up(path) == recomputed(path)
    assert rows(path, "SELECT * FROM setting WHERE name = 'cpu_time_until'") == []


def test_the_witness_finds_no_difference(path: Path) -> None:
    upgraded(path)
    with Store(path) as store:
        assert [store.apply(look) for _ in range(52)] == [[]] * 52
    assert value(path, "SELECT COUNT(*) FROM rollup_difference") == 0


def test_a_kill_between_two_hours_costs_nothing(path: Path) -> None:
    left = True
    while left:
        with Store(path) as store:
            left = sum(store.roll_up() for _ in range(7)) > 0
    assert rolled_up(path) == recomputed(path)


def _drop_first_day(path: Path) -> None:
    with changing(path) as database:
        database.execute("DELETE FROM process_sample WHERE ts < ?", (BEGIN + DAY,))
        database.execute("DELETE FROM system_sample WHERE ts < ?", (BEGIN + DAY,))
        database.execute("UPDATE history SET raw_since = ?", (BEGIN + DAY,))


def _fold_first_day(path: Path) -> None:
    _drop_first_day(path)
    with changing(path) as database:
        database.execute("DELETE FROM process_hour WHERE bucket < ?", (BEGIN + DAY,))
        database.execute("UPDATE history SET process_hour_since = ?", (BEGIN + DAY,))


@pytest.mark.parametrize("drop", [_drop_first_day, _fold_first_day])
def test_without_raw_rows_the_mean_interval_is_used(path: Path, drop: Callable[[Path], None]) -> None:
    drop(path)
    upgraded(path)
    exact = sum((1 + number % 7) * USED for number in range(DAY // 300))
    ((estimate,),) = rows(
        path,
        "SELECT cpu_us FROM process_day JOIN process_name USING (name_id) WHERE bucket = ? AND name = 'a'",
        BEGIN,
    )
    assert estimate == pytest.approx(exact, rel=1e-6)  # it is in every sample, so the mean is exact
    held = {key: row for key, row in rolled_up(path)["process_hour"].items() if key[0] >= BEGIN + DAY}
    assert held == {
        key: row for key, row in recomputed(path)["process_hour"].items() if key[0] >= BEGIN + DAY
    }


def test_roll_ups_whose_raw_rows_a_user_deleted_keep_their_sums(path: Path) -> None:
    with changing(path) as database:
        before = database.execute("SELECT bucket, name_id, appearances FROM process_hour").fetchall()
        database.execute("DELETE FROM process_sample WHERE ts < ?", (BEGIN + HOUR,))
        database.execute("DELETE FROM system_sample WHERE ts < ?", (BEGIN + HOUR,))
    upgraded(path)
    assert rows(path, "SELECT bucket, name_id, appearances FROM process_hour") == before
    assert value(path, "SELECT MIN(cpu_us) FROM process_hour WHERE bucket = ?", BEGIN) > 0


def test_rebuilt_roll_ups_are_the_same(path: Path) -> None:
    upgraded(path)
    before = rolled_up(path)
    with Store(path) as store:
        assert list(rebuild_rollups(store))
    assert rolled_up(path) == before


def test_a_fresh_database_has_nothing_to_complete(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "fresh.db", isolation_level=None)) as database:
        schema.fresh(database)
        assert database.execute("SELECT COUNT(*) FROM setting").fetchone() == (0,)
