"""Sessions that the writer has not stored yet: those of the newest hour, and the current one."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

from query.values import shown_time
from telemetry import END_OF_TIME, FIRST_RECORDING
from telemetry.sessions import Row, Session, Sessions
from telemetry.sessions.records import SLEEP

_STATE: Final = "SELECT until, state FROM session_state ORDER BY until DESC LIMIT 1"
_ROWS: Final = (
    f"SELECT {', '.join(Row._fields)} FROM session_row WHERE time >= ? AND time < ? ORDER BY time, ts"
)
_MOST_ROWS: Final = 40_000
"""Newest samples from which sessions are computed: more than two days. The writer computes the others."""
_OLDEST_READ: Final = (
    "SELECT time FROM system_sample WHERE time >= ? AND time < ? ORDER BY time DESC LIMIT 1 OFFSET ?"
)
_KNOWN: Final = "SELECT time, name, full, unit FROM battery_health WHERE time >= ? ORDER BY time, name"


_SLEEPS: Final = "SELECT start, stop, drawn_uj FROM session WHERE kind = 'sleep'"


def open_sessions(
    connection: sqlite3.Connection, _: Mapping[str, Any]
) -> tuple[Mapping[str, Any], str | None]:
    """Return the parameter ``:open_sessions``: JSON, each a list in the order of the columns of ``session``,
    without its key."""
    found, remark = _not_stored(connection)
    return {"open_sessions": json.dumps(found)}, remark


def asleep(connection: sqlite3.Connection, _: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """Add the SQL function ``asleep_uj(start, stop)``: what was drawn asleep between two times, Unix s.

    The energy of a sleep is divided by time, in whole µJ that add up to it. NULL: there are sleeps between
    the two times, but the energy of none of them is known.
    """
    sleeps = [_Sleep(*row) for row in connection.execute(_SLEEPS)]
    found, remark = _not_stored(connection)
    sleeps += [_Sleep(it.start, it.end, it.drawn_uj) for it in found if it.kind == SLEEP]
    connection.create_function("asleep_uj", 2, _Asleep(sleeps).between)
    return {}, remark


def _not_stored(connection: sqlite3.Connection) -> tuple[list[Session], str | None]:
    """Return the sessions of rows that the writer has not reached yet, and a remark on those left out."""
    until, state = connection.execute(_STATE).fetchone() or (0, None)
    since = max(until, FIRST_RECORDING)
    remark = None
    if row := connection.execute(_OLDEST_READ, (since, END_OF_TIME, _MOST_ROWS)).fetchone():
        # After an upgrade, the writer needs some minutes for years of samples.
        since, until, done = row[0], 0, until
        state = None
        between = f"between {shown_time(done)} and" if done else "before"
        remark = f"sessions {between} {shown_time(since)} are missing until telemetry-writer has stored them"
    machine = Sessions.read(state)
    rows = connection.execute(_ROWS, (since, END_OF_TIME))
    known = connection.execute(_KNOWN, (until,)).fetchall()
    return [*machine.follow(rows, known), *machine.now()], remark


class _Sleep(NamedTuple):
    start: float
    stop: float
    drawn_uj: int | None


class _Asleep:
    """The energy drawn in sleeps between two times. It must be fast: a year by hours needs it 8,760 times."""

    def __init__(self, sleeps: Sequence[_Sleep]) -> None:
        self._unknown = [it for it in sleeps if it.drawn_uj is None]
        self._known = sorted((it.start, it.stop, it.drawn_uj) for it in sleeps if it.drawn_uj is not None)
        self._starts = [start for start, *_ in self._known]
        by_stop = sorted((stop, drawn) for _, stop, drawn in self._known)
        self._stops = [stop for stop, _ in by_stop]
        # a sleep in which the battery was charged counts as 0
        self._ended_uj = [0, *accumulate(max(0, drawn) for _, drawn in by_stop)]
        self._newest = (-1.0, 0)
        """The end of the newest span, and the energy up to it: the next span usually begins there"""

    def between(self, start: float, stop: float) -> int | None:
        """Return µJ; None: there are sleeps, but the energy of none of them is known."""
        before = self._newest[1] if start == self._newest[0] else self._until(start)
        self._newest = stop, self._until(stop)
        drawn = self._newest[1] - before
        if drawn or not self._unknown or not _meets(self._unknown, start, stop):
            return drawn
        return drawn if _meets([_Sleep(*it) for it in self._known], start, stop) else None

    def _until(self, moment: float) -> int:
        started, ended = bisect_left(self._starts, moment), bisect_right(self._stops, moment)
        total, going_on = self._ended_uj[ended], started - ended
        while going_on > 0:  # usually one at most; more only if a clock was set back
            started -= 1
            start, stop, drawn = self._known[started]
            if stop > moment:
                total += int(max(0, drawn) * ((moment - start) / (stop - start)))
                going_on -= 1
        return total


def _meets(sleeps: Iterable[_Sleep], start: float, stop: float) -> bool:
    return any(it.start < stop and it.stop > start for it in sleeps)
