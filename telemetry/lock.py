"""The one lock of this project: a file that one process holds open, until it ends or closes it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def open_locked(path: Path | str) -> int:
    """Return a descriptor of ``path``, made 0600 where it is missing, with its flock taken.

    Raises BlockingIOError where another process holds it, OSError (another one) where it cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file
