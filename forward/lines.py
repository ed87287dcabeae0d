"""Points in Influx line protocol. Pure.

The syntax is that of docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference, without what
engines read in different ways: texts as fields, and backslashes that could be part of an escape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from telemetry.command import printable

LONGEST_TAG: Final = 200
"""Characters of a tag's value; what is longer is cut"""
NAMELESS: Final = "(no name)"
"""An empty value of a tag is not allowed"""

_SPECIAL: Final = re.compile(r"([,= ])")
_MISREAD: Final = re.compile(r"\\(?=[\\,= ]|\Z)")

Fields = Mapping[str, int | float]
Tags = tuple[tuple[str, str], ...]


class Point(NamedTuple):
    """What one row tells. Measurement, tags and time make it the same point, which the engine overwrites."""

    measurement: str
    tags: Tags
    fields: Fields
    ms: int
    """Unix time, ms: the finest that all engines keep"""


def line(point: Point) -> bytes | None:
    """Return the line without its newline, None for a point without a field that can be sent."""
    fields = ",".join(
        f"{name}={_number(value)}" for name, value in point.fields.items() if math.isfinite(value)
    )
    if not fields:
        return None
    tags = "".join(f",{name}={tag(value)}" for name, value in point.tags)
    return f"{point.measurement}{tags} {fields} {point.ms * 1_000_000}".encode()


def tag(value: str) -> str:
    """Return the value of a tag as it goes on the line.

    Characters that are not printable become escapes of Python. A backslash that a parser could read as part
    of an escape becomes a slash.
    """
    shown = printable(value)[:LONGEST_TAG]
    return _SPECIAL.sub(r"\\\1", _MISREAD.sub("/", shown)) or tag(NAMELESS)


def milliseconds(time: float) -> int:
    """Return ``time`` (s) in whole ms, rounded down: no point goes over into the next second."""
    whole = math.floor(time)
    return whole * 1000 + int((time - whole) * 1000)


def _number(value: int | float) -> str:
    """Return a number that keeps its type: a field is of whole numbers or of real ones, for ever."""
    return f"{value}i" if isinstance(value, int) else repr(float(value))
