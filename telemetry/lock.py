"""The only kind of lock in this project: a file that one process keeps locked until it closes it or ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def open_locked(path: Path | str) -> int:
    """Return a locked (flock) descriptor of ``path``, which is created with mode 0600 if it is missing.

    Raises BlockingIOError if another process holds the lock, another OSError if the file cannot be opened.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        if is_same_file(file, path):
            return file
        os.close(file)  # removed between open and flock: a lock on it would exclude nobody


def is_same_file(file: int, path: Path | str) -> bool:
    """Return whether the open ``file`` is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), Path(path).stat())
    except OSError:
        return False
