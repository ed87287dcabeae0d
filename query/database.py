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
    """Return the limits that the writer was given, or what its disk allows if that is less."""
    told: dict[str, float] = dict(
        connection.execute("SELECT name, value FROM setting WHERE value > 0 AND value < 1e18")
    )
    disk = os.statvfs(path)
    # Space that the writer keeps free on the disk: none if it never stored that, as after a mere import.
    size = disk.f_blocks * disk.f_frsize
    least_free = max(told.get("least_free", 0), size * told.get("least_free_percent", 0) / 100)
    spare = disk.f_bavail * disk.f_frsize - least_free
    room = size_on_disk(path) + max(spare, 0)
    return Limits(min(room, told.get("max_size") or room), told.get("retain"))
