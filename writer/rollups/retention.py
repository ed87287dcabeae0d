"""Drops raw rows by size and age, in whole days, oldest first. Roll-ups are kept.

Only rows that are rolled up are dropped. A day counts as dropped (``history.raw_since``) from the transaction
that drops its first rows. Each step holds the write lock for some tens of milliseconds.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Sequence

from telemetry import DAY, END_OF_TIME
from writer.file.disk import Disk, FileSize
from writer.file.transaction import empty_wal, transaction
from writer.limits import Limits
from writer.rollups.folding import fold
from writer.rollups.marks import floor, rolled_up_day
from writer.rollups.trusted_time import running_day, trusted_time
from writer.rows import child_tables, delete_samples

_FULL = 0.98
"""Part of the maximum size at which days are dropped. Freed pages are reused, so the file stays below it."""
_SPARE = 64 << 20
"""Bytes of free pages that are kept for reuse; a quarter of the file, if that is more."""
_ROOM_TO_GO_ON = 16 << 20
"""Bytes of free pages; if a file that cannot shrink has this many, nothing is dropped on a full disk."""
_LONGEST = 0.04
"""s that a step should hold the write lock; if it took longer, the next step is half as large."""
_SPARED_FOR_ROOM = 7 * DAY
"""s of the newest samples that are not dropped just to keep the file system free"""
_MOST_READ = 5000
"""Most rows that a step reads to find old ones."""


FREE_PAGES = "free pages"
THE_WAL = "the WAL"
LOOKING = "rows that stay"
FOLDED = "old roll-ups"
HOUSEKEEPING = {FREE_PAGES, THE_WAL, LOOKING, FOLDED}
"""The purposes of steps that drop no raw rows"""


class Retention:
    """Drops old rows from one database. The state only makes steps cheaper; a new object starts over."""

    def __init__(self, limits: Limits, disk: Callable[[], Disk]) -> None:
        self._limits = limits
        self._disk = disk
        self._samples = 100
        """Samples to drop in a step"""
        self._pages = 200
        """Pages to give back in a step"""
        self._emptying = 0
        """End of the day that is being dropped for its size"""
        self._why = ""
        """The limit because of which rows are dropped"""
        self.reason = ""
        """That limit with its figures, for people"""
        self._spares_inherited = True
        self._aged_until = 0
        """Start of the first day whose rows are not old enough"""
        self._swept = 0.0
        """Up to this time, all rows that may be dropped by age are dropped."""
        self.is_stuck = False
        """The database is too large, but no day may be dropped."""

    def step(self, database: sqlite3.Connection) -> str:
        """Do one step; return its purpose, empty if there was nothing to do."""
        file = FileSize.of(database)
        is_low = self._is_low()
        if file.can_shrink and file.spare and self._has_too_much(file, is_low=is_low):
            self._give_back(database)
            return FREE_PAGES
        self.is_stuck = False
        is_full = file.used > self._limits.max_size * _FULL
        # A file that cannot shrink does not free disk space; it can only stop growing.
        needs_room = is_low and (file.can_shrink or file.spare < _ROOM_TO_GO_ON)
        if self._emptying and self._drop_oldest(database, self._emptying):
            return self._why
        self._emptying = 0
        if needs_room and not is_full and empty_wal(database) and not self._is_low():
            return THE_WAL
        if is_full or needs_room:
            self._why = "--max-size" if is_full else "the free space of the disk"
            self.reason = self._reason(file, is_full=is_full)
            self._spares_inherited = not is_full or self._limits.is_default
            # To free space for other programs, only old days are dropped: they might use up any space.
            end = running_day(database) - (0 if is_full else _SPARED_FOR_ROOM)
            if self._drop_misdated(database) or self._drop_oldest(database, end):
                return self._why
            if is_full and fold(database):
                return FOLDED
            self.is_stuck = True
        return "" if self._limits.retain is None else self._drop_aged(database, self._limits.retain)

    def _reason(self, file: FileSize, *, is_full: bool) -> str:
        if is_full:
            default = ", the default" if self._limits.is_default else ""
            size = _mebibytes(self._limits.max_size)
            return f"it has {_mebibytes(file.used)}, and --max-size is {size}{default}"
        disk = self._disk()
        least = _mebibytes(self._least_free(disk))
        return f"the disk has {_mebibytes(disk.free)} free, and {least} are kept free"

    # --- room ---

    def _is_low(self) -> bool:
        try:
            disk = self._disk()
        except OSError:  # if the free space is unknown, the file system counts as not full
            return False
        return disk.free < self._least_free(disk)

    def _least_free(self, disk: Disk) -> int:
        return max(self._limits.least_free, disk.size * self._limits.least_free_percent // 100)

    def _has_too_much(self, file: FileSize, *, is_low: bool) -> bool:
        return is_low or file.size > self._limits.max_size or file.spare > max(_SPARE, file.size // 4)

    def _give_back(self, database: sqlite3.Connection) -> None:
        begun = time.monotonic()
        # execute() steps a pragma without columns once, and that frees one page.
        database.executescript(f"PRAGMA incremental_vacuum({self._pages})")
        self._pages = _adapted(self._pages, time.monotonic() - begun, 2000)
        if not FileSize.of(database).spare:  # the file shrinks when the WAL is checkpointed
            empty_wal(database)

    # --- rows ---

    def _drop_oldest(self, database: sqlite3.Connection, end: int) -> bool:
        orphans = _orphans(database, end, self._samples)
        if orphans:
            self._emptying = floor(orphans[0], DAY) + DAY
            self._drop(database, [ts for ts in orphans if ts < self._emptying], self._emptying)
            return True
        first = 0.0
        if self._spares_inherited:
            (first,) = database.execute(_FIRST_OWN).fetchone()
        rows = database.execute(
            "SELECT ts, time FROM system_sample WHERE time >= ? AND time < ? "
            "AND ts <> (SELECT MAX(ts) FROM system_sample) "  # the stream continues after this row
            f"AND ({not self._spares_inherited} OR {_IS_OWN}) ORDER BY time LIMIT ?",
            (END_OF_TIME if first is None else first, end, self._samples),
        ).fetchall()
        if not rows:
            return False
        self._emptying = floor(rows[0][1], DAY) + DAY
        self._drop(database, [ts for ts, at in rows if at < self._emptying], self._emptying)
        return True

    def _drop_misdated(self, database: sqlite3.Connection) -> bool:
        """Drop misdated samples, which go first because no report reads them."""
        rows = database.execute(
            "SELECT ts FROM system_sample WHERE time IS NULL AND clock_time IS NOT NULL LIMIT ?",
            (self._samples,),
        ).fetchall()
        if rows:
            self._drop(database, [ts for (ts,) in rows], 0)
        return bool(rows)

    def _drop_aged(self, database: sqlite3.Connection, retain: float) -> str:
        newest = trusted_time(database)
        if newest is None:
            return ""
        end = min(floor(max(newest - retain, 0), DAY), rolled_up_day(database))
        if end != self._aged_until:  # late rows may have been added before this time
            self._aged_until, self._swept = end, 0.0
        rows = database.execute(
            "SELECT ts, time, run_id IS NULL OR (SELECT imported FROM run WHERE run.run_id = s.run_id) "
            "FROM system_sample AS s WHERE time >= ? AND time < ? "
            "AND ts <> (SELECT MAX(ts) FROM system_sample) ORDER BY time LIMIT ?",
            (self._swept, end, _MOST_READ),
        ).fetchall()
        old = [(ts, at) for ts, at, is_kept in rows if not is_kept][: self._samples]
        if old:
            self._swept = old[0][1]
            day = floor(old[0][1], DAY) + DAY
            self.reason = f"--retain is {retain / DAY:g} days"
            self._drop(database, [ts for ts, at in old if at < day], day)
        elif rows:  # if all times are equal because the clock stood still, step past them
            self._swept = rows[-1][1] if rows[-1][1] > rows[0][1] else math.nextafter(rows[-1][1], math.inf)
        return "--retain" if old else LOOKING if len(rows) == _MOST_READ else ""

    def _drop(self, database: sqlite3.Connection, samples: Sequence[int], raw_since: int) -> None:
        """Drop samples with their rows, and note that in ``history`` and ``setting``."""
        begun = time.monotonic()
        with transaction(database):
            database.execute("UPDATE history SET raw_since = max(raw_since, ?)", (raw_since,))
            database.execute(
                "INSERT INTO setting VALUES ('dropped_for', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1 "
                "WHERE value IS NOT ?1",
                (self.reason,),
            )
            database.execute(_NOTE_SEQS, (str(list(samples)),))
            delete_samples(database, samples)
            database.execute(_DROP_GAPS)
        self._samples = _adapted(self._samples, time.monotonic() - begun, 500)


def _orphans(database: sqlite3.Connection, end: int, most: int) -> list[int]:
    """Return the oldest ``ts`` of cores, processes or packs that are older than all samples and ``end``.

    A copy of a damaged database has such rows if their samples were lost.
    """
    found: set[int] = set()
    for table in child_tables(database):
        rows = database.execute(
            f"SELECT DISTINCT ts FROM {table} WHERE ts < (SELECT MIN(ts) FROM system_sample) AND ts < ? "
            "ORDER BY ts LIMIT ?",
            (end, most),
        )
        found.update(ts for (ts,) in rows)
    return sorted(found)[:most]


_IS_OWN = "EXISTS (SELECT 1 FROM run WHERE run.run_id = system_sample.run_id AND NOT run.imported)"
"""The row was recorded by this writer, and not by the original logger or an import"""
_FIRST_OWN = """
SELECT MIN(time) FROM (
    SELECT (SELECT time FROM system_sample AS s
            WHERE s.run_id = r.run_id AND time >= 0 ORDER BY seq LIMIT 1) AS time
    FROM run AS r WHERE NOT imported
)"""
_NOTE_SEQS = """
INSERT INTO dropped (run_id, last_seq)
SELECT s.run_id, MAX(s.seq)
FROM json_each(?) AS list CROSS JOIN system_sample AS s ON s.ts = list.value
WHERE s.run_id IS NOT NULL AND s.seq IS NOT NULL
GROUP BY s.run_id
ON CONFLICT (run_id) DO UPDATE SET last_seq = max(last_seq, excluded.last_seq)"""
_DROP_GAPS = (
    "DELETE FROM gap WHERE last_seq <= (SELECT d.last_seq FROM dropped AS d WHERE d.run_id = gap.run_id)"
)


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"


def _adapted(size: int, took: float, most: int) -> int:
    if took > _LONGEST:
        return max(1, size // 2)
    return min(most, size * 2) if took < _LONGEST / 4 else size
