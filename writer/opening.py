"""Opening the database: the lock, the settings, and the way from any older schema to the latest one."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from pathlib import Path

from telemetry.errors import UserError
from writer import original, schema

_BUSY_TIMEOUT = 1.0
"""s to wait for another program's lock. A batch that could not be written is kept and tried again."""


def take_lock(path: Path) -> int:
    """Take the one right to write ``path`` and return its descriptor; the lock ends with the process.

    An flock on a file beside the database: SQLite itself would let two writers take turns, and a lock on the
    database's own file must not be (closing any descriptor of it drops SQLite's). Raises UserError.
    """
    database = path.resolve()
    if not database.parent.is_dir():
        raise UserError(f"there is no directory {database.parent}: make it, or name another --db")
    beside = database.with_name(f"{database.name}.lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UserError(f"cannot write beside the database, {beside}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UserError(
            f"another telemetry-writer owns {path}: stop it first (systemctl stop telemetry-writer)"
        ) from None
    return lock


def open_database(path: Path) -> sqlite3.Connection:
    """Return a connection to the database at ``path``, made or upgraded to the latest schema.

    WAL, ``synchronous`` NORMAL, autocommit. Raises UserError.
    """
    try:
        database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
    except sqlite3.Error as error:
        raise UserError(f"cannot open the database {path}: {error}") from None
    try:
        _prepare(database, path)
    except sqlite3.Error as error:
        database.close()
        raise UserError(f"cannot open the database {path}: {error}") from None
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.LATEST:
        raise UserError(
            f"{path} was made by a newer telemetry-writer: it has schema {version}, this one knows "
            f"{schema.LATEST}; install that version again"
        )
    is_empty = not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    is_original = original.is_original(database)
    if version == 0 and not is_empty and not is_original:
        raise UserError(f"{path} is a database of something else: name another --db")
    if is_empty:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only an empty file can take it up
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if is_empty:
        database.execute("BEGIN IMMEDIATE")
        schema.fresh(database)
        database.execute("COMMIT")
    elif is_original:
        original.take_over(database, has_room=_has_room_for_a_copy(path))


def _has_room_for_a_copy(path: Path) -> bool:
    """The copy is written twice: to the WAL, and from there to the file."""
    return shutil.disk_usage(path.parent).free > 2 * path.stat().st_size
