"""What a database holds beside rows: its tables, their columns, and what of it is a user's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from typing import NamedTuple


class Object(NamedTuple):
    """A row of sqlite_master."""

    kind: str
    """index, table, trigger or view"""
    name: str
    sql: str
    table: str


def user_version(database: sqlite3.Connection) -> int:
    """Return the version of the schema; 0 of a database that is not ours, or not yet."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def columns(database: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the table's columns, what ADD COLUMN needs to make each; empty where there is no such table."""
    return {
        name: kind + (" NOT NULL" if not_null else "") + (f" DEFAULT ({default})" if default else "")
        # table_info leaves generated columns out
        for _, name, kind, not_null, default, *_ in database.execute(f"PRAGMA table_xinfo({quoted(table)})")
    }


def objects(database: sqlite3.Connection) -> list[Object]:
    """Return all that was made with SQL: what SQLite makes for itself has none."""
    return [
        Object(*row)
        for row in database.execute(
            "SELECT type, name, sql, tbl_name FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY type"
        )
    ]


def attached(database: sqlite3.Connection, tables: Container[str]) -> list[Object]:
    """Return the indexes and triggers on ``tables`` (or views), whoever made them."""
    return [it for it in objects(database) if it.kind in {"index", "trigger"} and it.table.lower() in tables]


def quoted(name: str) -> str:
    """Return ``name`` as SQL takes any name."""
    return '"' + name.replace('"', '""') + '"'
