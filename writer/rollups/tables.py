"""The roll-up tables as data, and the SQL that adds up rows for them.

The views ``system_sums``, ``core_sums`` and ``process_sums`` define what a row contributes; the columns are
those of the schema. How a column is added up follows from its name (``_how``), so a new one is declared once,
in a migration. Hours are made from minutes and days from hours; a late row is added to its buckets. Sums are
of whole numbers, with TOTAL: exact up to 2^53, and without SUM's error on overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from telemetry import DAY, HOUR, MINUTE
from writer import schema

IN_SPAN = "{view} WHERE time >= :first AND time < :end"
"""Which rows of a view are added up: those from ``:first`` to ``:end``"""
LATE = (
    "(SELECT {columns} FROM json_each(:late) AS late CROSS JOIN {view} AS row ON row.ts = late.value "
    "LIMIT -1) WHERE time >= :first AND time < :end"
)
"""The samples whose ts are listed in ``:late``, from ``:first`` to ``:end``

LIMIT -1 does not limit anything, but it separates the join from the aggregation: see views.sql."""

_AGGREGATE = {"sum": "CAST(TOTAL({0}) AS INTEGER)", "min": "MIN({0})", "max": "MAX({0})"}
_MERGE = {
    "sum": "{0} + excluded.{0}",
    "min": "min(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
    "max": "max(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
}


class RollUp(NamedTuple):
    """A roll-up table."""

    name: str
    view: str
    """The view that it adds up; empty: it is not a sum of rows"""
    size: int
    """s of a bucket"""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its primary key; ``bucket`` comes first."""
        return _declared()[self.name].keys

    @property
    def columns(self) -> Mapping[str, str]:
        """The other columns, and how each is added up: sum, min or max."""
        return _declared()[self.name].columns

    @property
    def upsert(self) -> str:
        """The statement that adds one row to its bucket."""
        names = [*self.keys, *self.columns]
        sets = [f"{name} = {_MERGE[how].format(name)}" for name, how in self.columns.items()]
        return (
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {', '.join(sets)}"
        )

    def of_rows(self, rows: str = IN_SPAN) -> str:
        """Return the query that adds up the rows (``IN_SPAN``, ``LATE``) in buckets of ``:size`` seconds."""
        columns = ", ".join(["time", *self.keys[1:], *self.columns])
        return self._select(rows.format(view=self.view, columns=columns), "time")

    def of_finer(self, finer: RollUp) -> str:
        """Return the query that adds up the buckets ``:first`` to ``:end`` of a finer table."""
        return self._select(f"{finer.name} WHERE bucket >= :first AND bucket < :end", "bucket")

    def _select(self, source: str, start: str) -> str:
        values = [_AGGREGATE[how].format(name) for name, how in self.columns.items()]
        # Divide whole seconds, not floats: a time just before a bucket's end must not be rounded up.
        keys = [f"CAST({start} AS INTEGER) / :size * :size", *self.keys[1:]]
        return f"SELECT {', '.join([*keys, *values])} FROM {source} GROUP BY {', '.join(['1', *keys[1:]])}"


SYSTEM_MINUTE = RollUp("system_minute", "system_sums", MINUTE)
SYSTEM_HOUR = RollUp("system_hour", "system_sums", HOUR)
CORE_HOUR = RollUp("core_hour", "core_sums", HOUR)
PROCESS_HOUR = RollUp("process_hour", "process_sums", HOUR)
PROCESS_DAY = RollUp("process_day", "process_sums", DAY)
TABLES = (SYSTEM_MINUTE, SYSTEM_HOUR, CORE_HOUR, PROCESS_HOUR, PROCESS_DAY)

ENERGY_HOUR = RollUp("energy_hour", "", HOUR)
ENERGY_DAY = RollUp("energy_day", "", DAY)
OF_ENERGY = (ENERGY_HOUR, ENERGY_DAY)
"""Tables that are not sums of rows: writer/rollups/energy.py fills them"""

NAMELESS = 0
"""``name_id`` of rows without a name"""


def number_names(rows: str) -> str:
    """Return the statement that numbers new names, if ``process_sample`` is a table with full names."""
    source = rows.format(view=PROCESS_HOUR.view, columns="time, name_id, name, app, user")
    return (
        "INSERT INTO process_name (name, app, user) SELECT DISTINCT name COLLATE BINARY, "
        f"nullif(app, '') COLLATE BINARY, nullif(user, '') COLLATE BINARY FROM {source} "
        f"AND name_id = {NAMELESS} AND name IS NOT NULL"
    )


class _Declared(NamedTuple):
    keys: tuple[str, ...]
    columns: Mapping[str, str]


@cache
def _declared() -> Mapping[str, _Declared]:
    """Read the tables from the schema, and not from a user's database, which may have additional columns."""
    with schema.plain_model(schema.LATEST) as model:
        found = {}
        for table in (*TABLES, *OF_ENERGY):
            info = model.execute(f"PRAGMA table_info({table.name})").fetchall()
            keys = tuple(name for _, name, *_, key in info if key)
            found[table.name] = _Declared(keys, {name: _how(name) for _, name, *_, key in info if not key})
    return found


def _how(column: str) -> str:
    """Return how a column is added up, by its name, as docs/database.md promises."""
    if column.startswith("first_") or column.endswith("_min"):
        return "min"
    return "max" if column.startswith("last_") or "_newest_" in column or column.endswith("_max") else "sum"
