"""Which percents a discharge went through, and how much was drawn at each."""

from __future__ import annotations

from math import floor
from typing import Any, Final

from telemetry.sessions.records import Percent

_JITTER: Final = 2
"""Percent by which a gauge may go up during a discharge; a larger rise means that it was recalibrated."""


class Visits:
    """Follows the lowest percent of a discharge: it is not left if the gauge goes up and down again.

    If a gauge steps by several percents at once, the energy drawn is divided among them.
    """

    def __init__(self) -> None:
        self.lowest: int | None = None
        self.drawn_uj = 0
        """Since ``lowest`` was entered"""
        self.is_visit = False
        """``lowest`` was entered by a step down, and nothing has spoiled the visit"""
        self.percents: dict[int, list[int]] = {}
        """By percent: drawn_uj, visits"""

    def take(self, percent: float | None, drawn_uj: int) -> list[Percent]:
        """Take a row: the percentage at its end and the energy drawn. Return the visits that it ends."""
        self.drawn_uj += drawn_uj
        if percent is None:
            return []
        now = floor(percent)
        if self.lowest is None:
            self.lowest = now
        elif now < self.lowest:
            ended = self._leave(self.lowest - now)
            self._enter(now, is_visit=True)
            return ended
        elif now > self.lowest + _JITTER:
            self.interrupt()
            self.lowest = now
        return []

    def spoil(self) -> None:
        """Note that something other than a discharge happened: nothing can be learned from this visit."""
        self.is_visit = False

    def interrupt(self) -> None:
        """Note a sleep or an unexplained step: the next percent was not entered by a step down."""
        self.spoil()
        if self.lowest is not None:
            self._leave(1)
        self._enter(None, is_visit=False)

    def all(self) -> tuple[Percent, ...]:
        """Return all percents so far in increasing order, including the current one."""
        copy = Visits()
        copy.percents = {percent: list(sums) for percent, sums in self.percents.items()}
        if self.lowest is not None:
            copy.lowest, copy.drawn_uj = self.lowest, self.drawn_uj
            copy.interrupt()
        return tuple(Percent(percent, *copy.percents[percent]) for percent in sorted(copy.percents))

    def state(self) -> list[Any]:
        """Return the state in JSON types."""
        percents = [[percent, *sums] for percent, sums in self.percents.items()]
        return [self.lowest, self.drawn_uj, self.is_visit, percents]

    @classmethod
    def load(cls, state: list[Any]) -> Visits:
        """Return the object that ``state`` was made from."""
        it = cls()
        it.lowest, it.drawn_uj, it.is_visit, percents = state
        it.percents = {percent: sums for percent, *sums in percents}
        return it

    def _enter(self, percent: int | None, *, is_visit: bool) -> None:
        self.lowest, self.drawn_uj, self.is_visit = percent, 0, is_visit

    def _leave(self, steps: int) -> list[Percent]:
        """Divide the energy drawn among ``steps`` percents, from the lowest one down."""
        ended = []
        highest, drawn = self.lowest or 0, self.drawn_uj
        for step in range(steps):
            share = drawn * (step + 1) // steps - drawn * step // steps
            percent = Percent(highest - step, share, int(self.is_visit))
            self._note(percent)
            if self.is_visit:
                ended.append(percent)
        return ended

    def _note(self, percent: Percent) -> None:
        sums = self.percents.setdefault(percent.percent, [0, 0])
        if percent.visits and not sums[1]:
            sums[0] = 0  # once there is a complete visit, partial ones do not count
        if percent.visits or not sums[1]:
            sums[0] += percent.drawn_uj
            sums[1] += percent.visits
