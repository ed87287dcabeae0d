"""Which steps of a battery's percent to act on: those that its power explains, or that last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # reports use the rule, and load no classes of records
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


class Steps:
    """Tells a steady percent from a momentary one, given in the order in which they were measured."""

    def __init__(self) -> None:
        self.unexplained = 0.0
        """Percent: sum of the steps that no power explains and that lasted: no charge or discharge."""
        self._steady: float | None = None
        self._steady_age = 0.0
        """s since the newest percent that was steady"""
        self._held = 0.0
        """s for which it has been what it is"""
        self._held_joules = 0.0
        """Energy meanwhile: a gauge may step by 5 % at a time"""
        self._doubted: float | None = None
        self._jump = 0.0
        """Percent: the step with which the doubt began"""
        self._doubted_age = 0.0
        """s since it was first seen"""
        self._doubted_gap = 0.0
        """s since it was last seen"""

    def take(self, percent: float | None, seconds: float, watts: float | None, full: float | None) -> bool:
        """Take the next percent; return whether it is steady. False where it is None.

        ``seconds``: since the one before; ``watts``: power meanwhile, of either sign; ``full``: Wh of a full
        battery.
        """
        self._steady_age += seconds
        self._doubted_age += seconds
        self._doubted_gap += seconds
        self._held += seconds
        self._held_joules += abs(watts or 0.0) * seconds
        if percent is None:
            return False
        step = 0.0 if self._steady is None else percent - self._steady
        if not explained(step, self._steady_age, watts, full) and not self._is_saved_up(step, full):
            if self._doubted is None or not explained(
                percent - self._doubted, self._doubted_gap, watts, full
            ):
                self._doubted_age, self._jump = 0.0, step
            self._doubted, self._doubted_gap = percent, 0.0
            if self._doubted_age < _LASTS:
                return False
            self.unexplained += self._jump
        if percent != self._steady:
            self._held = self._held_joules = 0.0
        self._steady, self._steady_age, self._doubted = percent, 0.0, None
        return True

    def _is_saved_up(self, step: float, full: float | None) -> bool:
        """Return whether all the energy since the percent last changed explains the step."""
        if full is None or self._held <= 0:
            return False
        return explained(step, self._held, self._held_joules / self._held, full)


class SteadyPercent:
    """Tells a percent to act on from a momentary one, in samples in the order in which they were taken.

    A gauge may say 0 between 66 and 66. Such a step is stored as it was measured; a program that warns, or
    saves its work, waits until it has lasted.
    """

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._steps = Steps()

    def take(self, sample: Sample) -> bool:
        """Take the next sample; return whether its percent is one to act on. False where it has none."""
        last, self._last = self._last, sample
        seconds = sample.interval
        if last is not None and last.run == sample.run:
            seconds *= max(1, sample.seq - last.seq)
        elif last is not None:  # the wall clock alone tells how long no sampler ran
            seconds = max(seconds, sample.time - last.time)
        battery = sample.battery
        return self._steps.take(
            battery and battery.pct,
            seconds,
            battery and battery.power,
            battery and _full(battery),
        )


def explained(step: float, seconds: float, watts: float | None, full: float | None) -> bool:
    """Return whether so many percent in so many seconds are no more than power makes of them.

    ``watts`` of either sign; ``full``: Wh of a full battery.
    """
    if watts is None or full is None:
        most = 100.0 * seconds / _SHORTEST_LIFE
    else:
        most = _FACTOR * 100.0 * abs(watts) * seconds / 3600 / full
    return abs(step) <= max(_SMALLEST, most)


def watt_hours(full: float | None, unit: str | None, voltage: float | None) -> float | None:
    """Return the Wh of a full battery, None where they are not known. ``full`` is in ``unit``, Ah or Wh."""
    if not full:
        return None
    if unit == "Wh":
        return full
    return full * voltage if unit == "Ah" and voltage else None


def _full(battery: Battery) -> float | None:
    health = battery.health
    return watt_hours(health.full, health.unit, battery.voltage) if health else None
