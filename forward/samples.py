"""Turns stored samples into points: which samples are read, in which order, and the points of each."""

from __future__ import annotations

import math
import socket
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from forward.cursor import Cursor, Mark
from forward.lines import NAMELESS, Fields, Point, line, milliseconds
from forward.record import Record
from telemetry.fields import fields_of
from telemetry.records import IN_SYSTEM_SAMPLE, BatteryPack

EARLIEST: Final = 1_577_836_800.0
"""2020 in Unix time: a sample dated earlier comes from a clock that was not set, and is not sent."""
AHEAD: Final = 86_400.0
"""A sample more than this many s ahead of this machine's clock waits: one of the two times is wrong."""
ORIGINAL: Final = "original {}"
"""The run id for rows of the original logger, from the application_id of their database. Their seq is ts."""

_TYPES: Final[dict[str, Callable[[Any], int | float]]] = {"number": float, "integer": int, "truth": int}


def _numbers(records: Iterable[Any], *, without: frozenset[str]) -> dict[str, Callable[[Any], int | float]]:
    """Return the columns that contain numbers, with the type of each."""
    found: dict[str, Callable[[Any], int | float]] = {}
    for record in records:
        for field in fields_of(record):
            kind = field.shape.item.kind if field.shape.kind == "row" else field.shape.kind
            if kind in _TYPES:
                found |= {column: _TYPES[kind] for column in field.columns if column not in without}
    return found


SYSTEM_FIELDS: Final = _numbers(IN_SYSTEM_SAMPLE, without=frozenset({"time", "seq"}))
PACK_FIELDS: Final = _numbers([BatteryPack], without=frozenset())
_PROCESS: Final[Mapping[str, Callable[[Any], int | float]]] = {"cpu": float, "children": float, "mem": float}

_ROWS: Final = f"""
SELECT ts, {{seq}}, time, iif(typeof(throttled) = 'text', throttled <> '', NULL), {", ".join(SYSTEM_FIELDS)}
FROM system_sample
WHERE {{run}} AND {{seq}} BETWEEN ? AND ? AND +time >= ? AND +time < ?
ORDER BY {{seq}}
LIMIT ?
"""
_OF_RUN: Final = _ROWS.format(seq="seq", run="run_id = ?")
_OF_ORIGINAL: Final = _ROWS.format(seq="ts", run="? IS run_id")
_SUMS: Final = """
SELECT ts, discharging, covered_us + discharged_uj + charged_uj,
       CAST(discharged_uj AS INTEGER), CAST(charged_uj AS INTEGER)
FROM system_sums WHERE ts IN ({})
"""
_CORES: Final = "SELECT ts, core, usage FROM cpu_core WHERE ts IN ({}) ORDER BY ts, core"
_PACKS: Final = (
    f"SELECT ts, name, {', '.join(PACK_FIELDS)} FROM battery_pack WHERE ts IN ({{}}) ORDER BY ts, name"
)
_PROCESSES: Final = """
SELECT ts, {by}, cpu, children, mem FROM process_sample WHERE ts IN ({}) ORDER BY ts, pid
"""
_BY: Final = {"name": "name", "app": "coalesce(nullif(app, ''), name)"}


class Choice(NamedTuple):
    """What is sent, from the options."""

    host: str | None
    """The tag host; None: the run's host name"""
    by: str
    """name or app"""
    top: int
    """Processes per sample"""
    most_names: int


class Batch(NamedTuple):
    """Samples in reading order."""

    marks: list[Mark]
    lines: list[bytes]
    last_run: int
    """run_id of the last sample"""


