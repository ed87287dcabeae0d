"""Points in Influx line protocol. Pure.

The syntax follows docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference. It leaves out
what engines parse differently: texts as fields, and backslashes that could be part of an escape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from telemetry.command import printable

LONGEST_TAG: Final = 200
"""The longest value of a tag, in characters; longer ones are cut"""
NAMELESS: Final = "(no name)"
"""Stands for an empty value of a tag, which is not allowed"""

_SPECIAL: Final = re.compile(r"([,= ])")
_MISREAD: Final = re.compile(r"\\(?=[\\,= ]|\Z)")

Fields = Mapping[str, int | float]
Tags = tuple[tuple[str, str], ...]


class Point(NamedTuple):
    """One row as a point. An engine overwrites a point that has the same measurement, tags and time."""

    measurement: str
    tags: Tags
    fields: Fields
    ms: int
    """Unix time, ms: the finest resolution that all engines keep"""


def line(point: Point) -> bytes | None:
    """Return the line without its newline, None if the point has no field that can be sent."""
    fields = ",".join(
        f"{name}={_number(value)}" for name, value in point.fields.items() if math.isfinite(value)
    )
    if not fields:
        return None
    tags = "".join(f",{name}={tag(value)}" for name, value in point.tags)
    return f"{point.measurement}{tags} {fields} {point.ms * 1_000_000}".encode()


def tag(value: str) -> str:
    """Return the value of a tag, escaped for the line.

    Characters that are not printable become Python escapes. A backslash that a parser could take for part of
    an escape becomes a slash.
    """
    shown = printable(value)[:LONGEST_TAG]
    return _SPECIAL.sub(r"\\\1", _MISREAD.sub("/", shown)) or tag(NAMELESS)


def milliseconds(time: float) -> int:
    """Return ``time`` (s) in whole ms, rounded down, so that no point moves into the next second."""
    whole = math.floor(time)
    return whole * 1000 + int((time - whole) * 1000)


def _number(value: int | float) -> str:
    """Return a number as text that keeps its type: engines fix a field's type, integer or float, for ever."""
    return f"{value}i" if isinstance(value, int) else repr(float(value))
