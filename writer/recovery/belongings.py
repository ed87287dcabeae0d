"""Makes a user's own objects from a damaged database again in the fresh one.

Columns, and tables with their rows, come first. Indexes, views and triggers come when all rows are copied,
because they may refer to anything else, or would fire.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import cache

from writer import schema
from writer.file.catalogue import columns, insert_of, objects, quoted
from writer.file.transaction import transaction
from writer.recovery.reader import Reader

_TABLES = ("system_sample", "cpu_core", "process_sample", "run", "gap")


class Belongings:
    """The user's own objects in what ``reader`` reads. Does not raise if one cannot be made in ``target``."""

    def __init__(self, reader: Reader, target: sqlite3.Connection) -> None:
        self._reader = reader
        self._target = target
        ours = _ours()
        self._own = [it for it in reader.catalogue if it.name.lower() not in ours]
        self.failed: list[str] = []
        """One text for each object that could not be made, with the reason."""

    def make_tables(self) -> None:
        """Make tables, with the rows that can be read, and columns on our tables."""
        for table in _TABLES:
            have = columns(self._target, table)
            shape = self._reader.tables.get(table)
            for name, definition in shape.definitions.items() if shape else ():
                if name not in have:
                    what = f"column {name} of {table}"
                    self._make(what, f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {definition}")
        for it in self._own:
            if it.kind == "table" and not columns(self._target, it.name):
                self._copy(it.name, it.sql)

    def make_the_rest(self) -> None:
        """Make indexes, views and triggers."""
        present = {it.name for it in objects(self._target)}
        for kind in ("index", "view", "trigger"):
            for it in self._own:
                if it.kind == kind and it.name not in present:
                    self._make(f"{kind} {it.name}", it.sql)

    def _copy(self, table: str, sql: str) -> None:
        """Copy a table in one transaction, so that an existing one was copied completely."""
        with transaction(self._target):
            if not self._make(f"table {table}", sql):
                return
            if table not in self._reader.tables:
                self.failed.append(f"the rows of {table}: it is a virtual table")
                return
            insert = insert_of(table, self._reader.tables[table].names)
            for page in self._reader.rows(table):
                for row in page:
                    with suppress(
                        sqlite3.Error, OverflowError
                    ):  # damaged: the row breaks a rule of its table
                        self._target.execute(insert, row)

    def _make(self, what: str, sql: str) -> bool:
        try:
            self._target.execute(sql)
        except (sqlite3.Error, ValueError) as error:  # ValueError: a character that SQLite does not accept
            self.failed.append(f"{what}: {error}")
            return False
        return True


@cache
def _ours() -> frozenset[str]:
    with schema.plain_model(schema.LATEST) as plain, schema.model() as compact:
        return frozenset(it.name for it in [*objects(plain), *objects(compact)])
