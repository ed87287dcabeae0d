"""Rolling up: the marks in ``history``, and how they advance, a bounded step at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from telemetry import END_OF_TIME
from writer.file.transaction import transaction
from writer.rollups import energy, sessions
from writer.rollups.tables import (
    CORE_HOUR,
    DAY,
    HOUR,
    IN_SPAN,
    LATE,
    MINUTE,
    NAMELESS,
    PROCESS_DAY,
    PROCESS_HOUR,
    SYSTEM_HOUR,
    SYSTEM_MINUTE,
    RollUp,
    number_names,
)

MOST_SAMPLES = 2000
"""Most samples in a step of minutes, unless a single minute has more"""

_Rows = list[tuple[Any, ...]]


class Marks(NamedTuple):
    """How far the roll-ups reach, Unix time, s: the columns of ``history``."""

    minute: int
    hour: int
    day: int
    raw_since: int


class Step(NamedTuple):
    """Rows to add to tables of roll-ups, and the marks after that; or sessions; or energy."""

    rows: list[tuple[RollUp, _Rows]]
    marks: Marks
    sessions: sessions.Advance | None = None
    energy: energy.Advance | None = None


def read_marks(database: sqlite3.Connection) -> Marks:
    """Return the marks. Raises sqlite3.DatabaseError, as for damage, if they are lost."""
    row = database.execute("SELECT minute_until, hour_until, day_until, raw_since FROM history").fetchone()
    if row is None or not all(isinstance(mark, int) for mark in row):
        error = sqlite3.DatabaseError("the row of the table history is lost")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return Marks(*row)


def rolled_up_day(database: sqlite3.Connection) -> int:
    """Return the start of the first day that is not in all roll-ups, Unix time, s.

    Sessions and energy by program count as roll-ups.
    """
    marks = read_marks(database).day, sessions.done_until(database), energy.done_until(database)
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


# --- advancing ---


def at_commit(database: sqlite3.Connection) -> None:
    """Roll up the buckets that the newest rows have completed, in the transaction that stores them.

    At most an hour with at most MOST_SAMPLES samples; more is left to ``in_background``.
    """
    until = newest_minute(database)
    marks = read_marks(database)
    if until == marks.minute or until - _first_bucket(database, marks.minute, until, MINUTE) > HOUR:
        return
    while step := next_step(database, until, small=True):
        write_step(database, step)


def in_background(
    database: sqlite3.Connection, *, with_sessions: bool = True, with_energy: bool = True
) -> bool:
    """Do one step in its own transaction; return False if nothing was left to do.

    The slow part, reading an hour of rows, is done without the write lock. ``with_sessions`` is False while
    old rows are imported, because each would reset the sessions. ``with_energy`` is False while a user waits,
    because it takes as long as all other roll-ups.
    """
    (version,) = database.execute("PRAGMA data_version").fetchone()
    newest = newest_minute(database)
    step = next_step(database, newest, with_sessions=with_sessions, with_energy=with_energy)
    if step is None:
        return False
    with transaction(database):
        if database.execute("PRAGMA data_version").fetchone() == (version,):
            write_step(database, step)  # otherwise somebody wrote meanwhile, and the step is incomplete
    return True


def next_step(
    database: sqlite3.Connection,
    until: int,
    *,
    small: bool = False,
    with_sessions: bool = True,
    with_energy: bool = True,
) -> Step | None:
    """Read the next step towards ``until``, the start of a minute; None if nothing is left to do.

    A step is the first of these that is due: one day of process_day, one hour of the hour tables, up to an
    hour of minutes, sessions, energy by program. A day is made after its sessions, because its raw rows may
    be dropped after that. ``small``: return None also if the step has more than MOST_SAMPLES samples, or is
    one of energy.
    """
    marks = read_marks(database)
    if (day := floor(min(marks.hour, sessions.done_until(database)), DAY)) > marks.day:
        return _days(database, marks, day)
    if (hour := floor(marks.minute, HOUR)) > marks.hour:
        return _hour(database, marks, hour, small=small)
    if until > marks.minute:
        return _minutes(database, marks, until)
    if not with_sessions:
        return None
    if made := sessions.read(database, marks.hour, small=small):
        return Step([], marks, made)
    learned = energy.read(database, marks.hour) if with_energy and not small else None
    return Step([], marks, energy=learned) if learned else None


def write_step(database: sqlite3.Connection, step: Step) -> None:
    """Write the step that ``next_step`` returned, in the caller's transaction."""
    if step.sessions:
        sessions.write(database, step.sessions)
        return
    if step.energy:
        energy.write(database, step.energy)
        return
    for table, rows in step.rows:
        database.executemany(table.upsert, rows)
    database.execute("UPDATE history SET minute_until = ?, hour_until = ?, day_until = ?", step.marks[:3])


