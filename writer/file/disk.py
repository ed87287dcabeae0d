"""How much room there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """Bytes of a file system."""

    free: int
    """For users that are not root"""
    size: int


def disk_of(path: Path) -> Disk:
    """Return the room of the file system that holds ``path``. Raises OSError."""
    # Not shutil.disk_usage: shutil brings half a megabyte of compressors.
    found = os.statvfs(path)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
