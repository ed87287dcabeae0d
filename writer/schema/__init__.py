"""The schema of the database, in SQL: numbered migrations, and the views that are made anew after them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from writer.columns import exported

_DIRECTORY = Path(__file__).parent
MIGRATIONS = sorted(_DIRECTORY.glob("[0-9]*.sql"))
_EXPORTED = "\n       -- and the columns that telemetry.records declares as exported"
LATEST = len(MIGRATIONS)
"""The schema's version, ``PRAGMA user_version``."""


def migration(number: int) -> Iterator[str]:
    """Yield the statements that lead from version ``number`` - 1 to ``number``."""
    return statements(MIGRATIONS[number - 1].read_text(encoding="utf-8"))


def views() -> Iterator[str]:
    """Yield the statements that make the views."""
    text = (_DIRECTORY / "views.sql").read_text(encoding="utf-8")
    return statements(text.replace(_EXPORTED, "".join(f"\n       , {name}" for name in exported()), 1))


COMPACT = ("cpu_core", "process_sample")
"""The tables with most rows: views over compacter ones, but where a user tied something to them."""


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one.

    ``executescript`` would commit first: a migration has to be one transaction with what is around it.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def fresh(database: sqlite3.Connection) -> None:
    """Make the latest schema in an empty database, inside the transaction of the caller."""
    make_tables(database)
    for table in COMPACT:
        make_compact(database, table)
    make_views(database)


def make_tables(database: sqlite3.Connection, *, above: int = 0, version: int | None = None) -> None:
    """Lead the tables from version ``above`` to ``version``, the latest, in the transaction of the caller."""
    for number in range(above + 1, (LATEST if version is None else version) + 1):
        for statement in migration(number):
            database.execute(statement)


def make_compact(database: sqlite3.Connection, table: str) -> None:
    """Make an empty table of ``COMPACT`` a view over a compacter one."""
    for statement in statements((_DIRECTORY / f"compact_{table}.sql").read_text(encoding="utf-8")):
        database.execute(statement)


def make_views(database: sqlite3.Connection) -> None:
    """Make the views and set the version: the last step of each way to the latest schema."""
    for statement in views():
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {LATEST}")


@contextmanager
def model() -> Iterator[sqlite3.Connection]:
    """Give a database in memory that has the latest schema, to compare others with."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        fresh(database)
        yield database


@contextmanager
def plain_model(version: int) -> Iterator[sqlite3.Connection]:
    """Give a database in memory that has the tables of a version, none of them a view."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        make_tables(database, version=version)
        yield database
