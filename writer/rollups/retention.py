"""What is dropped, and when: raw rows by size and age, whole days, oldest first. Roll-ups stay.

Nothing is dropped that is not rolled up. A day counts as dropped (``history.raw_since``) from the transaction
that takes its first rows. All is done in steps that hold the write lock for some tens of milliseconds.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from telemetry import END_OF_TIME
from writer import schema
from writer.file.disk import Disk
from writer.file.transaction import empty_wal, transaction
from writer.rollups.folding import fold
from writer.rollups.steps import floor, rolled_up_day
from writer.rollups.tables import DAY

LEAST_FREE = 256 << 20
"""Bytes of the file system that stay free"""
LEAST_FREE_PERCENT = 5
"""Of its size, where that is more"""
_FULL = 0.98
"""Of the largest size: what a dropped day leaves is filled again, and the file never grows past it."""
_SPARE = 64 << 20
"""Bytes of free pages, or a quarter of the file where that is more, that are kept to be filled again."""
_ROOM_TO_GO_ON = 16 << 20
"""Bytes of free pages with which a file that cannot shrink is left alone on a file system that is full."""
_LONGEST = 0.04
"""s that a step should hold the write lock; the next is half as large where it took longer."""
_SPARED_FOR_ROOM = 7 * DAY
"""s of the newest samples that are not dropped to keep room free for others"""
_LONG_DOUBT = 30 * DAY
"""s for which a large step of the clock is doubted"""
_MOST_READ = 5000
"""Rows that are looked at in a step for some that are old enough."""


FREE_PAGES = "free pages"
THE_WAL = "the WAL"
LOOKING = "rows that stay"
FOLDED = "old roll-ups"
HOUSEKEEPING = {FREE_PAGES, THE_WAL, LOOKING, FOLDED}
"""What a step may be for that drops no row"""


class Limits(NamedTuple):
    """What bounds the database: rows of the table ``setting``."""

    max_size: int
    """Bytes"""
    retain: float | None = None
    """s that raw rows are kept, at least"""
    least_free: int = LEAST_FREE
    least_free_percent: int = LEAST_FREE_PERCENT
    is_default: bool = False
    """Nobody set ``max_size``: it does not drop what the original logger or an import brought."""


def note_limits(database: sqlite3.Connection, limits: Limits) -> None:
    """Keep the limits where reports find them."""
    bounds = limits._asdict()
    del bounds["is_default"]  # it bounds nothing
    wanted = {name: value for name, value in bounds.items() if value is not None}
    names = f"name IN {tuple(bounds)}"
    found = database.execute(f"SELECT name, value FROM setting WHERE {names}")
    if dict(found.fetchall()) != wanted:
        with transaction(database):
            database.execute(f"DELETE FROM setting WHERE {names}")
            database.executemany("INSERT INTO setting VALUES (?, ?)", wanted.items())


class Retention:
    """Drops what one database has too much of. State is what makes steps cheap; a new object starts over."""

    def __init__(self, limits: Limits, disk: Callable[[], Disk]) -> None:
        self._limits = limits
        self._disk = disk
        self._samples = 100
        """To drop in a step"""
        self._pages = 200
        """To give back in a step"""
        self._emptying = 0
        """End of the day that is being dropped for its size"""
        self._why = ""
        """The limit that is being kept"""
        self.reason = ""
        """The same with its figures, for people"""
        self._spares_inherited = True
        self._aged_until = 0
        """Start of the day whose rows, and later ones, are not old enough"""
        self._swept = 0.0
        """Up to this time all rows that may be dropped by age are gone."""
        self.is_stuck = False
        """The database is too large, and there is no day that could go."""

    def step(self, database: sqlite3.Connection) -> str:
        """Do one step; return what it was for, empty where there was nothing to do."""
        file = _File.of(database)
        is_low = self._is_low()
        if file.can_shrink and file.spare and self._has_too_much(file, is_low=is_low):
            self._give_back(database)
            return FREE_PAGES
        self.is_stuck = False
        is_full = file.used > self._limits.max_size * _FULL
        # A file that cannot shrink makes no room; it can only take none.
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
            # For the room of others only old days go: they might take whatever is given up.
            end = running_day(database) - (0 if is_full else _SPARED_FOR_ROOM)
            if self._drop_misdated(database) or self._drop_oldest(database, end):
                return self._why
            if is_full and fold(database):
                return FOLDED
            self.is_stuck = True
        return "" if self._limits.retain is None else self._drop_aged(database, self._limits.retain)

    def _reason(self, file: _File, *, is_full: bool) -> str:
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
        except OSError:  # a file system that does not tell is not full
            return False
        return disk.free < self._least_free(disk)

    def _least_free(self, disk: Disk) -> int:
        return max(self._limits.least_free, disk.size * self._limits.least_free_percent // 100)

    def _has_too_much(self, file: _File, *, is_low: bool) -> bool:
        return is_low or file.size > self._limits.max_size or file.spare > max(_SPARE, file.size // 4)

    def _give_back(self, database: sqlite3.Connection) -> None:
        begun = time.monotonic()
        # execute() steps a pragma without columns once, and that frees one page.
        database.executescript(f"PRAGMA incremental_vacuum({self._pages})")
        self._pages = _adapted(self._pages, time.monotonic() - begun, 2000)
        if not _File.of(database).spare:  # the file shrinks when the WAL is put into it
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
            "AND ts <> (SELECT MAX(ts) FROM system_sample) "  # where the stream goes on
            f"AND ({not self._spares_inherited} OR {_IS_OWN}) ORDER BY time LIMIT ?",
            (END_OF_TIME if first is None else first, end, self._samples),
        ).fetchall()
        if not rows:
            return False
        self._emptying = floor(rows[0][1], DAY) + DAY
        self._drop(database, [ts for ts, at in rows if at < self._emptying], self._emptying)
        return True

    def _drop_misdated(self, database: sqlite3.Connection) -> bool:
        """Samples that a wrong clock dated go first: no report reads them."""
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
        if end != self._aged_until:  # late rows may have come behind it since
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
        elif rows:  # a clock that stood still for long is passed over
            self._swept = rows[-1][1] if rows[-1][1] > rows[0][1] else math.nextafter(rows[-1][1], math.inf)
        return "--retain" if old else LOOKING if len(rows) == _MOST_READ else ""

    def _drop(self, database: sqlite3.Connection, samples: Sequence[int], raw_since: int) -> None:
        """Drop samples with their rows, and let ``history`` and ``setting`` say so."""
        keys = [(ts,) for ts in samples]
        begun = time.monotonic()
        with transaction(database):
            database.execute("UPDATE history SET raw_since = max(raw_since, ?)", (raw_since,))
            database.execute(
                "INSERT INTO setting VALUES ('dropped_for', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1 "
                "WHERE value IS NOT ?1",
                (self.reason,),
            )
            database.execute(_NOTE_SEQS, (str(list(samples)),))
            for table in (*_children(database), "system_sample"):
                database.executemany(f"DELETE FROM {table} WHERE ts = ?", keys)
            database.execute(_DROP_GAPS)
        self._samples = _adapted(self._samples, time.monotonic() - begun, 500)


def _children(database: sqlite3.Connection) -> tuple[str, ...]:
    return (*(schema.table_of(database, name) for name in schema.COMPACT), "battery_pack")


def _orphans(database: sqlite3.Connection, end: int, most: int) -> list[int]:
    """The oldest ``ts`` that only cores, processes or packs have, older than all samples and than ``end``.

    A copy of a damaged database has such rows, of samples that were lost.
    """
    found: set[int] = set()
    for table in _children(database):
        rows = database.execute(
            f"SELECT DISTINCT ts FROM {table} WHERE ts < (SELECT MIN(ts) FROM system_sample) AND ts < ? "
            "ORDER BY ts LIMIT ?",
            (end, most),
        )
        found.update(ts for (ts,) in rows)
    return sorted(found)[:most]


_IS_OWN = "EXISTS (SELECT 1 FROM run WHERE run.run_id = system_sample.run_id AND NOT run.imported)"
"""Recorded by this writer: neither by the original logger nor brought by an import"""
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


def trusted_time(database: sqlite3.Connection) -> float | None:
    """Return the time that ages count from: that of the newest row, None where there is none.

    A clock that went forward may be wrong, and what is dropped is gone. After a step of more than a day
    it is the time of the row before the step: for a day, or for 30 days where the clock was set while the
    sampler ran. (A machine that was off for so long loses nothing by it.)
    """
    newest = database.execute("SELECT time, run_id FROM system_sample ORDER BY ts DESC LIMIT 1").fetchone()
    if newest is None or not isinstance(newest[0], float) or not 0 <= newest[0] < END_OF_TIME:
        return None
    now: float = newest[0]
    set_at = database.execute(
        "SELECT s.time, b.time FROM clock_step AS c JOIN system_sample AS s USING (run_id, seq) "
        "JOIN system_sample AS b ON b.run_id = c.run_id AND b.seq = c.seq - 1 "
        "WHERE c.run_id = ? AND c.step > 0 AND s.time IS NOT NULL AND b.time IS NOT NULL "
        "ORDER BY c.seq LIMIT 1",
        (newest[1],),
    ).fetchone()
    if set_at and now - set_at[0] < _LONG_DOUBT:
        return float(set_at[1])
    first = database.execute(
        "SELECT ts, time FROM system_sample WHERE time > ? AND time <= ? ORDER BY time LIMIT 1",
        (now - DAY, now),
    ).fetchone()
    before = database.execute(
        "SELECT time FROM system_sample WHERE ts < ? AND time IS NOT NULL ORDER BY ts DESC LIMIT 1", first[:1]
    ).fetchone()
    if before and isinstance(before[0], float) and before[0] < first[1] - DAY:
        return before[0]
    return now


def running_day(database: sqlite3.Connection) -> int:
    """Return the start of the day that no row is dropped of; nothing is where the newest row tells no time.

    That of the newest row by its key: a clock that once was a year ahead does not make today an old day.
    """
    newest = database.execute("SELECT time FROM system_sample ORDER BY ts DESC LIMIT 1").fetchone()
    if newest is None or not isinstance(newest[0], float) or not 0 <= newest[0] < END_OF_TIME:
        return 0
    return min(floor(newest[0], DAY), rolled_up_day(database))


def day(mark: float) -> str:
    """Return the UTC day that begins at ``mark``, as a log line has it."""
    return datetime.fromtimestamp(mark, UTC).strftime("%Y-%m-%d")


class _File(NamedTuple):
    """Bytes of the database's file."""

    size: int
    spare: int
    """In free pages"""
    can_shrink: bool

    @property
    def used(self) -> int:
        return self.size - self.spare

    @classmethod
    def of(cls, database: sqlite3.Connection) -> _File:
        page, count, free, vacuum = (
            int(database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count", "auto_vacuum")
        )
        return cls(page * count, page * free, vacuum == 2)
