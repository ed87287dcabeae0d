"""What is folded when no raw day is left to drop: old roll-ups into coarser ones, rare names into one.

Sums stay: a day of hours is in its day, an hour of minutes in its hour, and what rare names used is in the
row ``(other names)`` of their day. Old data goes first, and the running day stays as it is.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from writer.file.transaction import transaction
from writer.rollups.steps import read_marks
from writer.rollups.tables import DAY, PROCESS_DAY
from writer.rows import number_of_name

OTHER_NAMES: Final = "(other names)"
_MOST_NAMES: Final = 50
"""Names of a day that keep a row of their own: those with the most CPU time"""
_SPARED: Final = (28, 7, 0)
"""Days before the running one that are spared, in turn"""
_BATCH: Final = 2000
_MOST_RAW: Final = 1_000_000
"""Rows of processes that are searched for names in one go"""


def fold(database: sqlite3.Connection) -> bool:
    """Fold the next day, in a transaction of its own; return False where nothing is left to fold."""
    day = read_marks(database).day
    for days in _SPARED:
        end = day - days * DAY
        if (
            _drop_day(database, "process_hour", "process_hour_since", end)
            or _drop_day(database, "system_minute", "minute_since", end)
            or _fold_names(database, end)
        ):
            return True
    return _delete_unused_names(database)


def _drop_day(database: sqlite3.Connection, table: str, mark: str, end: int) -> bool:
    """Drop the oldest day of a table whose sums the coarser one has too."""
    (first,) = database.execute(f"SELECT MIN(bucket) FROM {table} WHERE bucket < ?", (end,)).fetchone()
    if first is None:
        return False
    until = first // DAY * DAY + DAY
    with transaction(database):
        database.execute(f"UPDATE history SET {mark} = max({mark}, ?)", (until,))
        database.execute(f"DELETE FROM {table} WHERE bucket < ?", (until,))
    return True


def _fold_names(database: sqlite3.Connection, end: int) -> bool:
    """Fold all but the busiest names of the oldest day that has more."""
    found = database.execute(
        "SELECT bucket FROM process_day WHERE bucket < ? GROUP BY bucket HAVING COUNT(*) > ? "
        "ORDER BY bucket LIMIT 1",
        (end, _MOST_NAMES + 1),
    ).fetchone()
    if found is None:
        return False
    with transaction(database):
        keys = (found[0], number_of_name(database, OTHER_NAMES))
        rare = (
            "bucket = ?1 AND name_id IN (SELECT name_id FROM process_day WHERE bucket = ?1 AND name_id <> ?2 "
            f"ORDER BY cpu_sum + children_sum DESC, name_id LIMIT -1 OFFSET {_MOST_NAMES})"
        )
        added = ", ".join(f"{PROCESS_DAY.columns[name]}({name})" for name in PROCESS_DAY.columns)
        row = database.execute(f"SELECT ?1, ?2, {added} FROM process_day WHERE {rare}", keys).fetchone()
        database.execute(f"DELETE FROM process_day WHERE {rare}", keys)
        database.execute(PROCESS_DAY.upsert, row)
    return True


def _delete_unused_names(database: sqlite3.Connection) -> bool:
    """Delete names that no row has any more."""
    if database.execute(f"SELECT 1 FROM process_sample LIMIT 1 OFFSET {_MOST_RAW}").fetchone():
        return False
    unused = database.execute(
        "SELECT name_id FROM process_name WHERE name_id NOT IN (SELECT name_id FROM process_day "
        "UNION SELECT name_id FROM process_hour) "
        "AND (name, coalesce(app, ''), coalesce(user, '')) NOT IN (SELECT name, coalesce(app, ''), "
        f"coalesce(user, '') FROM process_sample WHERE name IS NOT NULL) LIMIT {_BATCH}"
    ).fetchall()
    with transaction(database):
        database.executemany("DELETE FROM process_name WHERE name_id = ?", unused)
    return bool(unused)
