"""Another file replaces the open database: it is moved into its place or copied over it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.system.processes import System, stop, wait_until
from tests.writer.reading import changing, is_whole, value
from tests.writer.samples import NOW, row_of
from writer.store import Store


def seqs(path: Path) -> set[int]:
    with closing(sqlite3.connect(path)) as database:
        return {seq for (seq,) in database.execute("SELECT seq FROM system_sample WHERE run_id IS NOT NULL")}


def copy_of(store: Store, to: Path) -> Path:
    """Return a backup of the current database."""
    with closing(sqlite3.connect(store.path)) as database, closing(sqlite3.connect(to)) as target:
        database.backup(target)
    return to


def put(older: Path, path: Path, how: str) -> None:
    if how == "mv":
        older.rename(path)
    elif how == "cp":
        shutil.copyfile(older, path)
    elif how == "old one kept":
        path.rename(path.with_name("kept.db"))
        older.rename(path)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Another program reads the database during the test."""
    code = (
        "import sqlite3, sys; database = sqlite3.connect(sys.argv[1]);"
        "database.execute('BEGIN'); database.execute('SELECT * FROM run').fetchall(); print(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        yield
        reader.kill()


@pytest.mark.parametrize("how", ["mv", "cp", "old one kept"])
@pytest.mark.parametrize("has_reader", [False, True])
@pytest.mark.parametrize("of_another", [False, True])
@pytest.mark.fast_cases(4)
def test_the_new_file_is_intact_and_gets_the_next_samples(
    tmp_path: Path, how: str, has_reader: bool, of_another: bool
) -> None:
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        store.append(row_of(1, 300), NOW)
        store.apply(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        older = copy_of(store, tmp_path / "older.db")
        if of_another:
            older.unlink()
            with Store(older) as other:
                other.append(row_of(1, 40), NOW)
            Path(f"{older}.lock").unlink()
        held = seqs(older)
        store.append(row_of(301, 900), NOW)
        store.apply(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())
        store.append(row_of(901, 1000), NOW)
        with reading(path) if has_reader else nullcontext():
            put(older, path, how)
            store.append(row_of(1001, 1100), NOW)
            assert store.replacement is not None
            assert store.replacement.position == ("run-a", max(held))
        store.append(row_of(1101, 1110), NOW)
    assert is_whole(path)
    assert seqs(path) == held | set(range(1001, 1111))
    if how == "old one kept" and not has_reader:
        assert is_whole(tmp_path / "kept.db")
        assert seqs(tmp_path / "kept.db") == set(range(1, 1001))


def test_a_file_with_its_own_wal_keeps_it(tmp_path: Path) -> None:
    path, other = tmp_path / "telemetry.db", tmp_path / "other.db"
    with Store(path) as store:
        store.append(row_of(1, 100), NOW)
        writer = Store(other)
        writer.append(row_of(5000, 5100), NOW)
        beside = tmp_path / "copy.db"
        for ending in ("", "-wal"):
            shutil.copyfile(f"{other}{ending}", f"{beside}{ending}")
        writer.close()
        beside.rename(path)
        Path(f"{beside}-wal").rename(f"{path}-wal")
        store.append(row_of(6000, 6001), NOW)
    assert is_whole(path)
    assert seqs(path) == {*range(5000, 5101), 6000, 6001}


def other_program(path: Path, *sql: str) -> None:
    with changing(path) as database:
        for statement in sql:
            database.execute(statement)


OTHERS: dict[str, Callable[[Path], None]] = {
    "a checkpoint": lambda path: other_program(path, "PRAGMA wal_checkpoint(TRUNCATE)"),
    "VACUUM": lambda path: other_program(path, "VACUUM"),
    "a table": lambda path: other_program(
        path, "CREATE TABLE own (x)", "INSERT INTO own VALUES (1)", "PRAGMA wal_checkpoint(TRUNCATE)"
    ),
    "an index": lambda path: other_program(path, "CREATE INDEX own ON system_sample (voltage)"),
    "a touch": os.utime,
}


@pytest.mark.parametrize("what", OTHERS)
def test_writes_of_other_programs_do_not_count_as_another_file(tmp_path: Path, what: str) -> None:
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        for first in range(1, 500, 100):
            store.append(row_of(first, first + 99), NOW)
            OTHERS[what](path) if first == 201 else None
        assert store.replacement is None
    assert is_whole(path)
    assert seqs(path) == set(range(1, 501))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mv", "cp"])
def test_samples_that_the_new_file_lacks_are_fetched_from_the_ring(system: System, how: str) -> None:
    system.sampler()
    writer = system.writer("--commit-interval", "0")
    wait_until(lambda: system.stored() >= 2)
    older = system.database.with_name("older.db")
    with closing(sqlite3.connect(system.database)) as database, closing(sqlite3.connect(older)) as target:
        database.backup(target)
    held = len(seqs(older))
    wait_until(lambda: system.stored() >= held + 2)
    put(older, system.database, how)
    wait_until(lambda: system.stored() >= held + 4)
    status, said = stop(writer)
    assert status == 0
    assert said.count("moved, deleted or replaced") == 1
    found = seqs(system.database)
    assert found == set(range(1, max(found) + 1))
    assert is_whole(system.database)
    assert value(system.database, "SELECT COUNT(*) FROM gap") == 0
