"""The roll-ups are the sums of all raw rows before their marks, in whatever order the rows arrived."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import Battery, Cpu, Process, Sample
from tests.strategies import at_most, numbers, or_none
from tests.writer.reading import changing, rows, value
from tests.writer.rollups.recomputed import marks, recomputed, rolled_up
from tests.writer.samples import NOW, ORDINARY, row_of, sample
from tests.writer.upgrade.originals import build, measured, upgrade
from tests.writer.working import roll_up
from writer.file.disk import Disk
from writer.file.transaction import transaction
from writer.limits import Limits
from writer.rollups import steps
from writer.rollups.late import adding_children
from writer.rollups.retention import Retention
from writer.store import Store

YEAR = 365 * 86400


def assert_right(path: Path, *, finished: bool = True) -> None:
    assert rolled_up(path) == recomputed(path)
    assert_marks_agree(path, finished=finished)


def assert_marks_agree(path: Path, *, finished: bool = True) -> None:
    until = marks(path)
    assert until["day_until"] <= until["hour_until"] <= until["minute_until"]
    assert until["raw_since"] <= until["day_until"]
    for mark, size in (("minute_until", 60), ("hour_until", 3600), ("day_until", 86400)):
        assert until[mark] % size == 0
        if finished:
            newest = value(path, "SELECT MAX(time) FROM system_sample WHERE time < 253402300800") or 0
            assert until[mark] == int(newest) // size * size


# --- at a commit ---


def test_a_minute_is_rolled_up_in_the_transaction_of_the_first_later_sample(store: Store) -> None:
    begin = NOW - NOW % 60
    store.append([sample(seq + 1, ts=begin + 5 * seq) for seq in range(12)], NOW)
    assert rows(store.path, "SELECT * FROM system_minute") == []
    store.append([sample(13, ts=begin + 60)], NOW)
    assert rows(store.path, "SELECT bucket, samples FROM system_minute") == [(begin, 12)]
    assert_right(store.path, finished=False)


def test_hours_and_days_are_rolled_up_too(store: Store) -> None:
    begin = NOW - NOW % 86400
    for first in range(0, 86401, 1800):
        store.append([sample(first + at, ts=begin + first + at) for at in range(1, 1801, 100)], NOW)
    assert marks(store.path)["day_until"] == begin + 86400
    assert value(store.path, "SELECT COUNT(*) FROM system_hour") == 24
    assert value(store.path, "SELECT SUM(appearances) FROM process_day") == 2 * 864
    assert_right(store.path)


def test_a_late_row_is_added_to_its_buckets(store: Store) -> None:
    store.append(row_of(1, 2000), NOW)
    roll_up(store)
    store.append([sample(1, "run-b", ts=NOW + 100), sample(2, "run-b", ts=NOW + 9000)], NOW)
    store.import_samples([sample(3, "run-b", ts=NOW + 100), sample(4, "run-b", ts=NOW - 10 * YEAR)])
    assert_right(store.path)
    assert value(store.path, "SELECT SUM(samples) FROM system_minute WHERE bucket < ?", NOW + 9000) == 1802


def test_a_sample_that_is_already_stored_changes_no_bucket(store: Store) -> None:
    store.append(row_of(1, 2000), NOW)
    roll_up(store)
    before = rolled_up(store.path)
    assert store.append(row_of(1, 500), NOW) == (0, 500)
    assert rolled_up(store.path) == before


def test_rows_of_a_failed_transaction_are_not_rolled_up(store: Store) -> None:
    store.append(row_of(1, 100), NOW)
    with changing(store.path) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON system_sample WHEN NEW.seq = 103 "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(Exception, match="no"):
        store.append([sample(101), sample(1, "run-b", ts=NOW + 10), sample(103)], NOW)
    assert_right(store.path, finished=False)


def test_cores_and_processes_that_arrive_after_their_sample_are_added(store: Store) -> None:
    """From a damaged file, a sample may be copied first, and its rows found by a later search."""
    store.append(row_of(1, 1000), NOW)
    roll_up(store)
    with changing(store.path) as database:
        samples = [NOW + 5 * seq for seq in range(1, 1000)]
        with transaction(database), adding_children(database, samples, 0):
            database.execute("INSERT INTO cpu_core SELECT ts, 7, 33.25 FROM system_sample WHERE seq < 900")
            database.execute("INSERT INTO cpu_core SELECT ts, 3, 99.5 FROM system_sample")
            database.execute(
                "INSERT INTO process_sample (ts, pid, name, cpu, mem, start) "
                "SELECT ts, 9, 'found', 1.5, 2.5, 1 FROM system_sample"
            )
    roll_up(store)
    assert_right(store.path)
    assert value(store.path, "SELECT SUM(usage_sum) FROM core_hour WHERE core = 7") == 719 * 3325


# --- a backlog ---


def test_years_without_a_row_take_one_step(store: Store) -> None:
    """A Pi without a real-time clock starts in 1970."""
    store.append([sample(1, ts=100), sample(2, ts=105)], NOW)
    store.append([sample(3, ts=NOW)], NOW)
    steps = 0
    while store.roll_up():
        steps += 1
    assert steps < 10
    assert_right(store.path)


def test_a_clock_that_jumps_a_year_ahead_and_back(store: Store) -> None:
    store.append(row_of(1, 50), NOW)
    store.append([sample(51, ts=NOW + YEAR)], NOW)
    roll_up(store)
    for first in range(52, 400, 12):
        back = [sample(seq, ts=NOW + 5 * seq) for seq in range(first, first + 12)]
        store.append(back, NOW)
        assert not store.roll_up(with_sessions=False), "late rows are not a backlog"
    assert_right(store.path)


@pytest.mark.slow
def test_a_step_is_bounded(store: Store) -> None:
    store.append([sample(seq, ts=NOW + seq) for seq in range(1, 8001)], NOW)
    while (before := marks(store.path)) and store.roll_up():
        after = marks(store.path)
        minutes = after["minute_until"] - before["minute_until"]
        assert minutes <= steps.MOST_SAMPLES or before["minute_until"] == 0, "a sample a second"
        assert sum(before[mark] != after[mark] for mark in after) <= 1  # sessions change no roll-up
    assert_right(store.path)


def test_rows_that_another_connection_adds_meanwhile_are_not_missed(store: Store) -> None:
    """The copy from a damaged file writes between the reading and the writing of a step."""
    store.append([sample(seq, ts=NOW + 60 * seq) for seq in range(1, 201)], NOW)
    read = steps.next_step

    def interrupted(*arguments: object, **more: object) -> steps.Step | None:
        step = read(*arguments, **more)  # type: ignore[arg-type]
        with changing(store.path) as database:
            database.execute("INSERT INTO system_sample (ts, time) VALUES (?, ?)", (NOW + 61, NOW + 61))
        return step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "next_step", interrupted)
        assert store.roll_up()
    roll_up(store)
    assert_right(store.path)
    assert value(store.path, "SELECT SUM(samples) FROM system_minute") == 200


@pytest.mark.parametrize("has_room", [True, False], ids=["compact", "plain"])
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_a_database_of_the_original_is_rolled_up_afterwards(tmp_path: Path, has_room: bool) -> None:
    path = tmp_path / "telemetry.db"
    build(path, measured(3000))
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        assert marks(path)["minute_until"] == 0
        store.append([sample(1)], NOW)
        roll_up(store)
        assert_right(path)
        assert value(path, "SELECT COUNT(*) FROM process_hour") > 0


ODD = ["word", b"\xff", 9e999, -9e999, -(1 << 63), 1 << 62, 1e300, ""]
NUMBERS = {
    "system_sample": ["interval", "current", "power", "battery_pct", "cpu_total", "cpu_temp", "energy_uj"],
    "cpu_core": ["usage"],
    "process_sample": ["cpu", "mem", "children"],
}
NO_TIMES = ["noon", 9e999, -1.5, None, b"1"]


def test_a_value_that_is_not_a_number_counts_as_null(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    build(path, measured(60))
    upgrade(path, has_room=False)

    def put(database: sqlite3.Connection, values: Iterable[object]) -> None:
        for at, what in zip(ts, values, strict=False):
            for table, columns in NUMBERS.items():
                for column in columns:
                    database.execute(f"UPDATE {table} SET {column} = ? WHERE ts = ?", (what, at))

    with Store(path) as store:
        with changing(path) as database:
            ts = [at for (at,) in database.execute("SELECT ts FROM system_sample ORDER BY ts")]
            put(database, ODD)
            database.execute("UPDATE system_sample SET voltage = 5")
            for at, what in zip(ts[-10:], NO_TIMES, strict=False):
                database.execute("UPDATE system_sample SET time = ? WHERE ts = ?", (what, at))
            for at, name in zip(ts, ("80ff", "80", ""), strict=False):
                database.execute(f"UPDATE process_sample SET name = CAST(x'{name}' AS TEXT) WHERE ts = {at}")
            database.execute("UPDATE process_sample SET name = x'80' WHERE ts = ?", ts[3:4])
        store.append([sample(1)], NOW)
        roll_up(store)
    assert value(path, "SELECT SUM(samples) FROM system_hour") == 60 - len(NO_TIMES)
    assert value(path, "SELECT COUNT(DISTINCT name_id) FROM process_hour WHERE bucket <= ?", ts[3]) >= 4
    with changing(path) as database:
        database.execute("UPDATE process_sample SET name = 'odd' WHERE ts <= ?", ts[3:4])
        database.execute("UPDATE process_name SET name = 'odd ' || name_id")
        put(database, [None] * len(ODD))
    held, expected = rolled_up(path), recomputed(path)
    for table in ("system_minute", "system_hour", "core_hour"):
        assert held[table] == expected[table]
    for table in ("process_hour", "process_day"):
        for column in ("appearances", "cpu_sum", "mem_samples", "children_sum"):
            assert sum(row[column] for row in held[table].values()) == sum(
                row[column] for row in expected[table].values()
            )


# --- anything ---

NONE = st.none()  # builds() would also draw the omitted fields
PROCESSES = st.builds(
    Process,
    pid=st.integers(1, 5),
    start=st.just(1),
    name=st.sampled_from(["a", "b", "ä\n", "kworker/0:1"]),
    cpu=numbers(0.0, 400.0),
    mem=numbers(0.0, 100.0),
    children=or_none(numbers(0.0, 400.0)),
)
BATTERIES = st.builds(
    Battery,
    name=st.just("BAT0"),
    status=or_none(st.sampled_from(["Discharging", "Charging"])),
    voltage=or_none(numbers(0.0, 20.0)),
    current=or_none(numbers(-5.0, 5.0)),
    power=or_none(numbers(-50.0, 50.0)),
    pct=or_none(numbers(0.0, 100.0)),
    method=NONE,
    raw=NONE,
    packs=NONE,
    health=NONE,
)
READINGS = st.builds(
    ORDINARY._replace,
    battery=or_none(BATTERIES),
    cpu=st.builds(
        Cpu,
        total=or_none(numbers(0.0, 100.0)),
        cores=st.lists(or_none(numbers(0.0, 100.0)), max_size=2).map(tuple),
        freq=NONE,
        temp=or_none(numbers(-20.0, 120.0)),
        unowned=NONE,
    ),
    interval=numbers(1e-6, 3600.0),
    processes=st.lists(PROCESSES, max_size=3, unique_by=lambda process: process.pid).map(tuple),
)
CLOCK = st.sampled_from([0.0, 1.0, 4.999, 5.0, 59.5, 3601.0, 90_000.0, -5.0, -4000.0, YEAR, -YEAR, -9e9])
"""s from one sample to the next"""
DEEDS = st.sampled_from(["append", "append", "append", "import", "step", "finish", "reopen", "again", "drop"])


KEYS = {"system_sample": "ts", "cpu_core": "ts, core", "process_sample": "ts, pid"}


@contextmanager
def fresh_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "telemetry.db"


class Hoard:
    """Collects all raw rows that a database ever had, because dropped rows are still in the roll-ups."""

    def __init__(self, path: Path, at: Path) -> None:
        with changing(path) as database:
            database.execute(f"ATTACH '{at}' AS hoard")
            for table, key in KEYS.items():
                database.execute(f"CREATE TABLE hoard.{table} AS SELECT * FROM {table}")
                database.execute(f"CREATE UNIQUE INDEX hoard.{table}_all ON {table} ({key})")
        self._path, self.at = path, at

    def take(self) -> None:
        with changing(self._path) as database:
            database.execute(f"ATTACH '{self.at}' AS hoard")
            for table in KEYS:
                database.execute(f"INSERT OR IGNORE INTO hoard.{table} SELECT * FROM main.{table}")


@at_most(120)
@given(
    st.lists(
        st.tuples(
            DEEDS, st.lists(st.tuples(READINGS, CLOCK, st.sampled_from([0.0, 0.25, 0.9999999])), max_size=6)
        ),
        max_size=12,
    )
)
def test_the_roll_ups_match_the_rows_whatever_arrives(
    deeds: list[tuple[str, list[tuple[Sample, float, float]]]],
) -> None:
    clock, seq = float(NOW), 0
    with fresh_path() as path:
        store = Store(path)
        hoard = Hoard(path, path.with_name("hoard.db"))
        retention = Retention(Limits(1), lambda: Disk(1 << 40, 1 << 41))
        try:
            sent: list[Sample] = []
            for deed, readings in deeds:
                batch = []
                for reading, step, fraction in readings:
                    clock, seq = max(0.0, clock + step), seq + 1
                    at = int(clock) + fraction
                    batch.append(reading._replace(seq=seq, ts=int(clock), time=at))
                if deed == "append":
                    store.append(batch, NOW)
                elif deed == "import":
                    # Only with a unique ts: the ts of a dropped row may be used again.
                    store.import_samples(
                        [it._replace(run="imported", ts=9 * 10**9 + it.seq) for it in reversed(batch)]
                    )
                elif deed == "step":
                    store.roll_up()
                elif deed == "finish":
                    roll_up(store)
                elif deed == "again":
                    assert store.append(sent[-20:], NOW).stored == 0
                elif deed == "drop":
                    for _ in range(len(readings)):
                        store.apply(retention.step)
                        store.invalidate()
                else:
                    store.close()
                    store = Store(path)
                sent += batch if deed == "append" else []
                hoard.take()
            assert rolled_up(path) == recomputed(hoard.at, marks(path))
            roll_up(store)
            assert rolled_up(path) == recomputed(hoard.at, marks(path))
            assert_marks_agree(path)
            kept = "SELECT ts FROM system_sample WHERE time >= ? ORDER BY ts"
            since = marks(path)["raw_since"]
            assert rows(path, kept, since) == rows(hoard.at, kept, since)
        finally:
            store.close()
