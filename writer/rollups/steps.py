"""Rolling up: the marks in ``history``, and how they move on, a bounded step at a time."""

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
"""Samples in a step of minutes; more only where a single minute has them"""

_Rows = list[tuple[Any, ...]]


class Marks(NamedTuple):
    """How far the roll-ups reach, Unix time, s: the columns of ``history``."""

    minute: int
    hour: int
    day: int
    raw_since: int


class Step(NamedTuple):
    """Rows to add to tables of roll-ups, and the marks that are true then; or sessions; or energy."""

    rows: list[tuple[RollUp, _Rows]]
    marks: Marks
    sessions: sessions.Advance | None = None
    energy: energy.Advance | None = None


def read_marks(database: sqlite3.Connection) -> Marks:
    """Return the marks. Raises sqlite3.DatabaseError, as for damage, where they are lost."""
    row = database.execute("SELECT minute_until, hour_until, day_until, raw_since FROM history").fetchone()
    if row is None or not all(isinstance(mark, int) for mark in row):
        error = sqlite3.DatabaseError("the row of the table history is lost")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    return Marks(*row)


def rolled_up_day(database: sqlite3.Connection) -> int:
    """Return the start of the first day that is not in all roll-ups, Unix time, s.

    Sessions and energy by program as well.
    """
    marks = read_marks(database).day, sessions.done_until(database), energy.done_until(database)
    return floor(min(marks), DAY)


def raw_rows_since(database: sqlite3.Connection) -> int:
    """Return the time, Unix s, from which on raw rows and all roll-ups of them are there to be compared."""
    (since,) = database.execute(
        "SELECT max(raw_since, minute_since, process_hour_since) FROM history"
    ).fetchone()
    return int(since)


def newest_minute(database: sqlite3.Connection) -> int:
    """Return the start of the newest row's minute: up to there all buckets are complete."""
    (newest,) = database.execute(
        "SELECT MAX(time) FROM system_sample WHERE time >= 0 AND time < ?", (END_OF_TIME,)
    ).fetchone()
    return floor(newest or 0, MINUTE)


def floor(time: float, size: int) -> int:
    """Return the start of the bucket of ``size`` seconds that holds ``time``."""
    return int(time) // size * size


# --- moving on ---


def at_commit(database: sqlite3.Connection) -> None:
    """Roll up what the newest rows have completed, in the transaction that stores them.

    An hour at most, of MOST_SAMPLES samples at most: what is more is left for ``in_background``.
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
    """Do one step, in a transaction of its own; return False where there was nothing left to do.

    What takes long, reading an hour of rows, is done without the write lock. ``with_sessions`` is False while
    rows of the past come in: each of them would begin them anew. ``with_energy`` is False where somebody
    waits: it takes as long as all else.
    """
    (version,) = database.execute("PRAGMA data_version").fetchone()
    newest = newest_minute(database)
    step = next_step(database, newest, with_sessions=with_sessions, with_energy=with_energy)
    if step is None:
        return False
    with transaction(database):
        if database.execute("PRAGMA data_version").fetchone() == (version,):
            write_step(database, step)  # else somebody wrote meanwhile: what was read is not all
    return True


def next_step(
    database: sqlite3.Connection,
    until: int,
    *,
    small: bool = False,
    with_sessions: bool = True,
    with_energy: bool = True,
) -> Step | None:
    """Read the next step towards ``until``, the start of a minute; None where there is nothing left to do.

    A step is a day of days, else an hour of hours, else up to an hour of minutes, else sessions: whichever is
    behind. A day is made after its sessions, since its raw rows may be dropped then. Energy by program comes
    last. ``small``: None as well where the step has more than MOST_SAMPLES samples, or is one of energy.
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
    """Write what ``next_step`` read, in the transaction of the caller."""
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
    """Return the rows of system_minute from ``first`` to ``end``, made of raw rows."""
    return _added_up(database, SYSTEM_MINUTE, SYSTEM_MINUTE.of_rows(), first=first, end=end)


def rows_of_hours(database: sqlite3.Connection, first: int, end: int) -> list[tuple[RollUp, _Rows]]:
    """Return the rows of each table of hours, made of minutes and of the raw rows of cores and processes."""
    rows = _added_up(database, SYSTEM_HOUR, SYSTEM_HOUR.of_finer(SYSTEM_MINUTE), first=first, end=end)
    return [
        (SYSTEM_HOUR, rows),
        *_of_processes_and_cores(database, IN_SPAN, {"first": first, "end": end}),
    ]


def rows_of_days(database: sqlite3.Connection, first: int, end: int) -> _Rows:
    """Return the rows of process_day, made of process_hour."""
    return _added_up(database, PROCESS_DAY, PROCESS_DAY.of_finer(PROCESS_HOUR), first=first, end=end)


def _has_more(database: sqlite3.Connection, first: int, end: int) -> tuple[float] | None:
    """Return the time of the sample that is one more than MOST_SAMPLES."""
    row: tuple[float] | None = database.execute(
        "SELECT time FROM system_sample WHERE time >= ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",
        (first, end, MOST_SAMPLES),
    ).fetchone()
    return row


def _first_bucket(database: sqlite3.Connection, mark: int, until: int, size: int) -> int:
    """Return the first bucket from ``mark`` on that has a row, else ``until``: years may lie between."""
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
    # Rows without a number have no name, or one that nobody has numbered yet.
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
    """Add those of ``samples`` (their ts) that lie before a mark, with their cores and processes.

    In the transaction that stored them, once. Those before ``since`` are in the roll-ups already.
    ``is_copy``: they come out of a damaged file, so that the days from theirs on are closed anew.
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
    """Return from where on the tables hold buckets whose older ones were folded into coarser ones."""
    minute, process_hour = database.execute("SELECT minute_since, process_hour_since FROM history").fetchone()
    return {SYSTEM_MINUTE.name: minute, PROCESS_HOUR.name: process_hour}


@contextmanager
def adding_children(database: sqlite3.Connection, samples: Iterable[int], since: int) -> Iterator[None]:
    """Add the cores and processes that the block stores for ``samples``, which may be rolled up already."""
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
