"""The machine's clocks as one object that is passed in, so that tests can replace it."""

from __future__ import annotations

import math
import time
from typing import Final, NamedTuple

DEFAULT_INTERVAL: Final = 5.0
"""s between two samples"""


class Clock:
    """The machine's clocks, in seconds."""

    def time(self) -> float:
        """Unix time: it may stop, step back or jump."""
        return time.time()

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC: counts the time awake, and only forward."""
        return time.monotonic()

    def boottime(self) -> float:
        """CLOCK_BOOTTIME: like monotonic, but also counts the time asleep."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> Moment:
        """Return all three, read at once."""
        return Moment(self.time(), self.monotonic(), self.boottime())


class Moment(NamedTuple):
    """One reading of the clocks, s."""

    time: float
    monotonic: float
    boottime: float

    def awake_since(self, earlier: Moment) -> float:
        """Return the seconds awake since ``earlier``."""
        return self.monotonic - earlier.monotonic

    def asleep_since(self, earlier: Moment) -> float:
        """Return the seconds asleep since ``earlier``; below 1 ms it is 0, the time of reading them."""
        asleep = (self.boottime - earlier.boottime) - self.awake_since(earlier)
        return asleep if asleep >= 0.001 else 0.0


def next_deadline(previous: float, interval: float, now: float) -> float:
    """Return the first of ``previous`` + 1, 2, 3 … intervals that lies after ``now``.

    Deadlines are absolute, so that the interval does not drift. Missed deadlines are skipped, so that a late
    sample is not followed by a burst.
    """
    missed = math.floor((now - previous) / interval)
    return previous + interval * max(1, missed + 1)


def next_ts(previous: int, now: float) -> int:
    """Return the ``ts`` of a sample: Unix time, s, or the next free second if the clock did not advance.

    This is the original logger's rule: ``ts`` is a key, unique and increasing within a run.
    """
    return max(int(now), previous + 1, 0)
