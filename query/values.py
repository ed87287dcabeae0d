"""From one stored value to the text that people read.

A value may be anything that SQLite can store, also where a number was meant: text, blobs, infinities.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from query.columns import Column
from telemetry.command import printable

TIMES: Final = ("time", "minute", "date")
"""Kinds of columns that hold Unix times"""


def shown_time(moment: object) -> str:
    """Return Unix time, s, as local date and time; what is none as it is.

    Where clocks showed that time twice, the offset from UTC is behind it.
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
    """Return a span of time as people say it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _without_seconds(text: str) -> str:
    """Return the date and time in ``text`` to the minute; an offset from UTC stays behind it."""
    return f"{text[:16]}{text[19:]}" if text[13:14] == text[16:17] == ":" else text


def _comes_twice(local: datetime, moment: float) -> bool:
    try:
        return abs(local.replace(fold=1 - local.fold).timestamp() - moment) >= 1
    except (ValueError, OverflowError):  # the last day of the calendar: Python looks at the day behind it
        return False


def plain(value: Any) -> Any:
    """Return ``value``; a blob, which no text format has, in SQLite's own notation."""
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def cell(value: Any, column: Column) -> str:
    """Return ``value`` as a table shows it in ``column``."""
    if (
        isinstance(value, float) and column.kind not in TIMES and -1e15 < value < 1e15
    ):  # most cells, so they come first
        text = f"{value:.{column.digits}f}"
        return text if text[0] != "-" or float(text) else text[1:]  # no -0.0
    value = plain(value)
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value)
    if column.kind in TIMES:
        text = shown_time(value)
        if column.kind == "minute":
            return _without_seconds(text)
        return text.split(" ")[0] if column.kind == "date" else text
    if isinstance(value, int) and column.digits == 0:
        return str(value)
    return f"{value:.{column.digits}f}" if abs(value) < 1e15 else f"{value:g}"
