"""What a user made in a database that is damaged now, made again in the fresh one.

Columns, and tables with their rows, come first; indexes, views and triggers, which may refer to anything else
or would fire, come when all rows are copied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress

from writer import schema
from writer.catalogue import Object, columns, objects, quoted
from writer.transaction import transaction
from writer.upgrade import ladder

_TABLES = ("system_sample", "cpu_core", "process_sample", "run", "gap")


class Belongings:
    """A user's own in ``source``; nothing raises for what cannot be read, or not be made in ``target``."""

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        self._source = source
        self._target = target
        self._own: list[Object] = []
        self.failed: list[str] = []
        """One text for each that could not be made, and why."""
        with suppress(sqlite3.Error):
            self._own = [it for it in objects(source) if it.name.lower() not in _ours()]

    def make_tables(self) -> None:
        """Make tables, with the rows that can be read, and columns on our tables."""
        for table in _TABLES:
            with suppress(sqlite3.Error):
                have = columns(self._target, table)
                for name, definition in columns(self._source, table).items():
                    if name not in have:
                        what = f"column {name} of {table}"
                        self._make(what, f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {definition}")
        for it in self._own:
            if it.kind == "table" and not columns(self._target, it.name):
                self._copy(it)

    def make_the_rest(self) -> None:
        """Make indexes, views and triggers."""
        present = {it.name for it in objects(self._target)}
        for kind in ("index", "view", "trigger"):
            for it in self._own:
                if it.kind == kind and it.name not in present:
                    self._make(f"{kind} {it.name}", it.sql)

    def _copy(self, table: Object) -> None:
        """In one transaction: a table that is there was copied, whatever interrupted the rest."""
        with transaction(self._target):
            if not self._make(f"table {table.name}", table.sql):
                return
            for row in self._readable_rows(table.name):
                marks = ", ".join("?" * len(row))
                with suppress(sqlite3.Error):  # a row that breaks a rule of its own table: damage
                    self._target.execute(f"INSERT OR IGNORE INTO {quoted(table.name)} VALUES ({marks})", row)

    def _readable_rows(self, table: str) -> Iterator[tuple[object, ...]]:
        with suppress(sqlite3.Error):
            yield from self._source.execute(f"SELECT * FROM {quoted(table)}")

    def _make(self, what: str, sql: str) -> bool:
        try:
            self._target.execute(sql)
        except sqlite3.Error as error:
            self.failed.append(f"{what}: {error}")
            return False
        return True


def _ours() -> set[str]:
    with schema.model() as model:
        return {it.name for it in objects(model)} | ladder.names_of(schema.LATEST)
