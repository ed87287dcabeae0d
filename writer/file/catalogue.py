"""A database's catalogue: its tables, their columns, indexes, triggers and views, and their names in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from functools import cache
from typing import NamedTuple


class Object(NamedTuple):
    """A row of sqlite_master."""

    kind: str
    """index, table, trigger or view"""
    name: str
    sql: str
    table: str


def user_version(database: sqlite3.Connection) -> int:
    """Return the version of the schema; 0 for a database that is not ours, or not upgraded yet."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def columns(database: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the table's columns with their definitions for ADD COLUMN; empty if the table does not exist."""
    return {
        name: kind + (" NOT NULL" if not_null else "") + (f" DEFAULT ({default})" if default else "")
        # not table_info, which leaves out generated columns
        for _, name, kind, not_null, default, *_ in database.execute(f"PRAGMA table_xinfo({quoted(table)})")
    }


def objects(database: sqlite3.Connection) -> list[Object]:
    """Return all objects that were created with SQL, so without SQLite's internal ones."""
    return [
        Object(*row)
        for row in database.execute(
            "SELECT type, name, sql, tbl_name FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY type"
        )
    ]


def attached(database: sqlite3.Connection, tables: Container[str]) -> list[Object]:
    """Return the indexes and triggers on ``tables`` (or views), both ours and the user's."""
    return [it for it in objects(database) if it.kind in {"index", "trigger"} and it.table.lower() in tables]


def quoted(name: str) -> str:
    """Return ``name`` quoted for SQL, so that it may hold any character."""
    return '"' + name.replace('"', '""') + '"'


@cache
def insert_of(table: str, names: tuple[str, ...]) -> str:
    """Return the statement that inserts a row unless it exists."""
    marks = ", ".join("?" * len(names))
    return f"INSERT OR IGNORE INTO {quoted(table)} ({', '.join(map(quoted, names))}) VALUES ({marks})"
