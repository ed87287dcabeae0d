"""How large the database may become: what the user asked for, stored as rows of the table ``setting``."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from writer.file.transaction import transaction

LEAST_FREE = 256 << 20
"""Bytes of the file system that are kept free"""

LEAST_FREE_PERCENT = 5
"""Percent of the file system that are kept free, if that is more"""


class Limits(NamedTuple):
    """The limits of the database: rows of the table ``setting``."""

    max_size: int
    """Bytes"""
    retain: float | None = None
    """s that raw rows are kept, at least"""
    least_free: int = LEAST_FREE
    least_free_percent: int = LEAST_FREE_PERCENT
    is_default: bool = False
    """``max_size`` was not set by the user: then rows of the original logger or an import are not dropped."""


def note_limits(database: sqlite3.Connection, limits: Limits) -> None:
    """Store the limits for the reports."""
    bounds = limits._asdict()
    del bounds["is_default"]  # it is not a limit
    wanted = {name: value for name, value in bounds.items() if value is not None}
    names = f"name IN {tuple(bounds)}"
    found = database.execute(f"SELECT name, value FROM setting WHERE {names}")
    if dict(found.fetchall()) != wanted:
        with transaction(database):
            database.execute(f"DELETE FROM setting WHERE {names}")
            database.executemany("INSERT INTO setting VALUES (?, ?)", wanted.items())
