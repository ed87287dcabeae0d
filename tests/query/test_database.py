"""Opening: which databases can be read, and the errors for the others."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from query.database import KNOWN_SCHEMA, limits, reading, size_on_disk
from telemetry.database.reader import UnreadableError
from tests.needs import is_root_with_capabilities
from tests.query.recordings import NOON, Recording
from writer import schema

ROOT = Path(__file__).parents[2]


def count(path: Path) -> int:
    with reading(path) as connection:
        found: int = connection.execute("SELECT COUNT(*) FROM system_sample").fetchone()[0]
    return found


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableError) as refused, reading(path):
        pass
    text = str(refused.value)
    assert "\n" not in text
    assert str(path) in text
    return text


# --- databases that can be read --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a b.db", "what?.db", "50%25.db", "#1.db", "a&mode=rwc.db", "größe.db", ":memory:", b"\xff.db"]
)
def test_a_path_may_contain_any_characters(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    with Recording(path) as recording:
        recording.samples(NOON, 3)
    assert count(path) == 3
    assert {file.removesuffix("-wal").removesuffix("-shm") for file in os.listdir(tmp_path)} == {path.name}


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recording(tmp_path / "t.db") as recording:
        recording.samples(NOON, 3)
    monkeypatch.chdir(tmp_path)
    assert count(Path("t.db")) == 3


def test_a_database_can_be_read_while_the_writer_writes(recording: Recording) -> None:
    recording.samples(NOON, 3)
    recording.database.commit()
    recording.samples(NOON + 15, 3)
    assert count(recording.path) == 3
    recording.database.commit()
    assert count(recording.path) == 6
    assert size_on_disk(recording.path) > recording.path.stat().st_size


def test_a_report_reads_one_snapshot(recording: Recording) -> None:
    recording.samples(NOON, 3)
    recording.database.commit()
    with reading(recording.path) as connection:
        recording.samples(NOON + 15, 3)
        recording.database.commit()
        assert connection.execute("SELECT COUNT(*) FROM system_sample").fetchone() == (3,)


def test_nothing_can_be_written(recording: Recording) -> None:
    with pytest.raises(UnreadableError, match="readonly"), reading(recording.path) as connection:
        connection.execute("DELETE FROM system_sample")


def test_text_that_is_not_utf_8_is_read(recording: Recording) -> None:
    recording.sample(NOON)
    recording.database.execute("UPDATE system_sample SET status = CAST(x'41ff' AS TEXT)")
    recording.database.commit()
    with reading(recording.path) as connection:
        assert connection.execute("SELECT status FROM system_sample").fetchone() == ("A\ufffd",)


# --- databases that cannot be read -------------------------------------------------------------------------


def test_a_missing_database(tmp_path: Path) -> None:
    text = refusal(tmp_path / "no.db")
    assert "no such database; is telemetry-writer running? Give another file with --db PATH" in text
    assert os.listdir(tmp_path) == []
    refusal(tmp_path / "no" / "no.db")


def test_a_directory(tmp_path: Path) -> None:
    assert f"a directory; give the file in it: --db {tmp_path}/telemetry.db" in refusal(tmp_path)


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refusal(tmp_path / "pipe")


def test_odd_paths(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "loop", tmp_path / "file" / "t.db", tmp_path / ("x" * 300)):
        assert "give another file with --db PATH" in refusal(path)


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all\n" * 100)
    assert "not a SQLite database; give another file" in refusal(path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.touch()
    assert f"an empty file; start telemetry-writer --db {path} once" in refusal(path)


def made(path: Path, sql: str) -> Path:
    database = sqlite3.connect(path)
    database.executescript(sql)
    database.close()
    return path


def test_another_programs_database(tmp_path: Path) -> None:
    path = made(tmp_path / "t.db", "CREATE TABLE places (url); PRAGMA user_version = 1")
    assert "not a database of telemetry-writer" in refusal(path)


def test_a_database_of_the_original_logger(tmp_path: Path) -> None:
    path = made(tmp_path / "t.db", "CREATE TABLE system_sample (ts INTEGER PRIMARY KEY)")
    assert "not upgraded yet" in refusal(path)
    assert f"start telemetry-writer --db {path} once" in refusal(path)


@pytest.mark.parametrize("version", range(1, KNOWN_SCHEMA))
def test_an_older_schema(recording: Recording, version: int) -> None:
    recording.database.execute(f"PRAGMA user_version = {version}")
    text = refusal(recording.path)
    assert f"of schema version {version} and not upgraded yet" in text
    assert f"start telemetry-writer --db {recording.path} once" in text


@pytest.mark.parametrize("version", [KNOWN_SCHEMA + 1, 2**31 - 1, -1])
def test_a_newer_schema(recording: Recording, version: int) -> None:
    recording.database.execute(f"PRAGMA user_version = {version}")
    text = refusal(recording.path)
    assert f"schema version {version}" in text
    assert "update telemetry-logger" in text


def test_the_known_schema_is_that_of_the_writer() -> None:
    assert schema.LATEST == KNOWN_SCHEMA


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Recording(path) as recording:
        recording.samples(NOON, 5_000)
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xa5" * (len(content) - 3 * 4096)
    path.write_bytes(content)
    with (
        pytest.raises(UnreadableError, match=r"damaged .*start telemetry-writer --db"),
        reading(path) as connection,
    ):
        connection.execute("SELECT SUM(load1) FROM system_sample").fetchall()


def test_a_locked_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.database.reader._BUSY_SECONDS", 0.01)
    path = made(tmp_path / "t.db", "CREATE TABLE system_sample (ts); PRAGMA user_version = 1")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert "locked by another program; try again" in refusal(path)
    finally:
        holder.close()


def test_it_waits_for_a_short_lock(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    with Recording(path) as recording:
        recording.database.execute("PRAGMA journal_mode = DELETE")
        recording.samples(NOON, 3)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.1, holder.rollback)
    release.start()
    try:
        assert count(path) == 3
    finally:
        release.join()
        holder.close()


# --- as a user without write permission ------------------------------------------------------------


@pytest.fixture
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that anyone may read and only root may write to, with a database in it."""
    if not is_root_with_capabilities():
        pytest.skip("needs root, to become another user")
    import tempfile

    # Not below pytest's own directory: that is closed to others.
    with tempfile.TemporaryDirectory(prefix="telemetry-query-") as name:
        directory = Path(name)
        with Recording(directory / "t.db") as recording:
            recording.samples(NOON, 3)
        directory.chmod(0o755)
        yield directory


