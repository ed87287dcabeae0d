"""Reads the cursor's file, which records what was sent. ``forward.cursor`` writes it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from forward.lines import Fields, Tags
from telemetry.errors import UserError

LAST_SEQ: Final = (1 << 63) - 2

Cells = dict[tuple[str, Tags, int], Fields]
"""Fields by measurement, tags and ms"""


class CursorError(UserError):
    """The cursor cannot be read or written now."""


class Counts(NamedTuple):
    """What was sent since the cursor was created."""

    samples: int
    refused: int
    """Points"""
    newest: float | None
    """Unix time of the newest sample, s"""


class Record:
    """The content of the file."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database

    def holes(self, run: str, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the ranges of seq, first and last, from ``start`` on that were not sent."""
        for first, last in self._rows(
            "SELECT first, last FROM sent WHERE run = ? AND last >= ? ORDER BY first", (run, start)
        ):
            if start < first:
                yield start, first - 1
            start = last + 1
        yield start, LAST_SEQ

    def days(self, kind: str) -> set[int]:
        """Return the days whose points of this kind were sent."""
        return {day for (day,) in self._rows("SELECT day FROM day WHERE kind = ?", (kind,))}

    def day(self, kind: str, day: int) -> tuple[Cells, bool]:
        """Return the points of a day as they were sent, and whether they came from this database."""
        for points, generation in self._rows(
            "SELECT points, generation FROM day WHERE kind = ? AND day = ?", (kind, day)
        ):
            return unpacked(points), generation == self.generation
        return {}, True

    @property
    def counts(self) -> Counts:
        return Counts(self.note("samples") or 0, self.note("refused") or 0, self.note("newest"))

    @property
    def generation(self) -> int:
        """How often the database was replaced by another one or by an older copy of itself."""
        return int(self.note("generation") or 0)

    def note(self, key: str) -> Any:
        """Return the value of a note; None: it was never written."""
        return next((value for (value,) in self._rows("SELECT value FROM note WHERE key = ?", (key,))), None)

    def _rows(self, query: str, values: tuple[object, ...]) -> Iterator[tuple[Any, ...]]:
        """Yield rows. Errors become CursorError, to tell them from errors of the telemetry database."""
        try:
            yield from self._database.execute(query, values)
        except sqlite3.Error as error:
            raise CursorError(f"cannot read {self.path}: {error}") from None


@contextmanager
def open_to_read(path: Path) -> Iterator[Record]:
    """Yield the content of the file, even while another process writes it. Raises CursorError."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(database):
            yield Record(path, database)
    except (sqlite3.Error, CursorError) as error:
        if isinstance(error, CursorError):
            raise
        raise CursorError(
            f"{path}: {error}; name the file that records what was sent: --cursor PATH"
        ) from None


def packed(cells: Cells) -> bytes:
    return zlib.compress(json.dumps([[*key, fields] for key, fields in cells.items()]).encode())


def unpacked(points: bytes) -> Cells:
    return {
        (measurement, tuple((name, value) for name, value in tags), ms): fields
        for measurement, tags, ms, fields in json.loads(zlib.decompress(points))
    }