class Reader:
    """Goes through the runs in order, and finds unsent samples."""

    def __init__(self, cursor: Cursor, choice: Choice, size: int) -> None:
        """``size``: samples per batch"""
        self._cursor = cursor
        self._choice = choice
        self._size = size

    def batch(self, connection: sqlite3.Connection, now: float, since_run: int) -> Batch:
        """Return the next unsent samples of ``since_run`` and later runs; none: all were sent.

        ``now``: Unix time. A sample without a time, or with an impossible time, is not sent.
        """
        bounds = (EARLIEST, now + AHEAD)
        found: list[tuple[str, Mark, tuple[Any, ...]]] = []
        last_run = since_run
        for run_id, run, host in _runs(connection, since_run, self._choice.host):
            last_run = run_id or 0
            room = self._size - len(found)
            for first, row in islice(self._unsent(connection, run_id, run, bounds, room), room):
                found.append((host, Mark(run, first, row[1], row[0], row[2]), row))
            if len(found) == self._size:
                break
        points = self._points(connection, found)
        return Batch(
            [mark for _, mark, _ in found],
            [made for point in points if (made := line(point)) is not None],
            last_run,
        )

    def _unsent(
        self,
        connection: sqlite3.Connection,
        run_id: int | None,
        run: str,
        bounds: tuple[float, float],
        most: int,
    ) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield rows, each with the first seq of the run that it covers."""
        for first, last in self._cursor.holes(run):
            query = _OF_ORIGINAL if run_id is None else _OF_RUN
            until = _last(connection, run_id, last)
            covers = first
            for row in connection.execute(query, (run_id, first, until, *bounds, most)):
                yield (covers if run_id is None else row[1]), row
                covers = row[1] + 1

    def _points(
        self, connection: sqlite3.Connection, found: list[tuple[str, Mark, tuple[Any, ...]]]
    ) -> Iterator[Point]:
        listed = ",".join(str(mark.ts) for _, mark, _ in found)
        sums = {row[0]: row[1:] for row in connection.execute(_SUMS.format(listed))}
        cores: dict[int, dict[str, int | float]] = defaultdict(dict)
        packs: dict[int, list[tuple[str, Fields]]] = defaultdict(list)
        processes: dict[int, dict[str, Fields]] = {}
        for ts, core, usage in connection.execute(_CORES.format(listed)):
            if (number := _typed(float, usage)) is not None:
                cores[ts][f"core{core}"] = number
        for ts, name, *values in connection.execute(_PACKS.format(listed)):
            packs[ts].append((name, _fields(PACK_FIELDS, values)))
        if self._choice.top:
            rows = connection.execute(_PROCESSES.format(listed, by=_BY[self._choice.by]))
            for ts, of_sample in groupby(rows, key=lambda row: row[0]):
                processes[ts] = top(of_sample, self._choice.top)
        for host, mark, row in found:
            ts, ms, tags = mark.ts, milliseconds(mark.time), (("host", host),)
            yield Point("telemetry_system", tags, _system_fields(row[3:], sums.get(ts)), ms)
            yield Point("telemetry_cpu", tags, cores[ts], ms)
            for name, fields in packs[ts]:
                yield Point("telemetry_pack", (*tags, ("name", str(name))), fields, ms)
            for name, fields in self._admitted(processes.get(ts, {})).items():
                yield Point("telemetry_process", (*tags, (self._choice.by, name)), fields, ms)

    def _admitted(self, processes: Mapping[str, Fields]) -> Mapping[str, Fields]:
        found: dict[str, Fields] = {}
        for name, fields in processes.items():
            admitted = self._cursor.admit(name, self._choice.most_names)
            found[admitted] = _sum(found[admitted], fields) if admitted in found else fields
        return found


def waiting(connection: sqlite3.Connection, record: Record, now: float) -> int:
    """Return the number of unsent samples that can be sent. ``now``: Unix time."""
    count = 0
    for run_id, run, _ in _runs(connection, 0, None):
        query = (_OF_ORIGINAL if run_id is None else _OF_RUN).partition("FROM")[2].partition("ORDER")[0]
        for first, last in record.holes(run):
            bounds = (run_id, first, _last(connection, run_id, last), EARLIEST, now + AHEAD)
            count += connection.execute(f"SELECT COUNT(*) FROM {query}", bounds).fetchone()[0]
    return count


def top(rows: Iterable[tuple[Any, ...]], most: int) -> dict[str, Fields]:
    """Return the names that used the most CPU in one sample, from rows of ts, name, cpu, children and mem.

    Processes with the same name are summed. A value that no process of the name has is left out.
    """
    found: dict[str, Fields] = {}
    for _, name, *values in rows:
        fields = _fields(_PROCESS, values) | {"processes": 1}
        shown = str(name) if name not in (None, "") else NAMELESS
        found[shown] = _sum(found[shown], fields) if shown in found else fields

    def rank(name: str) -> tuple[float, str]:
        return -(found[name].get("cpu", 0.0) + found[name].get("children", 0.0)), name

    return {name: found[name] for name in sorted(found, key=rank)[:most]}


def _sum(one: Fields, other: Fields) -> Fields:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def newest(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the run_id (0: the original logger's) and the ts of the newest sample."""
    found = connection.execute("SELECT coalesce(run_id, 0), ts FROM system_sample ORDER BY ts DESC LIMIT 1")
    run_id, ts = found.fetchone() or (0, 0)
    return run_id, ts


def host_of(connection: sqlite3.Connection) -> str:
    """Return the host name of the newest run; before the first run, that of this machine."""
    found = connection.execute("SELECT host FROM run ORDER BY imported, run_id DESC LIMIT 1").fetchone()
    return str(found[0]) if found else socket.gethostname()


def _runs(
    connection: sqlite3.Connection, since: int, host: str | None
) -> Iterator[tuple[int | None, str, str]]:
    """Yield run_id, name and host of each run; if ``since`` is 0, the original logger first."""
    if since == 0:
        (instance,) = connection.execute("PRAGMA application_id").fetchone()
        yield None, ORIGINAL.format(instance), host or host_of(connection)
    for run_id, run, its_host in connection.execute(
        "SELECT run_id, run, host FROM run WHERE run_id >= ? ORDER BY run_id", (since,)
    ):
        yield run_id, run, host or its_host


def _last(connection: sqlite3.Connection, run_id: int | None, last: int) -> int:
    """Return the ts at which to stop: the original logger wrote nothing after a sampler's first run began."""
    if run_id is not None:
        return last
    (first,) = connection.execute("SELECT MIN(first_ts) FROM run WHERE imported = 0").fetchone()
    return last if first is None else min(last, first - 1)


def _system_fields(values: tuple[Any, ...], sums: tuple[Any, ...] | None) -> dict[str, int | float]:
    throttled, *numbers = values
    fields = _fields(SYSTEM_FIELDS, numbers)
    if throttled is not None:
        fields["throttled"] = int(throttled)
    if sums is not None:
        discharging, has_energy, discharged, charged = sums
        fields["discharging"] = int(discharging)
        if has_energy:
            fields |= {"discharged_uj": discharged, "charged_uj": charged}
    return fields


def _fields(
    types: Mapping[str, Callable[[Any], int | float]], values: Iterable[Any]
) -> dict[str, int | float]:
    return {
        name: number
        for (name, type_), value in zip(types.items(), values, strict=True)
        if (number := _typed(type_, value)) is not None
    }


def _typed(type_: Callable[[Any], int | float], value: Any) -> int | float | None:
    """Return ``value`` with the type of its field, None if it is not such a number (a damaged value)."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    number = type_(value)
    return number if number == value else None
