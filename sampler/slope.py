"""The rate at which a counter falls or rises, from readings that lie at least a minute apart."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from sampler.clock import Moment

SHORTEST: Final = 60.0
"""s awake that a slope spans at least: over less, the counter's steps (10 mWh, or a whole percent) show."""
_WINDOW: Final = 300.0
"""s that it spans at most where the counter goes on: it is a rate of now. One interval, if that is longer."""
_OLDEST: Final = 1800.0
"""s that a counter with steps of a percent may take from one to the next; three intervals, if longer."""
_MANY_POINTS: Final = 10
"""Beside so many, one that is no whole step is an error of a ninth at most."""
_MOST_POINTS: Final = 512


class _Point(NamedTuple):
    awake: float
    level: float


class Slope:
    """The slope of one counter. Begins anew where readings before and after would not make one slope.

    ``interval``: s between two readings, where all goes well.
    """

    def __init__(self, interval: float) -> None:
        self._window = max(_WINDOW, interval)
        self._oldest = max(_OLDEST, 3 * interval)
        # One reading may be missed. After two in a row nobody knows what was between.
        self._longest_gap = max(_WINDOW, 2 * interval) + SHORTEST
        self._points: deque[_Point] = deque(maxlen=_MOST_POINTS)
        """The first reading, and then those at which the counter had moved."""
        self._first_is_a_step = False
        """Whether the counter had just moved at the first point; at a first reading nobody knows."""
        self._stood = False
        """Whether the counter ever stood from one reading to the next: then its steps are coarse."""
        self._regime: object = None
        self._last: Moment | None = None

    def per_hour(
        self, now: Moment, level: float, *, regime: object, direction: float = 0.0, most: float
    ) -> float | None:
        """Take a reading; return the slope in units of ``level`` an hour, None while it is not known.

        ``regime`` is what must not change under a slope (the status, the unit). A counter that moves against
        ``direction`` (-1, 1; 0: either way), or faster than ``most`` an hour, begins anew; so does one after
        a sleep, which nobody watched.
        """
        points = self._points
        if (
            self._last is None
            or regime != self._regime
            or now.asleep_since(self._last) >= 1.0
            or now.awake_since(self._last) > self._longest_gap
            or self._strays(now, level, direction, most)
        ):
            points.clear()
            points.append(_Point(now.monotonic, level))
            self._regime, self._stood, self._first_is_a_step = regime, False, False
        elif level != points[-1].level:
            points.append(_Point(now.monotonic, level))
        else:
            self._stood = True
        self._last = now
        while points and self._is_old(now):
            points.popleft()
            self._first_is_a_step = True
        return self._now(now.monotonic)

    def _strays(self, now: Moment, level: float, direction: float, most: float) -> bool:
        before = self._points[-1]
        change, hours = level - before.level, (now.monotonic - before.awake) / 3600
        return change * direction < 0 or abs(change) > most * hours

    def _is_old(self, now: Moment) -> bool:
        points = self._points
        if len(points) > 2 and points[1].awake <= now.monotonic - self._window:
            return True
        return len(points) > 1 and points[0].awake <= now.monotonic - self._oldest

    def _now(self, awake: float) -> float | None:
        points = self._points
        # A first reading lies somewhere between two steps. Where they are coarse, that makes the first one
        # look fast: then it is not counted from, unless so many have followed that it makes little of them.
        start = 0 if self._first_is_a_step or not self._stood or len(points) > _MANY_POINTS else 1
        steps = len(points) - 1 - start
        if steps < 1:
            return None
        span = points[-1].awake - points[start].awake
        if span < SHORTEST:
            return None
        # From step to step, and no longer: the part of a step that has not shown yet is unknown. One that is
        # overdue is known to be slower.
        span = max(span, awake - points[start].awake - span / steps)
        return (points[-1].level - points[start].level) / span * 3600
