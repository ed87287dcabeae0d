"""The store, which alone writes the database: appends batches, notes gaps, imports."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from telemetry.errors import UserError
from telemetry.sample import Sample
from telemetry.stream.joiner import Gap, Position
from writer.clock_watch import ClockWatch
from writer.file.aside import set_aside
from writer.file.open_file import OpenFile
from writer.file.result_codes import is_damage
from writer.file.transaction import empty_wal, transaction
from writer.gaps import fill_gap, has_gaps, note_gap
from writer.ingest import Item
from writer.opening import Damaged, explained, is_known, open_database, take_lock
from writer.rollups.cpu_time import complete_next
from writer.rollups.late import add_late
from writer.rollups.marks import read_marks
from writer.rollups.steps import at_commit, in_background
from writer.rows import Rows
from writer.runs import Runs
from writer.seconds import FreeSeconds, newest_ts


class CannotWrite(Exception):
    """The database cannot be written now. Nothing of the batch is stored; the caller may try again.

    It is locked, full or read-only, or a user's own constraint or trigger refuses the batch.
    """


T = TypeVar("T")


class Replacement(NamedTuple):
    """The file that was found in place of the open one."""

    position: Position | None
    """Its newest sample"""
    former_wal: Path | None
    """Path of the former file's WAL, if it was not empty"""


class Stored(NamedTuple):
    """How many samples of a batch were stored and how many were skipped."""

    stored: int
    known: int
    """Already stored before"""


