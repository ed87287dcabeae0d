"""Turns one stored value into the text that people read.

A value may be anything that SQLite can store, even if a number is expected: text, blobs, infinities.
"""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Any, Final

from query.columns import Column
from telemetry.command import printable

TIMES: Final = ("time", "minute", "date")
"""Kinds of columns that hold Unix times"""
_SECONDS: Final = {"s": 1, "h": 3_600, "d": 86_400}
_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def shown_time(moment: object) -> str:
    """Return Unix time, s, as local date and time; any other value unchanged.

    If clocks showed that time twice, the offset from UTC follows it.
    """
    if isinstance(moment, (int, float)):
        try:
            local = datetime.fromtimestamp(moment)
            comes_twice = _comes_twice(local, moment)
            return (local.astimezone() if comes_twice else local).isoformat(" ", "seconds")
        except (ValueError, OverflowError, OSError):  # beyond the calendar, or of the C library
            return f"{moment:g}"
    return printable(str(plain(moment)))


def shown_span(seconds: float) -> str:
    """Return a span of time in its natural unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def shown_duration(seconds: float) -> str:
    """Return a span of time in two units, as in ``2 h 05 min``."""
    if not isfinite(seconds):
        return f"{seconds:g}"
    sign, whole = ("-" if seconds <= -0.5 else ""), round(abs(seconds))
    if whole < 60:
        return f"{sign}{whole} s"
    if whole < 3_600:
        return f"{sign}{whole // 60} min {whole % 60:02} s"
    minutes = round(whole / 60)
    if minutes < 48 * 60:
        return f"{sign}{minutes // 60} h {minutes % 60:02} min"
    hours = round(minutes / 60)
    return f"{sign}{hours // 24} d {hours % 24:02} h"


def shown_size(size: float) -> str:
    """Return a number of bytes with two digits or more, as in ``43 MB``; a kB has 1000 bytes."""
    unit = 0
    while abs(size) >= 999.5 and unit < len(_SIZES) - 1:
        size /= 1_000
        unit += 1
    return f"{size:.{int(unit > 0 and abs(size) < 9.95)}f} {_SIZES[unit]}"


def _brief(text: str, now: float | None) -> str:
    """Return the local date and time in ``text`` without its date if that is today, else without its
    year if that is this year.
    """
    if now is None or text[10:11] != " ":
        return text
    today = shown_time(now)
    if text[:10] == today[:10]:
        return text[11:]
    return text[5:] if text[:5] == today[:5] else text


def _without_seconds(text: str) -> str:
    """Return the date and time in ``text`` to the minute; an offset from UTC stays behind it."""
    return f"{text[:16]}{text[19:]}" if text[13:14] == text[16:17] == ":" else text


def _comes_twice(local: datetime, moment: float) -> bool:
    try:
        return abs(local.replace(fold=1 - local.fold).timestamp() - moment) >= 1
    except (ValueError, OverflowError):  # the last day of the calendar: Python looks at the following day
        return False


def plain(value: Any) -> Any:
    """Return ``value``; a blob, which text formats lack, in SQLite's notation."""
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def cell(value: Any, column: Column, now: float | None = None) -> str:
    """Return ``value`` as a table shows it in ``column``; ``now`` as in query.render.Look."""
    if isinstance(value, float) and column.kind == "number" and -1e15 < value < 1e15:
        # most cells, so they come first
        text = f"{value:.{column.digits}f}"
        return text if text[0] != "-" or float(text) else text[1:]  # no -0.0
    value = plain(value)
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if column.kind in TIMES:
        text = shown_time(value)
        if column.kind == "date":
            return text.split(" ")[0]
        return _brief(_without_seconds(text) if column.kind == "minute" else text, now)
    if column.kind == "duration":
        return shown_duration(value * _SECONDS.get(column.unit, 1))
    if column.kind == "size":
        return shown_size(value)
    if isinstance(value, int) and column.digits == 0:
        return str(value)
    return f"{value:.{column.digits}f}" if abs(value) < 1e15 else f"{value:g}"


def stands_out(value: Any, column: Column) -> bool:
    """Return whether ``value`` is beyond the limits of ``column``."""
    if not isinstance(value, (int, float)):
        return False
    too_low = column.low is not None and value <= column.low
    return too_low or (column.high is not None and value >= column.high)


def text_of(value: object) -> str | None:
    """Return a stored value as a text; None for whatever else SQLite stores."""
    return value if isinstance(value, str) else None


def number_of(value: object) -> float | None:
    """Return a stored value as a number; None for whatever else SQLite stores."""
    return float(value) if isinstance(value, (int, float)) and isfinite(value) else None


def figure(value: float | None, unit: str = "", digits: int = 1) -> str:
    """Return ``value`` with its unit; empty: not known."""
    if value is None:
        return ""
    return f"{value:.{digits}f}{unit}" if abs(value) < 1e6 else f"{value:.2g}{unit}"
