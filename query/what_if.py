"""How many minutes of battery another brightness of the screen would give."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from query.energy_samples import Recorded
from query.time_left import LITTLE, NOW, discharge_now
from telemetry.energy_model.columns import SCREEN, SCREEN_ON
from telemetry.energy_model.features import Reading
from telemetry.energy_model.fit import Model
from telemetry.energy_model.interval import half_width
from telemetry.time_left import Discharge, Past, time_left

NEVER: Final = "the samples on battery that the model was learned from have no brightness"
NOT_LEARNED: Final = (
    "on battery, the brightness hardly changed, so the power of another brightness is not known"
)
NOT_ON_BATTERY: Final = "minutes are known only while the battery discharges and reports its charge"

_Item = tuple[str, float | None, float | None, str]
_Screen = tuple[float, float]
"""Brightness, 0 to 1, and the share of the time that the screen was on"""


def rows(
    connection: sqlite3.Connection, bound: Mapping[str, Any], model: Model, recorded: Sequence[Recorded]
) -> tuple[list[_Item], str | None]:
    """Return the rows on a brightness, and the remarks on them.

    ``bound``: newest and last of the report, and what_if, the brightness in percent. ``recorded``: the newest
    hours on battery.

    The screen is assumed to keep that brightness from now on. Without the change, all power goes from the
    mean of the last ten minutes to its usual mean (telemetry.time_left); both include the screen's power.
    """
    wanted: float = bound["what_if"]
    readings = [it for hour in recorded for it in hour.readings if it.brightness is not None]
    if not readings:
        return [], NEVER
    if not model.is_learned(SCREEN):
        return [], NOT_LEARNED
    then = (wanted / 100, float(wanted > 0))
    usual = _mean(readings)
    watts, doubt = screen_watts(model, (0.0, 0.0), then)
    mean, doubt_of_mean = screen_watts(model, (0.0, 0.0), usual)
    shown: list[_Item] = [
        (f"screen at {wanted:g} % brightness", watts, doubt, "W"),
        (f"screen at its mean of {100 * usual[0]:.0f} %", mean, doubt_of_mean, "W"),
    ]
    now = discharge_now(connection, bound["newest"], bound["last"])
    before = time_left(*now) if now else None
    if now is None or before is None:
        return shown, NOT_ON_BATTERY
    newest = _newest(readings)
    change_now, _ = screen_watts(model, newest, then)
    change, spread = screen_watts(model, usual, then)
    middle, low, high = (_minutes(now, change_now + more, change + more) for more in (0.0, spread, -spread))
    if middle is not None:
        width = None if low is None or high is None else abs(high - low) / 2
        left = 60 * before.hours
        shown += [
            ("time left", left, None, "min"),
            (f"additional time at {wanted:g} % brightness", middle - left, width, "min"),
        ]
    return shown, LITTLE if before.little else None


def _mean(readings: Sequence[Reading]) -> _Screen:
    seconds = sum(it.seconds for it in readings) or 1.0
    return (
        sum((it.brightness or 0.0) * it.seconds for it in readings) / seconds,
        sum(it.seconds for it in readings if it.brightness) / seconds,
    )


def _newest(readings: Sequence[Reading]) -> _Screen:
    """Return the mean over the newest rows, the same from which time_left takes the current power."""
    covered = 0.0
    for count, reading in enumerate(reversed(readings), 1):
        covered += reading.seconds
        if covered >= NOW:
            return _mean(readings[-count:])
    return _mean(readings)


def screen_watts(model: Model, before: _Screen, after: _Screen) -> tuple[float, float]:
    """Return how many W more the screen takes, and its plus or minus.

    If the screen was never seen off, the power that it takes for being on counts as idle.
    """
    steps = [(SCREEN, after[0] - before[0]), (SCREEN_ON, after[1] - before[1])]
    steps = [(column, step) for column, step in steps if model.is_learned(column)]
    watts = sum(model.rate(column) * step for column, step in steps)
    deviation = sum(model.deviation(column) * abs(step) for column, step in steps)
    return watts, half_width(watts, deviation, model.blocks)


def _minutes(now: tuple[Discharge, Past], change_now: float, change: float) -> float | None:
    """Return the minutes left if the current and the mean power are this many W higher."""
    discharge, past = now
    found = time_left(
        discharge._replace(
            watts=discharge.watts + change_now, own_watts=max(0.0, discharge.own_watts + change)
        ),
        past if past.watts is None else past._replace(watts=max(0.0, past.watts + change)),
    )
    return 60 * found.hours if found else None
