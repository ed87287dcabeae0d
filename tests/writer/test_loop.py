"""The real writer from start to end: when it commits, what it answers, and which files it leaves."""

from __future__ import annotations

import logging
import signal
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system.processes import wait_until
from tests.writer.fake_sampler import Feed, skipped
from tests.writer.reading import rows, value
from tests.writer.samples import BATTERY, row_of, sample
from writer.ingest import Item
from writer.limits import Limits
from writer.service.loop import Loop
from writer.service.maintenance import Maintenance
from writer.store import Store, Stored


def count(feed: Feed) -> int:
    return int(value(feed.system.database, "SELECT COUNT(*) FROM system_sample"))


@pytest.mark.parametrize("options", [("--commit-interval", "0")], indirect=True)
def test_an_interval_of_0_commits_each_sample(feed: Feed) -> None:
    feed.sampler.publish(sample(1))
    wait_until(lambda: count(feed) == 1)


@pytest.mark.parametrize("options", [("--commit-interval", "0.5")], indirect=True)
def test_a_commit_happens_by_itself(feed: Feed) -> None:
    feed.sampler.publish(sample(1))
    feed.control.let_it_receive()
    assert count(feed) == 0
    wait_until(lambda: count(feed) == 1)


def test_a_sample_with_a_nearly_empty_battery_is_committed_at_once(feed: Feed) -> None:
    feed.sampler.publish(sample(1)._replace(battery=BATTERY._replace(pct=11.0)))
    feed.control.let_it_receive()
    assert count(feed) == 0
    feed.sampler.publish(sample(2)._replace(battery=BATTERY._replace(pct=10.0)))
    wait_until(lambda: count(feed) == 2)


class Noting(Store):
    """A store that records how it is asked to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.durable: list[bool] = []

    def append(self, items: Iterable[Item], noticed: float, *, durable: bool = False) -> Stored:
        self.durable.append(durable)
        return super().append(items, noticed, durable=durable)


class Kept(NamedTuple):
    """A stand-in for GuardedStore whose store is never damaged."""

    store: Store


def test_only_a_nearly_empty_battery_causes_a_sync(tmp_path: Path) -> None:
    low = BATTERY._replace(pct=10.0)
    maintenance = Maintenance(Limits(1 << 30), logging.getLogger())
    with Noting(tmp_path / "t.db") as store:
        loop = Loop(Kept(store), None, None, maintenance, 60.0, log=logging.getLogger())  # type: ignore[arg-type]
        almost = BATTERY._replace(pct=11.0)
        for battery in (almost, low, low._replace(power=2.0, status="Charging"), None, low):
            loop._batch.add([sample(len(store.durable) + 1)._replace(battery=battery)], 0.0)
            assert loop._commit()
    assert store.durable == [False, True, False, False, True]


@pytest.mark.slow
def test_a_large_batch_causes_a_sync_too(feed: Feed) -> None:
    for first in range(1, 700, 100):
        feed.sampler.publish(*row_of(first, first + 99))
        feed.control.let_it_receive()
    wait_until(lambda: count(feed) >= 500)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_commits_all_received_samples(feed: Feed, number: signal.Signals) -> None:
    feed.sampler.publish(*row_of(1, 3))
    feed.control.wait_for("run-a", 3)
    feed.sampler.publish(*row_of(4, 6))
    feed.control.let_it_receive()
    assert value(feed.system.database, "SELECT MAX(seq) FROM system_sample") == 3, "the interval is 60 s"
    status, log, took = feed.stop(number)
    assert (status, skipped(log)) == (0, 0)
    assert took < 5
    assert rows(feed.system.database, "SELECT seq FROM system_sample") == [(seq,) for seq in range(1, 7)]
    # It was closed cleanly, so there is no WAL.
    assert not Path(f"{feed.system.database}-wal").exists()
    with Store(feed.system.database) as store:
        assert store.position == ("run-a", 6)


def test_a_second_writer_is_refused_and_the_first_continues(feed: Feed) -> None:
    ran = feed.system.run("writer.main")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"telemetry-writer: another telemetry-writer is using {feed.system.database}: "
        "stop it first (systemctl stop telemetry-writer)\n"
    )
    feed.sampler.publish(sample(1))
    feed.control.wait_for("run-a", 1)
    assert feed.stop(signal.SIGTERM)[0] == 0


@pytest.mark.slow
def test_a_locked_database_is_logged_once_and_nothing_is_lost(feed: Feed) -> None:
    feed.sampler.publish(*row_of(1, 2))
    feed.control.wait_for("run-a", 2)
    holder = sqlite3.connect(feed.system.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    feed.sampler.publish(sample(3))
    while time.monotonic() < begun + 2.5:  # it tries several times
        feed.control.let_it_receive()
        assert feed.control.commit() == {"v": 1, "ok": False, "error": "database is locked"}
    feed.sampler.publish(sample(4))
    holder.close()
    feed.control.wait_for("run-a", 4)
    status, log, _ = feed.stop(signal.SIGTERM)
    assert status == 0
    path = feed.system.database
    assert [line for line in log if "storing" not in line] == [
        f"telemetry-writer: cannot write {path}: database is locked; keeping the samples and trying again",
        f"telemetry-writer: {path} can be written again",
    ]
    assert rows(path, "SELECT seq FROM system_sample") == [(1,), (2,), (3,), (4,)]


def test_the_answer_identifies_the_file_and_the_newest_sample(feed: Feed) -> None:
    found = feed.system.database.stat()
    empty = {"v": 1, "ok": True, "dev": found.st_dev, "ino": found.st_ino, "newest": None, "silent": False}

    def answer() -> dict[str, object]:
        fields = feed.control.commit()
        del fields["received"]
        return fields

    assert answer() == empty
    feed.sampler.publish(sample(1))
    feed.control.wait_for("run-a", 1)
    feed.sampler.publish(sample(2))
    feed.control.wait_for("run-a", 2)
    assert answer() == empty | {"newest": ["run-a", 2]}
    # The file is deleted. The writer continues, and a reader of another file ignores its answer.
    feed.system.database.unlink()
    assert answer() == empty | {"newest": ["run-a", 2]}
    assert feed.stop(signal.SIGTERM)[0] == 0
