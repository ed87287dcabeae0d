"""SQL functions for reports: the rule of telemetry.steady on rows of system_sample, and a time as text.

``explained(step, seconds, power, full, unit, voltage)``: 1 where power explains a step of percent, else 0.

``even_percent(pct, seconds, power, full, unit, voltage) OVER (ORDER BY … ROWS UNBOUNDED PRECEDING)``: the
percent without the earlier steps that power does not explain; NULL if it is momentary.

``seconds``: since the row before. ``full`` and ``unit`` are those of battery_health. What is not a number
counts as NULL.

``local_time(time)``: Unix s as ISO 8601 in the local time zone, with its offset from UTC.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, Final, cast

from telemetry.steady import Steps, explained, watt_hours

_ARGUMENTS: Final = 6
_LARGEST: Final = 1e9
"""As in the view system_sums: no sensor reads a greater number."""


def add_functions(connection: sqlite3.Connection) -> None:
    """Add the functions to a connection."""
    connection.create_function("explained", _ARGUMENTS, _explained, deterministic=True)
    connection.create_function("local_time", 1, _local_time)
    connection.create_window_function("even_percent", _ARGUMENTS, cast("Any", _EvenPercent))


def _explained(step: Any, *given: Any) -> bool:
    percent = _number(step)
    return percent is not None and explained(percent, *_circumstances(*given))


def _local_time(moment: Any) -> str | None:
    if not isinstance(moment, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(moment).astimezone().isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return None


class _EvenPercent:
    """The frame begins at the first row and only grows, so no row is ever removed from it."""

    def __init__(self) -> None:
        self._steps = Steps()
        self._even: float | None = None

    def step(self, pct: Any, *given: Any) -> None:
        percent = _number(pct)
        steady = self._steps.take(percent, *_circumstances(*given))
        self._even = percent - self._steps.unexplained if steady and percent is not None else None

    def inverse(self, *_: Any) -> None:
        raise NotImplementedError("the frame is ROWS UNBOUNDED PRECEDING")

    def value(self) -> float | None:
        return self._even

    def finalize(self) -> float | None:
        return self._even


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and abs(value) <= _LARGEST else None


def _circumstances(
    seconds: Any, power: Any, full: Any, unit: Any, voltage: Any
) -> tuple[float, float | None, float | None]:
    """Seconds, W, and Wh of a full battery."""
    held = watt_hours(_number(full), unit, _number(voltage))
    return _number(seconds) or 0.0, _number(power), held if held and held > 0 else None
