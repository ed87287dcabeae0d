"""Samples of the database as telemetry.energy_model takes them, hour by hour."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

from query.report import sql_text
from telemetry.energy_model.features import Reading

_HOUR: Final = 3600
_PROCESSES: Final = """
SELECT ts, {by}, iif(cpu BETWEEN 0 AND 1e6, cpu, 0.0) + iif(children BETWEEN 0 AND 1e6, children, 0.0)
FROM process_sample WHERE ts BETWEEN ? AND ?"""
_CORES: Final = "SELECT COUNT(*) FROM cpu_core WHERE ts = (SELECT MAX(ts) FROM cpu_core)"
_SHORTEST_SLEEP: Final = 1.0
"""s suspended from which on the gauge may still tell of the time asleep"""


_BY: Final = {"name": "name", "app": "app", "user": "user"}
_WHOLE: Final = (
    f"WITH {sql_text('whole_names').replace('{{columns}}', 'cut, name')} SELECT cut, name FROM whole"
)


class Names:
    """Numbers for the names of programs, of their apps or of their users."""

    def __init__(self, by: str = "name") -> None:
        self.by = by
        """name, app or user"""
        self._numbers: dict[str | None, int] = {}
        self._names: list[str | None] = []

    def number(self, name: str | None) -> int:
        found = self._numbers.setdefault(name, len(self._names))
        if found == len(self._names):
            self._names.append(name)
        return found

    def name(self, number: int) -> str | None:
        return self._names[number]


class Hour(NamedTuple):
    """The samples of one hour."""

    readings: list[Reading]
    discharged_uj: int
    first: float
    """Unix time of the first sample, s"""
    keys: list[int]
    """ts of each reading"""


class Span(NamedTuple):
    """Which samples are read."""

    start: float
    stop: float
    most: int
    battery: bool
    """Those on battery alone"""


def hours(connection: sqlite3.Connection, span: Span, names: Names | None) -> Iterator[Hour]:
    """Yield the newest ``most`` samples of a span in the order of their time, hour by hour.

    ``names``: None leaves the programs out; all that was busy is then of others and the kernel.
    """
    (cores,) = connection.execute(_CORES).fetchone()
    bound = span._asdict() | {"battery": int(span.battery)}
    rows = connection.execute(sql_text("energy_samples"), bound).fetchall()
    whole: dict[object, object] = {}
    if names and names.by == "name":
        whole = dict(connection.execute(_WHOLE))
    before: tuple[object, object] = (None, None)
    for _, group in groupby(rows, key=lambda row: row[1] // _HOUR):
        of_hour = list(group)
        keys = [row[0] for row in of_hour]
        listed = _programs(connection, (min(keys), max(keys)), names, whole) if names else {}
        readings = []
        for row in of_hour:
            readings.append(_reading(row, listed.get(row[0], {}), cores or 1, before))
            before = row[-2:]
        yield Hour(readings, sum(row[4] for row in of_hour), of_hour[0][1], keys)


def _programs(
    connection: sqlite3.Connection, keys: tuple[int, int], names: Names, whole: Mapping[object, object]
) -> dict[int, dict[int, float]]:
    """Return the busy cores of each program by sample, from one key to another. ``whole``: by cut names."""
    listed: dict[int, dict[int, float]] = {}
    for ts, cut, percent in connection.execute(_PROCESSES.format(by=_BY[names.by]), keys):
        programs = listed.setdefault(ts, {})
        name = whole.get(cut, cut)  # older samplers did not complete it
        number = names.number(name if isinstance(name, str) else None)
        programs[number] = programs.get(number, 0.0) + (percent or 0.0) / 100
    return listed


def _reading(row: tuple[object, ...], programs: dict[int, float], cores: int, before: object) -> Reading:
    _, _, interval_us, covered_us, discharged_uj, total, unowned, mhz, brightness, suspended, run, seq = row
    seconds = _number(interval_us) / 1e6
    is_discharging = _number(discharged_uj) > 0 and seconds > 0 and _number(covered_us) > 0
    kernel = _number(unowned) / 100 * cores
    listed = sum(programs.values())
    return Reading(
        seconds,
        _number(discharged_uj) / 1e6 / seconds if is_discharging else None,
        max(listed + kernel, _number(total) / 100 * cores),
        1.0 if mhz is None else _number(mhz) / 1000,
        None if brightness is None else _number(brightness) / 100,
        programs,
        kernel,
        run is not None and before == (run, _number(seq) - 1) and _number(suspended) < _SHORTEST_SLEEP,
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