def _minutes(database: sqlite3.Connection, marks: Marks, until: int) -> Step:
    first = _first_bucket(database, marks.minute, until, MINUTE)
    end = min(first + HOUR, until)
    if more := _has_more(database, first, end):
        end = max(floor(more[0], MINUTE), first + MINUTE)
    return Step([(SYSTEM_MINUTE, rows_of_minutes(database, first, end))], marks._replace(minute=end))


def _hour(database: sqlite3.Connection, marks: Marks, until: int, *, small: bool) -> Step | None:
    first = _first_bucket(database, marks.hour, until, HOUR)
    end = min(first + HOUR, until)
    if small and _has_more(database, first, end):
        return None
    return Step(rows_of_hours(database, first, end), marks._replace(hour=end))


def _days(database: sqlite3.Connection, marks: Marks, until: int) -> Step:
    (first,) = database.execute(
        "SELECT MIN(bucket) FROM process_hour WHERE bucket >= ? AND bucket < ?", (marks.day, until)
    ).fetchone()
    first = until if first is None else floor(first, DAY)
    end = min(first + DAY, until)
    return Step([(PROCESS_DAY, rows_of_days(database, first, end))], marks._replace(day=end))


def rows_of_minutes(database: sqlite3.Connection, first: int, end: int) -> _Rows:
    """Return the rows of system_minute from ``first`` to ``end``, made from raw rows."""
    return _added_up(database, SYSTEM_MINUTE, SYSTEM_MINUTE.of_rows(), first=first, end=end)


def rows_of_hours(database: sqlite3.Connection, first: int, end: int) -> list[tuple[RollUp, _Rows]]:
    """Return the rows of each hour table, made from minutes and from the raw rows of cores and processes."""
    rows = _added_up(database, SYSTEM_HOUR, SYSTEM_HOUR.of_finer(SYSTEM_MINUTE), first=first, end=end)
    return [
        (SYSTEM_HOUR, rows),
        *_of_processes_and_cores(database, IN_SPAN, {"first": first, "end": end}),
    ]


def rows_of_days(database: sqlite3.Connection, first: int, end: int) -> _Rows:
    """Return the rows of process_day, made from process_hour."""
    return _added_up(database, PROCESS_DAY, PROCESS_DAY.of_finer(PROCESS_HOUR), first=first, end=end)


def _has_more(database: sqlite3.Connection, first: int, end: int) -> tuple[float] | None:
    """Return the time of the first sample after MOST_SAMPLES; None if there are no more."""
    row: tuple[float] | None = database.execute(
        "SELECT time FROM system_sample WHERE time >= ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",
        (first, end, MOST_SAMPLES),
    ).fetchone()
    return row


def _first_bucket(database: sqlite3.Connection, mark: int, until: int, size: int) -> int:
    """Return the first bucket from ``mark`` on that has a row, else ``until``: it may be years later."""
    row = database.execute(
        "SELECT time FROM system_sample WHERE time >= ? AND time < ? ORDER BY time LIMIT 1", (mark, until)
    ).fetchone()
    return floor(row[0], size) if row else until


def _of_processes_and_cores(
    database: sqlite3.Connection, rows: str, where: dict[str, object]
) -> list[tuple[RollUp, _Rows]]:
    """Return an hour's rows of the two tables that come from cores and processes."""
    return [
        (CORE_HOUR, _added_up(database, CORE_HOUR, CORE_HOUR.of_rows(rows), **where)),
        (PROCESS_HOUR, _of_processes(database, PROCESS_HOUR, rows, where)),
    ]


def _of_processes(database: sqlite3.Connection, table: RollUp, rows: str, where: dict[str, object]) -> _Rows:
    found = _added_up(database, table, table.of_rows(rows), **where)
    # Rows without a number have no name, or a name that has no number yet.
    is_nameless = any(row[table.keys.index("name_id")] == NAMELESS for row in found)
    if is_nameless and database.execute(number_names(rows), where).rowcount:
        return _added_up(database, table, table.of_rows(rows), **where)
    return found


def _added_up(database: sqlite3.Connection, table: RollUp, sql: str, **where: object) -> _Rows:
    return database.execute(sql, {"size": table.size, **where}).fetchall()


# --- late rows ---

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
        (table, _added_up(database, table, table.of_rows(LATE), late=late, first=since, end=end))
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
) -> list[tuple[RollUp, _Rows]]:
    in_hours: dict[str, object] = {"late": late, "first": since, "end": marks.hour}
    in_days = in_hours | {"end": marks.day}
    return [
        *_of_processes_and_cores(database, LATE, in_hours),
        (PROCESS_DAY, _of_processes(database, PROCESS_DAY, LATE, in_days)),
    ]