class Store:
    """The database, open for writing."""

    def __init__(
        self,
        path: Path,
        on_damage: Callable[[Path, str], None] | None = None,
        announce: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Open, create or upgrade the database at ``path``.

        ``on_damage`` is called when a damaged file was set aside for a fresh one, with its new path and the
        reason. Without it, Damaged is raised. ``announce`` is called before an upgrade begins. Raises
        UserError if another writer owns the database or if it is not one of ours.
        """
        self.path = path
        self.replacement: Replacement | None = None
        """Set when another file took the place of the open one; whoever acts on it resets this to None."""
        self.has_own_reader = False
        """Whether a thread of this process is reading the database: a check or a copy."""
        self._on_damage = on_damage
        self._announce = announce
        known = is_known(path)
        self._lock = take_lock(path)
        try:
            try:
                self._open(known=known)
            except Damaged as damaged:
                if on_damage is None:
                    raise
                try:
                    self._start_over(damaged.reason)
                except OSError as error:
                    raise UserError(f"{damaged}; it cannot be set aside: {error.strerror}") from None
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, *, known: bool) -> None:
        database = open_database(self.path, known=known, announce=self._announce)
        try:
            with explained(self.path, known=known):
                self._newest_ts = newest_ts(database)
                self._file = OpenFile(database, self.path)
        except OSError as error:  # the file was deleted at this moment
            database.close()
            raise UserError(f"cannot open the database {self.path}: {error.strerror}") from None
        except BaseException:
            database.close()
            raise
        self._database = database
        self.identity = self._file.identity
        """(device, inode) of the open file, even if its name now belongs to another; zeros: none is open"""
        self._rows = Rows(database)
        self._runs = Runs(database)
        self._seconds = FreeSeconds(database)
        self.clock = ClockWatch(database)

    def replace(self, why: str) -> None:
        """Set the damaged file aside and continue with a fresh one; the lock is kept.

        Raises CannotWrite if the directory cannot be written now: the next append tries again.
        """
        self._let_go()
        try:
            self._start_over(why)
        except (UserError, OSError) as error:
            raise CannotWrite(str(error)) from None

    def _start_over(self, why: str) -> None:
        aside = set_aside(Path(os.path.realpath(self.path)), time.time())
        if self._on_damage:
            self._on_damage(aside, why)
        self._open(known=True)

    def _stay_at_the_file(self) -> None:
        """Reopen the database if another file took its place, or if it could not be opened before."""
        is_open = self.identity != (0, 0)
        if is_open and not self._file.is_former():
            return
        try:
            aside = self._file.leave() if is_open else None
            self.identity = 0, 0
            self._open(known=True)
            self.replacement = Replacement(self.position, aside)
        except (UserError, OSError) as error:
            raise CannotWrite(str(error)) from None

    def _let_go(self) -> None:
        if self.identity != (0, 0):
            self._file.close()
        self.identity = 0, 0  # no file is open: the next append reopens the database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database (SQLite then empties the WAL) and release the lock."""
        self._let_go()
        os.close(self._lock)

    # --- what is stored ---

    @property
    def position(self) -> Position | None:
        """The newest stored sample: the stream continues after it. None: no sample of any run is stored."""
        try:
            row = self._database.execute(
                "SELECT run.run, seq FROM system_sample JOIN run USING (run_id) ORDER BY ts DESC LIMIT 1"
            ).fetchone()
        except sqlite3.ProgrammingError:  # the database is closed and could not be reopened yet
            return None
        except sqlite3.DatabaseError as error:
            if not (is_damage(error) and self._on_damage):
                raise UserError(f"cannot read the database {self.path}: {error}") from None
            with suppress(CannotWrite):
                self.replace(str(error))
            return None
        return Position(*row) if row else None

    # --- appending ---

    def append(self, items: Iterable[Item], noticed: float, *, durable: bool = False) -> Stored:
        """Store live samples and gaps in one transaction. If CannotWrite is raised, none is stored.

        If a sample's ``ts`` is not greater than that of the newest row, it becomes the newest ``ts`` plus
        one: the newest row always has the greatest ``ts``, whatever the clock did. ``noticed`` is the Unix
        time noted with gaps. ``durable`` waits until the data is on the disk; otherwise a power cut may lose
        the last commits.
        """
        return self._write(items, noticed, keep_ts=False, synchronous="FULL" if durable else "NORMAL")

    def import_samples(self, samples: Iterable[Sample]) -> Stored:
        """Store samples from another time in one transaction, or raise CannotWrite.

        A free ``ts`` is kept; one in use is replaced by the next free second. A sample that is already stored
        is skipped; one inside a gap is removed from the gap.
        """
        return self._write(samples, 0.0, keep_ts=True, synchronous="NORMAL")

    def _write(self, items: Iterable[Item], noticed: float, *, keep_ts: bool, synchronous: str) -> Stored:
        self._stay_at_the_file()
        newest, stored, known = self._newest_ts, 0, 0
        database = self._database
        with self._refusals():
            database.execute(f"PRAGMA synchronous = {synchronous}")
            with transaction(database):
                self._rows.begin()
                self._runs.begin()
                marks = read_marks(database)
                late: list[int] = []
                gaps = has_gaps(database)
                for item in items:
                    if isinstance(item, Gap):
                        gaps = True
                        self._note_gap(item, noticed)
                        continue
                    ts = self._seconds.first(item.ts, newest) if keep_ts else max(item.ts, newest + 1)
                    run = self._runs.of_sample(item, ts, imported=keep_ts)
                    if item.seq <= run.last_dropped or not self._rows.add(item, ts, run.run_id):
                        known += 1
                        continue
                    self.clock.follow(item, run.run_id)
                    stored += 1
                    newest = max(newest, ts)
                    if item.time < marks.minute:
                        late.append(ts)
                    if gaps:
                        fill_gap(database, run.run_id, item.seq)
                self._rows.flush()
                if late:
                    add_late(database, late)
                at_commit(database)
        self._file.note()
        self._newest_ts = newest
        self._runs.keep()
        return Stored(stored, known)

    def apply(self, step: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run ``step`` on the database and return its result; None if the right file is not open now.

        Raises CannotWrite.
        """
        if self.identity == (0, 0) or self._file.is_former():  # the next append reopens it
            return None
        with self._refusals():
            self._database.execute("PRAGMA synchronous = NORMAL")
            result = step(self._database)
        self._file.note()
        return result

    def wal_size(self) -> int:
        """Return the bytes of the WAL file; checkpointed pages count until the file is truncated."""
        try:
            return Path(f"{os.path.realpath(self.path)}-wal").stat().st_size
        except OSError:
            return 0

    def empty_wal(self) -> bool:
        """Checkpoint the whole WAL and truncate it; return False if a reader prevents that."""
        return bool(self.apply(empty_wal))

    def roll_up(self, *, with_sessions: bool = True, with_energy: bool = True) -> bool:
        """Do one step of the roll-ups that are due; return False if there are none. Raises CannotWrite.

        ``with_sessions`` False leaves sessions and energy by program for later, ``with_energy`` False only
        the energy.
        """
        step = partial(in_background, with_sessions=with_sessions, with_energy=with_energy)
        return bool(self.apply(step) or self.apply(complete_next))

    def _note_gap(self, gap: Gap, noticed: float) -> None:
        run = self._runs.of_gap(gap, self._newest_ts, noticed)
        first = max(gap.first, run.last_dropped + 1)  # samples that were stored and dropped are not lost
        if first <= gap.last:
            note_gap(self._database, run.run_id, first, gap.last, noticed)

    def take_remade_indexes(self) -> list[str]:
        """Return the indexes that were missing and were recreated since the last call."""
        remade, self._rows.remade = self._rows.remade, []
        return remade

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn SQLite's errors into CannotWrite; a damaged file is replaced."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            self.invalidate()
            if is_damage(error) and self._on_damage:
                self.replace(str(error))
            elif isinstance(error, sqlite3.IntegrityError):
                with suppress(sqlite3.DatabaseError):  # the next append will report it
                    self._newest_ts = newest_ts(self._database)  # newer samples were copied in
            raise CannotWrite(str(error)) from None
        except BaseException:
            self.invalidate()
            raise

    def invalidate(self) -> None:
        """Drop the caches of stored rows: some may have been rolled back or dropped."""
        self._seconds.invalidate()
        self._runs.invalidate()
        self.clock.invalidate()
        self._rows.invalidate()
