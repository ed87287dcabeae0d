"""A clock and a sensor with given values."""

from __future__ import annotations

from sampler.clock import Clock


class SetClock(Clock):
    """A clock that shows a given time."""

    wall = 1_700_000_000.5
    awake = 10.0
    asleep = 0.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.awake

    def boottime(self) -> float:
        return self.awake + self.asleep

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.awake += seconds


class Fixed:
    """A sensor that always returns the same reading, and counts the reads."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.reads = 0

    def read(self) -> object:
        self.reads += 1
        return self.value
