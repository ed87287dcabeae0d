"""``PRAGMA integrity_check``, one table at a time, in the background.

quick_check does not compare indexes with their tables, so it does not notice a leaf that was copied over
another one. The check of a table is a separate read transaction and ends soon. The time of each table's last
check is kept in the table ``setting``, so that the checks need not start again after a restart.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from writer.file.catalogue import objects, quoted
from writer.file.connections import read_only
from writer.file.result_codes import is_damage
from writer.file.transaction import transaction
from writer.store import Store

_EVERY: Final = 28 * 86400.0
"""s after which a table is checked again without a sign of damage"""
_LOOK_EVERY: Final = 3600.0
"""s between two such checks: there is no hurry"""
_OF_AN_INDEX: Final = re.compile(r"(?:missing from|wrong # of entries in|non-unique entry in) index (\S+)")
_OF_VALUES: Final = re.compile(r"CHECK constraint failed in|(?:NULL|NUMERIC|TEXT) value in")
"""Messages about values that break a rule of their table: they do not mean that the file is damaged."""


class Finding(NamedTuple):
    """The result of checking a table."""

    damage: str | None
    """The first message about the table itself"""
    indexes: frozenset[str]
    """Indexes that do not agree with the table"""


def finding_of(messages: Iterable[str]) -> Finding:
    """Return the finding from the rows of ``PRAGMA integrity_check``. Pure."""
    damage: str | None = None
    indexes: set[str] = set()
    for message in messages:
        if match := _OF_AN_INDEX.search(message):
            indexes.add(match[1])
        elif message != "ok" and not _OF_VALUES.search(message):
            damage = damage or message
    return Finding(damage, frozenset(indexes))


class _TableCheck(threading.Thread):
    """The check of one table; ``finding`` is None until it has ended, or if the file could not be read."""

    def __init__(self, path: Path, table: str) -> None:
        super().__init__(name=f"check {table}", daemon=True)
        self.table = table
        self.finding: Finding | None = None
        self._path = path
        self._database: sqlite3.Connection | None = None

    def run(self) -> None:
        try:
            with closing(read_only(self._path)) as database:
                self._database = database
                rows = database.execute(f"PRAGMA integrity_check({quoted(self.table)})")
                self.finding = finding_of(str(message) for (message,) in rows)
        except sqlite3.Error as error:
            if is_damage(error):
                self.finding = Finding(str(error), frozenset())
        finally:
            self._database = None

    def stop(self) -> None:
        """End at once."""
        while self.is_alive():
            if (database := self._database) is not None:
                with suppress(sqlite3.ProgrammingError):  # the check has ended and closed the connection
                    database.interrupt()
            self.join(0.05)  # an interrupt has no effect before the statement has begun: try again


class Checks:
    """The checks of one database: all tables when asked for, and each once in four weeks."""

    def __init__(self, path: Path, log: logging.Logger) -> None:
        self._path = path
        self._log = log
        self._running: _TableCheck | None = None
        self._wanted: list[str] | None = []
        """Tables to check now; None: all tables, which are not listed yet"""
        self._look_at = 0.0

    def want_all(self) -> None:
        """Check every table as soon as possible."""
        self._wanted = None

    def step(self, store: Store, now: float) -> str | None:
        """Continue the checks; return what is damaged, None if no damage is known. Raises CannotWrite.

        ``now`` is Unix time, s. An index that does not agree with its table is rebuilt.
        """
        if self._running is not None:
            if self._running.is_alive():
                return None
            ended, self._running = self._running, None
            if ended.finding is not None and (damage := self._take(store, ended.table, ended.finding, now)):
                return damage
        if self._wanted == [] and time.monotonic() < self._look_at:
            return None
        table = store.apply(lambda database: self._next(database, now))
        if table:
            self._running = _TableCheck(self._path, table)
            self._running.start()
        return None

    def stop(self) -> None:
        """Stop the running check."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    @property
    def is_busy(self) -> bool:
        """Whether tables are being checked or are waiting to be checked."""
        return self._running is not None or self._wanted != []

    def _take(self, store: Store, table: str, finding: Finding, now: float) -> str | None:
        if finding.damage:
            return f"{table}: {finding.damage}"
        for index in sorted(finding.indexes):
            self._log.warning("index %s does not agree with %s: rebuilding it", index, table)
            store.apply(lambda database, index=index: database.execute(f"REINDEX {quoted(index)}"))  # type: ignore[misc]
        store.apply(lambda database: _note(database, table, now))
        return None

    def _next(self, database: sqlite3.Connection, now: float) -> str | None:
        if self._wanted is None:
            self._wanted = _tables(database)
        if self._wanted:
            return self._wanted.pop(0)
        self._look_at = time.monotonic() + _LOOK_EVERY
        checked = dict(
            database.execute(
                "SELECT substr(name, 9), CAST(value AS REAL) FROM setting WHERE name LIKE 'checked %'"
            )
        )
        # A table that was never checked is new: it is checked in four weeks from now.
        for table in _tables(database):
            if table not in checked:
                _note(database, table, now)
        due = [(at, table) for table, at in checked.items() if not 0 <= now - at < _EVERY]
        return min(due)[1] if due else None


def _tables(database: sqlite3.Connection) -> list[str]:
    return [
        it.name for it in objects(database) if it.kind == "table" and not it.sql.startswith("CREATE VIRTUAL")
    ]


def _note(database: sqlite3.Connection, table: str, now: float) -> None:
    with transaction(database):
        database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (f"checked {table}", now))
