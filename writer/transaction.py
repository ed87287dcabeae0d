"""One way to make a transaction of a block."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock, then commit the block or, where it raises, undo it. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            with suppress(sqlite3.DatabaseError):  # of a damaged file: it is closed next
                database.execute("ROLLBACK")
        raise
