"""Makes roll-ups again from raw rows after the time of some rows was changed, or rows were deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from telemetry import DAY, HOUR, MINUTE
from writer.file.transaction import transaction
from writer.rollups import energy, sessions
from writer.rollups.adding_up import rows_of_days, rows_of_hours, rows_of_minutes
from writer.rollups.marks import floor, newest_minute, raw_rows_since, read_marks
from writer.rollups.tables import PROCESS_DAY, SYSTEM_MINUTE, TABLES, RollUp


def rebuild(database: sqlite3.Connection, moments: Iterable[float]) -> None:
    """Make the buckets that contain ``moments`` (Unix time, s) again, in the caller's transaction.

    Buckets of a day whose raw rows may have been dropped, or that was folded, are not changed.
    """
    moments = set(moments)
    if moments:
        sessions.take_back(database, min(moments))
    marks, oldest = read_marks(database), raw_rows_since(database)
    hours = {hour for moment in moments if (hour := floor(moment, HOUR)) >= oldest}
    for hour in sorted(hours):
        end = hour + HOUR
        _replace(database, SYSTEM_MINUTE, hour, end, rows_of_minutes(database, hour, min(end, marks.minute)))
        if end <= marks.hour:
            for table, rows in rows_of_hours(database, hour, end):
                _replace(database, table, hour, end, rows)
    for day in sorted({floor(hour, DAY) for hour in hours}):
        energy.reopen(database, day, day + DAY)
        if day >= oldest and day + DAY <= marks.day:
            _replace(database, PROCESS_DAY, day, day + DAY, rows_of_days(database, day, day + DAY))


def rebuild_next(database: sqlite3.Connection, since: int) -> int | None:
    """Make the roll-ups of the next hour from ``since`` on again, in a transaction.

    That is the first hour with raw rows or roll-ups. Return where the next hour begins, None after the last.
    Hours whose raw rows may have been dropped keep their roll-ups. Raises sqlite3.Error.
    """
    marks = read_marks(database)
    since = max(since, raw_rows_since(database))
    (found,) = database.execute(
        "SELECT MIN(moment) FROM (SELECT MIN(bucket) AS moment FROM system_minute WHERE bucket >= ?1 "
        "UNION ALL SELECT MIN(time) FROM system_sample WHERE time >= ?1 AND time < ?2)",
        (since, marks.minute),
    ).fetchone()
    if found is None:
        return None
    with transaction(database):
        rebuild(database, [found])
    return floor(found, HOUR) + HOUR


def lower_marks(database: sqlite3.Connection) -> None:
    """If the roll-ups reach past the newest minute, because the time of rows was changed, shorten them.

    In its own transaction. Raises sqlite3.Error.
    """
    marks, newest = read_marks(database), newest_minute(database)
    until = [min(mark, floor(newest, size)) for mark, size in zip(marks, _SIZES, strict=False)]
    since = marks.raw_since if marks.raw_since <= newest + DAY else _raw_since(database)
    if [*until, since] == [*marks]:
        return
    ends = {SYSTEM_MINUTE.name: until[0], PROCESS_DAY.name: until[2]}
    with transaction(database):
        sessions.take_back(database, until[1])
        for table in TABLES:
            _delete(database, table, ends.get(table.name, until[1]), _END)
        database.execute(
            "UPDATE history SET minute_until = ?, hour_until = ?, day_until = ?, raw_since = ?",
            (*until, since),
        )
        energy.reopen(database, until[2], _END)


def _raw_since(database: sqlite3.Connection) -> int:
    """Return the right ``raw_since`` for the existing rows: a wrong clock may have set it too late."""
    (oldest,) = database.execute("SELECT MIN(time) FROM system_sample WHERE time >= 0").fetchone()
    day = floor(oldest or 0, DAY)
    lost = database.execute(
        "SELECT MIN(bucket) < ? FROM system_hour", (floor(oldest or 0, HOUR),)
    ).fetchone()[0]
    if not lost:
        return 0
    (partly,) = database.execute(
        "SELECT EXISTS (SELECT 1 FROM system_minute WHERE bucket >= ? AND bucket < ?)",
        (day, floor(oldest or 0, MINUTE)),
    ).fetchone()
    return day + DAY if partly else day


_SIZES = (MINUTE, HOUR, DAY)
_END = 1 << 62


def _replace(
    database: sqlite3.Connection, table: RollUp, first: int, end: int, rows: list[tuple[Any, ...]]
) -> None:
    _delete(database, table, first, end)
    database.executemany(table.upsert, rows)


def _delete(database: sqlite3.Connection, table: RollUp, first: int, end: int) -> None:
    database.execute(f"DELETE FROM {table.name} WHERE bucket >= ? AND bucket < ?", (first, end))
