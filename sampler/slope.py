"""The rate at which a counter falls or rises, from readings at least a minute apart."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from sampler.clock import Moment

SHORTEST: Final = 60.0
"""The least s awake that a slope spans: over less, the counter's steps (10 mWh, or a whole percent) show."""
_WINDOW: Final = 300.0
"""The most s that it spans while the counter moves, so that the rate is current; at least one interval."""
_OLDEST: Final = 1800.0
"""The most s between two steps of a counter with steps of one percent; at least three intervals."""
_MANY_POINTS: Final = 10
"""With this many points, a first step that is not whole causes an error of at most a ninth."""
_MOST_POINTS: Final = 512


class _Point(NamedTuple):
    awake: float
    level: float


class Slope:
    """The slope of one counter. It restarts when readings before and after do not belong to one slope.

    ``interval``: the usual s between two readings.
    """

    def __init__(self, interval: float) -> None:
        self._window = max(_WINDOW, interval)
        self._oldest = max(_OLDEST, 3 * interval)
        # One reading may be missed. After two in a row, what happened in between is unknown.
        self._longest_gap = max(_WINDOW, 2 * interval) + SHORTEST
        self._points: deque[_Point] = deque(maxlen=_MOST_POINTS)
        """The first reading, and then the readings at which the counter had moved."""
        self._first_is_a_step = False
        """Whether the counter had just moved at the first point; for the first reading this is unknown."""
        self._stood = False
        """Whether the counter ever kept its value between two readings, which means coarse steps."""
        self._regime: object = None
        self._last: Moment | None = None

    def per_hour(
        self, now: Moment, level: float, *, regime: object, direction: float = 0.0, most: float
    ) -> float | None:
        """Take a reading; return the slope in units of ``level`` per hour, None while unknown.

        ``regime`` is what must not change during a slope (the status, the unit). The slope also restarts if
        the counter moves against ``direction`` (-1, 1; 0: either way) or faster than ``most`` per hour, and
        after a sleep, which was not observed.
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
        # The first reading lies somewhere between two steps. If steps are coarse, the first step then looks
        # too fast, so the slope starts at the next point, unless the slope has so many points that the error
        # is small.
        start = 0 if self._first_is_a_step or not self._stood or len(points) > _MANY_POINTS else 1
        steps = len(points) - 1 - start
        if steps < 1:
            return None
        span = points[-1].awake - points[start].awake
        if span < SHORTEST:
            return None
        # The span ends at the last step, because progress towards the next one is unknown. If the next step
        # is overdue, the rate is lower, so the span grows.
        span = max(span, awake - points[start].awake - span / steps)
        return (points[-1].level - points[start].level) / span * 3600
