"""The loop: read a batch, deliver it, record that it was sent."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from forward.cursor import Cursor
from forward.delivery import Delivery, Stopped, delay
from forward.facts import Changes, Facts
from forward.record import CursorError
from forward.samples import Batch, Choice, Reader, host_of, newest, waiting
from telemetry.database.reader import UnreadableError
from telemetry.service import RateLimited

SWEEP: Final = 600.0
"""s between two checks of all runs for samples that arrived late"""
LOOK_AT_FACTS: Final = 300.0
_PROGRESS: Final = 60.0
"""s between two log lines about catching up"""
_WORTH_A_LINE: Final = 1000
"""Catching up is logged if at least this many samples are unsent"""


class Times(NamedTuple):
    """Clocks and waiting, passed in so that tests can simulate them."""

    clock: Callable[[], float]
    """Unix time, s"""
    monotonic: Callable[[], float]
    """s"""
    wait: Callable[[float], bool]
    """Waits for the given seconds; returns whether to stop"""
    random: Callable[[], float]


class Forwarder:
    """Reads samples, delivers them, and records them as sent."""

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[sqlite3.Connection]],
        cursor: Cursor,
        delivery: Delivery,
        choice: Choice,
        *,
        times: Times,
        log: logging.Logger,
        size: int,
        is_patient: bool = True,
    ) -> None:
        """``read`` opens the database for one read transaction; ``size``: samples per batch.

        ``is_patient``: wait until the cursor can be written, however long that takes.
        """
        self._is_patient = is_patient
        self._read = read
        self._cursor = cursor
        self._delivery = delivery
        self._choice = choice
        self._times = times
        self._log = log
        self._reader = Reader(cursor, choice, size)
        self._facts = Facts(cursor, choice)
        self._sweep_due = self._facts_due = -1.0
        self._next_run: int | None = 0
        """The first run to check; None: check only the runs that may grow"""
        self._unreadable = RateLimited(log, 600.0)
        self._full = RateLimited(log, 600.0)
        self._progress = _Progress(log, times.monotonic)

    def run(self, interval: float, tell: Callable[[str], None]) -> None:
        """Forward until the stop signal. ``interval``: s between checks for samples; ``tell``: status."""
        while True:
            try:
                while self.turn():
                    tell(self.status)
                tell(self.status)
            except (UnreadableError, CursorError) as error:
                self._unreadable.warning(str(error), self._times.monotonic())
            if self._times.wait(interval):
                return

    def run_once(self) -> None:
        """Forward everything that is unsent now. Raises UserError if that fails."""
        while self.turn():
            pass

    @property
    def status(self) -> str:
        return self._progress.status(self._cursor.counts.samples)

    def turn(self) -> bool:
        """Do the next step; return whether there may be more to do.

        Raises UnreadableError (the database), CursorError, Stopped, or NotTaken (the delivery).
        """
        with self._read() as connection:
            batch = self._next_batch(connection)
            host = self._choice.host or host_of(connection)
            changes = None if batch.marks else self._next_changes(connection, host)
        if batch.marks:
            refused = self._delivery.send(batch.lines)
            self._noted(lambda: self._cursor.mark(batch.marks, refused))
            self._progress.sent(len(batch.marks))
            return True
        if changes is None:
            self._progress.caught_up(self._cursor.counts.samples)
            return False
        refused = self._delivery.send(changes.lines)
        if changes.days:
            self._noted(lambda: self._cursor.save_days(changes.days, refused))
        return True

    def _next_batch(self, connection: sqlite3.Connection) -> Batch:
        now = self._times.monotonic()
        newest_run, newest_ts = newest(connection)
        (instance,) = connection.execute("PRAGMA application_id").fetchone()
        if said := self._cursor.notice_database(instance, newest_ts):
            self._log.warning("%s; samples that were already sent are not sent again", said)
            self._sweep_due = self._facts_due = now
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP
            self._next_run = 0
            self._progress.begin(waiting(connection, self._cursor, self._times.clock()))
        if self._next_run is not None:
            batch = self._reader.batch(connection, self._times.clock(), self._next_run)
            if batch.marks:
                self._next_run = batch.last_run
                return batch
            self._next_run = None
        return self._reader.batch(connection, self._times.clock(), max(newest_run, 1))

    def _next_changes(self, connection: sqlite3.Connection, host: str) -> Changes | None:
        now = self._times.monotonic()
        if now >= self._facts_due:
            self._facts_due = now + LOOK_AT_FACTS
            self._facts.begin(connection)
        return self._facts.next(connection, host)

    def _noted(self, write: Callable[[], None]) -> None:
        """Write the cursor. While its disk is full, wait and send nothing else."""
        attempt = 0
        while True:
            try:
                return write()
            except CursorError as error:
                if not self._is_patient:
                    raise
                self._full.warning(
                    f"{error}; nothing more is sent until the last batch can be recorded",
                    self._times.monotonic(),
                )
                if self._times.wait(delay(attempt, self._times.random())):
                    raise Stopped from None
                attempt += 1


class _Progress:
    """The progress of catching up."""

    def __init__(self, log: logging.Logger, monotonic: Callable[[], float]) -> None:
        self.waiting = 0
        """Unsent samples, as of the last check of all runs"""
        self._log = log
        self._monotonic = monotonic
        self._since: float | None = None
        self._count = 0
        self._next_line = 0.0
        self._is_told = False

    def begin(self, waiting: int) -> None:
        """Start with this number of unsent samples."""
        self.waiting = waiting
        if waiting >= _WORTH_A_LINE and not self._is_told:
            self._is_told = True
            self._log.info("%s samples wait to be sent", f"{waiting:,}")

    def sent(self, count: int) -> None:
        now = self._monotonic()
        if self._since is None:
            self._since, self._count, self._next_line = now, 0, now + _PROGRESS
        self._count += count
        self.waiting = max(0, self.waiting - count)
        if now >= self._next_line and self.waiting >= _WORTH_A_LINE:
            self._next_line = now + _PROGRESS
            self._is_told = True
            self._log.info("%s", self._line(now))

    def _line(self, now: float) -> str:
        seconds = max(now - (self._since or now), 1e-3)
        rate = self._count / seconds
        whole = self._count + self.waiting
        return (
            f"catching up: {self._count:,} of {whole:,} samples sent ({100 * self._count / whole:.0f} %), "
            f"{rate:,.0f} a second, about {self.waiting / rate / 60:.0f} min to go"
        )

    def caught_up(self, total: int) -> None:
        if self._is_told:
            self._log.info("caught up: %s samples sent in all", f"{total:,}")
        self._since, self._is_told, self.waiting = None, False, 0

    def status(self, total: int) -> str:
        if self.waiting:
            return f"catching up: {self.waiting:,} samples wait, {total:,} sent"
        return f"{total:,} samples sent"
