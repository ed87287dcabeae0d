"""Turns figures into positions in a picture, and chooses the marks of an axis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil, floor, log10
from typing import Final, NamedTuple

Mark = tuple[float, str]
"""A value on an axis, and its label"""

_TIMES: Final = (
    (3_600, "hour", 1), (10_800, "hour", 3), (21_600, "hour", 6), (43_200, "hour", 12),
    (86_400, "day", 1), (172_800, "day", 2), (604_800, "day", 7), (1_209_600, "day", 14),
    (2_678_400, "month", 1), (8_035_200, "month", 3), (16_070_400, "month", 6), (32_140_800, "month", 12),
)  # fmt: skip
_MINUTES: Final = (1, 2, 5, 10, 15, 30)


class Scale(NamedTuple):
    """Values from ``low`` to ``high`` on pixels from ``at`` to ``end``."""

    low: float
    high: float
    at: float
    end: float

    def place(self, value: float) -> float:
        """Return the pixel of a value; a value outside is at the edge."""
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.at + min(max(part, 0.0), 1.0) * (self.end - self.at)


def rounded_out(low: float, high: float, count: int = 4) -> tuple[float, float, float]:
    """Return round ends that hold ``low`` to ``high``, and a round step between about ``count`` marks."""
    span = high - low
    if span < max(abs(low), abs(high)) * 1e-9 or span < 1e-9:
        low, high, span = low - 0.5, high + 0.5, max(high - low, 1.0)
    size: float = 10.0 ** floor(log10(span / count))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= count)
    return floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, step


def marks(low: float, high: float, step: float) -> list[Mark]:
    """Return the marks of an axis of numbers."""
    digits = max(0, -floor(log10(step) + 1e-9))
    count = round((high - low) / step)
    return [(low + number * step, f"{low + number * step:.{digits}f}") for number in range(count + 1)]


def time_marks(start: float, stop: float, most: int) -> list[Mark]:
    """Return at most about ``most`` marks of local time: whole hours, midnights or first days of months."""
    span = max(stop - start, 1.0)
    for minutes in _MINUTES:
        if span / (60 * minutes) <= most:
            return list(_clock(start, stop, minutes))
    _, unit, count = next((it for it in _TIMES if span / it[0] <= most), _TIMES[-1])
    if unit == "hour":
        return list(_clock(start, stop, count * 60))
    return list(_days(start, stop, count) if unit == "day" else _months(start, stop, count))


def _clock(start: float, stop: float, minutes: int) -> Iterator[Mark]:
    at = datetime.fromtimestamp(start).replace(minute=0, second=0, microsecond=0)
    if minutes >= 60:
        at = at.replace(hour=0)
    while (moment := at.timestamp()) <= stop:
        if moment >= start:
            yield moment, f"{at:%H:%M}" if at.hour or at.minute else f"{at:%a} {at.day}"
        at += timedelta(minutes=minutes)


def _days(start: float, stop: float, count: int) -> Iterator[Mark]:
    at = datetime.fromtimestamp(start).replace(hour=0, minute=0, second=0, microsecond=0)
    if count % 7 == 0:
        at -= timedelta(days=at.weekday())
    while (moment := at.timestamp()) <= stop:
        if moment >= start:
            yield moment, f"{at:%b} {at.day}"
        at += timedelta(days=count)


def _months(start: float, stop: float, count: int) -> Iterator[Mark]:
    at = datetime.fromtimestamp(start).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (moment := at.timestamp()) <= stop:
        if moment >= start and (at.month - 1) % count == 0:
            yield moment, f"{at:%b}" if at.month > 1 else f"{at.year}"
        at = (at + timedelta(days=32)).replace(day=1)
