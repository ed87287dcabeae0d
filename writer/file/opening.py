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
from writer import schema
from writer.file.catalogue import objects, user_version
from writer.file.disk import disk_of
from writer.file.result_codes import explained_error, is_damage, result_code
from writer.file.transaction import transaction
from writer.upgrade import ladder, original

_BUSY_TIMEOUT = 1.0
"""s to wait for another program's lock. A batch that could not be written is kept and tried again."""
_CHECKPOINT_PAGES = 4000
"""4 MiB of WAL: the longer it grows, the more often a page is rewritten there before it goes to the file."""
_LARGEST_WAL = 16 << 20
"""Bytes to which the WAL is cut when a long reader, which had made it grow, is gone."""


def is_known(path: Path) -> bool:
    """Return whether a writer owned ``path`` before: its lock is there."""
    return Path(f"{os.path.realpath(path)}.lock").exists()


def take_lock(path: Path) -> int:
    """Take the one right to write ``path`` and return its descriptor; the lock ends with the process.

    An flock on a file beside the database: SQLite itself would let two writers take turns, and a lock on the
    database's own file must not be (closing any descriptor of it drops SQLite's). Raises UserError.
    """
    # Not Path.resolve: before Python 3.13 it raises RuntimeError for a symlink to itself.
    database = os.path.realpath(path)
    beside = f"{database}.lock"
    try:
        return open_locked(beside)
    except BlockingIOError:
        raise UserError(
            f"another telemetry-writer owns {path}: stop it first (systemctl stop telemetry-writer)"
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"there is no directory {Path(database).parent}: make it, or name another --db"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write beside the database, {beside}: {error.strerror}; name another --db"
        ) from None


class Damaged(UserError):
    """The file is a database, or was one that a writer owned, and is not whole any more."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the database {path} is damaged: {reason}; start telemetry-writer on it")
        self.reason = reason


def open_database(
    path: Path, *, known: bool = False, announce: Callable[[str], None] = lambda text: None
) -> sqlite3.Connection:
    """Return a connection to the database at ``path``, made or upgraded to the latest schema.

    WAL, ``synchronous`` NORMAL, autocommit. ``known``: a writer owned it before, so that what is no database
    at all is a damaged one, and not a slip in ``--db``. ``announce`` is told of what takes long, before it
    begins. Raises UserError, Damaged among them.
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
    """Turn what SQLite says while ``path`` is opened into a UserError."""
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
    # Many programs count their versions in user_version: a number alone does not make it ours.
    if names and not is_original and (version == 0 or not {"run", "system_sample"} <= names):
        raise UserError(f"{path} is a database of something else: name another --db")
    if version > schema.LATEST:
        raise UserError(
            f"{path} was made by a newer telemetry-writer: it has schema {version}, this one knows "
            f"{schema.LATEST}; install that version again"
        )
    if is_original or 0 < version < schema.LATEST:
        known = original.NAMES if is_original else ladder.names_of(version)
        if taken := ladder.names_in_the_way(database, known):
            raise UserError(
                f"{path} has {' and '.join(taken)} of your own, a name that telemetry-writer needs: "
                "give it another name, then start again"
            )
    if not names:
        # Only an empty file can take these up. A commit writes whole pages, most of them half empty: pages of
        # 1 KiB instead of 4 save half of what an SD card has to write, and cost a scan of raw rows 8 %.
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
        # What the last logger left in the WAL goes to the file first: the room is reckoned from its size.
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        room = Room.of(path)
        announce(f"upgrading {path} of the original logger: {room}")
        original.take_over(database, has_room=room.is_enough)
    elif version < schema.LATEST:
        ladder.climb(database, version)
    elif user_version(database) == 0:
        database.execute(f"PRAGMA user_version = {version}")


class Room(NamedTuple):
    """What a copy of the rows takes, and what there is; bytes."""

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
            return f"its rows are copied into smaller tables, which takes {needed} of {free} for a while"
        return f"{free} are free, and {needed} would be needed to copy its rows: they stay where they are"
