"""Compares roll-ups with their raw rows, an hour at a time, to find damage that no check of the file shows.

They differ if a value was changed on the disk, or if somebody deleted raw rows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from telemetry import DAY, END_OF_TIME, HOUR
from writer.file.transaction import transaction
from writer.rollups.adding_up import rows_of_days, rows_of_hours, rows_of_minutes
from writer.rollups.marks import floor, raw_rows_since, read_marks
from writer.rollups.tables import PROCESS_DAY, SYSTEM_MINUTE, RollUp

_HERE = "witnessed_until"
"""The setting that holds how far this round has come, Unix time, s"""


class Difference(NamedTuple):
    """Roll-ups of one hour, or of one day, that differ from the sums of their rows."""

    table: str
    bucket: int
    """Start of the hour or day, Unix time, s"""
    stored: int
    """Samples (for processes: appearances) that the roll-ups count"""
    raw: int
    """Samples that the raw rows give"""

    def __str__(self) -> str:
        counts = f"{self.stored} and {self.raw} samples" if self.stored != self.raw else "other sums"
        return f"{self.table} from {self.bucket}: {counts}"


def look(database: sqlite3.Connection) -> list[Difference]:
    """Compare the next hour; note and return the differences (``rollup_difference``). Raises sqlite3.Error.

    After the newest hour, the next round begins at the oldest raw row.
    """
    find = "SELECT CAST(value AS INTEGER) FROM setting WHERE name = ?"
    row = database.execute(find, (_HERE,)).fetchone()
    hour = _next_hour(database, row[0] if row else 0)
    compared = {} if hour is None else dict(_compared(database, hour))
    differences = [it for it in compared.values() if it is not None]
    with transaction(database):
        database.executemany("DELETE FROM rollup_difference WHERE table_name = ? AND bucket = ?", compared)
        database.executemany("INSERT INTO rollup_difference VALUES (?, ?, ?, ?)", differences)
        until = 0 if hour is None else hour + HOUR
        database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_HERE, until))
    return differences


def _next_hour(database: sqlite3.Connection, since: int) -> int | None:
    """Return the first hour from ``since`` on that is rolled up and has, or had, rows."""
    marks = read_marks(database)
    (bucket,) = database.execute(
        "SELECT MIN(bucket) FROM (SELECT MIN(bucket) AS bucket FROM system_hour WHERE bucket >= ?1 "
        "UNION ALL SELECT MIN(time) FROM system_sample WHERE time >= ?1 AND time < ?2)",
        (max(since, raw_rows_since(database)), END_OF_TIME),
    ).fetchone()
    hour = None if bucket is None else floor(bucket, HOUR)
    return hour if hour is not None and hour + HOUR <= marks.hour else None


def _compared(database: sqlite3.Connection, hour: int) -> Iterator[tuple[tuple[str, int], Difference | None]]:
    end = hour + HOUR
    minutes = rows_of_minutes(database, hour, end)
    for table, raw in [(SYSTEM_MINUTE, minutes), *rows_of_hours(database, hour, end)]:
        yield (table.name, hour), _difference(database, table, hour, end, raw)
    day = floor(hour, DAY)
    marks = read_marks(database)
    if end == day + DAY and end <= marks.day:
        rows = rows_of_days(database, day, end)
        yield (PROCESS_DAY.name, day), _difference(database, PROCESS_DAY, day, end, rows)


def _difference(
    database: sqlite3.Connection, table: RollUp, first: int, end: int, raw: list[tuple[Any, ...]]
) -> Difference | None:
    names = [*table.keys, *table.columns]
    stored = database.execute(
        f"SELECT {', '.join(names)} FROM {table.name} WHERE bucket >= ? AND bucket < ?", (first, end)
    ).fetchall()
    if Counter(stored) == Counter(raw):
        return None
    counted = len(table.keys)  # the first column after the keys is a count
    stored_counts, raw_counts = ([row[counted] for row in rows] for rows in (stored, raw))
    return Difference(table.name, first, _sum(stored_counts), _sum(raw_counts))


def _sum(counts: list[object]) -> int:
    """Return the sum; damaged values of another type count as 0."""
    return sum(count for count in counts if isinstance(count, int))
