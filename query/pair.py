"""The two things that ``compare`` sets side by side, from what a user types. Pure: ``now`` is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final

from query.times import InvalidTimeError, between, moments, parse_time
from telemetry.errors import UsageError

WINDOWS: Final = (
    "a day (today, yesterday, 2026-11-20), a month (2026-11), the time up to now (24h, 7d), or T..U "
    "(2026-11-14..2026-11-21, 9:00..12:00, 14d..7d), which is --since T --until U"
)
"""The accepted forms, for ``--help`` and for errors"""
BY_WINDOW: Final = "window"
DEFAULTS: Final = ("yesterday", "today")
NUMBERS: Final = ("on_ac", "brightness", "battery_pct", "cpu_total", "cpu_freq", "cpu_temp", "load1")
"""Columns of system_sample whose values are numbers, so that ranges of them can be compared"""
TEXTS: Final = ("governor", "status", "radios", "throttled")
"""Columns of system_sample whose values are texts"""

_NUMBER: Final = r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)"
_Range = tuple[float, float] | tuple[str, str]


def asked(given: Mapping[str, Any], now: float) -> dict[str, float | str]:
    """Return the parameters of the report: a_from, a_to, b_from and b_to, beside what was typed as a and b.

    For windows these are Unix times, the end exclusive; for values, the least and the greatest of each,
    inclusive. Raises UsageError.
    """
    words = given["a"], given["b"]
    by: str = given["by"]
    if by == BY_WINDOW:
        if given["since"] is not None or given["until"] is not None:
            raise UsageError(
                "compare: --since and --until are only for values of a column (--by governor A B); "
                "to compare two windows, name them: telemetry-query compare yesterday today"
            )
        words = words if words != (None, None) else DEFAULTS
    if None in words:
        raise UsageError(f"compare: give two {'windows' if by == BY_WINDOW else 'values of ' + by}: A and B")
    if by == BY_WINDOW:
        first, second = (window(word, now) for word in words)
        return _parameters(words, first, second)
    one, other = (values(word, by) for word in words)
    _check_apart(words, one, other)
    return _parameters(words, one, other)


def window(text: str, now: float) -> tuple[float, float]:
    """Return start and end of the window that ``text`` names, Unix s. Raises UsageError."""
    start, dots, end = text.partition("..")
    try:
        if dots:
            found = between(_times(start, now), _times(end, now) if end.strip() else (now,))
            if found is None:
                raise UsageError(f"{text[:60]!r} is empty: {end or 'now'} is not after {start}")
            return found
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?[smhdw]", text):
            return _times(text, now)[0], now
        if text in ("today", "yesterday") or re.fullmatch(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", text):
            first = _times(text, now)[0]
            return first, _next_day(first)
        if month := re.fullmatch(r"([0-9]{4})-([0-9]{1,2})", text):
            first = _times(f"{text}-1", now)[0]
            year, number = int(month[1]), int(month[2])
            return first, moments(datetime(year + number // 12, number % 12 + 1, 1))[0]
    except (InvalidTimeError, OverflowError, ValueError):
        pass
    raise UsageError(f"{text[:60]!r} is not a window; give {WINDOWS}")


def values(text: str, by: str) -> _Range:
    """Return the least and the greatest of the values that ``text`` names. Raises UsageError."""
    if by in TEXTS:
        return text, text
    if single := re.fullmatch(_NUMBER, text):
        return float(single[1]), float(single[1])
    span = re.fullmatch(f"{_NUMBER}-{_NUMBER}?", text)
    if span is None:
        raise UsageError(f"{text[:40]!r} is not a value of {by}; give a number, or a range: 0-40, 60-")
    low, high = float(span[1]), float(span[2]) if span[2] else inf
    if low > high:
        raise UsageError(f"{text[:40]!r} is empty; give the lower end first")
    return low, high


def _times(text: str, now: float) -> tuple[float, ...]:
    return parse_time(text, now)


def _next_day(midnight: float) -> float:
    return moments(datetime.combine(datetime.fromtimestamp(midnight), datetime.min.time()) + timedelta(1))[0]


def _check_apart(words: tuple[str, str], one: _Range, other: _Range) -> None:
    lower, upper = sorted([one, other])
    # The ranges may share a bound: 0-40 and 40-100 leave no value out.
    if lower == upper or (lower[1] > upper[0]):  # type: ignore[operator]
        raise UsageError(f"{words[0][:40]} and {words[1][:40]} overlap: no sample can be on both sides")


def _parameters(
    words: tuple[str, str], first: tuple[Any, Any], second: tuple[Any, Any]
) -> dict[str, float | str]:
    return {
        "a": words[0],
        "b": words[1],
        "a_from": first[0],
        "a_to": first[1],
        "b_from": second[0],
        "b_to": second[1],
    }
