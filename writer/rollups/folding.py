"""Folding, when no raw day is left to drop: old roll-ups into coarser ones, rare names into one row.

Sums are kept: hours are also in their day, minutes in their hour, and what rare names used is in the row
``(other names)`` of their day. The oldest data is folded first; the current day is not changed.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from telemetry import DAY
from telemetry.energy_model.columns import ONE
from writer.file.transaction import transaction
from writer.rollups.energy import FORGET
from writer.rollups.marks import read_marks
from writer.rollups.tables import ENERGY_DAY, PROCESS_DAY, RollUp
from writer.rows import number_of_name

OTHER_NAMES: Final = "(other names)"
_MOST_NAMES: Final = 50
"""Names of a day that keep their own row: those with the most CPU time, or energy"""
_SPARED: Final = (28, 7, 0)
"""How many days before the current one are spared: at first 28, then fewer"""
_LEARNED: Final = (
    "SELECT sums.value ->> 1 FROM energy_model, "
    "json_each(iif(json_valid(taught), taught, '[[]]'), '$[0]') AS exponents, "
    f"json_each(exponents.value, '$[1]') AS sums WHERE sums.value ->> 0 = {ONE}"
)
"""The columns of the days that still count: each has a sum with ONE"""
_BATCH: Final = 2000
_MOST_RAW: Final = 1_000_000
"""Most rows of processes that are searched for unused names"""


def fold(database: sqlite3.Connection) -> bool:
    """Fold the next day in its own transaction; return False if nothing is left to fold."""
    day = read_marks(database).day
    for days in _SPARED:
        end = day - days * DAY
        if (
            _drop_day(database, "process_hour", "process_hour_since", end)
            or _drop_day(database, "energy_hour", "energy_hour_since", end)
            or _drop_day(database, "system_minute", "minute_since", end)
            or _fold_names(database, PROCESS_DAY, "cpu_sum + children_sum", end)
            or _fold_names(database, ENERGY_DAY, "uj", end)
            or (days and _forget(database, end))
        ):
            return True
    return _delete_unused_names(database)


def _drop_day(database: sqlite3.Connection, table: str, mark: str, end: int) -> bool:
    """Drop the oldest day of a table; the coarser table has its sums too."""
    (first,) = database.execute(f"SELECT MIN(bucket) FROM {table} WHERE bucket < ?", (end,)).fetchone()
    if first is None:
        return False
    until = first // DAY * DAY + DAY
    with transaction(database):
        database.execute(f"UPDATE history SET {mark} = max({mark}, ?)", (until,))
        database.execute(f"DELETE FROM {table} WHERE bucket < ?", (until,))
    return True


def _fold_names(database: sqlite3.Connection, table: RollUp, order: str, end: int) -> bool:
    """Fold all but the greatest names, by ``order``, of the oldest day that has more."""
    found = database.execute(
        f"SELECT bucket FROM {table.name} WHERE bucket < ? AND name_id >= 0 "
        "GROUP BY bucket HAVING COUNT(*) > ? ORDER BY bucket LIMIT 1",
        (end, _MOST_NAMES + 1),
    ).fetchone()
    if found is None:
        return False
    with transaction(database):
        keys = (found[0], number_of_name(database, OTHER_NAMES))
        rare = (
            f"bucket = ?1 AND name_id IN (SELECT name_id FROM {table.name} WHERE bucket = ?1 "
            f"AND name_id <> ?2 AND name_id >= 0 ORDER BY {order} DESC, name_id "
            f"LIMIT -1 OFFSET {_MOST_NAMES})"
        )
        added = ", ".join(f"{table.columns[name]}({name})" for name in table.columns)
        row = database.execute(f"SELECT ?1, ?2, {added} FROM {table.name} WHERE {rare}", keys).fetchone()
        database.execute(f"DELETE FROM {table.name} WHERE {rare}", keys)
        database.execute(table.upsert, row)
    return True


def _forget(database: sqlite3.Connection, end: int) -> bool:
    """Forget the data from which energy by program was learned, but keep its results."""
    with transaction(database):
        return database.execute(f"{FORGET} AND day < ?", (end,)).rowcount > 0


def _delete_unused_names(database: sqlite3.Connection) -> bool:
    """Delete names that no row uses any more."""
    if database.execute(f"SELECT 1 FROM process_sample LIMIT 1 OFFSET {_MOST_RAW}").fetchone():
        return False
    unused = database.execute(
        "SELECT name_id FROM process_name WHERE name_id NOT IN (SELECT name_id FROM process_day "
        "UNION SELECT name_id FROM process_hour UNION SELECT name_id FROM energy_day "
        f"UNION SELECT name_id FROM energy_hour UNION {_LEARNED}) "
        "AND (name, coalesce(app, ''), coalesce(user, '')) NOT IN (SELECT name, coalesce(app, ''), "
        f"coalesce(user, '') FROM process_sample WHERE name IS NOT NULL) LIMIT {_BATCH}"
    ).fetchall()
    with transaction(database):
        database.executemany("DELETE FROM process_name WHERE name_id = ?", unused)
    return bool(unused)
