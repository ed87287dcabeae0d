"""Rolling up: how the marks in ``history`` advance, a bounded step at a time."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from telemetry import DAY, HOUR, MINUTE
from writer.file.transaction import transaction
from writer.rollups import energy, sessions
from writer.rollups.adding_up import Rows, rows_of_days, rows_of_hours, rows_of_minutes
from writer.rollups.marks import Marks, floor, newest_minute, read_marks, sessions_until
from writer.rollups.tables import PROCESS_DAY, SYSTEM_MINUTE, RollUp

MOST_SAMPLES = 2000
"""Most samples in a step of minutes, unless a single minute has more"""


class Step(NamedTuple):
    """Rows to add to tables of roll-ups, and the marks after that; or sessions; or energy."""

    rows: list[tuple[RollUp, Rows]]
    marks: Marks
    sessions: sessions.Advance | None = None
    energy: energy.Advance | None = None


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
    if (day := floor(min(marks.hour, sessions_until(database)), DAY)) > marks.day:
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
