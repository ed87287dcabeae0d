"""What SQLite's result codes mean to the writer (sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3


def result_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error that is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite says that the file itself is bad, and not that it cannot be used now."""
    return result_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
