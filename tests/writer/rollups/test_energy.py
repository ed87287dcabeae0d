"""Stored energy by program matches the raw rows, in whatever order they arrived, and never changes."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.energy_model import stored
from telemetry.energy_model.cells import cell
from telemetry.energy_model.columns import UNATTRIBUTED
from telemetry.energy_model.features import WARM_UP, Reading, features
from telemetry.energy_model.learner import MOST_DAYS, Knowledge, busiest, learn
from telemetry.sample import Sample
from tests.strategies import at_most
from tests.system.processes import System, wait_until
from tests.writer.reading import Rows, changing, is_whole, rows, value
from tests.writer.rollups.drained import BEGIN, DAY, EACH, days
from tests.writer.working import drop_older, roll_up, store_all, store_with_restarts
from writer import schema
from writer.mending import rebuild_rollups
from writer.rollups.folding import fold
from writer.store import Store

HOUR = 3600
CLOSED = ("energy_hour", "energy_day", "energy_model")
Tables = dict[str, Rows]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return days(4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> Path:
    """A database whose samples arrived in order."""
    path = tmp_path_factory.mktemp("whole") / "telemetry.db"
    store_all(path, samples)
    return path


@contextmanager
def fresh() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "telemetry.db"


def copy(whole: Path, path: Path) -> None:
    """Copy a closed database."""
    shutil.copy(whole, path)


def tables(path: Path, names: Iterable[str] = (*CLOSED, "energy_lesson")) -> Tables:
    return {table: rows(path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in names}


# --- from raw rows ---


def readings_by_hour(path: Path) -> dict[int, list[Reading]]:
    """Return the readings of each hour as database.md defines them, in plain Python."""
    names: dict[str, int] = dict(rows(path, "SELECT name, name_id FROM process_name"))
    listed: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for ts, name, cpu, children in rows(path, "SELECT ts, name, cpu, children FROM process_sample"):
        listed[ts][names[name]] += (round(cpu * 100) + round((children or 0.0) * 100)) / 10_000
    found: dict[int, list[Reading]] = defaultdict(list)
    before: tuple[Any, ...] = (None, None)
    for ts, moment, interval, energy, total, unowned, mhz, brightness, suspended, run, seq in rows(
        path,
        "SELECT ts, time, interval, energy_uj, cpu_total, cpu_unowned, cpu_freq, brightness, suspended, "
        "run_id, seq FROM system_sample ORDER BY time",
    ):
        programs = {name: listed[ts][name] for name in listed[ts]}
        kernel = unowned / 100 * 4
        found[int(moment) // HOUR * HOUR].append(
            Reading(
                interval,
                -energy / 1e6 / interval if energy < 0 else None,
                max(sum(programs.values()) + kernel, total / 100 * 4),
                mhz / 1000,
                None if brightness is None else brightness / 100,
                programs,
                kernel,
                before == (run, seq - 1) and suspended < 1,
            )
        )
        before = run, seq
    return found


def test_the_lesson_of_an_open_hour_comes_from_its_raw_rows(path: Path, samples: list[Sample]) -> None:
    """Exactly: cells are those of telemetry.energy_model.cell, and sums those of learn."""
    store_all(path, [it for it in samples if it.time < BEGIN + DAY])
    by_hour = readings_by_hour(path)
    found: dict[int, str] = dict(rows(path, "SELECT bucket, lesson FROM energy_lesson"))
    assert [*found] == [BEGIN + hour * HOUR for hour in range(8, 12)]
    for bucket, text in found.items():
        raw, lead = by_hour[bucket], by_hour[bucket - HOUR][-WARM_UP:]
        hour = stored.read_hour(text)
        assert hour == learn([*lead, *raw], len(lead), Knowledge())
        columns = busiest(raw)
        for exponent, lesson in hour.lessons.items():
            assert lesson.cell == cell(raw, [features(it, exponent, columns) for it in raw])


@pytest.mark.slow
def test_a_day_is_divided_exactly(whole: Path) -> None:
    hours = rows(
        whole,
        "SELECT bucket, SUM(uj) FROM energy_hour GROUP BY 1 ORDER BY 1",
    )
    measured = (
        "SELECT bucket, discharged_uj FROM system_hour WHERE discharged_uj > 0 AND bucket < ? ORDER BY 1"
    )
    assert hours == rows(whole, measured, BEGIN + 3 * DAY)
    assert rows(
        whole,
        "SELECT bucket / 86400 * 86400, name_id, SUM(uj), SUM(pm_uj), SUM(cpu_us), SUM(hours) "
        "FROM energy_hour GROUP BY 1, 2 ORDER BY 1, 2",
    ) == rows(whole, "SELECT * FROM energy_day ORDER BY 1, 2")
    assert rows(whole, "SELECT day FROM energy_model") == [(BEGIN + day * DAY,) for day in range(3)]


def test_the_cpu_time_is_that_of_rows_on_battery(whole: Path) -> None:
    told = rows(
        whole,
        "SELECT name, SUM(cpu_us) FROM energy_day JOIN process_name USING (name_id) GROUP BY 1 ORDER BY 1",
    )
    expected = rows(
        whole,
        "SELECT name, SUM((cpu + children) / 100 * interval * 1e6) "
        "FROM process_sample JOIN system_sample USING (ts) WHERE energy_uj < 0 AND time < ? "
        "GROUP BY 1 ORDER BY 1",
        BEGIN + 3 * DAY,
    )
    assert [name for name, _ in told] == [name for name, _ in expected]
    assert [used for _, used in told] == pytest.approx([used for _, used in expected], abs=20)


def test_the_programs_get_different_rates(whole: Path) -> None:
    """After some days, a busy core of the browser costs more than twice as much as one of the editor."""
    cost: dict[str, float] = dict(
        rows(
            whole,
            "SELECT name, SUM(uj) * 1.0 / SUM(cpu_us) FROM energy_day JOIN process_name USING (name_id) "
            "WHERE bucket = ? GROUP BY 1",
            BEGIN + 2 * DAY,
        )
    )
    assert cost["browser"] == pytest.approx(5.0, rel=0.15)
    assert cost["editor"] == pytest.approx(2.0, rel=0.25)


# --- any order of arrival ---


@pytest.mark.slow
def test_a_restarted_writer_continues(path: Path, whole: Path, samples: list[Sample]) -> None:
    store_with_restarts(path, samples, 400, 9)
    assert tables(path) == tables(whole)


@at_most(8)
@given(st.sets(st.integers(0, 8 * 40 - 1), min_size=1, max_size=200), st.booleans())
@pytest.mark.slow
def test_late_rows_of_an_open_day_give_the_same_result(late: set[int], is_import: bool) -> None:
    samples = [it for it in days(2, hours=2) if it.time < BEGIN + DAY + 12 * HOUR]
    of_day = [it for it in samples if it.time >= BEGIN + DAY]
    held = [it for at, it in enumerate(of_day) if at in late]
    with fresh() as expected, fresh() as path:
        store_all(expected, samples)
        with Store(path) as store:
            store.append([it for it in samples if it not in held], 0.0)
            roll_up(store)
            for first in range(0, len(held), 60):
                part = held[first : first + 60]
                if is_import:
                    store.import_samples(part)
                else:
                    store.append(part, 0.0)
                store.roll_up()
            roll_up(store)
        assert tables(path) == tables(expected)


def test_a_closed_day_never_changes(path: Path, samples: list[Sample]) -> None:
    early = [it for it in samples if BEGIN + DAY + 9 * HOUR <= it.time < BEGIN + DAY + 9.5 * HOUR]
    store_all(path, [it for it in samples if it not in early])
    before = tables(path)
    with Store(path) as store:
        store.import_samples(early)
        roll_up(store)
    assert tables(path) == before
    missing = value(
        path,
        "SELECT discharged_uj - (SELECT SUM(uj) FROM energy_hour WHERE energy_hour.bucket = s.bucket) "
        "FROM system_hour AS s WHERE bucket = ?",
        BEGIN + DAY + 9 * HOUR,
    )
    assert missing == sum(round(-((it.battery and it.battery.power) or 0.0) * EACH * 1e6) for it in early)


def test_whole_days_that_arrive_late_are_closed(path: Path, whole: Path, samples: list[Sample]) -> None:
    """Days of imported older samples are closed as if nothing followed. No other day changes."""
    second = BEGIN + DAY
    store_all(path, [it for it in samples if it.time >= second])
    before = tables(path)
    with Store(path) as store:
        store.import_samples([it for it in samples if it.time < second])
        roll_up(store)
    after = tables(path)
    for table in CLOSED:
        assert [row for row in after[table] if row[0] >= second] == before[table]
    of_first_day = (
        "SELECT coalesce(name, name_id), uj FROM energy_day LEFT JOIN process_name USING (name_id) "
        "WHERE bucket = ?"
    )
    found: dict[str, int] = dict(rows(path, of_first_day, BEGIN))
    expected: dict[str, int] = dict(rows(whole, of_first_day, BEGIN))
    assert found == pytest.approx(expected, rel=1e-4)  # programs have other name ids, so another order


def test_an_older_database_gets_these_tables_filled(path: Path, whole: Path) -> None:
    with changing(path) as database:
        schema.make_tables(database, version=11)
        database.execute("PRAGMA user_version = 11")
        database.execute("ATTACH ? AS newer", (str(whole),))
        for table in ("run", "system_sample", "process_name", "process_sample", "cpu_core"):
            columns = ", ".join(name for _, name, *_ in database.execute(f"PRAGMA main.table_info({table})"))
            database.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    with Store(path) as store:
        roll_up(store)
    assert tables(path) == tables(whole)


def test_a_rebuild_gives_the_same(path: Path, whole: Path) -> None:
    before = tables(whole)
    copy(whole, path)
    with changing(path) as database:
        database.execute("UPDATE energy_hour SET uj = uj + 1")
        database.execute("DELETE FROM energy_day")
    with Store(path) as store:
        assert list(rebuild_rollups(store))
    assert tables(path) == before


def test_damaged_learned_values_stop_nothing(path: Path, whole: Path) -> None:
    copy(whole, path)
    with changing(path) as database:
        database.execute("UPDATE energy_model SET taught = '{', rates = '[[1]]', quiet = x'00'")
        database.execute("UPDATE energy_lesson SET lesson = 'no lesson'")
    with Store(path) as store:
        store.append([days(6)[-1]], 0.0)
        roll_up(store)
    (measured, told) = rows(
        path,
        "SELECT (SELECT SUM(discharged_uj) FROM system_hour WHERE bucket < ?1), "
        "(SELECT SUM(uj) FROM energy_day WHERE bucket < ?1)",
        BEGIN + 4 * DAY,
    )[0]
    assert measured == told


def test_without_anything_learned_all_energy_is_unattributed(path: Path) -> None:
    """Samples without a run, like those of the original logger, have no order."""
    with Store(path) as store:

        def insert(database: sqlite3.Connection) -> None:
            for number in range(500):
                moment = BEGIN + 300 * number
                database.execute(
                    "INSERT INTO system_sample (ts, time, interval, energy_uj) VALUES (?, ?, 5.0, -20000000)",
                    (moment, float(moment)),
                )

        store.apply(insert)
        roll_up(store)
    assert rows(path, "SELECT DISTINCT name_id, pm_uj FROM energy_day") == [
        (UNATTRIBUTED, value(path, "SELECT MAX(uj) FROM energy_day"))
    ]


# --- dropped rows ---


def test_the_stored_rows_outlast_the_raw_rows(path: Path, whole: Path) -> None:
    """They also survive a rebuild: the knowledge before the first day with raw rows is kept."""
    before = tables(whole)
    copy(whole, path)
    with Store(path) as store:
        drop_older(store, 1.0)
        assert value(path, "SELECT raw_since FROM history") == BEGIN + 2 * DAY
        assert tables(path) == before
        list(rebuild_rollups(store))
    after = tables(path)
    assert after["energy_day"] == before["energy_day"]
    assert [row[:9] for row in after["energy_model"]] == [row[:9] for row in before["energy_model"]]


@pytest.mark.slow
def test_only_closed_days_are_dropped(path: Path, samples: list[Sample]) -> None:
    with Store(path) as store:
        store.append(samples, 0.0)
        while (
            not value(path, "SELECT MAX(until) FROM session_state")
            or value(path, "SELECT COUNT(*) FROM energy_model") < 1
        ):
            store.roll_up()
        drop_older(store, 0.0)
        assert value(path, "SELECT raw_since FROM history") == BEGIN + DAY
        roll_up(store)
        assert value(path, "SELECT COUNT(*) FROM energy_model") == 3


@pytest.mark.slow
def test_lessons_are_kept_for_a_bounded_number_of_days(path: Path) -> None:
    samples = days(MOST_DAYS + 6, hours=1)
    store_all(path, samples)
    with Store(path) as store:
        drop_older(store, 2.0)
        store.append([days(MOST_DAYS + 8, hours=1)[-1]], 0.0)
        roll_up(store)
    kept = value(
        path,
        "SELECT COUNT(*) FROM energy_model WHERE taught IS NOT NULL AND day < "
        "(SELECT raw_since FROM history)",
    )
    assert kept == MOST_DAYS
    assert value(path, "SELECT COUNT(*) FROM energy_model") >= MOST_DAYS + 6


def test_folding_keeps_the_sums(path: Path, whole: Path) -> None:
    copy(whole, path)
    before = rows(path, "SELECT bucket, SUM(uj), SUM(cpu_us) FROM energy_day GROUP BY 1")
    names = "SELECT name_id FROM process_name ORDER BY 1"
    every = rows(path, names)
    with Store(path) as store:
        while store.apply(fold):
            pass
    assert rows(path, "SELECT * FROM energy_hour WHERE bucket < ?", BEGIN + 3 * DAY) == []
    assert value(path, "SELECT energy_hour_since FROM history") == BEGIN + 3 * DAY
    assert rows(path, "SELECT bucket, SUM(uj), SUM(cpu_us) FROM energy_day GROUP BY 1") == before
    assert rows(path, names) == every


def test_names_that_were_learned_from_are_not_deleted(path: Path, whole: Path) -> None:
    copy(whole, path)
    with changing(path) as database:
        for table in ("process_row", "process_hour", "process_day", "energy_hour", "energy_day"):
            database.execute(f"DELETE FROM {table}")
        database.execute("INSERT INTO process_name (name) VALUES ('nobody')")
    with Store(path) as store:
        while store.apply(fold):
            pass
    kept = [name for (name,) in rows(path, "SELECT name FROM process_name ORDER BY 1")]
    assert kept == ["browser", "cron", "editor", "game"]


# --- kills ---


def test_a_kill_at_any_moment_costs_nothing(system: System, whole: Path) -> None:
    """A writer that is killed while it closes days duplicates nothing and loses nothing."""
    copy(whole, system.database)
    with changing(system.database) as database:
        for table in (*CLOSED, "energy_lesson"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE history SET energy_until = 0")
    until = "SELECT energy_until FROM history"
    end = value(system.database, "SELECT hour_until FROM history")
    seen = {0}
    draw = random.Random(5)
    while max(seen) < end:
        writer = system.writer()
        wait_until(lambda: value(system.database, until) > max(seen))
        time.sleep(draw.uniform(0.0, 0.03))
        writer.kill()
        writer.communicate()
        assert is_whole(system.database)
        seen.add(value(system.database, until))
        closed = tables(system.database, CLOSED)
        count = len(closed["energy_model"])
        for table in CLOSED:
            expected = [row for row in tables(whole)[table] if row[0] < BEGIN + count * DAY]
            assert closed[table] == expected
    assert len(seen) > 2, "no kill hit a running step"
    with Store(system.database) as store:
        roll_up(store)
    assert tables(system.database) == tables(whole)
