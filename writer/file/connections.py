"""Database connections for the threads that run beside the loop."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_BUSY_TIMEOUT = 30.0


def read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads. Raises sqlite3.Error."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(
        uri, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )


def writable(path: Path) -> sqlite3.Connection:
    """Return a connection that waits for the loop's commits. Raises sqlite3.Error."""
    return sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)
