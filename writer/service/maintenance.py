"""What the writer does while no sample waits: it completes roll-ups and drops old data."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from telemetry.service import RateLimited
from writer.file.disk import disk_of
from writer.limits import Limits, note_limits
from writer.mending import review_clock
from writer.rollups.marks import day, energy_until, newest_minute, read_marks
from writer.rollups.retention import FOLDED, HOUSEKEEPING, Retention
from writer.rollups.witness import look
from writer.store import Store
from writer.wrong_clock import count_misdated

LONGEST_WAL = 64 << 20
"""Bytes; if a reader lets the WAL grow beyond this, the writer writes as little as possible"""
_EVERY = 60.0
"""s between checks of sizes and ages, and between progress lines"""
_WITNESS_EVERY = 600.0
"""s between comparisons, each of one hour of data: 15 ms of CPU each, a day of data in four hours"""
_WORTH_TELLING = 5.0
"""s of rolling up before the log reports progress, and between two progress lines"""


class Maintenance:
    """Keeps the store's database rolled up and within its limits, a short step at a time."""

    def __init__(
        self,
        limits: Limits,
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
        longest_wal: int = LONGEST_WAL,
    ) -> None:
        self._limits = limits
        self._log = log
        self._clock = clock
        self._longest_wal = longest_wal
        self._file = (0, 0)
        """The file that the state below belongs to"""
        self._retention = Retention(limits, lambda: disk_of(Path()))
        self._dropping = ""
        self._stuck = False
        self._look_at = 0.0
        self._witness_at = self._clock() + _WITNESS_EVERY
        self._doubts = RateLimited(log, every=86400.0)
        self._clock_was_wrong = RateLimited(log, every=3600.0)
        self._progress: _Progress | None = None
        self._has_folded = False
        self._redated = 0
        """Samples that the current review has marked or restored"""
        self.is_sparing = False
        """Whether a reader prevents the WAL from being emptied: then there are few commits."""

    def turn(self, store: Store) -> float:
        """Do what is due; return the seconds until the next turn. Raises CannotWrite."""
        if store.identity != self._file:
            self._begin(store)
        begun = self._clock()
        for index in store.take_remade_indexes():
            self._log.warning("index %s was missing and was recreated", index)
        self._mind_the_wal(store)
        if self.is_sparing:
            return _EVERY
        # The review comes first: misdated samples must not be rolled up, nor make other rows look old.
        has_more = self._review_clock(store) if store.clock.is_doubtful else self._roll_up(store)
        if begun >= self._look_at and not store.clock.is_doubtful:
            dropping = store.apply(self._retention.step)
            if dropping:
                store.invalidate()
                has_more = True
            else:
                self._look_at = begun + _EVERY
            self._tell(store, dropping or "")
            self._tell_of_folding(dropping)
        if not has_more and begun >= self._witness_at:
            self._witness_at = begun + _WITNESS_EVERY
            for difference in store.apply(look) or []:
                self._doubts.warning(f"roll-ups disagree with raw rows: {difference}; see --rebuild-rollups")
        # Leave half of the time to other work.
        return max(0.01, self._clock() - begun) if has_more else max(0.0, self._look_at - begun)

    def _begin(self, store: Store) -> None:
        where = Path(os.path.realpath(store.path)).parent
        self._retention = Retention(self._limits, lambda: disk_of(where))
        self._look_at = 0.0
        self._progress = None
        store.apply(lambda database: note_limits(database, self._limits))
        self._file = store.identity  # set last, so that this is repeated if the database was busy

    # --- the WAL ---

    def _mind_the_wal(self, store: Store) -> None:
        if not self.is_sparing and store.wal_size() <= self._longest_wal:
            return
        if store.empty_wal():
            if self.is_sparing:
                self._log.info("%s-wal is empty again", store.path)
            self.is_sparing = False
        elif not self.is_sparing:
            self.is_sparing = True
            self._log.warning(
                "%s has been reading %s for so long that its WAL has grown to %d MiB: until that ends, "
                "samples are committed every ten minutes, and nothing is dropped",
                "this writer's own check" if store.has_own_reader else "a program",
                store.path,
                store.wal_size() >> 20,
            )

    # --- clocks ---

    def _review_clock(self, store: Store) -> bool:
        """Mark a batch of misdated samples."""
        if changed := review_clock(store):
            self._redated += changed
        elif self._redated:
            count = store.apply(count_misdated) or 0
            self._clock_was_wrong.warning(
                f"the clock was wrong: {count} samples are misdated and are left out of reports "
                "(telemetry-writer --drop-misdated deletes them)"
            )
            self._redated = 0
        return True

    # --- rolling up ---

    def _roll_up(self, store: Store) -> bool:
        has_more = store.roll_up()
        if has_more and self._progress is None:
            self._progress = store.apply(lambda database: _Progress.begin(database, self._clock))
        if self._progress:
            self._progress.tell(self._log, store, ended=not has_more)
        if self._progress and not has_more:
            self._progress = None
            self._look_at = 0.0  # rows that are rolled up may be dropped
        return has_more

    # --- dropping ---

    def _tell(self, store: Store, dropping: str) -> None:
        """Log one line when dropping has ended, not one for each day."""
        if dropping not in {"", *HOUSEKEEPING}:
            self._dropping = dropping
        elif self._dropping and not dropping:
            marks = store.apply(read_marks)
            if marks:
                since, why = day(marks.raw_since), self._retention.reason
                self._log.info("dropped raw samples up to %s: %s; their roll-ups stay", since, why)
            self._dropping = ""
        is_stuck = self._retention.is_stuck and self._progress is None
        if is_stuck and not self._stuck:
            self._log.warning(
                "%s or its disk is full, and nothing more may be dropped: free some disk space, or change "
                "--max-size",
                store.path,
            )
        self._stuck = is_stuck

    def _tell_of_folding(self, dropping: str | None) -> None:
        if dropping == FOLDED:
            self._has_folded = True
        elif self._has_folded and not dropping:
            self._log.info("folded old roll-ups and rare names, to keep --max-size; their sums stay")
            self._has_folded = False


class _Progress:
    """Logs the progress of roll-ups that take longer than some seconds."""

    def __init__(self, first: int, end: int, clock: Callable[[], float]) -> None:
        self._first = first
        self._end = end
        self._clock = clock
        self._told_at = clock()
        self._told = 0
        self._has_told = False

    @classmethod
    def begin(cls, database: sqlite3.Connection, clock: Callable[[], float]) -> _Progress:
        return cls(read_marks(database).minute, newest_minute(database), clock)

    def tell(self, log: logging.Logger, store: Store, *, ended: bool) -> None:
        """Log a line every 10 %, or once a minute."""
        now = self._clock()
        if now < self._told_at + _WORTH_TELLING and not ended:
            return
        marks = store.apply(read_marks)
        if marks is None:
            return
        done = min(99, 100 * (marks.minute - self._first) // max(1, self._end - self._first))
        if ended:
            if self._has_told:
                log.info("rolled up, until %s", day(marks.minute))
        elif marks.minute >= self._end and now >= self._told_at + _EVERY:
            until = store.apply(energy_until) or 0
            log.info("energy by program is stored until %s", day(until))
            self._told_at = now
        elif marks.minute < self._end and (done >= self._told + 10 or now >= self._told_at + _EVERY):
            log.info("rolling up: %d %%, until %s", done, day(marks.minute))
            self._told, self._told_at, self._has_told = done, now, True
