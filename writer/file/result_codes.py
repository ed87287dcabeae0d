"""What SQLite's result codes mean to the writer (sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from typing import Final

_FAILING: Final = "the disk is failing: look at the kernel's log (dmesg), and back up your data"
_NEXT_STEP: Final = {
    sqlite3.SQLITE_NOTADB: "name another --db, or move that file away",
    sqlite3.SQLITE_BUSY: "another program (the original logger? sqlite3?) is using it: end that one first",
    sqlite3.SQLITE_FULL: "nothing was changed: free some disk space, then start again",
    sqlite3.SQLITE_IOERR: _FAILING,
    # The other program's -shm refers to parts of the WAL that are gone: that program must end.
    sqlite3.SQLITE_IOERR_SHORT_READ: "part of it was truncated or deleted while another program has it open: "
    "end that program (fuser shows it), then start again",
    sqlite3.SQLITE_IOERR_WRITE: f"there is no space, a quota is used up, or {_FAILING}",
    sqlite3.SQLITE_IOERR_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_IOERR_ACCESS: "its directory cannot be read: look at its permissions",
    sqlite3.SQLITE_IOERR_LOCK: "its file system has no locks: put it on a local disk",
    sqlite3.SQLITE_IOERR_SHMOPEN: "its -shm file cannot be written: look at its owner",
    sqlite3.SQLITE_IOERR_SHMSIZE: "there is no space for its -shm file: free some disk space",
    sqlite3.SQLITE_IOERR_SHMMAP: "its file system cannot share memory: put it on a local disk",
    sqlite3.SQLITE_CANTOPEN: "name a file that you may write in --db",
    sqlite3.SQLITE_READONLY: "name a file that you may write in --db",
}
"""By primary or extended result code"""


def result_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for an error that is not SQLite's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the error means that the file itself is damaged, and not that it cannot be used now."""
    return result_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def explained_error(error: sqlite3.Error) -> str:
    """Return SQLite's message and what to do next, chosen by the extended code if it is listed."""
    extended = getattr(error, "sqlite_errorcode", 0)
    next_step = _NEXT_STEP.get(extended) or _NEXT_STEP.get(result_code(error))
    return f"{error}; {next_step}" if next_step else str(error)
