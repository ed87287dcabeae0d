"""Whether a driver's power is true: over minutes, it must match what the pack's counter lost or gained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sampler.clock import Moment
from sampler.pack import Content
from sampler.rate import MOST_WATTS, Candidate

_SHORTEST: Final = 120.0
"""The least s awake over which power is summed."""
_LONGEST: Final = 3600.0
"""s awake after which a sum is dropped if the counter has not moved enough; at least eight intervals."""
_STEPS: Final = 4.0
"""Steps that the counter must have moved: the unseen part of a step is then at most a quarter."""
_STEPS_OF_SIGN: Final = 2.0
"""The same if power and counter differ in sign: part of a step cannot turn a rise into a fall."""
_FACTOR: Final = 2.0
_PARDON: Final = 2
"""Agreements in a row that clear a power that was once denied: one may be chance."""


class Witness:
    """Checks each of one pack's powers against its counter. ``interval``: s between two readings."""

    def __init__(self, interval: float) -> None:
        self._longest = max(_LONGEST, 8 * interval)
        self._longest_gap = max(300.0, 2 * interval) + 60.0
        self._regime: object = None
        self._last: Moment | None = None
        self._level = 0.0
        self._seconds = 0.0
        self._moved = 0.0
        """Wh that the counter has moved since the sum began"""
        self._largest_step = 0.0
        """Wh"""
        self._sums: dict[str, float] = {}
        """Wh by each method"""
        self._denied: dict[str, int] = {}
        """The methods that were denied, and how often each has agreed since then."""

    def denies(self, method: str) -> bool:
        """Return whether the counter has contradicted the power measured by this method."""
        return method in self._denied

    def see(self, now: Moment, content: Content, regime: object, candidates: Iterable[Candidate]) -> None:
        """Take a reading. ``regime`` is what must not change during a sum (the status, the unit)."""
        if regime != self._regime:
            self._denied.clear()
        last, self._last = self._last, now
        if (
            last is None
            or regime != self._regime
            or now.asleep_since(last) >= 1.0
            or now.awake_since(last) > self._longest_gap
        ):
            self._begin(content, regime, candidates)
            return
        seconds = now.awake_since(last)
        step = (content.level - self._level) * content.watt_hours
        if abs(step) > MOST_WATTS * seconds / 3600:  # a gauge that was reset, or another pack
            self._begin(content, regime, candidates)
            return
        self._seconds += seconds
        self._level = content.level
        self._moved += step
        self._largest_step = max(self._largest_step, abs(step))
        told = {candidate.method: candidate.power for candidate in candidates}
        # A power that is missing from a reading cannot be summed.
        self._sums = {
            method: total + told[method] * seconds / 3600
            for method, total in self._sums.items()
            if method in told
        }
        steps = abs(self._moved) / self._largest_step if self._largest_step else 0.0
        if self._seconds >= _SHORTEST and steps >= _STEPS_OF_SIGN:
            self._denied |= {method: 0 for method, total in self._sums.items() if total * self._moved < 0}
        if self._seconds >= _SHORTEST and steps >= _STEPS:
            self._judge()
            self._begin(content, regime, candidates)
        elif self._seconds > self._longest:
            self._begin(content, regime, candidates)

    def _begin(self, content: Content, regime: object, candidates: Iterable[Candidate]) -> None:
        self._regime, self._level = regime, content.level
        self._seconds = self._moved = self._largest_step = 0.0
        self._sums = {candidate.method: 0.0 for candidate in candidates}

    def _judge(self) -> None:
        for method, total in self._sums.items():
            if not 1 / _FACTOR <= total / self._moved <= _FACTOR:
                self._denied[method] = 0
            elif method in self._denied:
                self._denied[method] += 1
                if self._denied[method] >= _PARDON:
                    del self._denied[method]
