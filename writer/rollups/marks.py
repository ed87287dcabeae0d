"""The marks: how far the roll-ups reach, and from where on raw rows exist."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import NamedTuple

from telemetry import DAY, END_OF_TIME, MINUTE


class Marks(NamedTuple):
    """How far the roll-ups reach, Unix time, s: the columns of ``history``."""

    minute: int
    hour: int
    day: int
    raw_since: int


def read_marks(database: sqlite3.Connection) -> Marks:
    """Return the marks. Raises sqlite3.DatabaseError, as for damage, if they are lost."""
    row = database.execute("SELECT minute_until, hour_until, day_until, raw_since FROM history").fetchone()
    if row is None or not all(isinstance(mark, int) for mark in row):
        error = sqlite3.DatabaseError("the row of the table history is lost")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return Marks(*row)


def sessions_until(database: sqlite3.Connection) -> int:
    """Return how far sessions are complete, Unix time, s."""
    (until,) = database.execute("SELECT coalesce(MAX(until), 0) FROM session_state").fetchone()
    return int(until)


def energy_until(database: sqlite3.Connection) -> int:
    """Return how far energy by program is complete, Unix time, s."""
    return int(database.execute("SELECT energy_until FROM history").fetchone()[0])


def rolled_up_day(database: sqlite3.Connection) -> int:
    """Return the start of the first day that is not in all roll-ups, Unix time, s.

    Sessions and energy by program count as roll-ups.
    """
    marks = read_marks(database).day, sessions_until(database), energy_until(database)
    return floor(min(marks), DAY)


def raw_rows_since(database: sqlite3.Connection) -> int:
    """Return the time (Unix time, s) from which raw rows and all their roll-ups exist, to be compared."""
    (since,) = database.execute(
        "SELECT max(raw_since, minute_since, process_hour_since) FROM history"
    ).fetchone()
    return int(since)


def newest_minute(database: sqlite3.Connection) -> int:
    """Return the start of the newest row's minute: all buckets before it are complete."""
    (newest,) = database.execute(
        "SELECT MAX(time) FROM system_sample WHERE time >= 0 AND time < ?", (END_OF_TIME,)
    ).fetchone()
    return floor(newest or 0, MINUTE)


def floor(time: float, size: int) -> int:
    """Return the start of the bucket of ``size`` seconds that contains ``time``."""
    return int(time) // size * size


def day(mark: float) -> str:
    """Return the UTC day that begins at ``mark``, formatted for a log line."""
    return datetime.fromtimestamp(mark, UTC).strftime("%Y-%m-%d")
