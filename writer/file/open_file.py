"""Watches the open database file: has somebody replaced it, or copied another file over it?

SQLite notices neither. It would keep using the former file's WAL and write that into the new file.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from writer.file.connections import read_only

_HEADER: Final = 100
_COUNTER: Final = slice(24, 28)
"""The change counter in the header (sqlite.org/fileformat2, 1.3), which only increases"""
_APPLICATION_ID: Final = slice(68, 72)
"""The application id in the header: each of our databases has its own random number"""


class OpenFile:
    """The file behind ``database``, which was just opened at ``path``."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        """Raises OSError if the file is already gone, sqlite3.Error if it cannot be read."""
        self._database = database
        self._path = path
        self._real = os.path.realpath(path)
        # A read-only connection. While it is open, closing the other connection does not make SQLite write
        # the WAL into the file, and this connection cannot do so.
        self._anchor = read_only(path)
        self._anchor.execute("SELECT 1 FROM sqlite_master").fetchone()
        (number,) = database.execute("PRAGMA application_id").fetchone()
        self._id = number.to_bytes(4, "big", signed=True)  # in the file itself from the first checkpoint on
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(self._file)
        self.identity = found.st_dev, found.st_ino
        self.note()

    def note(self) -> None:
        """Note the file's state after this process has written to it."""
        self._header = os.pread(self._file, _HEADER, 0)
        self._wal = _inode(Path(f"{self._real}-wal"))

    def is_former(self) -> bool:
        """Return whether ``path`` is another file now, or another program has overwritten the open file."""
        with suppress(OSError):
            found = self._path.stat()
            if (found.st_dev, found.st_ino) == self.identity:
                return self._has_foreign_content()
        return True

    def _has_foreign_content(self) -> bool:
        header = os.pread(self._file, _HEADER, 0)
        if header == self._header:
            return False
        if header[_APPLICATION_ID] not in {self._header[_APPLICATION_ID], self._id}:
            return True
        # Programs that write to the database or checkpoint its WAL increase the counter.
        return int.from_bytes(header[_COUNTER], "big") < int.from_bytes(self._header[_COUNTER], "big")

    def leave(self) -> Path | None:
        """Close both connections without harming the file that is at ``path`` now.

        If the file itself was moved, the WAL is checkpointed into it first. Otherwise, or if a reader
        prevents that, the WAL is moved aside and its new path is returned. Raises OSError.
        """
        is_here = _inode(self._path) == self.identity[1]
        is_emptied = False
        if not is_here:
            with suppress(sqlite3.Error):
                (is_busy, *_) = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                is_emptied = not is_busy
        aside = None
        wal = Path(f"{self._real}-wal")
        if self._wal is not None and _inode(wal) == self._wal:  # else it came with the new file
            if is_emptied:
                wal.unlink()
            else:
                stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
                aside = wal.rename(f"{self._real}.former-wal.{stamp}")
            Path(f"{self._real}-shm").unlink(missing_ok=True)
        self.close()
        return aside

    def close(self) -> None:
        """Close the connections and the file, in this order: closing the file drops SQLite's locks on it."""
        order = (self._database, self._anchor) if self.is_former() else (self._anchor, self._database)
        for connection in order:  # the last one checkpoints the WAL, if it can write
            connection.close()
        os.close(self._file)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
