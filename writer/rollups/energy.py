"""Energy by program as roll-ups: each hour on battery is learned from, and each day is divided once.

What is learned from an hour depends only on its raw rows and on what was known at the start of its day. So
the result is the same whenever it is computed, and a late row affects only hours of a day that is still open.
A closed day is not changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from telemetry import DAY, FIRST_RECORDING, HOUR
from telemetry.energy_model import stored
from telemetry.energy_model.day import Closed, OpenHour, close
from telemetry.energy_model.features import WARM_UP, lag_of
from telemetry.energy_model.learner import MOST_DAYS, Hour, Knowledge, learn
from telemetry.energy_model.readings import Row, readings_of
from telemetry.energy_model.sums import UNIT, Sums, add
from writer.rollups.tables import ENERGY_DAY, ENERGY_HOUR

_FIRST: Final = int(FIRST_RECORDING)
_COLUMNS: Final = ", ".join(Row._fields)
_ROWS: Final = f"SELECT {_COLUMNS} FROM energy_row WHERE time >= ? AND time < ? ORDER BY time, ts"
_BEFORE: Final = (
    f"SELECT {_COLUMNS} FROM energy_row WHERE time >= ? AND time < ? ORDER BY time DESC, ts DESC LIMIT ?"
)
_PROGRAMS: Final = (
    "SELECT ts, name_id, CAST(cpu_sum + children_sum AS INTEGER) FROM process_sums "
    "WHERE time >= ? AND time < ?"
)
_CORES: Final = "SELECT COUNT(*) FROM cpu_core WHERE ts = ?"
_NEXT_HOUR: Final = """
SELECT MIN(bucket) FROM system_hour
WHERE bucket >= ? AND bucket < ? AND discharged_uj > 0
  AND NOT EXISTS (SELECT 1 FROM energy_lesson AS l WHERE l.bucket = system_hour.bucket)
  AND NOT EXISTS (SELECT 1 FROM energy_model WHERE day = system_hour.bucket / 86400 * 86400)"""
_OPEN_HOURS: Final = """
SELECT bucket, coalesce((SELECT discharged_uj FROM system_hour AS s WHERE s.bucket = l.bucket), 0), lesson
FROM energy_lesson AS l WHERE bucket >= ? AND bucket < ? ORDER BY bucket"""
_LAST_DAYS: Final = (
    "SELECT exponent, taught, rates, idle FROM energy_model WHERE day < ? ORDER BY day DESC LIMIT ?"
)
FORGET: Final = "UPDATE energy_model SET taught = NULL, rates = NULL, quiet = NULL WHERE taught IS NOT NULL"
_FORGET_OLD: Final = f"""{FORGET} AND day < (
    SELECT MIN(day) FROM (
        SELECT day FROM energy_model WHERE day < (SELECT raw_since FROM history)
        ORDER BY day DESC LIMIT {MOST_DAYS}))"""
"""Keeps the days that count for the first day with raw rows, so that all later days can be recomputed."""


class ClosedDay(NamedTuple):
    """A day to be closed."""

    day: int
    buckets: list[int]
    hours: list[Hour]
    closed: Closed


class Advance(NamedTuple):
    """A step that was read: what to store, and how far energy by program is then complete."""

    until: int
    lesson: tuple[int, str] | None = None
    """An hour, and what was learned from it"""
    closed: ClosedDay | None = None


def read(database: sqlite3.Connection, until: int) -> Advance | None:
    """Read the next step towards ``until``, the start of an hour; None if nothing is left to do.

    A step closes a day or learns from an hour, whichever comes first.
    """
    done, since = database.execute("SELECT energy_until, raw_since FROM history").fetchone()
    (hour,) = database.execute(_NEXT_HOUR, (max(done, since, _FIRST), until)).fetchone()
    ahead = until if hour is None else hour
    (oldest,) = database.execute("SELECT MIN(bucket) FROM energy_lesson").fetchone()
    if oldest is not None and (day := oldest // DAY * DAY) + DAY <= ahead:
        return Advance(day + DAY, closed=_close(database, day))
    if hour is not None:
        lesson = _learn(database, hour, _known(database, hour // DAY * DAY))
        return Advance(hour + HOUR, lesson=(hour, stored.hour_text(lesson)))
    return Advance(until) if done < until else None


def write(database: sqlite3.Connection, step: Advance) -> None:
    """Write the step that ``read`` returned, in the caller's transaction."""
    if step.lesson:
        database.execute("INSERT OR REPLACE INTO energy_lesson VALUES (?, ?)", step.lesson)
    if step.closed:
        _write_day(database, step.closed)
    database.execute("UPDATE history SET energy_until = ?", (step.until,))


