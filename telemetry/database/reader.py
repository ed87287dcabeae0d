"""Opens the database for reports and telemetry-forward: read-only, for one read transaction.

Any failure to open it, and any SQLite error while it is read, is raised as UnreadableError. Its text names
the file and the next step.
"""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from telemetry.errors import UserError

_BUSY_SECONDS: Final = 2.0
"""A reader of a WAL database waits only while a writer recovers the WAL, closes the file or upgrades it."""

_PLAIN: Final = frozenset(b"/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class UnreadableError(UserError):
    """The database cannot be read; the text is one line and says what to do next."""


class DamagedError(UnreadableError):
    """The file is damaged: telemetry-writer copies what can be read of it."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        self.found = f"{path}: damaged ({error})"
        """What is wrong, without the next step"""
        super().__init__(f"{self.found}; start telemetry-writer --db {path}: it recovers what can be read")


@contextmanager
def reading(path: Path, schema: int, program: str) -> Iterator[sqlite3.Connection]:
    """Yield a connection inside one read transaction, so that everything is read from one snapshot.

    ``schema``: the PRAGMA user_version that ``program`` can read. Raises UnreadableError, also for SQLite
    errors inside the ``with`` block.
    """
    _check_file(path)
    try:
        connection = _open(path)
        try:
            _check_schema(connection, path, schema, program)
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        if _code(error) == sqlite3.SQLITE_CORRUPT:
            raise DamagedError(path, error) from error
        raise UnreadableError(_explained(error, path)) from error


def write_ahead_log(path: Path) -> Path:
    """Return the path of the WAL, which holds the commits that are not in the database file yet."""
    return path.with_name(path.name + "-wal")


# --- opening ---------------------------------------------------------------------------------------


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _begin(path, "?mode=ro")
    except sqlite3.OperationalError as error:
        # SQLite needs a -shm file to read a WAL database, and this user may not create it. If there is no
        # -wal file, the database was closed cleanly and is complete, so it can be read as immutable. With a
        # -wal file, that would show old data.
        if (
            _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
            and not write_ahead_log(path).exists()
        ):
            return _begin(path, "?mode=ro&immutable=1")
        raise


def _begin(path: Path, query: str) -> sqlite3.Connection:
    name = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in os.fsencode(path.absolute()))
    connection = sqlite3.connect(
        f"file://{name}{query}", timeout=_BUSY_SECONDS, isolation_level=None, uri=True
    )
    try:
        connection.text_factory = _text
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        connection.execute(
            "SELECT 1 FROM sqlite_master"
        ).fetchone()  # the transaction begins at the first read
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(stored: bytes) -> str:
    """Decode a text; sqlite3 itself raises OperationalError for bytes that are not UTF-8."""
    return stored.decode("utf-8", "replace")


# --- what can be wrong -----------------------------------------------------------------------------


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UnreadableError(
            f"{path}: no such database; is telemetry-writer running? Give another file with --db PATH"
        ) from None
    except PermissionError:
        raise UnreadableError(_no_permission(path)) from None
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}; give another file with --db PATH") from None
    if stat.S_ISDIR(mode):
        raise UnreadableError(f"{path}: a directory; give the file in it: --db {path / 'telemetry.db'}")
    if not stat.S_ISREG(mode):
        raise UnreadableError(f"{path}: not a file; give a database with --db PATH")
    if not os.access(path, os.R_OK):
        raise UnreadableError(_no_permission(path))


def _no_permission(path: Path) -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = "USER"
    return f"{path}: no permission; sudo adduser {user} telemetry, then log in again"


def _check_schema(connection: sqlite3.Connection, path: Path, known: int, program: str) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    ours = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'system_sample'").fetchone()
    if ours is None:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise UnreadableError(f"{path}: not a database of telemetry-writer; give another with --db PATH")
        raise UnreadableError(f"{path}: an empty file; start telemetry-writer --db {path} once")
    if 0 <= version < known:
        dumped = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'gap'").fetchone()
        unversioned = "restored from a dump" if dumped else "made by the original logger"
        maker = f"of schema version {version}" if version else unversioned
        raise UnreadableError(
            f"{path}: {maker} and not upgraded yet; start telemetry-writer --db {path} once"
        )
    if version != known:
        raise UnreadableError(
            f"{path}: schema version {version}, newer than this {program}, which knows {known}; "
            f"update telemetry-logger"
        )


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error that the sqlite3 module itself raises."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explained(error: sqlite3.Error, path: Path) -> str:
    code = _code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path}: not a SQLite database; give another file with --db PATH"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path}: locked by another program; try again"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return (
            f"{path}: {error}: SQLite must create a -shm file beside it, and this user may not; "
            f"start telemetry-writer --db {path}, or copy both files to a directory of your own"
        )
    return f"{path}: {error}; check it: sqlite3 {path} 'PRAGMA integrity_check'"
