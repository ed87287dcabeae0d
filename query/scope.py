"""Which part of the time line a report reads, and what a user has to know of it."""

from __future__ import annotations

import sqlite3
from math import inf, nextafter
from typing import Final, NamedTuple

from query.reports import Report
from query.spans import History, outward
from query.values import shown_time
from telemetry import END_OF_TIME

# Without an end the newest sample is that of the greatest ts, whatever the clock did; before a given time it
# is found by the index over time, and not by a walk back from today. No calendar goes past the year 9999.
# +time is no column of an index: without an end that one would be read all of it, and sorted.
_NEWEST: Final = f"""
SELECT ts, time FROM system_sample WHERE +time >= 0 AND +time < {END_OF_TIME} ORDER BY ts DESC LIMIT 1"""
_NEWEST_BEFORE: Final = """
SELECT ts, time FROM system_sample WHERE time >= 0 AND time < ? ORDER BY time DESC, ts DESC LIMIT 1"""
_NEWEST_DROPPED: Final = """
SELECT last_time FROM system_minute WHERE bucket < ? AND bucket < ? ORDER BY bucket DESC LIMIT 1"""

JITTER: Final = 0.5
"""s. A sample's interval ends at its time, so one that ended where a window of the newest samples begins is
not of it: ten minutes are 120 samples of 5 s. Clocks jitter by milliseconds, and no interval is under 1 s."""


class Scope(NamedTuple):
    """The window of a report, Unix time in s."""

    since: float | None
    """Its start, as it is shown; None where it is open"""
    until: float | None
    """The same of its end"""
    newest: int | None
    """ts of the newest sample before ``until``; None where its row is gone"""
    last: float | None
    """Its time"""
    start: float
    """What is read: ``start`` <= time < ``stop``"""
    stop: float
    remark: str | None
    """What was asked for and is not told"""


def history_of(connection: sqlite3.Connection) -> History:
    """Return how far the roll-ups reach."""
    row = connection.execute(f"SELECT {', '.join(History._fields)} FROM history").fetchone()
    return History(*(row or ()))


def scope(
    connection: sqlite3.Connection,
    report: Report,
    history: History,
    since: float | None,
    until: float | None,
) -> Scope:
    """Return what ``report`` reads for ``since`` <= time < ``until``, each of them None where it is open."""
    asked = since, until
    if report.sums and until is not None:
        _, until = outward(until, until, report.sums, history)
    newest, last = _newest(connection, report, history, until)

    start, stop = since or 0.0, inf if until is None else until
    if report.window is not None and last is not None:
        start = last - report.window + JITTER if since is None else since
        stop = nextafter(last, inf)
        asked = start, asked[1]
    if report.sums:
        start, stop = outward(start, stop, report.sums, history)
    if since is not None or (report.window is not None and last is not None):
        since = start

    if report.sums:
        remark = _moved(asked, (since, until), history)
    else:
        remark = _unlisted(report, history, since, last)
    return Scope(since, until, newest, last, start, stop, remark)


def _newest(
    connection: sqlite3.Connection, report: Report, history: History, until: float | None
) -> tuple[int | None, float | None]:
    """ts and time of the newest sample before ``until``; of one whose row was dropped the time alone."""
    row = connection.execute(_NEWEST_BEFORE, (until,)) if until is not None else connection.execute(_NEWEST)
    ts, time = row.fetchone() or (None, None)
    if report.sums and (time is None or (until is not None and time < history.raw_since)):
        bound = (inf if until is None else until, history.raw_since)
        dropped = connection.execute(_NEWEST_DROPPED, bound).fetchone()
        if dropped and dropped[0] != time:
            return None, dropped[0]
    return ts, time


# --- what the user has to know ---------------------------------------------------------------------


def _moved(
    asked: tuple[float | None, float | None], given: tuple[float | None, float | None], history: History
) -> str | None:
    edges = [
        f"{verb} {shown_time(edge)}"
        for verb, before, edge in zip(("begins at", "ends at"), asked, given, strict=True)
        if edge != before
    ]
    return f"{_dropped(history)}: the window {' and '.join(edges)}" if edges else None


def _unlisted(report: Report, history: History, since: float | None, last: float | None) -> str | None:
    """A report that lists samples: how far back it would have had to look."""
    if report.takes_at or (since is None and not report.in_pages):
        since = last  # the newest sample, or a few from there back
    since = since or 0.0
    return f"{_dropped(history)} and are not listed" if since < history.raw_since else None


def _dropped(history: History) -> str:
    return f"raw samples before {shown_time(history.raw_since)} were dropped"
