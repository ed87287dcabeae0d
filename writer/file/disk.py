"""The free space of a file system, and of a database's file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """Bytes of a file system."""

    free: int
    """Available to users other than root"""
    size: int


def disk_of(path: Path) -> Disk:
    """Return the space of the file system that holds ``path``. Raises OSError."""
    # Not shutil.disk_usage: shutil would load half a megabyte of compression modules.
    found = os.statvfs(path)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


class FileSize(NamedTuple):
    """Bytes of the database's file."""

    size: int
    spare: int
    """In free pages"""
    can_shrink: bool

    @property
    def used(self) -> int:
        return self.size - self.spare

    @classmethod
    def of(cls, database: sqlite3.Connection) -> FileSize:
        page, count, free, vacuum = (
            int(database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count", "auto_vacuum")
        )
        return cls(page * count, page * free, vacuum == 2)
