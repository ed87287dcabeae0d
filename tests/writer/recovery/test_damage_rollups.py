"""Roll-ups after a damaged database was copied, and how many damaged files are kept."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.writer.reading import changing, rows, value
from tests.writer.recovery.damaged import LOG, asides, damage, wait_for_salvage
from tests.writer.rollups.recomputed import marks, recomputed, rolled_up
from tests.writer.samples import NOW, row_of, sample
from tests.writer.working import drop_older, roll_up
from writer.file.aside import delete_all_but_newest, todo_of
from writer.recovery.guarded_store import GuardedStore
from writer.recovery.old_rollups import carry_over, gather, marks_of
from writer.recovery.pages import pages_of
from writer.recovery.reader import Reader
from writer.store import Store


@pytest.mark.parametrize(("page", "is_live"), [(60, False), (None, True), (240, True), (700, True)])
@pytest.mark.fast_cases(1)
def test_copied_rows_are_rolled_up(recorded: Path, page: int | None, is_live: bool) -> None:
    if page is not None:
        damage(recorded, "run", page=page)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        if is_live:  # so the copied rows count as late
            guarded.store.append([sample(1, "live", ts=NOW + 20_000)], NOW)
            roll_up(guarded.store)
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    assert rolled_up(recorded) == recomputed(recorded)
    assert value(recorded, "SELECT SUM(samples) FROM system_minute") > 2000


@pytest.mark.slow
def test_rows_without_a_run_that_are_copied_twice_count_once(recorded: Path) -> None:
    """Rows of the original logger have no run and no seq: their second identifies them."""
    with changing(recorded) as database:
        database.execute("UPDATE system_sample SET run_id = NULL, seq = NULL")
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    (aside,) = asides(recorded)
    todo_of(aside).touch()  # simulates an interruption just before the end
    with GuardedStore(recorded, LOG) as guarded:
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert rolled_up(recorded) == recomputed(recorded)


@pytest.mark.slow
def test_a_lost_first_page_costs_only_its_own_table(recorded: Path) -> None:
    """Its other pages are recognised by their content."""
    damage(recorded, "system_sample", page=0)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        assert guarded.store.append([sample(1, "live", ts=NOW + 20_000)], NOW) == (1, 0)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3001
    assert value(recorded, "SELECT COUNT(*) FROM process_sample WHERE ts < ?", NOW + 20_000) == 6000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core WHERE ts < ?", NOW + 20_000) == 6000


@pytest.mark.slow
def test_cores_and_processes_that_are_found_later_are_rolled_up_too(recorded: Path) -> None:
    damage(recorded, "core_row", page=0)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        guarded.store.append([sample(1, "live", ts=NOW + 20_000), *row_of(1, 50)], NOW)
        roll_up(guarded.store)
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    assert rolled_up(recorded) == recomputed(recorded)


@pytest.mark.parametrize("stops", [0, 3])
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_roll_ups_of_dropped_rows_are_copied(recorded: Path, stops: int) -> None:
    """Roll-ups are all that is left of dropped rows. An interrupted copy adds none of them twice."""
    with Store(recorded) as store:
        many = [sample(3000 + seq, ts=NOW + 20_000 + 500 * seq) for seq in range(1, 1500)]
        store.append(many, NOW)
        roll_up(store)
        drop_older(store, 3.0)
        store.import_samples([sample(1, "imported", ts=NOW + 100)])
        before, since = rolled_up(recorded), marks(recorded)["raw_since"]
    assert since > NOW
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        (aside,) = asides(recorded)
        with pages_of(aside) as pages, closing(sqlite3.connect(recorded, isolation_level=None)) as target:
            reader, gathered = Reader(pages), sqlite3.connect("", isolation_level=None)
            for _ in (*reader.survey(), *gather(reader, gathered)):
                continue
            copying = carry_over(gathered, target, aside.name, marks_of(reader))
            for _ in range(stops):  # killed here
                next(copying)
            gathered.close()
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    assert rolled_up(recorded) == before
    assert marks(recorded)["raw_since"] == since
    assert rows(recorded, "SELECT name FROM setting WHERE name NOT LIKE 'checked %'") == []
    assert value(recorded, "SELECT last_seq FROM run JOIN dropped USING (run_id) WHERE run = 'run-a'") > 0


def test_cpu_time_of_older_roll_ups_is_estimated_as_at_the_upgrade(recorded: Path) -> None:
    """Roll-ups from before schema 9 have no CPU time; 0 would be a reading."""
    with Store(recorded) as store:
        roll_up(store)
    with changing(recorded) as database:
        exact = dict(database.execute("SELECT bucket, SUM(cpu_us) FROM process_hour GROUP BY bucket"))
        for table in ("process_hour", "process_day"):
            database.execute(f"ALTER TABLE {table} DROP COLUMN cpu_us")
    with pages_of(recorded) as pages, closing(sqlite3.connect("", isolation_level=None)) as gathered:
        reader = Reader(pages)
        for _ in (*reader.survey(), *gather(reader, gathered)):
            continue
        found = dict(gathered.execute("SELECT bucket, SUM(cpu_us) FROM process_hour GROUP BY bucket"))
        days = gathered.execute("SELECT SUM(cpu_us) FROM process_day").fetchone()
    assert len(found) > 2
    assert found == pytest.approx(exact, rel=0.01)
    assert days[0] > 0


def test_the_newest_two_copied_files_are_kept(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Store(path) as store:
        store.append(row_of(1, 10), NOW)
    for _ in range(4):
        with GuardedStore(path, LOG) as guarded:
            guarded.store.replace("for the test")
            wait_for_salvage(guarded)
    assert len(asides(path)) == 2
    deleted = [it.getMessage() for it in caplog.records if it.getMessage().startswith("deleting ")]
    assert len(deleted) == 2
    assert deleted[0].endswith("it was copied, and only the newest 2 are kept")
    assert value(path, "SELECT COUNT(*) FROM system_sample") == 10


def test_files_that_are_not_copied_yet_or_foreign_are_not_deleted(recorded: Path) -> None:
    names = [f"telemetry.db.corrupt.2027011{number}T080000Z" for number in range(4)]
    for at, name in enumerate(names):
        recorded.with_name(name).touch()
        os.utime(recorded.with_name(name), (NOW + at, NOW + at))
    todo_of(recorded.with_name(names[0])).touch()
    mine = "telemetry.db.corrupt.20270110T080000Z.mine"
    recorded.with_name(mine).touch()
    delete_all_but_newest(recorded, LOG)
    assert sorted(path.name for path in asides(recorded)) == [names[0], mine, names[2], names[3]]
