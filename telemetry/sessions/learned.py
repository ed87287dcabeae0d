"""Wh per percent, learned from discharges: one percent on a gauge is not 1/100 of the battery's energy."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor
from typing import Any, Final

from telemetry.sessions.records import Percent

_ENOUGH: Final = 10
"""With this many visits, what was learned is better than full / 100"""
_MOST_PACKS: Final = 16
"""Most packs whose Wh per percent are remembered: the last ones in use"""


class Learned:
    """Energy per percent of one battery, from the visits of its discharges.

    w(p) = (sum + w0) / (visits + 1), where sum is the energy drawn in the visits of p, and w0 is the mean of
    all visits of any percent. (w0 is full / 100 times the observed ratio of real to nominal energy: ``full``
    cancels out.)
    """

    def __init__(self, percents: Iterable[tuple[int, int, int]] = ()) -> None:
        """``percents``: (percent, µJ, visits) for each percent that was visited."""
        self._sums: dict[int, list[int]] = {percent: [uj, visits] for percent, uj, visits in percents}
        self._total = sum(uj for uj, _ in self._sums.values())
        self._visits = sum(visits for _, visits in self._sums.values())

    @property
    def percents(self) -> list[tuple[int, int, int]]:
        """(percent, µJ, visits), in increasing order."""
        return [(percent, *self._sums[percent]) for percent in sorted(self._sums)]  # type: ignore[misc]

    @property
    def is_enough(self) -> bool:
        """Whether there were enough visits to be better than full / 100."""
        return self._visits >= _ENOUGH

    def add(self, percent: Percent) -> None:
        """Add the visits of one percent of a discharge."""
        if percent.visits:
            sums = self._sums.setdefault(percent.percent, [0, 0])
            sums[0] += percent.drawn_uj
            sums[1] += percent.visits
            self._total += percent.drawn_uj
            self._visits += percent.visits

    def uj(self, percent: int) -> float:
        """Return w(percent), µJ. Needs one visit of any percent."""
        drawn, visits = self._sums.get(percent, (0, 0))
        return (drawn + self._total / self._visits) / (visits + 1)

    def between(self, high: float, low: float) -> float:
        """Return the µJ from percent ``high`` down to ``low``; negative if ``low`` is above ``high``."""
        if high < low:
            return -self.between(low, high)
        # The step from p to p - 1 takes w(p); a fraction of the step takes that fraction.
        high, low = min(high, 100.0), max(low, 0.0)
        total, at = 0.0, high
        while at > low:
            below = max(low, float(-floor(-at) - 1))
            total += (at - below) * self.uj(-floor(-at))
            at = below
        return total


class LearnedByPack:
    """What was learned of each pack, by its name; of the last ones in use."""

    def __init__(self, packs: Iterable[tuple[str, Iterable[tuple[int, int, int]]]] = ()) -> None:
        """``packs``: what ``state`` returned."""
        self._packs = {pack: Learned(percents) for pack, percents in packs}

    def of(self, pack: str | None) -> Learned | None:
        """Return what was learned of a pack; None: nothing yet."""
        return self._packs.get(pack or "")

    def add(self, pack: str | None, percents: Iterable[Percent]) -> None:
        """Add the visits of percents in a discharge of a pack."""
        learned = self._packs.pop(pack or "", None) or Learned()
        while len(self._packs) >= _MOST_PACKS:
            del self._packs[next(iter(self._packs))]
        self._packs[pack or ""] = learned
        for percent in percents:
            learned.add(percent)

    def state(self) -> list[list[Any]]:
        """Return the state in JSON types."""
        return [[pack, learned.percents] for pack, learned in self._packs.items()]
