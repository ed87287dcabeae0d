"""Turns what a user types into Unix time.

Pure: ``now`` is given, no clock is read. Dates and times of day are in the process's own time zone, unless
they end in an offset from UTC. A time that occurred twice, because clocks were set back, means the first of
the two if it has a date, else the last one before now. A time that was skipped means the moment at which
clocks were set forward.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nextafter
from time import localtime
from typing import Final

from telemetry import END_OF_TIME

FORMS: Final = (
    "2026-11-24, '2026-11-24 14:00', '11-24 14:00' or 14:00 (the last one), 14:00+01:00, 14:00Z, now, today, "
    "yesterday, 90s, 90m, 24h, 7d, 2w (ago) or Unix seconds"
)
"""The accepted forms, for ``--help`` and for errors."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class InvalidTimeError(ValueError):
    """A text that is not a time; the message lists the accepted forms."""


def parse_time(text: str, now: float) -> tuple[float, ...]:
    """Return the Unix times, s, that ``text`` can mean, the likeliest first. Raises InvalidTimeError.

    There are two if the time occurred twice because clocks were set back.
    """
    found = _parse(text.strip(), now)
    if not found:
        raise InvalidTimeError(f"{text[:40]!r} is not a time; give {FORMS}")
    if not all(0 <= moment < END_OF_TIME for moment in found):
        raise InvalidTimeError(f"{text[:40]!r} is outside the years 1970 to 9999; give {FORMS}")
    return tuple(found)


def between(since: tuple[float, ...], until: tuple[float, ...]) -> tuple[float, float] | None:
    """Return the first pair of a ``since`` and a later ``until``; None: there is no such pair."""
    fitting = ((start, stop) for stop in until for start in since if start < stop)
    return next(fitting, None)


def through(moment: float) -> float:
    """Return the end of a window that includes ``moment``, and its whole second if it is a whole number.

    Times are shown in whole seconds: a user who types one means the sample that was shown with it.
    """
    return moment + 1 if moment.is_integer() else nextafter(moment, inf)


_CLOCK: Final = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?"
_OFFSET: Final = r"(?: ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?))?"


def _parse(text: str, now: float) -> list[float]:
    """Return the moments that ``text`` can mean; empty: none."""
    if text == "now":
        return [now]
    if text in ("today", "yesterday"):
        midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
        return moments(midnight - timedelta(days=text == "yesterday"))[:1]
    if ago := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text):
        return [now - float(ago[1]) * _SECONDS[ago[2]]]
    if re.fullmatch(r"-?[0-9]+(?:\.[0-9]+)?", text):
        return [float(text)]
    try:
        if clock := re.fullmatch(_CLOCK + _OFFSET, text):
            *fields, offset = clock.groups()
            return _last_time_of_day([int(part or 0) for part in fields], _zone(offset), now)
        if day := re.fullmatch(
            rf"(?:([0-9]{{4}})-)?([0-9]{{1,2}})-([0-9]{{1,2}})(?:[ T]{_CLOCK}{_OFFSET})?", text
        ):
            year, *fields, offset = day.groups()
            rest = [int(part or 0) for part in fields]
            return _dated([int(year), *rest], _zone(offset)) if year else _last_date(rest, _zone(offset), now)
    except (ValueError, OverflowError):  # OverflowError: the years 1 and 9999, west and east of Greenwich
        pass
    return []


def _zone(offset: str | None) -> timezone | None:
    """Return the zone of an offset; no offset: None, local time. Raises ValueError."""
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if offset[0] == "-" else ahead)


def _dated(fields: list[int], zone: timezone | None) -> list[float]:
    """Return year, month, day, hour, minute, second as Unix times. Raises ValueError for no valid time."""
    year, month, day, hour, minute, second = fields
    found = moments(datetime(year, month, day, hour, minute, second, tzinfo=zone))
    return [max(moment, 0.0) for moment in found] if year >= 1970 else found


def _last_date(fields: list[int], zone: timezone | None, now: float) -> list[float]:
    """Return the moments of a date without a year, in the last year that has them before ``now``."""
    this_year = datetime.fromtimestamp(now, zone).year
    for year in range(this_year, max(1969, this_year - 9), -1):  # February 29 may be eight years ago
        with suppress(ValueError):
            found = [moment for moment in _dated([year, *fields], zone) if moment <= now]
            if found:
                return found
    return []


def _last_time_of_day(fields: list[int], zone: timezone | None, now: float) -> list[float]:
    """Return the moments of a time of day, on the last day that has it before ``now``, the last one first."""
    hour, minute, second = fields
    shown = datetime.fromtimestamp(now, zone).replace(hour=hour, minute=minute, second=second, microsecond=0)
    for days in (0, 1):
        found = [moment for moment in moments(shown - timedelta(days=days)) if moment <= now]
        if found:
            return found[::-1]
    return []


def moments(shown: datetime) -> list[float]:
    """Return, in order, the Unix times at which clocks of its zone (default: local) show ``shown``.

    There are two if clocks went back. If they went forward and skipped it, it is the moment of the change: so
    a window that begins or ends there covers the time that existed.
    """
    first = shown.replace(fold=0).timestamp()
    try:
        second = shown.replace(fold=1).timestamp()
    except (ValueError, OverflowError):  # the last day of the calendar: Python looks at the following day
        second = first
    if first == second:
        return [first]
    if first < second:
        return [first, second]
    return [float(clock_change(int(second), int(first)))]


def clock_change(before: int, after: int) -> int:
    """Return the moment between the two, Unix s, at which the offset from UTC becomes that of ``after``."""
    offset = utc_offset(after)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if utc_offset(middle) == offset else (middle, after)
    return after


def utc_offset(moment: int) -> int:
    """Return by how many seconds local time is ahead of UTC."""
    return localtime(moment).tm_gmtoff