def take_back(database: sqlite3.Connection, hours: Iterable[int]) -> None:
    """Forget what was learned from ``hours`` (Unix time, s), because late rows were added to them.

    In the caller's transaction. Closed days, and days whose raw rows may have been dropped, are not changed.
    """
    done, since = database.execute("SELECT energy_until, raw_since FROM history").fetchone()
    # At the start of an hour, the gauge's average still includes the previous hour.
    touched = {at for hour in hours for at in (hour, hour + HOUR) if max(since, _FIRST) <= at < done}
    days = {hour // DAY * DAY for hour in touched}
    is_closed = "SELECT 1 FROM energy_model WHERE day = ?"
    closed = {day for day in days if database.execute(is_closed, (day,)).fetchone()}
    if again := [hour for hour in touched if hour // DAY * DAY not in closed]:
        database.executemany("DELETE FROM energy_lesson WHERE bucket = ?", [(hour,) for hour in again])
        database.execute("UPDATE history SET energy_until = ?", (min(again),))


def reopen(database: sqlite3.Connection, first: int, end: int) -> None:
    """Forget the days from ``first`` to ``end`` (Unix time, s), in the caller's transaction.

    For rows whose time was changed, and for rows copied from a damaged file. Days whose raw rows may have
    been dropped are not changed.
    """
    (since,) = database.execute("SELECT raw_since FROM history").fetchone()
    first = max(first // DAY * DAY, since, _FIRST)
    if first >= end:
        return
    for table in (ENERGY_HOUR, ENERGY_DAY):
        database.execute(f"DELETE FROM {table.name} WHERE bucket >= ? AND bucket < ?", (first, end))
    database.execute("DELETE FROM energy_model WHERE day >= ? AND day < ?", (first, end))
    database.execute("DELETE FROM energy_lesson WHERE bucket >= ? AND bucket <= ?", (first, end))
    database.execute("UPDATE history SET energy_until = min(energy_until, ?)", (first,))


# --- an hour ---


def _learn(database: sqlite3.Connection, hour: int, known: Knowledge) -> Hour:
    lead = [Row(*row) for row in database.execute(_BEFORE, (hour - HOUR, hour, WARM_UP))][::-1]
    own = [Row(*row) for row in database.execute(_ROWS, (hour, hour + HOUR))]
    first = lead[0].time if lead else hour
    programs: dict[int, dict[int, int]] = {}
    for ts, name_id, used in database.execute(_PROGRAMS, (first, hour + HOUR)):
        of_sample = programs.setdefault(ts, {})
        of_sample[name_id] = of_sample.get(name_id, 0) + used
    # The cores of the last sample, as the reports count them when they read samples.
    (cores,) = database.execute(_CORES, (own[-1].ts if own else None,)).fetchone()
    return learn(readings_of([*lead, *own], programs, cores or 1), len(lead), known)


def _known(database: sqlite3.Connection, day: int) -> Knowledge:
    """Return what was known at the start of a day."""
    rows = database.execute(_LAST_DAYS, (day, MOST_DAYS)).fetchall()
    if not rows:
        return Knowledge()
    lags: Sums = {}
    for _, taught, *_ in rows:
        if read_back := stored.read_taught(taught):
            add(lags, read_back.lags)
    exponent, _, rates, _ = rows[0]
    return Knowledge(stored.read_models(rates) or {}, exponent, lags)


# --- a day ---


def _close(database: sqlite3.Connection, day: int) -> ClosedDay:
    buckets, hours = [], []
    for bucket, discharged, lesson in database.execute(_OPEN_HOURS, (day, day + DAY)):
        buckets.append(bucket)
        hours.append(OpenHour(discharged, stored.read_hour(lesson) or Hour({}, {}, {})))
    rows = database.execute(_LAST_DAYS, (day, MOST_DAYS - 1)).fetchall()
    past = [found for _, taught, *_ in reversed(rows) if (found := stored.read_taught(taught))]
    exponent, *_, idle = rows[0] if rows else (None, 0.0)
    return ClosedDay(day, buckets, [hour.learned for hour in hours], close(hours, past, exponent, idle))


def _write_day(database: sqlite3.Connection, it: ClosedDay) -> None:
    closed, known = it.closed, it.closed.knowledge
    of_hours, of_day = _rows(it)
    (since,) = database.execute("SELECT energy_hour_since FROM history").fetchone()
    database.executemany(ENERGY_HOUR.upsert, [row for row in of_hours if row[0] >= since])
    database.executemany(ENERGY_DAY.upsert, of_day)
    exponent = known.exponent_now
    model, lag = known.models.get(exponent), lag_of(known.lag_sums)
    lessons = [hour.lessons[exponent] for hour in it.hours if exponent in hour.lessons]
    quiet = (stored.quiet_of(*hour, exponent) for hour in zip(it.buckets, it.hours, strict=True))
    values = (
        it.day,
        known.exponent,
        closed.idle,
        model.common if model else None,
        model.blocks if model else 0,
        sum(lesson.cell.seconds for lesson in lessons) * 1_000_000 // UNIT,
        *lag,
        stored.taught_text(closed.taught),
        stored.models_text(known.models),
        stored.quiet_text(filter(None, quiet)),
    )
    database.execute(f"INSERT INTO energy_model VALUES ({', '.join('?' * len(values))})", values)
    # Later hours were learned from before this day was closed: they must be learned from again.
    database.execute("DELETE FROM energy_lesson WHERE bucket >= ?", (it.day,))
    database.execute(_FORGET_OLD)


def _rows(it: ClosedDay) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of a day's hours, and the rows of the day."""
    of_hours: list[tuple[Any, ...]] = []
    total: dict[int, list[int]] = {}
    for bucket, hour, parts in zip(it.buckets, it.hours, it.closed.parts, strict=True):
        for column in sorted({*parts, *hour.cpu_us}):
            uj, pm_uj = parts.get(column, (0, 0))
            row = (uj, pm_uj, hour.cpu_us.get(column, 0), 1)
            of_hours.append((bucket, column, *row))
            before = total.setdefault(column, [0, 0, 0, 0])
            total[column] = [a + b for a, b in zip(before, row, strict=True)]
    return of_hours, [(it.day, column, *row) for column, row in sorted(total.items())]
