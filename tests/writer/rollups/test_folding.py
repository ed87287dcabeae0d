"""Folding of a database that is too large and has no raw day left: it keeps the size limit and the sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.sample import Process
from tests.system.processes import System
from tests.writer.reading import changing, is_whole, rows, value
from tests.writer.samples import NOW, sample
from tests.writer.working import ROOMY, drop
from writer.limits import Limits
from writer.mending import rebuild_rollups, settle_clock
from writer.rollups.folding import OTHER_NAMES, fold
from writer.rollups.retention import Retention
from writer.rollups.witness import look
from writer.store import Store

DAY = 86400
BEGIN = NOW - NOW % DAY


def fill(store: Store, days: int, names: int, *, each: int = 96) -> None:
    """Store ``each`` samples a day; each day ``names`` process names occur once, and two always occur."""
    step = DAY // each
    for day in range(days):
        listed = [
            sample(day * each + at + 1, ts=BEGIN + day * DAY + at * step)._replace(
                processes=(
                    Process(1, 1, "busy", 50.0, 1.0, 2.0),
                    Process(2, 1, "idle", 0.0, 1.0),
                    *(
                        Process(10 + n, 1, f"once-{day}-{n}", 0.25, 0.5)
                        for n in range(at * names // each, (at + 1) * names // each)
                    ),
                )
            )
            for at in range(each)
        ]
        store.append(listed, NOW)
    store.append([sample(days * each + 1, ts=BEGIN + days * DAY)], NOW)
    settle_clock(store)


def keep(store: Store, limit: int) -> set[str]:
    return set(drop(store, Retention(Limits(limit), lambda: ROOMY)))


def used(path: Path) -> int:
    pages = value(path, "PRAGMA page_count") - value(path, "PRAGMA freelist_count")
    size: int = pages * value(path, "PRAGMA page_size")
    return size


SUMS = (
    "SELECT SUM(appearances), SUM(cpu_samples), SUM(cpu_sum), SUM(mem_sum), SUM(children_sum), MAX(cpu_max) "
    "FROM process_day"
)
SYSTEM = "SELECT SUM(samples), SUM(interval_us), SUM(discharged_uj), SUM(cpu_sum) FROM system_hour"


@pytest.mark.slow
def test_many_names_stay_within_the_size(tmp_path: Path) -> None:
    """57,600 names once took 6.1 MB at --max-size 4MiB."""
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        fill(store, 12, 1200)
        before = used(path), rows(path, SUMS), rows(path, SYSTEM)
        limit = before[0] // 8
        assert "old roll-ups" in keep(store, limit)
        assert used(path) <= limit
        assert (rows(path, SUMS), rows(path, SYSTEM)) == before[1:]
        assert value(path, "SELECT COUNT(*) FROM process_name") < 12 * 1200
        store.append([sample(99_999, ts=BEGIN + 12 * DAY + 5)], NOW)
        settle_clock(store)
    assert is_whole(path)


def test_the_busiest_names_keep_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        fill(store, 3, 200)
        while store.apply(fold):
            pass
        named: dict[str, int] = dict(
            rows(
                path,
                "SELECT name, SUM(cpu_sum) FROM process_day JOIN process_name USING (name_id) GROUP BY name",
            )
        )
        assert named["busy"] == 3 * 96 * 5000
        assert named[OTHER_NAMES] > 0
        assert len(named) <= 3 * 50 + 1
        assert not store.apply(look), "the witness compares nothing that was folded"
        for _ in rebuild_rollups(store):
            pass
        folded = "bucket < (SELECT minute_since FROM history)"
        assert value(path, f"SELECT COUNT(*) FROM system_minute WHERE {folded}") == 0


def test_a_name_is_deleted_with_the_last_row_of_its_owners(tmp_path: Path) -> None:
    """Also if the program continues under another owner."""
    path = tmp_path / "telemetry.db"
    process = sample().processes[0]
    with Store(path) as store:
        for day, app in enumerate(["old", "new", None]):
            owned = process._replace(app=app)
            store.append([sample(day + 1, ts=BEGIN + day * DAY)._replace(processes=(owned,))], NOW)
        with changing(path) as database:
            database.execute("DELETE FROM process_sample WHERE app = 'old'")
            database.execute("DELETE FROM process_hour WHERE bucket < ?", (BEGIN + DAY,))
            database.execute("DELETE FROM process_day WHERE bucket < ?", (BEGIN + DAY,))
        while store.apply(fold):
            pass
    assert set(rows(path, "SELECT name, app FROM process_name")) == {("python3", "new"), ("python3", None)}


@pytest.mark.parametrize("by", ["total", "day"])
@pytest.mark.fast_cases(1)
def test_reports_on_folded_days_give_the_same(system: System, by: str) -> None:
    with Store(system.database) as store:
        fill(store, 3, 60)
        before = system.query("energy", "--by", by), system.query("hotspots", "--limit", "1")
        keep(store, 1)
    assert value(system.database, "SELECT COUNT(*) FROM system_minute") < 96
    after = system.query("energy", "--by", by), system.query("hotspots", "--limit", "1")
    assert after[1] == before[1]
    assert [row["discharged_wh"] for row in after[0]] == [row["discharged_wh"] for row in before[0]]
    cut = ("--since", str(BEGIN + 1800), "--until", str(BEGIN + DAY + 1800))
    ran = system.run("query.main", "energy", *cut)
    assert "begins at" in ran.stderr
    assert system.query("hotspots", *cut, "--limit", "1")[0]["appearances"] == 2 * 96
    (status,) = system.query("status")
    assert status["oldest"] == BEGIN
    assert status["samples"] == 3 * 96 + 1
