"""Files that are not a telemetry database, with the real command: a one-line error, and no change."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.errors import UserError
from tests.needs import is_root_with_capabilities
from tests.system.processes import System, stop, wait_until
from tests.writer.reading import catalogue, changing, fresh_catalogue, value
from tests.writer.samples import NOW, row_of, sample
from writer import schema
from writer.store import Store


def refusal(path: Path | str, *options: str) -> str:
    """Start a writer on ``path``; return its one-line error."""
    directory = Path(path).parent if Path(path).parent.is_dir() else Path("/nowhere")
    environ = {**os.environ, "TELEMETRY_RUNTIME_DIR": str(directory), "PYTHONWARNINGS": "error"}
    ran = subprocess.run(
        [sys.executable, "-m", "writer.main", "--db", str(path), *options],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("telemetry-writer: ")
    assert str(path) in line
    return line.removeprefix("telemetry-writer: ").replace(str(path), "PATH")


def make(path: Path, *statements: str) -> Path:
    with changing(path) as database:
        for statement in statements:
            database.execute(statement)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


def test_a_newer_database_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.append([sample(1)], NOW)
    make(path, f"PRAGMA user_version = {schema.LATEST + 1}")
    before = path.read_bytes()
    assert refusal(path) == (
        f"PATH was made by a newer telemetry-writer: it has schema {schema.LATEST + 1}, "
        f"this one knows {schema.LATEST}; install that version again"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", [0, 1, 2, 77])
def test_a_foreign_database_is_refused(path: Path, version: int) -> None:
    """Whatever its user_version is."""
    make(path, "CREATE TABLE moz_places (id)", f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    assert refusal(path) == "PATH is another program's database: name another --db"
    assert path.read_bytes() == before


@pytest.mark.parametrize("more", ["", "CREATE TABLE run (id)"])
def test_a_foreign_database_with_the_same_table_names_is_refused(path: Path, more: str) -> None:
    make(path, "CREATE TABLE system_sample (id)", more)
    assert "another program's database" in refusal(path)


def test_a_file_that_is_not_a_database_is_refused(path: Path) -> None:
    path.write_bytes(b"# Notes\n" * 1000)
    before = path.read_bytes()
    assert refusal(path) == (
        "cannot open the database PATH: file is not a database; name another --db, or move that file away"
    )
    assert path.read_bytes() == before


def test_an_empty_file_is_an_empty_database(path: Path) -> None:
    """SQLite creates an empty file first, and a writer killed at that moment must be able to start again."""
    path.touch()
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert catalogue(path) == fresh_catalogue()


def test_a_directory(tmp_path: Path) -> None:
    at = tmp_path / "data"
    at.mkdir()
    assert refusal(at) == (
        "cannot open the database PATH: unable to open database file; name a file that you may write in --db"
    )


def test_a_missing_directory(tmp_path: Path) -> None:
    at = tmp_path / "missing" / "telemetry.db"
    line = refusal_naming_the_directory(at)
    assert line == f"there is no directory {tmp_path / 'missing'}: make it, or name another --db"


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = refusal_naming_the_directory(tmp_path / "file" / "telemetry.db")
    assert line == f"there is no directory {tmp_path / 'file'}: make it, or name another --db"


def refusal_naming_the_directory(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Store(path)
    assert not path.exists()
    return str(caught.value)


def test_a_link_to_itself(tmp_path: Path) -> None:
    at = tmp_path / "loop"
    at.symlink_to(at)
    assert refusal(at).startswith("cannot ")


def test_a_read_only_directory(read_only_directory: Path) -> None:
    line = refusal(read_only_directory / "telemetry.db")
    assert line.startswith("cannot create the lock file PATH.lock: ")
    assert line.endswith("; name another --db")
    assert not list(read_only_directory.iterdir())


@pytest.mark.skipif(not is_root_with_capabilities(), reason="only root can make a directory of another user")
@pytest.mark.parametrize("name", ["telemetry.db", "below/telemetry.db"])
def test_a_directory_of_another_user(tmp_path: Path, name: str) -> None:
    """Its content cannot even be listed: that must not raise an uncaught exception."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from telemetry.errors import UserError; from writer.opening import take_lock\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: take_lock(Path(sys.argv[1]))\n"
        "except UserError as error: print(error)\n"
    )
    at = closed / name
    ran = subprocess.run(
        [sys.executable, "-c", code, str(at)], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == (f"cannot create the lock file {at}.lock: Permission denied; name another --db\n")


def test_a_second_writer(tmp_path: Path) -> None:
    """Also under another name of the file. After the first writer has ended, another may start."""
    with System(tmp_path) as system:
        first = system.writer()
        wait_until(lambda: system.database.exists() and value(system.database, "PRAGMA user_version"))
        link = tmp_path / "link.db"
        link.symlink_to(system.database)
        for name in (system.database, link):
            expected = (
                "another telemetry-writer is using PATH: stop it first (systemctl stop telemetry-writer)"
            )
            assert refusal(name) == expected
            assert refusal(name, "--import", "/dev/null") == expected
        assert stop(first)[0] == 0
        with Store(link):
            pass


def test_a_second_store_in_one_process_is_refused(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with Store(path):
        for name in (path, link, tmp_path / "elsewhere" / ".." / "telemetry.db"):
            with pytest.raises(UserError, match="another telemetry-writer is using"):
                Store(name)
        with Store(tmp_path / "other.db"):
            pass
    with Store(link):
        pass
    assert sorted(entry.name for entry in link.parent.iterdir()) == ["link.db"]


def test_a_refused_database_is_released(path: Path) -> None:
    """A store that could not be opened keeps neither lock nor connection."""
    make(path, "CREATE TABLE other (id)")
    with pytest.raises(UserError, match="another program's database"):
        Store(path)
    make(path, "DROP TABLE other")
    with Store(path):
        pass


def test_the_identity_is_that_of_the_open_file(path: Path) -> None:
    """A reader that opened another file under that name notices it by the identity."""
    with Store(path) as store:
        found = path.stat()
        path.rename(path.with_name("moved.db"))
        assert store.identity == (found.st_dev, found.st_ino)
    sqlite3.connect(path).close()


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_wal_that_was_emptied_under_a_reader_is_explained(tmp_path: Path, is_deleted: bool) -> None:
    """The reader's -shm does not match the emptied WAL; the error must not blame the disk."""
    path = tmp_path / "telemetry.db"
    wal = tmp_path / "telemetry.db-wal"
    code = (
        "import sqlite3, sys; database = sqlite3.connect(sys.argv[1]);"
        "database.execute('BEGIN'); database.execute('SELECT * FROM run').fetchall(); print(); input()"
    )
    store = Store(path)
    store.append(row_of(1, 300), NOW)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        store.append(row_of(301, 400), NOW)
        store.close()
        if is_deleted:
            wal.unlink()
        else:
            os.truncate(wal, 0)
        with pytest.raises(UserError, match="truncated or deleted while another program has it open"):
            Store(path)
        reader.kill()
    with Store(path) as store:
        assert store.append(row_of(401, 402), NOW).stored == 2
