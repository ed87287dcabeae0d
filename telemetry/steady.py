"""Which steps of a battery's percent to act on: those that its power explains, or that last."""

from __future__ import annotations

from typing import Final

from telemetry.sample import Battery, Sample

_SMALLEST: Final = 2.0
"""Percent: no smaller step is doubted, since gauges count in whole ones."""
_FACTOR: Final = 3.0
"""A step is doubted where it is larger than so many times what power explains."""
_SHORTEST_LIFE: Final = 900.0
"""s from full to empty that any pack may last, where nothing tells how much is in it."""
_LASTS: Final = 30.0
"""s awake after which a step that nothing explains is taken for what it says: some gauges say 0 % for 20 s
after a resume."""


class SteadyPercent:
    """Tells a percent to act on from a momentary one, in samples in the order in which they were taken.

    A gauge may say 0 between 66 and 66. Such a step is stored as it was measured; a program that warns, or
    saves its work, waits until it has lasted.
    """

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._steady: float | None = None
        self._steady_age = 0.0
        """s awake since the newest percent that was steady"""
        self._doubted: float | None = None
        self._doubted_age = 0.0
        """s awake since it was first seen"""
        self._doubted_gap = 0.0
        """s awake since it was last seen"""

    def take(self, sample: Sample) -> bool:
        """Take the next sample; return whether its percent is one to act on. False where it has none."""
        self._go_on(sample)
        battery = sample.battery
        if battery is None or battery.pct is None:
            return False
        percent = battery.pct
        if self._steady is None or _explained(percent - self._steady, self._steady_age, battery):
            self._believe(percent)
            return True
        if self._doubted is None or not _explained(percent - self._doubted, self._doubted_gap, battery):
            self._doubted_age = 0.0
        self._doubted, self._doubted_gap = percent, 0.0
        if self._doubted_age < _LASTS:
            return False
        self._believe(percent)
        return True

    def _go_on(self, sample: Sample) -> None:
        last, self._last = self._last, sample
        if last is None or last.run != sample.run:
            self._steady = self._doubted = None  # nobody knows how long nobody looked
            return
        seconds = sample.interval * max(1, sample.seq - last.seq)
        self._steady_age += seconds
        self._doubted_age += seconds
        self._doubted_gap += seconds

    def _believe(self, percent: float) -> None:
        self._steady, self._steady_age, self._doubted = percent, 0.0, None


def _explained(step: float, seconds: float, battery: Battery) -> bool:
    """Return whether so many percent in so many seconds awake are no more than power makes of them."""
    full = _watt_hours(battery)
    if battery.power is None or full is None:
        most = 100.0 * seconds / _SHORTEST_LIFE
    else:
        most = _FACTOR * 100.0 * abs(battery.power) * seconds / 3600 / full
    return abs(step) <= max(_SMALLEST, most)


def _watt_hours(battery: Battery) -> float | None:
    """What a full battery holds, Wh; None where it does not tell."""
    health = battery.health
    if health is None or not health.full:
        return None
    if health.unit == "Wh":
        return health.full
    return health.full * battery.voltage if health.unit == "Ah" and battery.voltage else None
