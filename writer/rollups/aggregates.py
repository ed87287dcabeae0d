"""The tables of roll-ups as data: what each column adds up, and the SQL that is made of it. Pure.

All of it adds up, so hours are made of minutes, days of hours, and a late row is added to its buckets. What
is no number, or past any that a sensor gives, counts as NULL: a damaged value costs itself, not the roll-up.
Sums are of whole numbers, by TOTAL: exact to 2^53, and without SUM's error on overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_Columns = Mapping[str, tuple[str, str]]
"""Column: how it adds up, and of what in a row."""

_US = "ROUND(interval * 1e6)"
_SYSTEM: _Columns = {
    "samples": ("sum", "1"),
    "first_start": ("min", "time - coalesce(interval, 0)"),
    "last_time": ("max", "time"),
    "interval_us": ("sum", _US),
    "covered_us": ("sum", f"CASE WHEN energy_uj IS NOT NULL THEN {_US} END"),
    "discharged_uj": ("sum", "CASE WHEN energy_uj < 0 THEN -energy_uj END"),
    "charged_uj": ("sum", "CASE WHEN energy_uj > 0 THEN energy_uj END"),
    "drain_us": ("sum", f"CASE WHEN discharging THEN {_US} END"),
    "drain_energy_us": ("sum", f"CASE WHEN energy_uj < 0 THEN {_US} END"),
    "drain_current_us": ("sum", f"CASE WHEN discharging AND current IS NOT NULL THEN {_US} END"),
    "drain_uc": ("sum", "CASE WHEN discharging THEN ROUND(ABS(current) * interval * 1e6) END"),
    "drain_newest_ts": ("max", "CASE WHEN discharging THEN ts END"),
    "battery_samples": ("sum", "has_battery"),
    "cpu_samples": ("sum", "cpu_total IS NOT NULL"),
    "cpu_sum": ("sum", "ROUND(cpu_total * 100)"),
    "cpu_max": ("max", "cpu_total"),
    "power_min": ("min", "power"),
    "power_max": ("max", "power"),
    "pct_min": ("min", "battery_pct"),
    "pct_max": ("max", "battery_pct"),
    "temp_min": ("min", "cpu_temp"),
    "temp_max": ("max", "cpu_temp"),
}
_CORE: _Columns = {
    "samples": ("sum", "usage IS NOT NULL"),
    "usage_sum": ("sum", "ROUND(usage * 100)"),
    "usage_max": ("max", "usage"),
}
_PROCESS: _Columns = {
    "appearances": ("sum", "1"),
    "cpu_samples": ("sum", "cpu IS NOT NULL"),
    "cpu_sum": ("sum", "ROUND(cpu * 100)"),
    "cpu_max": ("max", "cpu"),
    "mem_samples": ("sum", "mem IS NOT NULL"),
    "mem_sum": ("sum", "ROUND(mem * 1000)"),
    "children_sum": ("sum", "ROUND(children * 100)"),
}
_AGGREGATE = {"sum": "CAST(TOTAL({0}) AS INTEGER)", "min": "MIN({0})", "max": "MAX({0})"}
_MERGE = {
    "sum": "{0} + excluded.{0}",
    "min": "min(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
    "max": "max(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
}


class Table(NamedTuple):
    """A table of roll-ups."""

    name: str
    keys: tuple[str, ...]
    columns: _Columns

    @property
    def upsert(self) -> str:
        """Add one row to what its bucket holds already."""
        names = [*self.keys, *self.columns]
        sets = [f"{name} = {_MERGE[how].format(name)}" for name, (how, _) in self.columns.items()]
        return (
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {', '.join(sets)}"
        )

    def of_rows(self, rows: str) -> str:
        """Aggregate raw rows into buckets of ``:size`` seconds."""
        return self._select(rows, "time", {name: of for name, (_, of) in self.columns.items()})

    def of_finer(self, table: str) -> str:
        """Aggregate the buckets ``:first`` to ``:end`` of a finer table."""
        rows = f"SELECT * FROM {table} WHERE bucket >= :first AND bucket < :end"
        return self._select(rows, "bucket", {name: name for name in self.columns})

    def _select(self, rows: str, start: str, of: Mapping[str, str]) -> str:
        values = [_AGGREGATE[how].format(of[name]) for name, (how, _) in self.columns.items()]
        # Whole seconds are divided, not floats: a time just short of a bucket's end must not be rounded up.
        keys = [f"CAST({start} AS INTEGER) / :size * :size", *self.keys[1:]]
        # LIMIT -1 is no limit; it keeps SQLite from working a value out anew for each of its uses.
        rows = f"{rows} LIMIT -1"
        return f"SELECT {', '.join([*keys, *values])} FROM ({rows}) GROUP BY {', '.join(['1', *keys[1:]])}"


SYSTEM_MINUTE = Table("system_minute", ("bucket",), _SYSTEM)
SYSTEM_HOUR = Table("system_hour", ("bucket",), _SYSTEM)
CORE_HOUR = Table("core_hour", ("bucket", "core"), _CORE)
PROCESS_HOUR = Table("process_hour", ("bucket", "name_id"), _PROCESS)
PROCESS_DAY = Table("process_day", ("bucket", "name_id"), _PROCESS)
TABLES = (SYSTEM_MINUTE, SYSTEM_HOUR, CORE_HOUR, PROCESS_HOUR, PROCESS_DAY)


# --- raw rows ---


def _number(value: str, most: str = "1e9") -> str:
    """``value`` where it is a number within ``most``: texts and blobs are greater than any number."""
    return f"CASE WHEN {value} BETWEEN -{most} AND {most} THEN {value} END"


def _percent(column: str, scale: int) -> str:
    """A percentage of a compact table, which has it as a whole number of 1 / ``scale`` where it can."""
    return _number(f"iif(typeof({column}) = 'integer', {column} / {scale}.0, {column})", "1e12")


class Source(NamedTuple):
    """Which samples: a FROM clause that has ``system_sample`` as s, and a WHERE clause."""

    table: str
    where: str


IN_SPAN = Source("system_sample AS s", "s.time >= :first AND s.time < :end")
LATE = Source(
    "json_each(:late) AS late CROSS JOIN system_sample AS s ON s.ts = late.value",
    "s.time >= :first AND s.time < :end",
)
"""Of the samples whose ts are listed in ``:late``, those from ``:first`` to ``:end``"""


def system_rows(source: Source) -> str:
    energy = _number("s.energy_uj", "1e15")
    numbers = {
        name: _number(f"s.{name}") for name in ("interval", "current", "power", "battery_pct", "cpu_temp")
    }
    numbers |= {"cpu_total": _number("s.cpu_total", "1e12"), "energy_uj": energy}
    columns = ", ".join(f"{value} AS {name}" for name, value in numbers.items())
    return (
        f"SELECT s.ts, s.time, {columns}, "
        f"{energy} < 0 OR ({energy} IS NULL AND s.status = 'Discharging') AS discharging, "
        "coalesce(s.battery_pct, s.energy_uj, s.voltage, s.current, s.power, s.status) IS NOT NULL "
        f"AS has_battery FROM {source.table} WHERE {source.where}"
    )


def core_rows(source: Source, *, compact: bool) -> str:
    table, usage = (
        ("core_row", _percent("c.usage", 100)) if compact else ("cpu_core", _number("c.usage", "1e12"))
    )
    return (
        f"SELECT s.time, c.core, {usage} AS usage FROM {source.table} CROSS JOIN {table} AS c ON c.ts = s.ts "
        f"WHERE {source.where} AND typeof(c.core) = 'integer'"
    )


def process_rows(source: Source, *, compact: bool) -> str:
    """``new_names`` has to come first where the table is not a compact one."""
    if compact:
        table, name_id = "process_row", "p.name_id"
        values = [_percent("p.cpu", 100), _percent("p.mem", 1000), _percent("p.children", 100)]
    else:
        table, name_id = "process_sample", "(SELECT n.name_id FROM process_name AS n WHERE n.name = p.name)"
        values = [_number(f"p.{name}", "1e12") for name in ("cpu", "mem", "children")]
    cpu, mem, children = values
    return (
        f"SELECT s.time, coalesce({name_id}, 0) AS name_id, {cpu} AS cpu, {mem} AS mem, "
        f"{children} AS children "
        f"FROM {source.table} CROSS JOIN {table} AS p ON p.ts = s.ts WHERE {source.where}"
    )


def new_names(source: Source) -> str:
    """Number the names of a process_sample that is a table and has them in full."""
    return (
        "INSERT INTO process_name (name) SELECT DISTINCT p.name COLLATE BINARY "
        f"FROM {source.table} CROSS JOIN process_sample AS p ON p.ts = s.ts "
        f"WHERE {source.where} AND p.name IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM process_name AS n WHERE n.name = p.name)"
    )
