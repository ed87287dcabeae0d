"""The schema of the database, in SQL: numbered migrations, and the views that are recreated after them."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from telemetry.records import exported

_DIRECTORY = Path(__file__).parent
MIGRATIONS = sorted(_DIRECTORY.glob("[0-9]*.sql"))
_EXPORTED = "\n       -- and the columns that telemetry.records declares as exported"
LATEST = len(MIGRATIONS)
"""The schema's version, ``PRAGMA user_version``."""


def migration(number: int) -> Iterator[str]:
    """Yield the statements that upgrade from version ``number`` - 1 to ``number``."""
    return statements(MIGRATIONS[number - 1].read_text(encoding="utf-8"))


def fills(had: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield the migrations' statements that fill new columns of older rows, for tables without these columns.

    ``had``: the columns that each table had.
    """
    for number in range(1, LATEST + 1):
        found = list(migration(number))
        added = [match for statement in found if (match := _ADDS_COLUMN.match(statement))]
        lacked = {match[1] for match in added if match[1] in had and match[2] not in had[match[1]]}
        yield from (it for it in found if (match := _UPDATES.match(it)) and match[1] in lacked)


VIEWS = {
    "training_view": 1,
    "system_sums": 4,
    "core_sums": 4,
    "process_sums": 4,
    "session_row": 10,
    "energy_row": 12,
}
"""The views that are recreated, each with the version that added it"""

COMPACT = {"cpu_core": "core_row", "process_sample": "process_row"}
"""The tables with the most rows: views over more compact tables, unless a user's object depends on them."""

OUR_TRIGGERS = {f"{view}_{event}" for view in COMPACT for event in ("insert", "delete")}
"""The triggers that let such a view accept rows like a table"""

_ADDS_COLUMN = re.compile(r"(?:\s|--[^\n]*\n)*ALTER TABLE (\w+) ADD COLUMN (\w+)", re.IGNORECASE)
_UPDATES = re.compile(r"(?:\s|--[^\n]*\n)*UPDATE (\w+)", re.IGNORECASE)


def table_of(database: sqlite3.Connection, name: str) -> str:
    """Return the table with the rows of ``name``, one of ``COMPACT``: itself, or the more compact one."""
    find = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?"
    found: tuple[str] | None = database.execute(find, (COMPACT[name],)).fetchone()
    return found[0] if found else name


def is_view(database: sqlite3.Connection, name: str) -> bool:
    """Return whether ``name``, one of ``COMPACT``, is a view in this database."""
    return name in COMPACT and table_of(database, name) != name


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one.

    ``executescript`` would commit first, but a migration must be part of the caller's transaction.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def fresh(database: sqlite3.Connection) -> None:
    """Make the latest schema in an empty database, in the caller's transaction."""
    make_tables(database)
    for table in COMPACT:
        make_compact(database, table)
    make_views(database)


def make_tables(database: sqlite3.Connection, *, above: int = 0, version: int | None = None) -> None:
    """Upgrade the tables from version ``above`` to ``version`` (the latest), in the caller's transaction."""
    for number in range(above + 1, (LATEST if version is None else version) + 1):
        for statement in migration(number):
            altered = _ADDS_COLUMN.match(statement)
            if altered and is_view(database, altered[1]):
                continue  # the view is recreated, with the column
            database.execute(statement)


def make_compact(database: sqlite3.Connection, table: str) -> None:
    """Turn an empty table of ``COMPACT`` into a view over a more compact table."""
    _execute(database, f"compact_{table}.sql")
    _execute(database, f"view_{table}.sql")


def make_views(database: sqlite3.Connection) -> None:
    """Make the views and set the version: the last step of every upgrade to the latest schema."""
    _execute(database, "views.sql")
    for name in COMPACT:
        if is_view(database, name):
            database.execute(f"DROP VIEW {name}")  # this drops its triggers too
            _execute(database, f"view_{name}.sql")
        _execute(database, f"views_{table_of(database, name)}.sql")
    database.execute(f"PRAGMA user_version = {LATEST}")
    if database.execute("PRAGMA application_id").fetchone() == (0,):
        # This id distinguishes databases when a file is copied over an open one.
        database.execute(f"PRAGMA application_id = {int.from_bytes(os.urandom(4), 'big') >> 1 or 1}")


def _execute(database: sqlite3.Connection, script: str) -> None:
    text = (_DIRECTORY / script).read_text(encoding="utf-8")
    text = text.replace(_EXPORTED, "".join(f"\n       , {name}" for name in exported()), 1)
    for statement in statements(text):
        database.execute(statement)


@contextmanager
def model() -> Iterator[sqlite3.Connection]:
    """Open an in-memory database with the latest schema, for comparison with others."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        fresh(database)
        yield database


@contextmanager
def plain_model(version: int) -> Iterator[sqlite3.Connection]:
    """Open an in-memory database with the tables of a version, without compact tables and views."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        make_tables(database, version=version)
        yield database
