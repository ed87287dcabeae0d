"""Runs a block as a transaction, and empties the WAL that transactions fill."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock, then commit the block, or roll it back if it raises. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            with suppress(sqlite3.DatabaseError):  # the file is damaged, and will be closed next
                database.execute("ROLLBACK")
        raise


def empty_wal(database: sqlite3.Connection, *, wait: bool = False) -> bool:
    """Checkpoint the whole WAL and truncate it; return False if a reader prevents that.

    ``wait``: wait for readers, at most the connection's busy timeout. Raises sqlite3.Error.
    """
    (timeout,) = database.execute("PRAGMA busy_timeout").fetchone()
    database.execute(f"PRAGMA busy_timeout = {timeout if wait else 0}")
    try:
        (is_busy, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        database.execute(f"PRAGMA busy_timeout = {timeout}")
    return not is_busy
