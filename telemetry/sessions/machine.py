"""The state machine: the state between two rows, and how the next row changes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from heapq import merge
from typing import Any, Final

from telemetry.sessions.awake import Awake, Item
from telemetry.sessions.learned import Learned, LearnedByPack
from telemetry.sessions.nap import Gauge, Nap
from telemetry.sessions.records import CHARGE, DISCHARGE, HOLE, REST, SLEEP, Known, Percent, Row, Session
from telemetry.sessions.undecided import MOST_HELD, Run, Undecided
from telemetry.steady import Steps

_SHORTEST_HOLE: Final = 600.0
"""The shortest time without rows that is a session of its own, s"""
_GAUGE_WAKES: Final = 60.0
"""s awake after a sleep during which the gauge may settle"""
_TOPPED_UP: Final = 95.0
"""At this percentage or more, charging within a rest is part of the rest"""
_ROSE: Final = 2.0
"""Percent: if it rose by more during a sleep, the discharge before the sleep has ended"""


class Sessions:
    """Makes sessions from rows in order of time. See ``telemetry.sessions`` for the rules."""

    def __init__(self) -> None:
        self.known = Known()
        self._learned = LearnedByPack()
        self._last: Row | None = None
        self._steps = Steps()
        self._gauge = Gauge()
        """The newest steady reading"""
        self._current: Awake | None = None
        self._before: str | None = None
        """Kind of the session before a sleep"""
        self._undecided = Undecided()
        self._nap: Nap | None = Nap(None, 0.0, 0.0, 0.0, Gauge())
        self._closed: list[Session] = []

    # --- what goes in, what comes out ---

    def take(self, row: Row) -> list[Session]:
        """Take the next row; return the sessions that have ended."""
        last = self._last
        seconds = row.seconds_since(row.time if last is None else last.time)
        begin = row.start - row.asleep if row.is_after_sleep else row.start
        if last and not row.follows(last.run_id, last.seq) and begin - last.time >= _SHORTEST_HOLE:
            self._begin_nap(Nap(HOLE, last.time, begin, 0.0, self._gauge))
        if row.is_after_sleep:
            self._begin_nap(Nap(SLEEP, begin, row.start, row.asleep, self._gauge))
        if self._nap:
            self._last = row
            self._nap.add(row, seconds)
            if self._nap.awake >= _GAUGE_WAKES or len(self._nap.rows) >= MOST_HELD:
                self._end_nap()
        else:
            self._take(row, seconds)
            self._last = row
        return self._taken()

    def learn_of(self, known: Known) -> list[Session]:
        """Take what is known about the battery from now on; return the sessions that have ended.

        If the pack was exchanged, the session ends.
        """
        if known.pack != self.known.pack and self.known.pack is not None:
            self._end_nap()
            self._end_waking()
            self._close()
            self._nap = Nap(None, 0.0, 0.0, 0.0, Gauge())
        self.known = known
        return self._taken()

    def follow(self, rows: Iterable[tuple[Any, ...]], known: Iterable[tuple[Any, ...]]) -> list[Session]:
        """Take rows and what became known about the battery; return the sessions that have ended.

        ``rows``: the fields of ``Row``; ``known``: time and the fields of ``Known``; both in order of time.
        """
        found: list[Session] = []
        dated = (item for item in known if isinstance(item[0], (int, float)))  # a damaged row may have none
        # At the same time, what is known comes before the row.
        for item in merge(dated, rows, key=lambda item: item[0]):
            is_row = len(item) == len(Row._fields)
            found += self.take(Row(*item)) if is_row else self.learn_of(Known.stored(*item[1:]))
        return found

    def now(self) -> list[Session]:
        """Return the sessions that have not been returned yet, as of the newest row. The state is unchanged.

        The last one is the current session.
        """
        it = self._decided()
        it._close()
        return it._taken()

    @property
    def shown(self) -> Percent | None:
        """Return the percent of the current discharge, with the energy drawn at it so far.

        Its ``visits`` is 1 if it was entered by a step down. None: there is no discharge or no percentage.
        """
        current = self._decided()._current
        if current is None or current.kind != DISCHARGE or current.visits.lowest is None:
            return None
        visits = current.visits
        return Percent(current.visits.lowest, visits.drawn_uj, int(visits.is_visit))

    def _decided(self) -> Sessions:
        """Return a copy in which the rows that wait for a decision are decided."""
        it = Sessions.load(self.state())
        it._end_nap()
        it._end_waking()
        return it

    @property
    def learned(self) -> Learned | None:
        """What was learned from discharges of this battery; None: nothing yet."""
        return self._learned.of(self.known.pack)

    # --- as JSON ---

    def state(self) -> dict[str, Any]:
        """Return the state in JSON types."""
        return {
            "known": self.known,
            "learned": self._learned.state(),
            "last": self._last,
            "steps": dict(vars(self._steps)),
            "gauge": self._gauge,
            "current": self._current.state() if self._current else None,
            "before": self._before,
            **self._undecided.state(),
            "nap": self._nap.state() if self._nap else None,
        }

    @classmethod
    def read(cls, text: str | None) -> Sessions:
        """Return the object with the state in ``text`` (JSON); a new one if it cannot be read."""
        try:
            return cls.load(json.loads(text)) if text else cls()
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def text(self) -> str:
        """Return the state as JSON."""
        return json.dumps(self.state(), separators=(",", ":"))

    @classmethod
    def load(cls, state: dict[str, Any]) -> Sessions:
        """Return the object with ``state``, which was read from JSON."""
        it = cls()
        it.known = Known(*state["known"])
        it._learned = LearnedByPack(state["learned"])
        it._last = Row(*state["last"]) if state["last"] else None
        vars(it._steps).update(state["steps"])
        it._gauge = Gauge(*state["gauge"])
        it._current = Awake.load(state["current"]) if state["current"] else None
        it._before = state["before"]
        it._undecided = Undecided.load(state)
        it._nap = Nap.load(state["nap"]) if state["nap"] else None
        return it

    # --- awake ---

    def _take(self, row: Row, seconds: float) -> None:
        full = self.known.full_wh(row.voltage)
        if self._steps.take(row.pct, seconds, row.watts, full):
            level = self._gauge.level if row.level is None else row.level
            self._gauge = Gauge(row.pct, level, row.voltage or self._gauge.voltage)
        direction = self._direction_of(row)
        if direction is None:  # the direction is unknown, so only the row's time would count
            return
        pct, level, *_ = self._gauge
        item = Item(row, pct, level, self._steps.unexplained, self.known.pack)
        if self._current and direction == self._current.kind:
            self._merge_run()
            self._visited(self._current.add(item))
            return
        if direction != self._undecided.direction:
            self._merge_run()
        self._undecided.add(direction, item, seconds)
        if self._undecided.counts:
            self._begin(direction, self._undecided.take_all())
        elif not self._current and self._undecided.is_due:
            self._end_waking()

    def _direction_of(self, row: Row) -> str | None:
        """Return the direction that the row counts as: without one of its own, that of the current rows."""
        kind = self._current.kind if self._current else self._before
        told = row.direction
        if told is None:
            return self._undecided.direction or (self._current.kind if self._current else None)
        pct = self._gauge.pct
        if told == CHARGE and kind == REST and pct is not None and pct >= _TOPPED_UP:
            return REST
        return told

    def _begin(self, kind: str, runs: list[Run]) -> None:
        """Begin a session with ``runs``; those of other directions are flips."""
        self._close()
        self._current = current = Awake(kind, runs[0].items[0].row)
        self._before = None
        current.flips = sum(1 for run in runs if run.direction != kind)
        for run in runs:
            for item in run.items:
                self._visited(current.add(item, is_flip=run.direction != kind))

    def _merge_run(self) -> None:
        """End the newest run, which was too short: it joins the current session, or the next one to begin."""
        run = self._undecided.take_run()
        if run is None:
            return
        if self._current:
            self._current.flips += 1
            for item in run.items:
                self._visited(self._current.add(item, is_flip=True))
        else:
            self._undecided.lead.append(run)

    def _visited(self, percents: list[Percent]) -> None:
        if percents:
            self._learned.add(self.known.pack, percents)

    # --- asleep ---

    def _begin_nap(self, nap: Nap) -> None:
        if self._nap:
            self._end_nap()
            nap.before = self._gauge
        self._end_waking()
        self._nap = nap
        if nap.kind == HOLE:
            self._close()

    def _end_waking(self) -> None:
        """The rows stop here: decide about those that wait for a decision."""
        self._merge_run()
        if runs := self._undecided.take_all():
            awake: dict[str, float] = {}
            for run in runs:
                awake[run.direction] = awake.get(run.direction, 0.0) + run.awake
            self._begin(max(awake, key=lambda direction: awake[direction]), runs)

    def _end_nap(self) -> None:
        """The gauge has settled after a sleep: take the rows after it."""
        nap, self._nap = self._nap, None
        if nap is None:
            return
        after = nap.after(self.known)
        session = nap.closed(after, self.known, self.learned)
        if session:
            self._closed.append(session)
        self._steps = Steps()
        self._steps.take(after.pct, 0.0, None, None)
        self._resume(nap, after)
        self._gauge = after.or_else(nap.before)
        before = nap.rows[0].time if nap.rows else nap.end
        for row in nap.rows:
            self._take(row, row.seconds_since(before))
            before = row.time

    def _resume(self, nap: Nap, after: Gauge) -> None:
        """Continue the session from before a sleep, or end it."""
        if not self._current:
            return
        rose = 0.0 if nap.before.pct is None or after.pct is None else after.pct - nap.before.pct
        if self._current.kind == DISCHARGE and rose <= _ROSE:
            self._current.nap(nap.asleep_us)
        else:
            kind = self._current.kind
            self._close()
            self._before = kind

    # --- the end ---

    def _close(self) -> None:
        if self._current:
            self._closed.append(self._current.closed())
        self._current, self._before = None, None

    def _taken(self) -> list[Session]:
        closed, self._closed = self._closed, []
        return closed
