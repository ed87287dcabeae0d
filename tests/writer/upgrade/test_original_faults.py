"""Upgrades that are killed, run out of disk space, or find the database locked: nothing is lost."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from telemetry.errors import UserError
from tests.system.processes import System, stop
from tests.writer.conftest import MakeDisk
from tests.writer.reading import (
    Rows,
    catalogue,
    changing,
    fresh_catalogue,
    is_whole,
    reading,
    rows,
    value,
)
from tests.writer.samples import NOW, sample
from tests.writer.upgrade.originals import START, Layout, assert_kept, build, contents, measured, upgrade
from writer import opening, original_tables, schema
from writer.store import Store
from writer.upgrade import original

CHECKSUMS = {
    "system_sample": "SUM(CAST(power * 1e6 AS INTEGER) * (ts % 1009)), COUNT(battery_pct)",
    "cpu_core": "SUM(CAST(usage * 1e3 AS INTEGER) * (ts % 1009 + core))",
    "process_sample": "SUM(CAST(cpu * 1e3 AS INTEGER) * (ts % 1009 + pid)), COUNT(DISTINCT name)",
}
"""Sums of integers, which do not depend on the order of the rows."""


def fill(path: Path, samples: int, processes: int = 10) -> Path:
    """Make a database of the original with this many samples, each with up to 4 cores and 10 processes."""
    build(path, [])
    last = samples - 1
    with changing(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(f"""
            BEGIN;
            CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (
                SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT i FROM n;
            CREATE TEMP TABLE few AS SELECT i FROM n WHERE i < {processes};
            INSERT INTO system_sample SELECT {START} + 5 * i, 4.1, 0.5, i % 977 / 100.0, 90 - i / 200 % 80,
                i % 1000 / 10.0, 1500, 0.5, 0.25, 0.125 FROM n;
            INSERT INTO cpu_core SELECT {START} + 5 * n.i, few.i, n.i * 7 % 1000 / 10.0
                FROM n, few WHERE few.i < 4;
            INSERT INTO process_sample SELECT {START} + 5 * n.i, (n.i * 31 + few.i * 997) % 32768,
                'process ' || few.i, n.i * 3 % 1000 / 10.0, 0.5 FROM n, few;
            COMMIT;
        """)
    return path


def checksums(path: Path) -> list[Rows]:
    with reading(path) as database:
        return [
            database.execute(f"SELECT COUNT(*), SUM(ts), {sums} FROM {table}").fetchall()
            for table, sums in CHECKSUMS.items()
        ]


# --- killed ---


class Span(NamedTuple):
    """The time in which the writer rewrites the database, in s after its WAL appears."""

    database: Path
    seconds: float


def wait_for_wal(path: Path) -> None:
    """Wait until the upgrade has begun to write."""
    wal, end = Path(f"{path}-wal"), time.monotonic() + 30
    while not (wal.exists() and wal.stat().st_size):
        assert time.monotonic() < end
        time.sleep(0.0005)


def measure(directory: Path, samples: int) -> Span:
    path = fill(directory / "original.db", samples)
    copy = directory / "copy.db"
    shutil.copy(path, copy)
    with System(directory) as system:
        writer = system.writer("--db", str(copy))
        wait_for_wal(copy)
        begun = time.monotonic()
        assert writer.stderr is not None
        assert any("storing into" in line for line in writer.stderr)  # the upgrade is announced before
        took = time.monotonic() - begun
        assert stop(writer)[0] == 0
    assert checksums(copy) == checksums(path)
    return Span(path, took)


def kill_at_random(directory: Path, span: Span, kills: int) -> Iterator[int]:
    """Kill upgrades this many times; check the database after each kill, and yield its version."""
    expected, made_before = checksums(span.database), catalogue(span.database)
    dice = random.Random(20_261_124)
    for number in range(kills):
        path = directory / f"killed-{number}.db"
        shutil.copy(span.database, path)
        with System(directory / str(number)) as system:
            writer = system.writer("--db", str(path))
            wait_for_wal(path)
            time.sleep(dice.uniform(0.0, span.seconds))
            writer.kill()
            assert writer.wait() == -signal.SIGKILL
        assert is_whole(path)
        assert checksums(path) == expected
        version = int(value(path, "PRAGMA user_version"))
        assert catalogue(path) == (fresh_catalogue() if version else made_before)
        with Store(path) as store:
            store.append([sample(1)], NOW)
        assert catalogue(path) == fresh_catalogue()
        with changing(path) as database:
            for table in original_tables.TABLES:
                database.execute(f"DELETE FROM {table} WHERE ts > {NOW}")
        assert checksums(path) == expected
        assert value(path, "SELECT COUNT(*) FROM system_sample WHERE time = ts") == expected[0][0][0]
        path.unlink()
        yield version


@pytest.mark.slow
def test_a_kill_leaves_the_old_database_or_the_new_one(tmp_path: Path) -> None:
    span = measure(tmp_path, 10_000)
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    left = list(kill_at_random(tmp_path, span, 20))
    assert set(left) <= {0, schema.LATEST}
    assert left.count(0) >= 5, "all kills were too late to prove anything"


@pytest.mark.slow
def test_many_kills_of_a_large_upgrade(tmp_path: Path) -> None:
    span = measure(tmp_path, 20_000)
    for number in range(25):
        (tmp_path / str(number)).mkdir()
    left = list(kill_at_random(tmp_path, span, 25))
    assert set(left) <= {0, schema.LATEST}
    assert left.count(0) >= 6


@pytest.mark.parametrize("has_room", [True, False], ids=["full", "cheap"])
def test_a_reader_sees_the_old_database_or_the_new_one(tmp_path: Path, has_room: bool) -> None:
    """It looks at each statement of the upgrade, which is one transaction that includes the version."""
    path = build(tmp_path / "telemetry.db", measured(30))
    seen: list[tuple[int, bool]] = []

    def look(statement: str) -> None:
        new = ("table", "run") in catalogue(path)
        seen.append((value(path, "PRAGMA user_version"), new))

    with changing(path) as database:
        database.set_trace_callback(look)
        original.take_over(database, has_room=has_room)
    old = seen.count((0, False))
    assert old > 20
    assert seen[old:] == [(schema.LATEST, True)] * (len(seen) - old), "once it is new, it stays new"


# --- no disk space ---


def test_the_free_space_is_that_of_the_real_location_of_the_database(
    tmp_path: Path, make_disk: MakeDisk
) -> None:
    disk = make_disk(8 << 20)
    fill(disk / "real.db", 5_000)
    link = tmp_path / "link.db"
    link.symlink_to(disk / "real.db")
    assert not opening.Room.of(link).is_enough


def test_without_space_for_a_copy_the_cheap_upgrade_is_done(make_disk: MakeDisk) -> None:
    path = fill(make_disk(11 << 20) / "telemetry.db", 5_000)
    assert 3 << 20 < path.stat().st_size < 5 << 20
    (path.parent / "ballast").write_bytes(bytes(3 << 19))
    before = checksums(path)
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert "WITHOUT ROWID" not in catalogue(path)["table", "process_sample"]
    with changing(path) as database:
        for table in original_tables.TABLES:
            database.execute(f"DELETE FROM {table} WHERE ts > {NOW}")
    assert checksums(path) == before
    assert is_whole(path)


@pytest.mark.slow
def test_if_the_estimated_space_was_too_small_the_cheap_upgrade_is_done(
    make_disk: MakeDisk, tmp_path: Path
) -> None:
    """Rows without processes grow more than estimated: the full upgrade fails, and the cheap one follows."""
    path = fill(make_disk(16 << 20) / "telemetry.db", 60_000, processes=0)
    size = path.stat().st_size
    free = shutil.disk_usage(path.parent).free
    (path.parent / "ballast").write_bytes(bytes(free - size * 5 // 2))
    assert opening.Room.of(path).is_enough
    before = checksums(path)
    with Store(path) as store:
        assert checksums(path) == before
        store.append([sample(1)], NOW)
        assert Path(f"{path}-wal").stat().st_size < 1 << 20
    assert "WITHOUT ROWID" not in catalogue(path)["table", "process_sample"]
    assert is_whole(path)


def test_the_size_of_the_wal_counts_too(make_disk: MakeDisk, tmp_path: Path) -> None:
    """A killed logger left a small file and a large WAL, and there is no space for a copy of that."""
    filled = fill(tmp_path / "filled.db", 5_000)
    unclosed = sqlite3.connect(tmp_path / "unclosed.db", isolation_level=None)
    unclosed.execute("PRAGMA journal_mode = WAL")
    unclosed.execute("PRAGMA wal_autocheckpoint = 0")
    source = sqlite3.connect(filled)
    source.backup(unclosed)
    source.close()
    path = make_disk(14 << 20) / "telemetry.db"
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"unclosed.db{suffix}", f"{path}{suffix}")
    unclosed.close()
    assert opening.Room.of(path).is_enough, "by the size of the file alone it would fit"
    with Store(path) as store:
        assert "WITHOUT ROWID" not in catalogue(path)["table", "process_sample"]
        assert checksums(path) == checksums(filled)
        store.append([sample(1)], NOW)
        assert Path(f"{path}-wal").stat().st_size < 1 << 20
    assert is_whole(path)


@pytest.mark.parametrize("free", [16 << 10, 0, 200 << 10])
@pytest.mark.fast_cases(1)
def test_without_any_space_nothing_changes(make_disk: MakeDisk, tmp_path: Path, free: int) -> None:
    path = fill(make_disk(8 << 20) / "telemetry.db", 5_000)
    before, made_before, image = checksums(path), catalogue(path), path.read_bytes()
    ballast = path.parent / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(shutil.disk_usage(path.parent).free - free))
    ran = System(tmp_path).run("writer.main", "--db", str(path))
    assert ran.returncode == 1
    said = ran.stderr.rpartition(f"telemetry-writer: cannot open the database {path}: ")[2]
    assert said.startswith(
        (
            "database or disk is full; nothing was changed: free some disk space, then start again\n",
            "disk I/O error; there is no space",  # not even for the index of the WAL
        )
    )
    assert path.read_bytes() == image
    ballast.unlink()
    assert (checksums(path), catalogue(path)) == (before, made_before)
    with Store(path):
        pass
    assert checksums(path) == before


# --- locked ---


def hold(path: Path, how: str) -> sqlite3.Connection:
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute(how)
    return holder


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.fast_cases(1)
def test_a_locked_database_is_reported(tmp_path: Path, journal: str) -> None:
    path = build(tmp_path / "telemetry.db", measured(30), Layout(journal=journal))
    before = contents(path)
    holder = hold(path, "BEGIN IMMEDIATE" if journal == "WAL" else "BEGIN EXCLUSIVE")
    ran = System(tmp_path).run("writer.main", "--db", str(path))
    holder.close()
    assert ran.returncode == 1
    assert ran.stderr.endswith(
        f"telemetry-writer: cannot open the database {path}: database is locked; "
        "another program (the original logger? sqlite3?) is using it: end that one first\n"
    )
    assert contents(path) == before
    upgrade(path, has_room=True)
    assert_kept(before, contents(path))


def test_it_waits_for_a_lock_that_ends(tmp_path: Path) -> None:
    """The full upgrade still happens."""
    path = build(tmp_path / "telemetry.db", measured(30))
    holder = hold(path, "BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, holder.execute, ["COMMIT"])
    timer.start()
    with Store(path):
        pass
    timer.join()
    holder.close()
    assert catalogue(path) == fresh_catalogue()


@pytest.mark.slow
def test_a_lock_does_not_cause_the_cheap_upgrade(tmp_path: Path) -> None:
    """A lock that ends between two attempts must not cost the compact tables for ever."""
    path = build(tmp_path / "telemetry.db", measured(30))
    holder = hold(path, "BEGIN IMMEDIATE")
    timer = threading.Timer(opening._BUSY_TIMEOUT + 0.5, holder.execute, ["COMMIT"])
    timer.start()
    with pytest.raises(UserError, match="locked"):
        Store(path)
    timer.join()
    holder.close()
    assert value(path, "PRAGMA user_version") == 0


@pytest.mark.slow
def test_a_reader_that_stays_does_not_stop_the_upgrade(tmp_path: Path) -> None:
    path = build(tmp_path / "telemetry.db", measured(30))
    reader = hold(path, "BEGIN")
    old = reader.execute("SELECT * FROM system_sample").fetchall()
    with Store(path) as store:
        store.append([sample(1)], NOW)
        assert reader.execute("SELECT * FROM system_sample").fetchall() == old
        reader.close()
    assert rows(path, "SELECT COUNT(*) FROM system_sample") == [(31,)]
