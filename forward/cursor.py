"""Remembers what was sent, in a small SQLite file.

A sample is identified by (run, seq). For each run, the cursor keeps the ranges of seq that were sent. A
sample that arrives late, from an import or to fill a gap, is in none of these ranges. So it is sent, whatever
its time and its key are. A sample in a range is not sent again, even if another copy of the database has it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from forward.lines import Point
from forward.record import Cells, CursorError, Record, packed
from telemetry.errors import TakenOver
from telemetry.lock import open_locked

OTHER_NAMES: Final = "(other names)"
_VERSION: Final = 1
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE note (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sent (run TEXT, first INTEGER, last INTEGER, PRIMARY KEY (run, first)) WITHOUT ROWID;
CREATE TABLE name (name TEXT PRIMARY KEY) WITHOUT ROWID;  -- values of tags that are in use
CREATE TABLE day (                                        -- points that may change, as last sent
    kind TEXT, day INTEGER, generation INTEGER, points BLOB, PRIMARY KEY (kind, day)
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
# Ranges are disjoint. So of those that begin before :first, only the last one can touch the new range, and
# the query need not read the others.
_TOUCHING: Final = """
FROM sent WHERE run = :run AND first <= :last + 1 AND last >= :first - 1
AND first >= ifnull((SELECT MAX(first) FROM sent WHERE run = :run AND first < :first), :first)
"""


class Mark(NamedTuple):
    """A sample that was read."""

    run: str
    first: int
    """The first seq of its run that it covers: its own, or a lower one if no samples lie in between"""
    seq: int
    ts: int
    time: float


class Cursor(Record):
    """The cursor's file, locked by one process."""

    def __init__(self, path: Path, url: str) -> None:
        """Open the file, or create it. ``url``: the destination; a cursor belongs to one destination.

        Raises CursorError if the file cannot be used, TakenOver if another process uses it.
        """
        self.path = path
        self.set_aside: Path | None = None
        """The new path of a damaged file that was moved aside; None: it was not damaged"""
        lock = path.with_name(path.name + ".lock")
        try:
            self._lock = open_locked(lock)
        except BlockingIOError:
            raise TakenOver(
                f"another telemetry-forward uses {path}; give this one a different file: --cursor PATH"
            ) from None
        except OSError as error:
            raise CursorError(f"{lock}: {error.strerror}; give another file: --cursor PATH") from None
        try:
            super().__init__(path, self._opened())
            self._check_destination(url)
            self._names = {name for (name,) in self._database.execute("SELECT name FROM name")}
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()
        os.close(self._lock)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _open(self.path)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                raise CursorError(f"{self.path}: {error}; give another file: --cursor PATH") from None
        self.set_aside = self.path.with_name(self.path.name + ".corrupt")
        try:
            self.path.replace(self.set_aside)
            for left in ("-journal", "-wal", "-shm"):
                self.path.with_name(self.path.name + left).unlink(missing_ok=True)
            return _open(self.path)
        except (OSError, sqlite3.Error) as error:
            raise CursorError(f"{self.path}: damaged, and cannot be replaced ({error})") from None

    def _check_destination(self, url: str) -> None:
        known = self.note("url")
        if known is None:
            with self._writing():
                self._set("url", url)
        elif known != url:
            raise CursorError(
                f"{self.path} belongs to {known}; for another engine, give another file: --cursor PATH"
            )

    def mark(self, marks: Sequence[Mark], refused: int) -> None:
        """Record that these samples were sent. Raises CursorError if the file cannot be written."""
        with self._writing():
            for run, first, last in _ranges(marks):
                self._add(run, first, last)
            counts = self.counts
            self._set("samples", counts.samples + len(marks))
            self._set("refused", counts.refused + refused)
            newest = max(marks, key=lambda mark: mark.ts, default=None)
            if newest is not None:
                self._set("newest", max(newest.time, counts.newest or 0.0))
                self._set("tail_ts", max(newest.ts, self.note("tail_ts") or 0))

    def _add(self, run: str, first: int, last: int) -> None:
        bounds = {"run": run, "first": first, "last": last}
        for left, right in self._database.execute(f"SELECT first, last {_TOUCHING}", bounds).fetchall():
            first, last = min(first, left), max(last, right)
        self._database.execute(f"DELETE {_TOUCHING}", bounds)
        self._database.execute("INSERT INTO sent VALUES (?, ?, ?)", (run, first, last))

    def admit(self, name: str, most: int) -> str:
        """Return ``name``, or OTHER_NAMES if ``most`` others are in use. An admitted name stays admitted."""
        if name in self._names:
            return name
        if len(self._names) >= most:
            return OTHER_NAMES
        with self._writing():
            self._database.execute("INSERT OR IGNORE INTO name VALUES (?)", (name,))
        self._names.add(name)
        return name

    def save_days(self, days: Sequence[tuple[str, int, Cells]], refused: int) -> None:
        """Record the points that were sent for these days, to notice later which of them changed."""
        with self._writing():
            self._database.executemany(
                "INSERT OR REPLACE INTO day VALUES (?, ?, ?, ?)",
                [(kind, day, self.generation, packed(cells)) for kind, day, cells in days],
            )
            self._set("refused", self.counts.refused + refused)

    def notice_database(self, instance: int, newest_ts: int) -> str | None:
        """Compare the database with the one that was read last; return a text if it was replaced.

        ``instance``: its application_id; ``newest_ts``: ts of its newest sample, which normally only grows.
        """
        known = self.note("instance")
        if known == instance and newest_ts >= (self.note("tail_ts") or 0):
            return None
        with self._writing():
            self._set("instance", instance)
            self._set("tail_ts", newest_ts)
            if known is not None:
                self._set("generation", self.generation + 1)
        if known is None:
            return None
        if known != instance:
            return "the database was replaced by another one"
        return "an older copy of the database was restored: it lacks the newest samples that were sent"

    def _set(self, key: str, value: object) -> None:
        self._database.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise CursorError(f"cannot write {self.path}: {error}") from None


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        found = database.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            damage = sqlite3.DatabaseError(found[0])
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0 and database.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            database.executescript(_SCHEMA)
        elif version != _VERSION:
            raise CursorError(f"{path} is not a cursor of this version; give another file: --cursor PATH")
        database.execute("PRAGMA synchronous = FULL")
    except BaseException:
        database.close()
        raise
    return database


def _ranges(marks: Sequence[Mark]) -> Iterator[tuple[str, int, int]]:
    """Yield run, first and last seq of each stretch of consecutive samples."""
    begun: tuple[str, int] | None = None
    last = 0
    for mark in marks:
        if begun is None or mark.run != begun[0] or mark.first != last + 1:
            if begun is not None:
                yield *begun, last
            begun = mark.run, mark.first
        last = mark.seq
    if begun is not None:
        yield *begun, last


def cells_of(points: Sequence[Point]) -> Cells:
    """Return the fields of each point by its key: measurement, tags and time."""
    return {(point.measurement, point.tags, point.ms): dict(point.fields) for point in points}
