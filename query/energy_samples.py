"""Reads samples hour by hour, in the form that telemetry.energy_model needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from telemetry import END_OF_TIME, HOUR
from telemetry.energy_model.features import Reading
from telemetry.energy_model.readings import Row, readings_of

_ROWS: Final = (
    f"SELECT {', '.join(Row._fields)} FROM energy_row WHERE time >= ? AND time < ? AND discharged_uj >= ? "
    "ORDER BY time DESC, ts DESC LIMIT ?"
)
_PROGRAMS: Final = (
    "SELECT ts, name_id, CAST(cpu_sum + children_sum AS INTEGER) FROM process_sums "
    "WHERE time >= ? AND time <= ?"
)
_CORES: Final = "SELECT COUNT(*) FROM cpu_core WHERE ts = ?"


class Recorded(NamedTuple):
    """The samples of one hour."""

    bucket: int
    """Unix time of its start, s"""
    readings: list[Reading]
    discharged_uj: int
    keys: list[int]
    """ts of each reading"""


class Span(NamedTuple):
    """Which samples are read."""

    start: float
    stop: float
    most: int
    """At most this many samples, the newest ones"""
    battery: bool = False
    """Only samples on battery"""


def hours(connection: sqlite3.Connection, span: Span) -> Iterator[Recorded]:
    """Yield the samples of a span, hour by hour, oldest first."""
    values = (max(span.start, 0.0), min(span.stop, END_OF_TIME), int(span.battery), span.most)
    rows = [Row(*row) for row in connection.execute(_ROWS, values)][::-1]
    before: Row | None = None
    for bucket, group in groupby(rows, key=lambda row: int(row.time) // HOUR * HOUR):
        of_hour = list(group)
        (cores,) = connection.execute(_CORES, (of_hour[-1].ts,)).fetchone()
        programs: dict[int, dict[int, int]] = {}
        for ts, name_id, used in connection.execute(_PROGRAMS, (of_hour[0].time, of_hour[-1].time)):
            of_sample = programs.setdefault(ts, {})
            of_sample[name_id] = of_sample.get(name_id, 0) + used
        readings = readings_of(of_hour, programs, cores or 1, before)
        before = of_hour[-1]
        yield Recorded(
            bucket, readings, sum(row.discharged_uj for row in of_hour), [row.ts for row in of_hour]
        )
