"""Computes exact CPU time for roll-ups that are older than the column (schema 9), an hour at a time.

The migration only estimated it. Here it is computed from raw rows, if they still exist. A roll-up whose other
sums differ from those of its raw rows keeps its estimate, because somebody has deleted raw rows.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from telemetry import DAY, HOUR
from writer.file.transaction import transaction
from writer.rollups.adding_up import rows_of_hours
from writer.rollups.marks import floor, raw_rows_since, read_marks
from writer.rollups.tables import PROCESS_HOUR

_UNTIL: Final = "cpu_time_until"
"""The setting that holds how far this has come, Unix time, s. It is deleted when all is done."""
_SAME: Final = ("bucket", "name_id", "appearances", "cpu_sum", "children_sum")
_UPDATE_HOUR: Final = "UPDATE process_hour SET cpu_us = :cpu_us WHERE " + " AND ".join(
    f"{name} = :{name}" for name in _SAME
)
_UPDATE_DAY: Final = (
    "UPDATE process_day SET cpu_us = (SELECT CAST(TOTAL(cpu_us) AS INTEGER) FROM process_hour AS hour "
    "WHERE hour.name_id = process_day.name_id AND hour.bucket >= :day AND hour.bucket < :end) "
    "WHERE bucket = :day"
)


def complete_next(database: sqlite3.Connection) -> bool:
    """Do the next hour in its own transaction; return False if nothing is left to do."""
    row = database.execute("SELECT value FROM setting WHERE name = ?", (_UNTIL,)).fetchone()
    if row is None:
        return False
    with transaction(database):
        (hour,) = database.execute(
            "SELECT MIN(bucket) FROM process_hour WHERE bucket >= ?", (max(row[0], raw_rows_since(database)),)
        ).fetchone()
        if hour is None:
            database.execute("DELETE FROM setting WHERE name = ?", (_UNTIL,))
            return True
        names = [*PROCESS_HOUR.keys, *PROCESS_HOUR.columns]
        exact = dict(rows_of_hours(database, hour, hour + HOUR))[PROCESS_HOUR]
        database.executemany(_UPDATE_HOUR, [dict(zip(names, values, strict=True)) for values in exact])
        day = floor(hour, DAY)
        if day < read_marks(database).day:
            database.execute(_UPDATE_DAY, {"day": day, "end": day + DAY})
        database.execute("UPDATE setting SET value = ? WHERE name = ?", (hour + HOUR, _UNTIL))
    return True
