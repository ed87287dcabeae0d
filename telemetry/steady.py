"""Which steps of a battery's percentage to act on: those that its power explains, or that last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # reports use this module and must not load the record classes
    from telemetry.sample import Battery, Sample

_SMALLEST: Final = 2.0
"""Percent: smaller steps are not doubted, because gauges count in whole percents."""
_FACTOR: Final = 3.0
"""A step is doubted if it is larger than what power explains, times this factor."""
_SHORTEST_LIFE: Final = 900.0
"""The shortest time in which a pack of unknown capacity may go from full to empty, s."""
_LASTS: Final = 30.0
"""s awake after which an unexplained step is believed: some gauges report 0 % for 20 s after a resume."""


class Steps:
    """Distinguishes steady percentages from momentary ones, given in the order of measurement."""

    def __init__(self) -> None:
        self.unexplained = 0.0
        """Percent: sum of the steps that lasted although no power explains them (no charge or discharge)."""
        self._steady: float | None = None
        self._steady_age = 0.0
        """s since the newest steady percentage"""
        self._held = 0.0
        """s since the steady percentage last changed"""
        self._held_joules = 0.0
        """Energy during that time: a gauge may step by 5 % at a time"""
        self._doubted: float | None = None
        self._jump = 0.0
        """Percent: the step that is in doubt"""
        self._doubted_age = 0.0
        """s since the doubted percentage was first seen"""
        self._doubted_gap = 0.0
        """s since the doubted percentage was last seen"""

    def take(self, percent: float | None, seconds: float, watts: float | None, full: float | None) -> bool:
        """Take the next percentage; return whether it is steady. False if it is None.

        ``seconds``: since the previous one; ``watts``: power during that time, of either sign; ``full``: Wh
        of a full battery.
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
        """Return whether the energy since the percentage last changed explains the step."""
        if full is None or self._held <= 0:
            return False
        return explained(step, self._held, self._held_joules / self._held, full)


class SteadyPercent:
    """Distinguishes percentages to act on from momentary ones, in samples in their order.

    A gauge may report 66, 0 and 66 again. Such a value is stored as it was measured; a program that warns or
    saves its work waits until it has lasted.
    """

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._steps = Steps()

    def take(self, sample: Sample) -> bool:
        """Take the next sample; return whether to act on its percentage. False if it has none."""
        last, self._last = self._last, sample
        seconds = sample.interval
        if last is not None and last.run == sample.run:
            seconds *= max(1, sample.seq - last.seq)
        elif last is not None:  # only the wall clock shows how long no sampler ran
            seconds = max(seconds, sample.time - last.time)
        battery = sample.battery
        return self._steps.take(
            battery and battery.pct,
            seconds,
            battery and battery.power,
            battery and _full(battery),
        )


def explained(step: float, seconds: float, watts: float | None, full: float | None) -> bool:
    """Return whether power explains a ``step`` of percent in ``seconds``.

    ``watts`` may have either sign; ``full``: Wh of a full battery.
    """
    if watts is None or full is None:
        most = 100.0 * seconds / _SHORTEST_LIFE
    else:
        most = _FACTOR * 100.0 * abs(watts) * seconds / 3600 / full
    return abs(step) <= max(_SMALLEST, most)


def watt_hours(full: float | None, unit: str | None, voltage: float | None) -> float | None:
    """Return the Wh of a full battery, None if unknown. ``full`` is in ``unit``, Ah or Wh."""
    if not full:
        return None
    if unit == "Wh":
        return full
    return full * voltage if unit == "Ah" and voltage else None


def _full(battery: Battery) -> float | None:
    health = battery.health
    return watt_hours(health.full, health.unit, battery.voltage) if health else None
