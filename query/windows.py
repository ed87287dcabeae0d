"""From what a user types to Unix time.

Pure: ``now`` is given, no clock is read. Dates and times of day are in the process's own time zone.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from math import inf, nextafter
from typing import Final, NamedTuple

from telemetry import END_OF_TIME

FORMS: Final = (
    "2026-11-24, '2026-11-24 14:00', 14:00 (the last one), now, today, yesterday, "
    "90s, 90m, 24h, 7d, 2w (ago) or Unix seconds"
)
"""The accepted forms: for ``--help`` and for the text of each refusal."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class InvalidTimeError(ValueError):
    """A text that names no time; the message says which forms do."""


class Window(NamedTuple):
    """``since`` <= time < ``until``, Unix time in s; None where it is open."""

    since: float | None
    until: float | None


def parse_time(text: str, now: float) -> float:
    """Return the Unix time, s, that ``text`` names. Raises InvalidTimeError."""
    found = _parse(text.strip(), now)
    if found is None:
        raise InvalidTimeError(f"{text[:40]!r} is no time; give {FORMS}")
    if not 0 <= found < END_OF_TIME:
        raise InvalidTimeError(f"{text[:40]!r} is outside the years 1970 to 9999; give {FORMS}")
    return found


def through(moment: float) -> float:
    """Return the end of a window that holds ``moment`` itself, and all of its second where it is whole.

    Times are shown in whole seconds: who gives one back means the sample that was shown with it.
    """
    return moment + 1 if moment.is_integer() else nextafter(moment, inf)


def _parse(text: str, now: float) -> float | None:
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return (midnight - timedelta(days=text == "yesterday")).timestamp()
    if ago := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text):
        return now - float(ago[1]) * _SECONDS[ago[2]]
    if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", text):
        return float(text)
    if clock := re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", text):
        return _last_time_of_day([int(part or 0) for part in clock.groups()], now)
    date = r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
    if day := re.fullmatch(date, text):
        return _local([int(part or 0) for part in day.groups()])
    return None


def _local(fields: list[int]) -> float | None:
    """Year, month, day, hour, minute, second as Unix time; None where the calendar has no such time."""
    year, month, day, hour, minute, second = fields
    try:
        found = datetime(year, month, day, hour, minute, second).timestamp()
    except (ValueError, OverflowError):  # OverflowError: the years 1 and 9999, west and east of Greenwich
        return None
    return max(found, 0.0) if year >= 1970 else found


def _last_time_of_day(fields: list[int], now: float) -> float | None:
    """The newest instant, not after ``now``, at which clocks showed that time; None where they never do."""
    hour, minute, second = fields
    today = datetime.fromtimestamp(now)
    for days in (0, 1):
        for fold in (1, 0):  # the night that has 02:30 twice
            try:
                shown = today.replace(hour=hour, minute=minute, second=second, microsecond=0, fold=fold)
            except ValueError:
                return None
            found = (shown - timedelta(days=days)).replace(fold=fold).timestamp()
            if found <= now:
                return found
    return None
