"""Opening the database: the lock, the settings, and the way from any older schema to the latest one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from telemetry.errors import UserError
from telemetry.lock import open_locked
from writer import original_tables, schema
from writer.file.catalogue import objects, user_version
from writer.file.disk import disk_of
from writer.file.result_codes import explained_error, is_damage, result_code
from writer.file.transaction import transaction
from writer.upgrade import ladder, original

_BUSY_TIMEOUT = 1.0
"""s to wait for another program's lock. A batch that could not be written is kept and tried again."""
_CHECKPOINT_PAGES = 4000
"""4 MiB of WAL: in a larger WAL, a page is rewritten more often before it is written to the file once."""
_LARGEST_WAL = 16 << 20
"""Bytes to which the WAL is truncated after a long-running reader that had made it grow has ended."""


def is_known(path: Path) -> bool:
    """Return whether a writer has used ``path`` before: its lock file exists."""
    return Path(f"{os.path.realpath(path)}.lock").exists()


def take_lock(path: Path) -> int:
    """Take the writer's lock for ``path`` and return its descriptor; the lock ends with the process.

    It is an flock on a file beside the database. SQLite itself would let two writers take turns, and the
    database file itself must not be locked: closing any descriptor of it would drop SQLite's locks. Raises
    UserError.
    """
    # Not Path.resolve: before Python 3.13 it raises RuntimeError for a symlink to itself.
    database = os.path.realpath(path)
    beside = f"{database}.lock"
    try:
        return open_locked(beside)
    except BlockingIOError:
        raise UserError(
            f"another telemetry-writer is using {path}: stop it first (systemctl stop telemetry-writer)"
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"there is no directory {Path(database).parent}: make it, or name another --db"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot create the lock file {beside}: {error.strerror}; name another --db"
        ) from None


class Damaged(UserError):
    """The file is a database, or was one that a writer used, and is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the database {path} is damaged: {reason}; start telemetry-writer on it")
        self.reason = reason


def open_database(
    path: Path, *, known: bool = False, announce: Callable[[str], None] = lambda text: None
) -> sqlite3.Connection:
    """Return a connection to the database at ``path``, created or upgraded to the latest schema.

    WAL, ``synchronous`` NORMAL, autocommit. ``known``: a writer has used it before, so a file that is not a
    database is a damaged one, and not a wrong ``--db``. ``announce`` is called before a long upgrade begins.
    Raises UserError, for example Damaged.
    """
    with explained(path, known=known):
        database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
        try:
            _prepare(database, path, announce)
        except BaseException:
            database.close()
            raise
    return database


@contextmanager
def explained(path: Path, *, known: bool = False) -> Iterator[None]:
    """Turn SQLite's errors while ``path`` is opened into a UserError."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error) and (known or result_code(error) == sqlite3.SQLITE_CORRUPT):
            raise Damaged(path, str(error)) from None
        raise UserError(f"cannot open the database {path}: {explained_error(error)}") from None


def _prepare(database: sqlite3.Connection, path: Path, announce: Callable[[str], None]) -> None:
    version = user_version(database) or ladder.version_of_tables(database)
    names = {it.name for it in objects(database)}
    is_original = version == 0 and original.is_original(database)
    # Many programs keep a version in user_version: a number alone does not prove that the database is ours.
    if names and not is_original and (version == 0 or not {"run", "system_sample"} <= names):
        raise UserError(f"{path} is another program's database: name another --db")
    if version > schema.LATEST:
        raise UserError(
            f"{path} was made by a newer telemetry-writer: it has schema {version}, this one knows "
            f"{schema.LATEST}; install that version again"
        )
    if is_original or 0 < version < schema.LATEST:
        known = original_tables.NAMES if is_original else ladder.names_of(version)
        if taken := ladder.names_in_the_way(database, known):
            raise UserError(
                f"{path} has your own {' and '.join(taken)}, and telemetry-writer needs that name: "
                "rename it, then start again"
            )
    if not names:
        # These can be set only while the file is empty. A commit writes whole pages, most of them half empty:
        # pages of 1 KiB instead of 4 halve what an SD card has to write, and make a scan of raw rows 8 %
        # slower.
        database.execute("PRAGMA page_size = 1024")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    database.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL}")
    database.execute("PRAGMA synchronous = NORMAL")
    if not names:
        with transaction(database):
            schema.fresh(database)
    elif is_original:
        # Checkpoint the original logger's WAL first: the space needed is estimated from the file's size.
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        room = Room.of(path)
        announce(f"upgrading {path} of the original logger: {room}")
        original.take_over(database, has_room=room.is_enough)
    elif version < schema.LATEST:
        ladder.climb(database, version)
    elif user_version(database) == 0:
        database.execute(f"PRAGMA user_version = {version}")


class Room(NamedTuple):
    """The space that a copy of the rows needs, and the free space; bytes."""

    needed: int
    free: int

    @classmethod
    def of(cls, path: Path) -> Room:
        # The copy is written twice: to the WAL, and from there to the file.
        return cls(2 * path.stat().st_size, disk_of(Path(os.path.realpath(path))).free)

    @property
    def is_enough(self) -> bool:
        return self.free > self.needed

    def __str__(self) -> str:
        needed, free = (f"{size / (1 << 20):,.0f} MiB" for size in self)
        if self.is_enough:
            return f"copying its rows into smaller tables, which needs {needed} of {free} for a while"
        return f"keeping its rows in their tables, as copying them needs {needed} and {free} are free"
