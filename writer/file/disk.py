"""The free space of a file system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """Bytes of a file system."""

    free: int
    """Available to users other than root"""
    size: int


def disk_of(path: Path) -> Disk:
    """Return the space of the file system that holds ``path``. Raises OSError."""
    # Not shutil.disk_usage: shutil would load half a megabyte of compression modules.
    found = os.statvfs(path)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
