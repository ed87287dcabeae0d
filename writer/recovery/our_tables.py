"""What is known about each of our tables from its name alone, in every version of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from writer import original_tables, schema
from writer.file.catalogue import objects

ORIGINAL_COLUMNS: Final = {
    table: columns - {"battery_pct"} for table, columns in original_tables.TABLES.items()
}
"""The columns that tables of the original logger have at least"""

ORIGINAL_KEYS: Final = {"ts", "core", "pid"}


class OurTable(NamedTuple):
    """What is known about one of our tables from its name alone."""

    columns: dict[str, tuple[str, bool]]
    """In the latest schema: each column's type, and whether it must have a value"""
    needed: frozenset[str]
    """The columns in the schema version that added the table"""
    key: set[str] | None
    """None: a table of the original logger, whose key a user may have chosen"""

    def is_made_of(self, columns: Iterable[str], key: set[str]) -> bool:
        """Return whether a table with these columns and this key can be this table."""
        return self.needed <= {*columns} and (key <= ORIGINAL_KEYS if self.key is None else key == self.key)


@cache
def our_tables() -> Mapping[str, OurTable]:
    """Return what is known about each of our tables."""
    found: dict[str, OurTable] = {}
    versions = [schema.plain_model(version) for version in range(1, schema.LATEST + 1)]
    for opened in [*versions, schema.model()]:
        with opened as model:
            for it in objects(model):
                if it.kind == "table":
                    info = model.execute(f"PRAGMA table_info({it.name})").fetchall()
                    latest = {
                        name: (kind or "ANY", bool(needs or key)) for _, name, kind, needs, _, key in info
                    }
                    first = found.get(it.name) or OurTable(
                        {}, frozenset(latest), {row[1] for row in info if row[5]}
                    )
                    found[it.name] = first._replace(columns=latest)
    for table, names in ORIGINAL_COLUMNS.items():
        found[table] = found[table]._replace(needed=names, key=None)
    return found
