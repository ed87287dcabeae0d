"""Reads a database with sqlite3 alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from telemetry.sample import Sample
from writer import schema
from writer.store import Store

Rows = list[tuple[Any, ...]]
Catalogue = dict[tuple[str, str], str]
"""(type, name): SQL"""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database as a reader does."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA query_only = ON")
        yield database
    finally:
        database.close()


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database as a user who adds their own tables and views does."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        yield database
    finally:
        database.close()


def rows(path: Path, sql: str, *values: object) -> Rows:
    with reading(path) as database:
        return database.execute(sql, values).fetchall()


def value(path: Path, sql: str, *values: object) -> Any:
    ((found,),) = rows(path, sql, *values)
    return found


def catalogue(path: Path) -> Catalogue:
    """Return all objects that have SQL; SQLite's internal objects have none."""
    with reading(path) as database:
        found = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(kind, name): sql for kind, name, sql in found}


def fresh_catalogue(compact: Iterable[str] = schema.COMPACT) -> Catalogue:
    """Return the objects of a fresh database; ``compact``: with views over the compact tables."""
    with closing(sqlite3.connect(":memory:")) as model:
        schema.make_tables(model)
        for table in compact:
            schema.make_compact(model, table)
        schema.make_views(model)
        found = model.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(kind, name): sql for kind, name, sql in found}


def columns(path: Path, table: str) -> Rows:
    return rows(path, f"PRAGMA table_xinfo({table})")


def column_names(path: Path, table: str) -> list[str]:
    return [row[1] for row in columns(path, table)]


def is_whole(path: Path) -> bool:
    return bool(rows(path, "PRAGMA integrity_check") == [("ok",)])


def stored(store: Store) -> Rows:
    """Return (run, seq, ts) of all live samples, by ts."""
    return rows(store.path, "SELECT run, seq, ts FROM system_sample JOIN run USING (run_id) ORDER BY ts")


def expected_rows(sample: Sample, ts: int) -> tuple[Rows, Rows, Rows]:
    """Return the rows of a stored sample, computed independently of the writer, by column name."""
    wire, battery, cpu = sample, sample.battery, sample.cpu
    power = battery.power if battery else None
    system = (
        ts,
        *((battery.voltage, battery.current, battery.power, battery.pct) if battery else (None,) * 4),
        *(cpu.total, cpu.freq),
        *wire.load,
        *(wire.time, wire.interval, wire.suspended),
        *(battery.status if battery else None, cpu.temp),
        None if power is None else round(power * wire.interval * 1e6),
        *(battery.method if battery else None, cpu.unowned, wire.on_ac, wire.governor, wire.brightness),
        None if wire.radios is None else " ".join(sorted(name for name in wire.radios if wire.radios[name])),
        None if wire.throttled is None else " ".join(wire.throttled),
        *((wire.source.name, wire.source.power) if wire.source else (None, None)),
        battery.level if battery else None,
        *(wire.run, wire.host, wire.boot_id, wire.seq),
    )
    cores = [(core, usage) for core, usage in enumerate(cpu.cores) if usage is not None]
    processes = [(p.pid, p.name, p.cpu, p.mem, p.start, p.children, p.app, p.user) for p in wire.processes]
    return [system], cores, sorted(processes)


def stored_rows(path: Path, ts: int) -> tuple[Rows, Rows, Rows]:
    """Return the rows stored at ``ts``, in the form of ``expected_rows``."""
    return (
        rows(
            path,
            "SELECT ts, voltage, current, power, battery_pct, cpu_total, cpu_freq, load1, load5, load15, "
            "time, interval, suspended, status, cpu_temp, energy_uj, "
            "method, cpu_unowned, on_ac, governor, brightness, radios, throttled, source, source_power, "
            "battery_level, "
            "run, host, boot_id, seq "
            "FROM system_sample JOIN run USING (run_id) WHERE ts = ?",
            ts,
        ),
        rows(path, "SELECT core, usage FROM cpu_core WHERE ts = ? ORDER BY core", ts),
        rows(
            path,
            "SELECT pid, name, cpu, mem, start, children, app, user FROM process_sample "
            "WHERE ts = ? ORDER BY pid",
            ts,
        ),
    )


def insert_without_run(path: Path, times: Iterable[int]) -> None:
    """Add rows without a run, like those of the original logger: they are dropped only by size."""
    with changing(path) as database:
        database.execute("BEGIN")
        database.executemany("INSERT INTO system_sample (ts, time) VALUES (?, ?)", ((ts, ts) for ts in times))
        database.execute("COMMIT")
