"""Energy by program after a damaged database was copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.writer.reading import Rows, rows, value
from tests.writer.recovery.damaged import LOG, leaves, overwrite, wait_for_salvage
from tests.writer.rollups.drained import BEGIN, DAY, days
from tests.writer.working import drop_older, roll_up, store_all
from writer.recovery.guarded_store import GuardedStore
from writer.store import Store

SINCE = BEGIN + 3 * DAY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four closed days, of which the first three were dropped, and one open day."""
    path = tmp_path / "telemetry.db"
    samples = days(5)
    store_all(path, samples)
    with Store(path) as store:
        drop_older(store, 1.0)
    assert value(path, "SELECT raw_since FROM history") == SINCE
    return path


def copied_over(path: Path) -> None:
    with GuardedStore(path, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        roll_up(guarded.store)


def named(path: Path, table: str) -> Rows:
    """Return the rows of a table with names instead of name ids, because a copy assigns new ids."""
    return rows(
        path,
        f"SELECT bucket, coalesce(name, name_id), uj, pm_uj, cpu_us, hours FROM {table} "
        "LEFT JOIN process_name USING (name_id) WHERE bucket < ? ORDER BY 1, 2",
        SINCE,
    )


def measured(path: Path) -> Rows:
    return rows(
        path,
        "SELECT bucket, discharged_uj FROM system_hour WHERE discharged_uj > 0 AND bucket < ? ORDER BY 1",
        BEGIN + 4 * DAY,
    )


@pytest.mark.slow
def test_dropped_days_are_copied_and_the_others_are_closed_again(path: Path) -> None:
    before = {table: named(path, table) for table in ("energy_hour", "energy_day")}
    assert len(before["energy_day"]) > 3 * 5
    expected = measured(path)
    copied_over(path)
    assert {table: named(path, table) for table in before} == before
    assert measured(path) == expected
    assert rows(path, "SELECT bucket, SUM(uj) FROM energy_hour GROUP BY 1 ORDER BY 1") == expected
    assert rows(path, "SELECT day FROM energy_model") == [(SINCE,)]


@pytest.mark.slow
def test_a_lost_day_is_summed_from_its_hours(path: Path) -> None:
    before = named(path, "energy_day")
    overwrite(path, leaves(path, "energy_day"))
    copied_over(path)
    assert named(path, "energy_day") == before


@pytest.mark.slow
def test_unreadable_rows_are_left_out_and_recorded(path: Path) -> None:
    pages = leaves(path, "energy_hour")
    before = {*named(path, "energy_hour")}
    overwrite(path, pages[:1])
    copied_over(path)
    assert {*named(path, "energy_hour")} <= before
    assert value(path, "SELECT COUNT(*) FROM loss WHERE table_name = 'energy_hour'") == 1
