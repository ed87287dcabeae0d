"""The window of a report: which time it reads, and where roll-ups replace raw rows.

Raw rows are read at both ends of a window, and roll-ups for the whole buckets in between. The writer's table
``history`` says how far each level of roll-ups reaches; newer rows are read raw.
"""

from __future__ import annotations

import sqlite3
from math import inf, nextafter
from typing import Final, NamedTuple

from query.report import Report
from query.rollups import Level, RollUps
from query.values import shown_time
from telemetry import END_OF_TIME

# Without an end of the window, the newest sample is the one with the greatest ts, whatever the clock did:
# +time prevents SQLite from reading the whole index over time. Before a given time, that index finds the
# newest sample directly. No calendar goes past the year 9999.
_NEWEST: Final = f"""
SELECT ts, time FROM system_sample WHERE +time >= 0 AND +time < {END_OF_TIME} ORDER BY ts DESC LIMIT 1"""
_NEWEST_BEFORE: Final = """
SELECT ts, time FROM system_sample WHERE time >= 0 AND time < ? ORDER BY time DESC, ts DESC LIMIT 1"""
_NEWEST_DROPPED: Final = """
SELECT MAX(last_time) FROM (
    SELECT * FROM (
        SELECT last_time FROM system_minute WHERE bucket < ?1 AND bucket < ?2 ORDER BY bucket DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT last_time FROM system_hour WHERE bucket + 3600 <= min(?1, ?2) ORDER BY bucket DESC LIMIT 1)
)"""

JITTER: Final = 0.5
"""s. A sample's interval ends at its time. So a window of the newest samples begins this much later, to leave
out the sample that ended at its start: ten minutes are then 120 samples of 5 s, and not 121. Clocks jitter by
milliseconds, and no interval is under 1 s."""


class History(NamedTuple):
    """The only row of the table ``history``, Unix time in s. All zeros: nothing is rolled up yet."""

    minute_until: int = 0
    hour_until: int = 0
    day_until: int = 0
    raw_since: int = 0
    """Raw rows before this may have been dropped: roll-ups replace them."""
    minute_since: int = 0
    """Minutes before this were folded into hours because room was short"""
    process_hour_since: int = 0
    """Hours of processes before this were folded into days"""
    energy_until: int = 0
    """Energy by program is stored for the hours before this"""
    energy_hour_since: int = 0
    """Hours of energy by program before this were folded into days"""


class Window(NamedTuple):
    """The window of a report, Unix time in s."""

    since: float | None
    """The start that is shown; None: open"""
    until: float | None
    """The end that is shown; None: open"""
    newest: int | None
    """ts of the newest sample before ``until``; None: its row is gone"""
    last: float | None
    """The time of that sample"""
    start: float
    """What is read: ``start`` <= time < ``stop``"""
    stop: float
    remark: str | None
    """What was asked for but is not covered"""


def history_of(connection: sqlite3.Connection) -> History:
    """Return how far the roll-ups reach."""
    row = connection.execute(f"SELECT {', '.join(History._fields)} FROM history").fetchone()
    return History(*(row or ()))


def window_of(
    connection: sqlite3.Connection,
    report: Report,
    history: History,
    since: float | None,
    until: float | None,
) -> Window:
    """Return what ``report`` reads for ``since`` <= time < ``until``; None: open."""
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
        remark = moved_edges(asked, (since, until), history)
    else:
        remark = _unlisted(report, history, since, last)
    return Window(since, until, newest, last, start, stop, remark)


def _newest(
    connection: sqlite3.Connection, report: Report, history: History, until: float | None
) -> tuple[int | None, float | None]:
    """Return ts and time of the newest sample before ``until``; only its time if its row was dropped."""
    row = connection.execute(_NEWEST_BEFORE, (until,)) if until is not None else connection.execute(_NEWEST)
    ts, time = row.fetchone() or (None, None)
    if report.sums and (time is None or (until is not None and time < history.raw_since)):
        bound = (inf if until is None else until, history.raw_since)
        dropped = connection.execute(_NEWEST_DROPPED, bound).fetchone()
        if dropped[0] is not None and dropped[0] != time:
            return None, dropped[0]
    return ts, time


# --- what the user has to know ---------------------------------------------------------------------


def moved_edges(
    asked: tuple[float | None, float | None], given: tuple[float | None, float | None], history: History
) -> str | None:
    """Return a remark if the window ``given`` is not the one that was asked for, Unix s."""
    edges = [
        f"{verb} {shown_time(edge)}"
        for verb, before, edge in zip(("begins at", "ends at"), asked, given, strict=True)
        if edge != before
    ]
    return f"{_dropped(history)}: the window {' and '.join(edges)}" if edges else None


def _unlisted(report: Report, history: History, since: float | None, last: float | None) -> str | None:
    """Return a remark if a report lists samples and some of its window were dropped."""
    if report.outlasts_samples:
        return None
    if report.takes_at or (since is None and not report.in_pages):
        since = last  # the newest sample, or a few from there back
    since = since or 0.0
    return f"{_dropped(history)} and are not listed" if since < history.raw_since else None


def _dropped(history: History) -> str:
    return f"raw samples before {shown_time(history.raw_since)} were dropped"


# --- cutting it -----------------------------------------------------------------------------------


class Cuts(NamedTuple):
    """A window and the times at which it is cut, in order. Each span includes its start, but not its end.

    Raw rows are read from ``start`` to ``fine_start`` and from ``fine_stop`` to ``stop``, fine roll-ups from
    ``fine_start`` to ``coarse_start`` and from ``coarse_stop`` to ``fine_stop``, and coarse roll-ups from
    ``coarse_start`` to ``coarse_stop``. A span may be empty.
    """

    start: float
    fine_start: float
    coarse_start: float
    coarse_stop: float
    fine_stop: float
    stop: float


def outward(start: float, stop: float, of: RollUps, history: History) -> tuple[float, float]:
    """Return the window; if raw rows may be gone, its edges are moved out to the edges of a bucket."""
    return max(_floor(start, _grain(start, of, history)), 0.0), _ceiling(stop, _grain(stop, of, history))


def inward(edge: float, of: RollUps, history: History) -> float:
    """Return an edge inside the window; if raw rows may be gone, it is moved to the start of its bucket."""
    return _floor(edge, _grain(edge, of, history))


def _grain(edge: float, of: RollUps, history: History) -> int:
    """Return the size, s, of the finest roll-ups that exist at ``edge``; 0: raw rows."""
    if of.coarse and edge < getattr(history, of.fine.since):
        return of.coarse.size
    return of.fine.size if edge < history.raw_since else 0


def cut(start: float, stop: float, of: RollUps, history: History) -> Cuts:
    """Return the cuts of the window ``start`` <= time < ``stop``, which ``outward`` has returned."""
    fine = _whole_buckets(start, stop, of.fine, history)
    coarse = _whole_buckets(*fine, of.coarse, history) if of.coarse else (fine[0], fine[0])
    return Cuts(start, fine[0], coarse[0], coarse[1], fine[1], max(start, stop))


def _whole_buckets(start: float, stop: float, level: Level, history: History) -> tuple[float, float]:
    """Return the span of the rolled-up buckets in a window; an empty span at its start if there are none."""
    first = _ceiling(start, level.size)
    last = _floor(min(stop, getattr(history, level.until)), level.size)
    return (first, last) if first < last else (start, start)


def _floor(moment: float, size: int) -> float:
    return moment if moment == inf or not size else moment // size * size


def _ceiling(moment: float, size: int) -> float:
    return moment if moment == inf or not size else -(-moment // size) * size
