"""The writer's loop: receive, gather, commit when it is due or asked for."""

from __future__ import annotations

import logging
import time

from telemetry.errors import TakenOver, UserError
from telemetry.notify import Supervisor
from telemetry.service import RateLimited, StopSignal
from telemetry.stream.control_server import ControlServer
from telemetry.stream.joiner import Start
from telemetry.stream.presence import LOOK_AGAIN
from telemetry.stream.publisher import Readable
from telemetry.stream.subscriber import Subscriber
from writer.ingest import Batch
from writer.recovery.guarded_store import GuardedStore
from writer.service.contact import Contact
from writer.service.maintenance import Maintenance
from writer.service.requests import Requests
from writer.store import CannotWrite

_LONGEST_WAIT = 60.0
_ALONE = 10.0
"""s without a sample after which the writer no longer waits for the ring"""
_SPARING = 600.0
"""s between commits while a reader that does not end makes the WAL grow with each commit"""
_CHECK_AGAIN = 60.0
"""s between two checks of all tables that are asked for: each reads the whole database and logs a line"""
_RETRY = 1.0
"""s between tries while the database cannot be written"""


class Loop:
    """Stores one stream in one database. Samples that cannot be written now are kept and tried again."""

    def __init__(
        self,
        guarded: GuardedStore,
        subscriber: Subscriber,
        control: ControlServer,
        maintenance: Maintenance,
        commit_interval: float,
        *,
        log: logging.Logger,
    ) -> None:
        self._guarded = guarded
        self._subscriber = subscriber
        self._control = control
        self._maintenance = maintenance
        self._batch = Batch(commit_interval)
        self._log = log
        self._unreachable = RateLimited(log)
        self._busy_at = time.monotonic()
        self._trouble: str | None = None
        self._retry_at = 0.0
        self._maintenance_at = 0.0
        self._check_at = 0.0
        self._requests = Requests()
        self._contact = Contact(time.monotonic(), log, "")
        self._is_taken_over = False

    def run(self, stop: StopSignal, supervisor: Supervisor) -> None:
        """Run until ``stop``; then commit what is left."""
        supervisor.ready(self._state())
        self._contact = Contact(time.monotonic(), self._log, self._subscriber.where)
        while not stop.requested:
            now = time.monotonic()
            due = min(self._due_in(now), self._maintenance_at - now)
            due = min(max(due, self._retry_at - now), self._requests.due_in(now))
            wait = max(0.0, min(LOOK_AGAIN, supervisor.beat, due))
            if self._batch.full:  # the ring keeps what follows
                stop.wait(wait)
            else:
                self._receive(wait, stop)
            self._serve()
            self._maintain()
            self._keep_socket()
            self._contact.look(time.monotonic(), self._subscriber.quiet_for)
            supervisor.alive(self._state())
        supervisor.stopping()
        self._retry_at = 0.0
        if not self._commit():
            self._log.error("%d samples could not be stored; the ring keeps them", len(self._batch.items))

    def _state(self) -> str:
        path = self._guarded.store.path
        return f"cannot write {path}: {self._trouble}" if self._trouble else f"storing into {path}"

    def _receive(self, wait: float, stop: StopSignal) -> None:
        closed = self._control.ready_in(time.monotonic())
        others: list[Readable] = [stop] if closed > 0 else [stop, self._control.socket]
        try:
            items = self._subscriber.receive(min(wait, closed or wait), others)
        except UserError as error:  # a restarted sampler's sockets are not accessible to this user
            self._unreachable.warning(str(error))
            stop.wait(min(wait, _RETRY))
            return
        now = time.monotonic()
        self._batch.add(items, now)
        if items:
            self._busy_at = now

    def _follow_replacement(self) -> None:
        """If another file took the place of ours, fetch the samples that it lacks by replay, and check it."""
        found = self._guarded.store.replacement
        if found is None:
            return
        self._guarded.store.replacement = None
        self._log.error(
            "%s was moved, deleted or replaced: storing in the file that is there now, after %s, and "
            "fetching what it lacks by replay%s",
            self._guarded.store.path,
            f"sample {found.position.seq} of run {found.position.run}" if found.position else "no sample",
            f"; the WAL of the former file is {found.former_wal}" if found.former_wal else "",
        )
        self._subscriber.restart(found.position or Start.OLDEST)
        self._guarded.check_all()

    def _serve(self) -> None:
        self._follow_replacement()
        try:
            self._guarded.step(self._has_caught_up)
        except CannotWrite as error:
            self._note_trouble(error)
        now = time.monotonic()
        for route in self._requests.add(self._control.requests(), now):
            self._control.answer(route, {"ok": False, "error": "too many requests at a time"})
        if self._control.check_wanted and now >= self._check_at:
            self._check_at = now + _CHECK_AGAIN
            self._control.check_wanted = False
            self._guarded.check()
        if self._due_in(now) <= 0:
            self._commit()
        elif self._batch.items and now >= self._retry_at and self._requests.may_commit(now):
            self._requests.note_commit(now)
            self._commit()
        self._answer(now)

    def _answer(self, now: float) -> None:
        """Answer the requests that were served by a commit, cannot be served, or have waited long enough."""
        if not self._batch.items:
            routes, answer = self._requests.take_all(), self._report(now)
        elif self._trouble is not None:
            routes, answer = self._requests.take_all(), {"ok": False, "error": self._trouble}
        else:
            pending = len(self._batch.items)
            routes = self._requests.take_late(now)
            answer = self._report(now) | {
                "ok": False,
                "error": f"asked too often: {pending} samples wait for a later commit",
            }
        for route in routes:
            self._control.answer(route, answer)

    def _keep_socket(self) -> None:
        """Recreate the control socket if it was removed; without it, reports are a little older."""
        if self._is_taken_over:
            return
        try:
            self._control.keep()
        except TakenOver as error:
            self._is_taken_over = True
            self._log.error("reports can no longer ask for a commit: %s", error)

    def _due_in(self, now: float) -> float:
        return self._batch.due_in(now, _SPARING if self._maintenance.is_sparing else 0.0)

    def _maintain(self) -> None:
        """Do a step of maintenance, unless a commit is due."""
        now = time.monotonic()
        if now < max(self._maintenance_at, self._retry_at) or self._due_in(now) <= 0:
            return
        try:
            self._maintenance_at = now + self._maintenance.turn(self._guarded.store)
        except CannotWrite as error:
            self._log.debug("maintenance has to wait: %s", error)
            self._maintenance_at = now + _LONGEST_WAIT

    def _has_caught_up(self) -> bool:
        """Return whether all samples in the ring are stored; without a sampler, whether all received are."""
        is_alone = time.monotonic() - self._busy_at >= _ALONE
        return (self._subscriber.caught_up or is_alone) and self._commit()

    def _report(self, now: float) -> dict[str, object]:
        device, inode = self._guarded.store.identity
        quiet_for = self._subscriber.quiet_for
        return {
            "ok": True,
            "dev": device,
            "ino": inode,
            "newest": self._guarded.store.position,
            "received": quiet_for and round(quiet_for, 3),
            "silent": self._contact.is_silent(now, quiet_for, self._subscriber.interval),
        }

    def _commit(self) -> bool:
        """Commit what is pending; return whether nothing is pending any more."""
        if not self._batch.items:
            return True
        if time.monotonic() < self._retry_at:
            return False
        store = self._guarded.store
        try:
            store.append(self._batch.items, time.time(), durable=self._batch.urgent)
        except CannotWrite as error:
            self._note_trouble(error)
            return False
        if self._trouble is not None:
            self._log.warning("%s can be written again", self._guarded.store.path)
            self._trouble = None
        self._log.debug("committed %d samples", len(self._batch.items))
        self._batch.clear()
        self._maintenance_at = 0.0  # more buckets may be complete than the commit has rolled up
        return True

    def _note_trouble(self, error: CannotWrite) -> None:
        """Log once that the database cannot be written, and not again until it can."""
        if self._trouble is None:
            self._log.error(
                "cannot write %s: %s; keeping the samples and trying again", self._guarded.store.path, error
            )
        self._trouble = str(error)
        self._retry_at = time.monotonic() + _RETRY
