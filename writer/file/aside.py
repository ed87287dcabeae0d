"""Damaged databases that were set aside, next to the one in use: ``<name>.corrupt.<UTC time>``."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

MOST_ASIDE = 2
"""How many damaged files are kept after their rows were copied"""
_ASIDE = re.compile(r"\.corrupt\.\d{8}T\d{6}Z(-\d+)?$")


def was_left_unclean(path: Path) -> bool:
    """Return whether the last writer did not close ``path`` cleanly: a clean close empties the WAL."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def set_aside(path: Path, now: float) -> Path:
    """Rename the database, and its WAL with it, to ``<name>.corrupt.<UTC time>``; return the new path.

    A file ``….todo`` next to it means that it was not copied completely yet: an interrupted copy continues at
    the next start. Raises OSError if the directory cannot be written.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name, number = f"{path.name}.corrupt.{stamp}", 1
    while path.with_name(name).exists():  # a Pi without a clock starts each boot at the same second
        number += 1
        name = f"{path.name}.corrupt.{stamp}-{number}"
    aside = path.with_name(name)
    todo_of(aside).touch()
    for ending in ("-wal", "-shm", ""):
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    return aside


def not_copied_yet(path: Path) -> list[Path]:
    """Return the damaged files of ``path`` whose copy was not finished."""
    return [todo.with_suffix("") for todo in sorted(path.parent.glob(f"{path.name}.corrupt.*.todo"))]


def delete_all_but_newest(path: Path, log: logging.Logger) -> None:
    """Delete copied damaged files of ``path`` except the newest, so that they do not fill the disk."""
    asides = [it for it in path.parent.glob(f"{path.name}.corrupt.*") if _ASIDE.search(it.name)]
    copied = [it for it in asides if not todo_of(it).exists()]
    copied.sort(key=lambda it: it.stat().st_mtime)
    for old in copied[:-MOST_ASIDE]:
        log.warning("deleting %s: it was copied, and only the newest %d are kept", old, MOST_ASIDE)
        for ending in ("", "-wal", "-shm"):
            old.with_name(old.name + ending).unlink(missing_ok=True)


def todo_of(aside: Path) -> Path:
    """Return the file that marks ``aside`` as not copied yet."""
    return aside.with_name(f"{aside.name}.todo")
