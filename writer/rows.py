"""Inserts and deletes the rows of samples; in compact tables directly, without their view."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from telemetry.sample import Sample
from writer.columns import listed
from writer.file.catalogue import attached
from writer.file.own_indexes import make_missing_indexes
from writer.ingest import (
    CORE_COLUMNS,
    CORE_SCALE,
    HEALTH_COLUMNS,
    PACK_COLUMNS,
    PROCESS_COLUMNS,
    PROCESS_SCALES,
    SYSTEM_COLUMNS,
    core_rows,
    health_row,
    is_another_pack,
    pack_rows,
    process_rows,
    system_row,
)
from writer.schema import COMPACT, OUR_TRIGGERS, table_of


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


# Not OR IGNORE: it would also apply inside a user's triggers, where it turns INSERT OR REPLACE into OR
# IGNORE, and it would silently drop a sample that a user's constraint refuses.
_INSERT_SYSTEM = (
    _insert("system_sample", SYSTEM_COLUMNS)
    + " ON CONFLICT (run_id, seq) WHERE run_id IS NOT NULL DO NOTHING"
)
_INSERT_CORE = _insert("cpu_core", CORE_COLUMNS)
_INSERT_CORE_ROW = _insert("core_row", CORE_COLUMNS)
_INSERT_PROCESS = _insert("process_sample", PROCESS_COLUMNS)
_PROCESS_NAMES = PROCESS_COLUMNS.split(", ")
_IDENTITY = ("name", "app", "user")
"""Columns of a process that a compact table replaces by their number in process_name"""
_IDENTITY_AT = [_PROCESS_NAMES.index(name) for name in _IDENTITY]
_KEPT = [
    (at, scale)
    for at, (name, scale) in enumerate(zip(_PROCESS_NAMES, PROCESS_SCALES, strict=True))
    if name not in _IDENTITY
]
"""The index of each other column, and its scale"""
_INSERT_PROCESS_ROW = _insert("process_row", listed("name_id", *(_PROCESS_NAMES[at] for at, _ in _KEPT)))
_INSERT_PACK = _insert("battery_pack", PACK_COLUMNS)
_INSERT_HEALTH = _insert("battery_health", HEALTH_COLUMNS).replace("INSERT", "INSERT OR IGNORE", 1)
_NEWEST_HEALTH = f"SELECT {HEALTH_COLUMNS} FROM battery_health WHERE time <= ? ORDER BY time DESC LIMIT 1"
_DROP_HEALTH = "DELETE FROM battery_health WHERE time = ? AND name = ?"
# A late sample says nothing about later ones: what was valid for them is stored again at the first of them.
_REPEAT_HEALTH = f"""
INSERT OR IGNORE INTO battery_health ({HEALTH_COLUMNS})
SELECT following, {HEALTH_COLUMNS.removeprefix("time, ")}
FROM battery_health, (SELECT MIN(time) AS following FROM system_sample WHERE time > :late)
WHERE time = :time AND name = :name
  AND NOT EXISTS (SELECT 1 FROM battery_health WHERE time > :late AND time <= following)
  AND following IS NOT NULL"""
_LATER_HEALTH = "SELECT 1 FROM battery_health WHERE time > ? LIMIT 1"
_COUNT_HEALTH = "SELECT count(*) FROM battery_health WHERE time > ? - 3600 AND time <= ?"
_MOST_HEALTH = 12
"""Most rows of battery_health per hour, so that packs with unsteady values do not fill the database."""

_TABLES = {"system_sample", "cpu_core", "core_row", "process_sample", "process_row", "battery_pack"}
_MOST_NAMES = 10_000
"""Most names whose numbers are remembered: some programs rename themselves all day."""
_WHOLE = 1e13
"""Below it a percentage times 1000 is a whole number that a float can hold."""


class Rows:
    """Inserts samples into one database. All rows of an ``add`` are inserted after ``flush``.

    Both must be in one transaction.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._names: dict[tuple[str, str | None, str | None], int] = {}
        self._cores: list[tuple[Any, ...]] = []
        self._processes: list[tuple[Any, ...]] = []
        self._health: tuple[Any, ...] | None = None
        """The last health row: if it is repeated, the database need not be read."""
        self._version = -1
        self._one_by_one = False
        self.remade: list[str] = []
        """Indexes of the schema that were missing and were recreated. Whoever reports them empties this."""
        self._direct: dict[str, bool] = {}
        """Whether to bypass the view of that name and insert directly, which is three times as fast."""

    def begin(self) -> None:
        """Discard what was not flushed, and check whether the schema has changed."""
        self._cores.clear()
        self._processes.clear()
        (version,) = self._database.execute("PRAGMA schema_version").fetchone()
        if version != self._version:
            self._version = version
            self.remade += make_missing_indexes(self._database)
            triggers = [it for it in attached(self._database, _TABLES) if it.kind == "trigger"]
            # A user's own triggers must see one complete sample after another.
            self._one_by_one = any(it.name not in OUR_TRIGGERS for it in triggers)
            names = {it.name for it in triggers}
            self._direct = {view: f"{view}_insert" in names and not self._one_by_one for view in COMPACT}

    def invalidate(self) -> None:
        """Forget the cached names: after a rollback, new ones are not stored."""
        self._names.clear()
        self._health = None

    def add(self, sample: Sample, ts: int, run_id: int) -> bool:
        """Insert a sample; return False, with nothing done, if it is already stored."""
        database = self._database
        if database.execute(_INSERT_SYSTEM, system_row(sample, ts, run_id)).rowcount == 0:
            return False
        self._cores += core_rows(sample, ts)
        self._processes += process_rows(sample, ts)
        if packs := pack_rows(sample, ts):
            database.executemany(_INSERT_PACK, packs)
        if health := health_row(sample):
            self._add_health(health)
        if self._one_by_one:
            self.flush()
        return True

    def _add_health(self, row: tuple[Any, ...]) -> None:
        """Insert a health row if it differs from the newest row, which describes the pack in use.

        For the same pack, one row per hour is enough. Another pack gets a row at once; beyond
        ``_MOST_HEALTH`` rows per hour, it replaces the newest row.
        """
        time, *told = row
        if self._health is not None and time >= self._health[0] and told == list(self._health[1:]):
            return
        database = self._database
        newest = database.execute(_NEWEST_HEALTH, (time,)).fetchone()
        if newest is not None and told != list(newest[1:]):
            if not is_another_pack(newest, row) and newest[0] > time - 3600:
                return
            (count,) = database.execute(_COUNT_HEALTH, (time, time)).fetchone()
            if count >= _MOST_HEALTH:
                database.execute(_DROP_HEALTH, newest[:2])
        if newest is None or told != list(newest[1:]):
            database.execute(_INSERT_HEALTH, row)
            if newest is not None:
                database.execute(_REPEAT_HEALTH, {"late": time, "time": newest[0], "name": newest[1]})
        is_late = database.execute(_LATER_HEALTH, (time,)).fetchone()
        self._health = None if is_late else row

    def flush(self) -> None:
        """Insert the rows of cores and processes of all added samples at once."""
        if self._direct["cpu_core"]:
            self._database.executemany(
                _INSERT_CORE_ROW, [(ts, core, _whole(usage, CORE_SCALE)) for ts, core, usage in self._cores]
            )
        else:
            self._database.executemany(_INSERT_CORE, self._cores)
        if self._direct["process_sample"]:
            self._database.executemany(_INSERT_PROCESS_ROW, self._compact(sorted(self._processes)))
        else:
            self._database.executemany(_INSERT_PROCESS, self._processes)
        self._cores.clear()
        self._processes.clear()

    def _compact(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Convert rows of process_sample to process_row: percentages to whole numbers, names to numbers."""
        if not rows:
            return []
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        made = [
            columns[at] if scale is None else map(_whole, columns[at], repeat(scale)) for at, scale in _KEPT
        ]
        numbers = map(self._number, zip(*(columns[at] for at in _IDENTITY_AT), strict=True))
        return list(zip(numbers, *made, strict=True))  # a list, because numbering a name inserts rows too

    def _number(self, identity: tuple[str, str | None, str | None]) -> int:
        number = self._names.get(identity)
        if number is None:
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            number = self._names[identity] = number_of_name(self._database, *identity)
        return number


def number_of_name(
    database: sqlite3.Connection, name: str, app: str | None = None, user: str | None = None
) -> int:
    """Return the number in process_name of a name with its owners; if it has none, insert it."""
    find = (
        "SELECT name_id FROM process_name WHERE name = ? "
        "AND coalesce(app, '') = coalesce(?, '') AND coalesce(user, '') = coalesce(?, '')"
    )
    row = database.execute(find, (name, app, user)).fetchone()
    if row is None:
        values = (name, app or None, user or None)
        database.execute("INSERT INTO process_name (name, app, user) VALUES (?, ?, ?)", values)
        row = database.execute(find, values).fetchone()
    return int(row[0])


def child_tables(database: sqlite3.Connection) -> tuple[str, ...]:
    """Return the tables with the rows of a sample's cores, processes and packs."""
    return (*(table_of(database, name) for name in COMPACT), "battery_pack")


def delete_samples(database: sqlite3.Connection, samples: Sequence[int]) -> None:
    """Delete samples, given by ts, with their cores, processes and packs, in the caller's transaction."""
    keys = [(ts,) for ts in samples]
    for table in (*child_tables(database), "system_sample"):
        database.executemany(f"DELETE FROM {table} WHERE ts = ?", keys)


def _whole(percent: float | None, scale: int) -> float | None:
    """Return a percentage as compact tables store it: as a whole number if that restores it exactly."""
    if percent is None or not -_WHOLE < percent < _WHOLE:
        return percent
    whole = round(percent * scale)
    return whole if whole / scale == percent else percent
