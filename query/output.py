"""Standard output: how wide it is, whether it shows colors, and rows written to it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, Final

from query.render import Look
from telemetry import DAY
from telemetry.errors import UserError

if TYPE_CHECKING:
    from query.columns import Column

_USUAL_WIDTH: Final = 80
"""Columns of a terminal that does not report its size, such as a serial line"""
_PART: Final = re.compile(r"\.[a-z0-9_]{8}\.part$")
"""How names of mkstemp end"""
_PIECE: Final = 1 << 20
"""Characters that are collected before they are written. So a shorter report closes the database before it is
written to a pager or a slow line, and never delays the writer's checkpoint."""


def look(given: Mapping[str, Any], now: float) -> Look:
    """Return how tables are shown: in the columns of --width, $COLUMNS or the terminal, else of any width."""
    if isinstance(sys.stdout, TextIOWrapper):  # a character that the locale's encoding lacks is not an error
        sys.stdout.reconfigure(errors="backslashreplace")
    told = os.environ.get("COLUMNS", "")
    width: int | None = given.get("width") or (int(told) if re.fullmatch("[0-9]{1,4}", told) else 0) or None
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
        terminal = True
    except (OSError, ValueError):
        columns, terminal = 0, False
    if width is None and terminal:
        width = columns or _USUAL_WIDTH
    # https://no-color.org: any value but the empty one
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    color = given.get("color", "auto")
    return Look(width, now, terminal, color == "always" or (color == "auto" and terminal and not plain))


def can_show(characters: str, encoding: str | None) -> bool:
    """Return whether ``encoding`` has these characters; None: the text is not encoded."""
    try:
        characters.encode(encoding or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return True


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Yield a new, empty file that replaces ``out`` at the end: a reader sees either the old or the new one.

    A symbolic link is followed. The new file has another name each time, so that two that are written at
    the same time do not meet; one that was left by a killed process is removed after a day. Raises UserError.
    """
    target = Path(os.path.realpath(out))
    part: Path | None = None
    try:
        if target.exists() and not target.is_file():
            raise UserError(f"{out} is not a regular file; give another one with --out")
        _remove_old_parts(target)
        handle, name = mkstemp(".part", f".{target.name}.", target.parent)
        part = Path(name)
        os.fchmod(handle, 0o666 & ~_umask())
        os.close(handle)
        yield part
        part.replace(target)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def _remove_old_parts(target: Path) -> None:
    for it in target.parent.iterdir():
        if it.name.startswith(f".{target.name}.") and _PART.search(it.name):
            with suppress(OSError):
                if it.lstat().st_mtime < time.time() - DAY:
                    it.unlink()


def _umask() -> int:
    """Return the umask, because mkstemp creates files for their owner only."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_parquet(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """Write a Parquet file. Raises UserError where pyarrow is missing."""
    from query import parquet  # noqa: PLC0415

    parquet.write(columns, rows, sys.stdout.buffer)


def write_in_megabytes(pieces: Iterable[str]) -> str:
    """Write ``pieces``, except for the last ones (less than a megabyte), which are returned."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE:
            sys.stdout.write("".join(held))
            held.clear()
            size = 0
    return "".join(held)
