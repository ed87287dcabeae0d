"""The tables of roll-ups as data, and the SQL that adds up rows for them.

What a row adds is in the views ``system_sums``, ``core_sums`` and ``process_sums``; the columns are those of
the schema. How a column adds up follows from its name (``_how``), so a new one is declared once, in a
migration. Hours are made of minutes, days of hours, and a late row is added to its buckets. Sums are of whole
numbers, by TOTAL: exact to 2^53, and without SUM's error on overflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from writer import schema

MINUTE, HOUR, DAY = 60, 3600, 86400

IN_SPAN = "{view} WHERE time >= :first AND time < :end"
"""Which rows of a view are added up: those from ``:first`` to ``:end``"""
LATE = (
    "(SELECT {columns} FROM json_each(:late) AS late CROSS JOIN {view} AS row ON row.ts = late.value "
    "LIMIT -1) WHERE time >= :first AND time < :end"
)
"""Of the samples whose ts are listed in ``:late``, those from ``:first`` to ``:end``

LIMIT -1 is no limit. It keeps the join apart from the adding up: see views.sql."""

_AGGREGATE = {"sum": "CAST(TOTAL({0}) AS INTEGER)", "min": "MIN({0})", "max": "MAX({0})"}
_MERGE = {
    "sum": "{0} + excluded.{0}",
    "min": "min(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
    "max": "max(coalesce({0}, excluded.{0}), coalesce(excluded.{0}, {0}))",
}


class RollUp(NamedTuple):
    """A table of roll-ups."""

    name: str
    view: str
    """What it adds up; empty: nothing of which each row adds its own"""
    size: int
    """s of a bucket"""

    @property
    def keys(self) -> tuple[str, ...]:
        """Its primary key; ``bucket`` comes first."""
        return _declared()[self.name].keys

    @property
    def columns(self) -> Mapping[str, str]:
        """The other columns, and how each adds up: sum, min or max."""
        return _declared()[self.name].columns

    @property
    def upsert(self) -> str:
        """Add one row to what its bucket holds already."""
        names = [*self.keys, *self.columns]
        sets = [f"{name} = {_MERGE[how].format(name)}" for name, how in self.columns.items()]
        return (
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {', '.join(sets)}"
        )

    def of_rows(self, rows: str = IN_SPAN) -> str:
        """Add up rows of the view, ``IN_SPAN`` or ``LATE``, in buckets of ``:size`` seconds."""
        columns = ", ".join(["time", *self.keys[1:], *self.columns])
        return self._select(rows.format(view=self.view, columns=columns), "time")

    def of_finer(self, finer: RollUp) -> str:
        """Add up the buckets ``:first`` to ``:end`` of a finer table."""
        return self._select(f"{finer.name} WHERE bucket >= :first AND bucket < :end", "bucket")

    def _select(self, source: str, start: str) -> str:
        values = [_AGGREGATE[how].format(name) for name, how in self.columns.items()]
        # Whole seconds are divided, not floats: a time just short of a bucket's end must not be rounded up.
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
"""What is no sum of rows: writer/rollups/energy.py makes them"""

NAMELESS = 0
"""``name_id`` of rows without a name"""


def number_names(rows: str) -> str:
    """Number the names that have no number yet: a ``process_sample`` that is a table has them in full."""
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
    """Read the tables from the schema, not from a user's database, which may have columns of their own."""
    with schema.plain_model(schema.LATEST) as model:
        found = {}
        for table in (*TABLES, *OF_ENERGY):
            info = model.execute(f"PRAGMA table_info({table.name})").fetchall()
            keys = tuple(name for _, name, *_, key in info if key)
            found[table.name] = _Declared(keys, {name: _how(name) for _, name, *_, key in info if not key})
    return found


def _how(column: str) -> str:
    """Return how a column adds up, which docs/database.md promises by its name."""
    if column.startswith("first_") or column.endswith("_min"):
        return "min"
    return "max" if column.startswith("last_") or "_newest_" in column or column.endswith("_max") else "sum"
