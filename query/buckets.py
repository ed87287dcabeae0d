"""Hours, days, weeks and months as the user's clocks show them: where each of them begins.

Local time is that of the process (``TZ``), from the C library. A day begins at the first moment of its date,
as ``--since 2026-11-24`` does, and has 23 or 25 hours when clocks change. A week begins on Monday (ISO 8601).
An hour begins when clocks show a whole hour, and when they change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from query.rollups import By, RollUps
from query.times import clock_change, moments, utc_offset
from query.values import shown_time
from query.window import History, Window, inward
from telemetry import DAY, END_OF_TIME, HOUR

_LAST: Final = int(END_OF_TIME) - 400 * DAY
"""All later times are in one bucket, because a month must end before the last date of Python."""

# The UTC days that hold a sample. The query looks up the next day in an index, and does not read each sample.
_HELD: Final = """
WITH RECURSIVE held (day) AS (
    SELECT :first / 86400 - 1
    UNION ALL
    SELECT CAST((
        SELECT MIN(moment) FROM (
            SELECT MIN(time) AS moment FROM system_sample
            WHERE time >= max(:first, (held.day + 1) * 86400) AND time < :stop
            UNION ALL
            SELECT MIN(bucket) FROM system_hour
            WHERE bucket >= max(:first, (held.day + 1) * 86400) AND bucket < :stop
        )
    ) AS INTEGER) / 86400
    FROM held WHERE day IS NOT NULL
)
SELECT day FROM held WHERE day IS NOT NULL LIMIT -1 OFFSET 1"""


def edges_of(
    connection: sqlite3.Connection, by: By | None, window: Window, of: RollUps, history: History
) -> tuple[list[int], str | None]:
    """Return the starts of the buckets inside the window, except the first, and a remark on them.

    Days without samples may have no edges. If an edge lies inside a minute or an hour of which only
    the roll-up is left, it is moved to the start of that minute or hour.
    """
    if by is None:
        return [], None
    stop = min(window.stop, _LAST)
    held = connection.execute(_HELD, {"first": int(window.start) // HOUR * HOUR, "stop": stop})
    found = {edge for span in _stretches([day for (day,) in held]) for edge in edges(by, *span)}
    inner = [edge for edge in found if window.start < edge < window.stop]
    # A whole UTC hour, as most edges are, is the start of a bucket at every level of the roll-ups.
    given = {int(inward(edge, of, history)) if edge % HOUR else edge for edge in inner}
    moved = None if given == set(inner) else _moved(by, history)
    return sorted(edge for edge in given if edge > window.start), moved


def _moved(by: By, history: History) -> str:
    if history.minute_since:
        return (
            f"sums by minute before {shown_time(history.minute_since)} were dropped: "
            f"each {by} before then starts at a whole UTC hour"
        )
    return (
        f"raw samples before {shown_time(history.raw_since)} were dropped: "
        f"each {by} before then starts at a whole UTC minute"
    )


def _stretches(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the spans of consecutive days, Unix time in s."""
    first = 0
    for index, (day, following) in enumerate(pairwise([*days, -1]), 1):
        if following != day + 1:
            yield days[first] * DAY, (day + 1) * DAY
            first = index


# --- pure, but for the time zone ----------------------------------------------------------------------


def edges(by: By, start: int, stop: int) -> Iterator[int]:
    """Yield the starts of the buckets that overlap ``start`` <= time < ``stop``, and the end of the last one.

    Unix time in s, in rising order; a few more at either end are possible.
    """
    return _hours(start, stop) if by == "hour" else _dates(by, start, stop)


def _dates(by: By, start: int, stop: int) -> Iterator[int]:
    local = datetime.fromtimestamp(start).date()
    if by == "week":
        local -= timedelta(days=local.weekday())
    if by == "month":
        local = local.replace(day=1)
    while True:
        edge = int(moments(datetime(local.year, local.month, local.day))[0])
        yield edge
        if edge >= stop:
            return
        local = _next(by, local)


def _next(by: By, local: date) -> date:
    if by == "month":
        return (local + timedelta(days=31)).replace(day=1)
    return local + timedelta(days=7 if by == "week" else 1)


def _hours(start: int, stop: int) -> Iterator[int]:
    eras = _eras(start - HOUR, stop + HOUR)
    for number, (begin, end, offset) in enumerate(eras):
        first = -(-(begin + offset) // HOUR) * HOUR - offset
        if number and first != begin:
            yield begin
        yield from range(first, end, HOUR)


def _eras(start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield spans with one offset from UTC, and that offset, s. Two changes within a day are not noticed."""
    begin, at, offset = start, start, utc_offset(start)
    while at < stop:
        later = min(at + DAY, stop)
        if utc_offset(later) == offset:
            at = later
            continue
        at = clock_change(at, later)
        yield begin, at, offset
        begin, offset = at, utc_offset(at)
    yield begin, stop, offset
