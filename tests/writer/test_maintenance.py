"""The writer's idle work: in its loop, beside readers, and with kills."""

from __future__ import annotations

import itertools
import logging
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.sampler.fakes import SetClock
from tests.system.processes import System, stop, wait_until
from tests.writer.conftest import MakeDisk
from tests.writer.fake_sampler import Feed
from tests.writer.reading import changing, insert_without_run, is_whole, reading, rows, value
from tests.writer.rollups.recomputed import marks, recomputed, rolled_up
from tests.writer.samples import NOW, row_of, sample
from writer.file.disk import disk_of
from writer.ingest import Batch
from writer.limits import LEAST_FREE, Limits
from writer.service.maintenance import Maintenance
from writer.store import Store

LOG = logging.getLogger("test")
LARGE = Limits(1 << 40)
DAY = 86400
MIDNIGHT = NOW - NOW % DAY


def work_off(keeping: Maintenance, store: Store) -> int:
    """Run turns until there is nothing left to do; return their number."""
    turns = 1
    while keeping.turn(store) < 50:
        turns += 1
    return turns


@pytest.mark.slow
def test_a_backlog_is_worked_off_and_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store.append([sample(seq, ts=MIDNIGHT + 600 * seq) for seq in range(1, 2000)], NOW)
    assert marks(store.path)["minute_until"] == 0
    looks = itertools.count()
    assert work_off(Maintenance(LARGE, LOG, lambda: next(looks) / 8), store) > 100
    assert rolled_up(store.path) == recomputed(store.path)
    told = [record.getMessage() for record in caplog.records]
    assert 5 <= len(told) <= 13
    assert told[0].startswith("rolling up: 1")
    assert told[-2].startswith("energy by program is stored until 2027-01-")
    assert told[-1] == "rolled up, until 2027-01-28"


@pytest.mark.slow
def test_dropped_days_are_logged_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store.append([sample(seq, ts=MIDNIGHT + 600 * seq) for seq in range(1, 2000)], NOW)
    keeping = Maintenance(Limits(1 << 40, 3.0 * DAY), LOG)
    work_off(keeping, store)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "dropped raw samples up to 2027-01-25: --retain is 3 days; their roll-ups stay"
    kept: dict[str, float] = dict(rows(store.path, "SELECT * FROM setting"))
    assert (kept["max_size"], kept["retain"]) == (1 << 40, 3 * DAY)


@pytest.mark.slow
def test_days_dropped_by_size_are_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store.append([sample(seq, ts=MIDNIGHT + 600 * seq) for seq in range(1, 2000)], NOW)
    work_off(Maintenance(Limits(1), LOG), store)
    told = [record.getMessage() for record in caplog.records if "dropped raw" in record.getMessage()]
    (line,) = told
    assert line.startswith("dropped raw samples up to 2027-01-28: it has ")
    assert line.endswith(" and --max-size is 0 MiB; their roll-ups stay")


@pytest.mark.slow
def test_rows_that_are_kept_are_not_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    insert_without_run(store.path, [MIDNIGHT + 100 * seq for seq in range(1, 12_000)])
    work_off(Maintenance(Limits(1 << 40, 3.0 * DAY), LOG), store)
    assert caplog.records == []


def test_that_no_day_can_be_dropped_is_logged_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.append(row_of(1, 10), NOW)
    clock = SetClock()
    keeping = Maintenance(Limits(1), LOG, clock.monotonic)
    for _ in range(3):
        work_off(keeping, store)
        clock.go_on(60.0)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        f"{store.path} or its disk is full, and nothing more may be dropped: free some disk space, or change "
        "--max-size"
    )


# --- a reader that stays open ---


def wal_growth(store: Store, first: int, count: int, each: int) -> float:
    """Store ``count`` samples, ``each`` per commit; return the growth of the WAL in bytes per sample."""
    before = store.wal_size()
    for at in range(first, first + count, each):
        store.append(row_of(at, at + each - 1), NOW)
    return (store.wal_size() - before) / count