AS_NOBODY = """
import csv, json, locale, os, sys
import tabulate, telemetry.stream.control, telemetry.places
from query.main import main
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""
"""Everything is imported first: user nobody may be unable to read the interpreter's files."""


def as_nobody(*argv: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as user nobody, from a copy of the source that anyone may read."""
    source = home / "source"
    shutil.copytree(ROOT / "query", source / "query", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "telemetry", source / "telemetry", ignore=shutil.ignore_patterns("__pycache__"))
    return subprocess.run(
        [sys.executable, "-B", "-c", AS_NOBODY, *argv],
        cwd=source,
        env={"TELEMETRY_RUNTIME_DIR": "/nonexistent", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def stored(path: Path, home: Path) -> str:
    ran = as_nobody("--db", str(path), "export", home=home)
    return f"{ran.returncode} {len(ran.stdout.splitlines()) - 1} {ran.stderr}".strip()


def test_a_cleanly_closed_database_in_a_directory_of_another_user(public: Path) -> None:
    assert not (public / "t.db-wal").exists()
    assert stored(public / "t.db", public) == "0 3"


def test_a_database_of_another_user_while_a_writer_writes(public: Path) -> None:
    writer = sqlite3.connect(public / "t.db")
    writer.execute("INSERT INTO system_sample (ts, time) VALUES (1, 1.0)")
    writer.commit()
    try:
        assert stored(public / "t.db", public) == "0 4"
    finally:
        writer.close()


KILLED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("INSERT INTO system_sample (ts, time) VALUES (1, 1.0)")
database.commit()
os._exit(0)
"""


def test_a_database_of_another_user_after_its_writer_was_killed(public: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(public / "t.db")], check=True)
    assert (public / "t.db-wal").stat().st_size > 0
    assert stored(public / "t.db", public) == "0 4"


def test_old_data_is_not_shown_if_the_wal_cannot_be_read(public: Path) -> None:
    """With a -wal that needs recovery, immutable=1 would silently show only three samples."""
    subprocess.run([sys.executable, "-c", KILLED, str(public / "t.db")], check=True)
    (public / "t.db-shm").unlink()
    ran = as_nobody("--db", str(public / "t.db"), "recent", home=public)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "SQLite must create a -shm file beside it, and this user may not" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_read_only_copy(public: Path) -> None:
    (public / "copy").mkdir(mode=0o755)
    shutil.copy(public / "t.db", public / "copy" / "t.db")
    (public / "copy" / "t.db").chmod(0o444)
    assert stored(public / "copy" / "t.db", public) == "0 3"


def test_without_permission_for_the_file_the_group_is_named(public: Path) -> None:
    (public / "t.db").chmod(0o640)
    ran = as_nobody("--db", str(public / "t.db"), "recent", home=public)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "no permission; sudo adduser nobody telemetry, then log in again\n" in ran.stderr


def test_without_permission_for_the_directory_the_group_is_named(public: Path) -> None:
    (public / "closed").mkdir(mode=0o750)
    ran = as_nobody("--db", str(public / "closed" / "t.db"), "recent", home=public)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "sudo adduser nobody telemetry, then log in again\n" in ran.stderr


@pytest.mark.parametrize(
    ("setting", "is_left"),
    [
        ({}, True),
        ({"least_free": 1 << 59}, False),
        ({"least_free_percent": 100}, False),
        ({"least_free": "word", "least_free_percent": -5}, True),
    ],
)
def test_room_excludes_the_space_that_the_writer_keeps_free(
    recording: Recording, setting: dict[str, object], is_left: bool
) -> None:
    recording.database.executemany("INSERT INTO setting VALUES (?, ?)", setting.items())
    recording.database.commit()
    with reading(recording.path) as connection:
        room = limits(connection, recording.path).room
    assert room is not None
    assert (room > size_on_disk(recording.path)) == is_left
