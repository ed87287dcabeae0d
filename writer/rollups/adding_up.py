"""Adds up raw rows, or the buckets of a finer table, into rows of the roll-up tables. It stores nothing."""

from __future__ import annotations

import sqlite3
from typing import Any

from writer.rollups.tables import (
    CORE_HOUR,
    IN_SPAN,
    NAMELESS,
    PROCESS_DAY,
    PROCESS_HOUR,
    SYSTEM_HOUR,
    SYSTEM_MINUTE,
    RollUp,
    number_names,
)

Rows = list[tuple[Any, ...]]
"""Rows of a roll-up table: its keys, then its columns"""


def rows_of_minutes(database: sqlite3.Connection, first: int, end: int) -> Rows:
    """Return the rows of system_minute from ``first`` to ``end``, made from raw rows."""
    return added_up(database, SYSTEM_MINUTE, SYSTEM_MINUTE.of_rows(), first=first, end=end)


def rows_of_hours(database: sqlite3.Connection, first: int, end: int) -> list[tuple[RollUp, Rows]]:
    """Return the rows of each hour table, made from minutes and from the raw rows of cores and processes."""
    rows = added_up(database, SYSTEM_HOUR, SYSTEM_HOUR.of_finer(SYSTEM_MINUTE), first=first, end=end)
    return [
        (SYSTEM_HOUR, rows),
        *of_processes_and_cores(database, IN_SPAN, {"first": first, "end": end}),
    ]


def rows_of_days(database: sqlite3.Connection, first: int, end: int) -> Rows:
    """Return the rows of process_day, made from process_hour."""
    return added_up(database, PROCESS_DAY, PROCESS_DAY.of_finer(PROCESS_HOUR), first=first, end=end)


def of_processes_and_cores(
    database: sqlite3.Connection, rows: str, where: dict[str, object]
) -> list[tuple[RollUp, Rows]]:
    """Return an hour's rows of the two tables that come from cores and processes."""
    return [
        (CORE_HOUR, added_up(database, CORE_HOUR, CORE_HOUR.of_rows(rows), **where)),
        (PROCESS_HOUR, of_processes(database, PROCESS_HOUR, rows, where)),
    ]


def of_processes(database: sqlite3.Connection, table: RollUp, rows: str, where: dict[str, object]) -> Rows:
    found = added_up(database, table, table.of_rows(rows), **where)
    # Rows without a number have no name, or a name that has no number yet.
    is_nameless = any(row[table.keys.index("name_id")] == NAMELESS for row in found)
    if is_nameless and database.execute(number_names(rows), where).rowcount:
        return added_up(database, table, table.of_rows(rows), **where)
    return found


def added_up(database: sqlite3.Connection, table: RollUp, sql: str, **where: object) -> Rows:
    return database.execute(sql, {"size": table.size, **where}).fetchall()
