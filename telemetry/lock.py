"""The one lock of this project: a file that one process holds open, until it ends or closes it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def open_locked(path: Path | str) -> int:
    """Return a descriptor of ``path``, made 0600 where it is missing, with its flock taken.

    Raises BlockingIOError where another process holds it, OSError (another one) where it cannot be opened.
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
        os.close(file)  # removed between the two steps: a lock on it would exclude nobody


def is_same_file(file: int, path: Path | str) -> bool:
    """Return whether the open ``file`` is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), Path(path).stat())
    except OSError:
        return False
