"""Late rows: they are added to the buckets, sessions and lessons that exist already."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from telemetry import END_OF_TIME
from writer.rollups import energy, sessions
from writer.rollups.adding_up import Rows, added_up, of_processes, of_processes_and_cores
from writer.rollups.marks import Marks, read_marks
from writer.rollups.tables import LATE, PROCESS_DAY, PROCESS_HOUR, SYSTEM_HOUR, SYSTEM_MINUTE, RollUp

_HOURS = (
    "SELECT CAST(time AS INTEGER) / 3600 * 3600, MIN(time) FROM json_each(?) AS late "
    "CROSS JOIN system_sample AS s ON s.ts = late.value WHERE time IS NOT NULL GROUP BY 1"
)


def add_late(
    database: sqlite3.Connection, samples: Iterable[int], since: int = 0, *, is_copy: bool = False
) -> None:
    """Add those ``samples`` (given by ts) that lie before a mark to the roll-ups, with cores and processes.

    Call this once, in the transaction that stored them. Samples before ``since`` are in the roll-ups already.
    ``is_copy``: they come from a damaged file, so the days from the earliest one on are closed again.
    """
    marks, late = read_marks(database), json.dumps(list(samples))
    hours = dict(database.execute(_HOURS, (late,)))
    if hours:
        earliest = max(min(hours.values()), since)
        sessions.take_back(database, earliest)
        if is_copy:
            energy.reopen(database, int(earliest), int(END_OF_TIME))
        else:
            energy.take_back(database, hours)
    found = [
        (table, added_up(database, table, table.of_rows(LATE), late=late, first=since, end=end))
        for table, end in ((SYSTEM_MINUTE, marks.minute), (SYSTEM_HOUR, marks.hour))
    ]
    folded = _folded(database)
    for table, rows in [*found, *_late_children(database, marks, late, since)]:
        database.executemany(table.upsert, [row for row in rows if row[0] >= folded.get(table.name, 0)])


def _folded(database: sqlite3.Connection) -> dict[str, int]:
    """Return the time of the oldest bucket of tables whose older buckets were folded into coarser ones."""
    minute, process_hour = database.execute("SELECT minute_since, process_hour_since FROM history").fetchone()
    return {SYSTEM_MINUTE.name: minute, PROCESS_HOUR.name: process_hour}


@contextmanager
def adding_children(database: sqlite3.Connection, samples: Iterable[int], since: int) -> Iterator[None]:
    """Roll up the cores and processes that the block stores; ``samples`` may be rolled up already."""
    marks, late = read_marks(database), json.dumps(list(samples))
    before = _late_children(database, marks, late, since)
    yield
    for (table, had), (_, has) in zip(before, _late_children(database, marks, late, since), strict=True):
        keys = len(table.keys)
        known = {row[:keys]: row[keys:] for row in had}
        sums = [how == "sum" for how in table.columns.values()]
        for row in has:
            old = known.get(row[:keys], [0] * len(sums))
            values = [
                new - was if is_sum else new for new, was, is_sum in zip(row[keys:], old, sums, strict=True)
            ]
            database.execute(table.upsert, [*row[:keys], *values])


def _late_children(
    database: sqlite3.Connection, marks: Marks, late: str, since: int
) -> list[tuple[RollUp, Rows]]:
    in_hours: dict[str, object] = {"late": late, "first": since, "end": marks.hour}
    in_days = in_hours | {"end": marks.day}
    return [
        *of_processes_and_cores(database, LATE, in_hours),
        (PROCESS_DAY, of_processes(database, PROCESS_DAY, LATE, in_days)),
    ]
