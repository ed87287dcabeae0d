"""The database as the reports see it: opened read-only, and what bounds it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

from query.declared import SCHEMA
from telemetry.database import reader
from telemetry.database.reader import write_ahead_log

KNOWN_SCHEMA: Final = SCHEMA
"""The PRAGMA user_version whose tables the reports know."""


def reading(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    """Return one read transaction; see ``telemetry.database.reader.reading``."""
    return reader.reading(path, KNOWN_SCHEMA, "telemetry-query")


def size_on_disk(path: Path) -> int:
    """Bytes of the database and of its write-ahead log."""
    return sum(part.stat().st_size for part in (path, write_ahead_log(path)) if part.exists())


class Limits(NamedTuple):
    """What bounds the database."""

    room: float | None
    """Bytes that it may take"""
    retain: float | None
    """s that raw samples are kept"""


def limits(connection: sqlite3.Connection, path: Path) -> Limits:
    """Return what the writer was told, or what its disk leaves where that is less."""
    told: dict[str, float] = dict(
        connection.execute("SELECT name, value FROM setting WHERE value > 0 AND value < 1e18")
    )
    disk = os.statvfs(path)
    # What the writer leaves free of the disk: nothing where it never said so, as after an import alone.
    size = disk.f_blocks * disk.f_frsize
    least_free = max(told.get("least_free", 0), size * told.get("least_free_percent", 0) / 100)
    spare = disk.f_bavail * disk.f_frsize - least_free
    room = size_on_disk(path) + max(spare, 0)
    return Limits(min(room, told.get("max_size") or room), told.get("retain"))
