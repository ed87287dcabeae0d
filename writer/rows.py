"""The rows of samples on their way into the tables: statements, and the short way into the compact ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
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
from writer.schema import COMPACT, OUR_TRIGGERS


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


# Not OR IGNORE: it would reach into a user's triggers, where it turns INSERT OR REPLACE into nothing, and
# it would drop a sample in silence where a user's constraint refuses it.
_INSERT_SYSTEM = (
    _insert("system_sample", SYSTEM_COLUMNS)
    + " ON CONFLICT (run_id, seq) WHERE run_id IS NOT NULL DO NOTHING"
)
_INSERT_CORE = _insert("cpu_core", CORE_COLUMNS)
_INSERT_CORE_ROW = _insert("core_row", CORE_COLUMNS)
_INSERT_PROCESS = _insert("process_sample", PROCESS_COLUMNS)
_PROCESS_NAMES = PROCESS_COLUMNS.split(", ")
_IDENTITY = ("name", "app", "user")
"""Of a process: a compact table has the number of these three in process_name"""
_IDENTITY_AT = [_PROCESS_NAMES.index(name) for name in _IDENTITY]
_KEPT = [
    (at, scale)
    for at, (name, scale) in enumerate(zip(_PROCESS_NAMES, PROCESS_SCALES, strict=True))
    if name not in _IDENTITY
]
"""The other columns, and what each is a whole number of"""
_INSERT_PROCESS_ROW = _insert("process_row", listed("name_id", *(_PROCESS_NAMES[at] for at, _ in _KEPT)))
_INSERT_PACK = _insert("battery_pack", PACK_COLUMNS)
_INSERT_HEALTH = _insert("battery_health", HEALTH_COLUMNS).replace("INSERT", "INSERT OR IGNORE", 1)
_NEWEST_HEALTH = f"SELECT {HEALTH_COLUMNS} FROM battery_health WHERE time <= ? ORDER BY time DESC LIMIT 1"
_DROP_HEALTH = "DELETE FROM battery_health WHERE time = ? AND name = ?"
# A sample that comes late tells nothing of those after it: what held for them is told again at the first.
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
"""Rows of battery_health an hour: packs that cannot make up their mind fill no database."""

_TABLES = {"system_sample", "cpu_core", "core_row", "process_sample", "process_row", "battery_pack"}
_MOST_NAMES = 10_000
"""Names whose numbers are remembered: some programs rename themselves all day."""
_WHOLE = 1e13
"""Below it a percentage times 1000 is a whole number that a float can hold."""


class Rows:
    """Puts samples into one database. What is ``add``-ed is there after ``flush``, in one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._names: dict[tuple[str, str | None, str | None], int] = {}
        self._cores: list[tuple[Any, ...]] = []
        self._processes: list[tuple[Any, ...]] = []
        self._health: tuple[Any, ...] | None = None
        """What was last told of health: the same again needs no look."""
        self._version = -1
        self._one_by_one = False
        self.remade: list[str] = []
        """Indexes of the schema that were missing and are made again; whoever tells of them empties it."""
        self._direct: dict[str, bool] = {}
        """Whether rows go past the view of that name: its trigger does the same, at three times the cost."""

    def begin(self) -> None:
        """Discard what was not flushed, and see whether the tables are what they were."""
        self._cores.clear()
        self._processes.clear()
        (version,) = self._database.execute("PRAGMA schema_version").fetchone()
        if version != self._version:
            self._version = version
            self.remade += make_missing_indexes(self._database)
            triggers = [it for it in attached(self._database, _TABLES) if it.kind == "trigger"]
            # What a user's own triggers see is a sample after the other.
            self._one_by_one = any(it.name not in OUR_TRIGGERS for it in triggers)
            names = {it.name for it in triggers}
            self._direct = {view: f"{view}_insert" in names and not self._one_by_one for view in COMPACT}

    def invalidate(self) -> None:
        """After a rollback: names that were numbered meanwhile are not there."""
        self._names.clear()
        self._health = None

    def add(self, sample: Sample, ts: int, run_id: int) -> bool:
        """Insert a sample; return False, with nothing done, where it is already there."""
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
        """Insert what is told of health where it differs from the newest row: that is of the pack that is in.

        Of one pack a row an hour is enough. Another one has a row at once; beyond ``_MOST_HEALTH`` rows an
        hour it takes the place of the newest.
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
        """Insert the rows of cores and processes, of all samples at once."""
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
        """Rows of process_sample as process_row has them: percentages as whole numbers, names as numbers."""
        if not rows:
            return []
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        made = [
            columns[at] if scale is None else map(_whole, columns[at], repeat(scale)) for at, scale in _KEPT
        ]
        numbers = map(self._number, zip(*(columns[at] for at in _IDENTITY_AT), strict=True))
        return list(zip(numbers, *made, strict=True))  # before the insert: numbering a name inserts as well

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
    """Return the number in process_name of a name with its owners; it is given one now if it has none."""
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


def _whole(percent: float | None, scale: int) -> float | None:
    """What the compact tables have for a percentage: a whole number that gives it back, if there is."""
    if percent is None or not -_WHOLE < percent < _WHOLE:
        return percent
    whole = round(percent * scale)
    return whole if whole / scale == percent else percent
