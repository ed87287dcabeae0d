"""Computes roll-ups in plain Python, as docs/database.md defines them, for tests of reports."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from query.window import History
from writer.rollups import sessions, steps
from writer.rollups.marks import newest_minute

Row = dict[str, Any]


def roll_up(database: sqlite3.Connection, history: History) -> None:
    """Fill the tables of roll-ups from the raw rows, each up to its mark."""
    sets = ", ".join(f"{name} = ?" for name in History._fields)
    database.execute(f"UPDATE history SET {sets}", history)
    samples = _rows(database, "SELECT * FROM system_sample")
    _fill(database, "system_minute", samples, 60, history.minute_until, _system)
    _fill(database, "system_hour", samples, 3_600, history.hour_until, _system)

    cores = _rows(database, "SELECT time, core, usage FROM system_sample JOIN cpu_core USING (ts)")
    _fill(database, "core_hour", cores, 3_600, history.hour_until, _core, key="core")

    names = (
        "(SELECT name_id FROM process_name AS n "
        "WHERE n.name = p.name AND n.app IS p.app AND n.user IS p.user)"
    )
    processes = _rows(
        database,
        f"SELECT time, interval, coalesce({names}, 0) AS name_id, cpu, mem, children, "
        "(SELECT MAX(core) + 1 FROM cpu_core AS c WHERE c.ts = p.ts) AS cores "
        "FROM system_sample JOIN process_sample AS p USING (ts)",
    )
    _fill(database, "process_hour", processes, 3_600, history.hour_until, _process, key="name_id")
    _fill(database, "process_day", processes, 86_400, history.day_until, _process, key="name_id")
    while step := sessions.read(database, history.hour_until):  # another test compares it with the truth
        sessions.write(database, step)


def by_the_writer(database: sqlite3.Connection) -> None:
    """Do the writer's idle work: energy by program is tested with it."""
    while step := steps.next_step(database, newest_minute(database)):
        steps.write_step(database, step)


def drop(database: sqlite3.Connection, before: float) -> None:
    """Delete raw rows older than ``before``."""
    for table in ("cpu_core", "process_sample"):
        database.execute(
            f"DELETE FROM {table} WHERE ts IN (SELECT ts FROM system_sample WHERE time < ?)", (before,)
        )
    database.execute("DELETE FROM system_sample WHERE time < ?", (before,))


def _rows(database: sqlite3.Connection, sql: str) -> list[Row]:
    cursor = database.execute(sql)
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _fill(
    database: sqlite3.Connection,
    table: str,
    rows: Iterable[Row],
    size: int,
    until: int,
    total: Callable[[list[Row]], list[Any]],
    key: str | None = None,
) -> None:
    buckets = defaultdict(list)
    for row in rows:
        if row["time"] < until:
            bucket = int(row["time"]) // size * size
            buckets[(bucket, row[key]) if key else (bucket,)].append(row)
    for keys, held in buckets.items():
        values = [*keys, *total(held)]
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


# --- the values of a bucket, in the order of the columns --------------------------------------------


def _system(rows: list[Row]) -> list[Any]:
    read = [row for row in rows if row["energy_uj"] is not None]
    out = [row for row in read if row["energy_uj"] < 0]
    unread = [row for row in rows if row["energy_uj"] is None and row["status"] == "Discharging"]
    drain = out + unread
    flowing = [row for row in drain if row["current"] is not None]
    told = ("battery_pct", "energy_uj", "voltage", "current", "power", "status")
    return [
        len(rows),
        min(row["time"] - (row["interval"] or 0) for row in rows),
        max(row["time"] for row in rows),
        *(_microseconds(some) for some in (rows, read)),
        -sum(row["energy_uj"] for row in out),
        sum(row["energy_uj"] for row in read if row["energy_uj"] > 0),
        *(_microseconds(some) for some in (drain, out, flowing)),
        sum(
            _rounded(abs(row["current"]) * row["interval"] * 1e6)
            for row in flowing
            if row["interval"] is not None
        ),
        max((row["ts"] for row in drain), default=None),
        sum(any(row[name] is not None for name in told) for row in rows),
        *_counted(rows, "cpu_total", 100),
        *(pick(rows, name) for name in ("power", "battery_pct", "cpu_temp") for pick in (_least, _most)),
    ]


def _core(rows: list[Row]) -> list[Any]:
    return _counted(rows, "usage", 100)


def _process(rows: list[Row]) -> list[Any]:
    rows = [row | {name: _of_cores(row, name) for name in ("cpu", "children")} for row in rows]
    children = sum(_rounded((row["children"] or 0) * 100) for row in rows)
    cpu_us = sum(
        (
            (_rounded((row["cpu"] or 0) * 100) + _rounded((row["children"] or 0) * 100))
            * _rounded((row["interval"] or 0) * 1e6)
            + 5_000
        )
        // 10_000
        for row in rows
    )
    return [len(rows), *_counted(rows, "cpu", 100), *_counted(rows, "mem", 1000)[:2], children, cpu_us]


def _of_cores(row: Row, name: str) -> float | None:
    """Return the reading; None if it exceeds what all cores of its sample provide, if it lists any."""
    reading, cores = row[name], row["cores"]
    return None if reading is not None and cores is not None and reading > 100 * cores else reading


def _counted(rows: list[Row], name: str, scale: int) -> list[Any]:
    """Return number, sum and maximum of the readings."""
    readings = [row[name] for row in rows if row[name] is not None]
    return [
        len(readings),
        sum(_rounded(reading * scale) for reading in readings),
        max(readings, default=None),
    ]


def _microseconds(rows: list[Row]) -> int:
    return sum(_rounded((row["interval"] or 0) * 1e6) for row in rows)


def _rounded(value: float) -> int:
    """Round like SQL's ROUND: half away from zero."""
    return int(value + 0.5) if value >= 0 else int(value - 0.5)


def _least(rows: list[Row], name: str) -> Any:
    return min((row[name] for row in rows if row[name] is not None), default=None)


def _most(rows: list[Row], name: str) -> Any:
    return max((row[name] for row in rows if row[name] is not None), default=None)