@pytest.mark.slow
def test_a_reader_that_stays_open(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite cannot reuse a WAL while somebody reads it, so the writer commits less often."""
    caplog.set_level(logging.INFO)
    keeping = Maintenance(LARGE, LOG, longest_wal=8 << 20)
    store.append(row_of(1, 1000), NOW)
    work_off(keeping, store)
    with reading(store.path) as reader:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT COUNT(*) FROM system_sample").fetchone()
        ordinary = wal_growth(store, 1001, 3000, 12)  # a commit a minute
        while store.wal_size() < 8 << 20:
            wal_growth(store, store.position.seq + 1 if store.position else 1, 1200, 12)
        assert not keeping.is_sparing
        keeping.turn(store)
        assert keeping.is_sparing
        newest = store.position.seq if store.position else 0
        sparing = wal_growth(store, newest + 1, 2400, 120)  # one commit in ten minutes
        keeping.turn(store)
        assert sparing < ordinary / 3
        assert reader.execute("SELECT COUNT(*) FROM system_sample").fetchone() == seen
    assert keeping.turn(store) >= 0
    assert not keeping.is_sparing
    assert store.wal_size() < 100_000, "it was emptied, and then written to again"
    (warning, again) = [record.getMessage() for record in caplog.records]
    assert "until that ends, samples are committed every ten minutes" in warning
    assert again.endswith("-wal is empty again")
    assert is_whole(store.path)


def test_commits_are_ten_minutes_apart_meanwhile() -> None:
    batch = Batch(60.0)
    batch.add([sample(1)], 0.0)
    assert batch.due_in(0.0) == 60.0
    assert batch.due_in(0.0, 600.0) == 600.0
    batch.urgent = True
    assert batch.due_in(0.0, 600.0) == 0.0


# --- in the real process ---


def debtor(path: Path, samples: int = 12_000) -> Path:
    """Return a database of twenty days that is not rolled up, and too large for 2 MB."""
    with Store(path) as store:
        step = 20 * DAY // samples
        for first in range(1, samples + 1, 1000):
            store.append([sample(seq, ts=MIDNIGHT + step * seq) for seq in range(first, first + 1000)], NOW)
        with changing(path) as database:
            for table in ("system_minute", "system_hour", "core_hour", "process_hour", "process_day"):
                database.execute(f"DELETE FROM {table}")
            database.execute("UPDATE history SET minute_until = 0, hour_until = 0, day_until = 0")
    return path


@pytest.mark.slow
def test_samples_are_stored_during_a_backlog(system: System) -> None:
    debtor(system.database, 3000)
    with Feed(system, "--commit-interval", "0") as feed:
        newest = 0
        while marks(system.database)["minute_until"] < MIDNIGHT + 19 * DAY:
            newest += 1
            feed.sampler.publish(sample(newest, "live", ts=MIDNIGHT + 30 * DAY + newest))
            feed.control.wait_for("live", newest)
        assert newest >= 3, "no sample waits for the end of the backlog"
        assert value(system.database, "SELECT COUNT(*) FROM system_sample WHERE run_id = 2") == newest


@pytest.mark.slow
def test_days_are_dropped_before_the_disk_is_full(
    system: System, make_disk: MakeDisk, tmp_path: Path
) -> None:
    pristine = debtor(tmp_path / "pristine.db")
    disk = make_disk(LEAST_FREE + pristine.stat().st_size)  # also the WAL and the roll-ups
    database = Path(shutil.copy(pristine, disk))
    assert disk_of(disk).free <= LEAST_FREE
    writer = system.writer("--db", str(database))
    wait_until(lambda: marks(database)["raw_since"] > 0 and disk_of(disk).free > LEAST_FREE)
    assert value(database, "SELECT COUNT(*) FROM system_sample") > 600, "no more than necessary"
    assert stop(writer)[0] == 0
    assert is_whole(database)
    assert rolled_up(database) == recomputed(pristine, marks(database))


def kill_again_and_again(system: System, pristine: Path, moments: random.Random, kills: int) -> None:
    """Whenever the writer is killed, roll-ups are right, and a day counts as complete only if it is."""
    shutil.copy(pristine, system.database)
    seen = set()
    for _ in range(kills):
        writer = system.writer("--max-size", "2M")
        wait_until(Path(f"{system.database}-wal").exists)
        time.sleep(moments.uniform(0.0, 0.5))
        writer.kill()
        writer.communicate()
        assert is_whole(system.database)
        until = marks(system.database)
        seen.add((until["minute_until"], until["raw_since"]))
        assert until["raw_since"] <= until["day_until"] <= until["hour_until"] <= until["minute_until"]
        assert rolled_up(system.database) == recomputed(pristine, until)
        kept = "SELECT COUNT(*) FROM {} JOIN system_sample USING (ts) WHERE time >= ?"
        for table in ("cpu_core", "process_sample"):
            assert value(system.database, kept.format(table), until["raw_since"]) == value(
                pristine, kept.format(table), until["raw_since"]
            )
    assert len(seen) > 2, "no kill hit a running step"


@pytest.mark.slow
def test_a_kill_at_any_moment_costs_nothing(system: System, tmp_path: Path) -> None:
    kill_again_and_again(system, debtor(tmp_path / "pristine.db"), random.Random(5), 15)
