"""One way to make a transaction of a block, and to empty the WAL that transactions fill."""

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


def empty_wal(database: sqlite3.Connection, *, wait: bool = False) -> bool:
    """Put all of the WAL into the database and cut it; return False where a reader is in the way.

    ``wait``: give readers the connection's busy timeout to end. Raises sqlite3.Error.
    """
    (timeout,) = database.execute("PRAGMA busy_timeout").fetchone()
    database.execute(f"PRAGMA busy_timeout = {timeout if wait else 0}")
    try:
        (is_busy, *_) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        database.execute(f"PRAGMA busy_timeout = {timeout}")
    return not is_busy
