"""The writer's loop: receive, gather, commit when it is due or asked for."""

from __future__ import annotations

import logging
import time

from telemetry.errors import UserError
from telemetry.notify import Supervisor
from telemetry.service import RateLimited, StopSignal
from telemetry.stream.control_server import ControlServer
from telemetry.stream.subscriber import Subscriber
from writer.ingest import Batch
from writer.maintenance import Maintenance
from writer.recovery.guarded_store import GuardedStore
from writer.store import CannotWrite

_LONGEST_WAIT = 60.0
_ALONE = 10.0
"""s without a sample after which nothing is waited for from a ring"""
_SPARING = 600.0
"""s between commits while a reader that does not end makes the WAL grow with each"""
_RETRY = 1.0
"""s between tries while the database cannot be written"""


class Loop:
    """Stores one stream into one database. What cannot be written now is kept and tried again."""

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

    def run(self, stop: StopSignal, supervisor: Supervisor) -> None:
        """Run until ``stop``; then commit what is left."""
        supervisor.ready(self._state())
        while not stop.requested:
            now = time.monotonic()
            due = min(self._due_in(now), self._maintenance_at - now)
            wait = max(0.0, min(_LONGEST_WAIT, supervisor.beat, max(due, self._retry_at - now)))
            if self._batch.full:  # the ring keeps what follows
                stop.wait(wait)
            else:
                self._receive(wait, stop)
            self._serve()
            self._keep_up()
            supervisor.alive(self._state())
        supervisor.stopping()
        self._retry_at = 0.0
        if not self._commit():
            self._log.error("%d samples are not stored; the ring has them", len(self._batch.items))

    def _state(self) -> str:
        path = self._guarded.store.path
        return f"cannot write {path}: {self._trouble}" if self._trouble else f"storing into {path}"

    def _receive(self, wait: float, stop: StopSignal) -> None:
        try:
            items = self._subscriber.receive(wait, [stop, self._control.socket])
        except UserError as error:  # a sampler came back with sockets that are not for this user
            self._unreachable.warning(str(error))
            stop.wait(min(wait, _RETRY))
            return
        now = time.monotonic()
        self._batch.add(items, now)
        if items:
            self._busy_at = now

    def _serve(self) -> None:
        try:
            self._guarded.step(self._has_caught_up)
        except CannotWrite as error:
            self._note_trouble(error)
        requests = self._control.requests()
        now = time.monotonic()
        done = self._commit() if requests or self._due_in(now) <= 0 else False
        for route in requests:
            self._control.answer(route, self._report() if done else {"ok": False, "error": self._trouble})

    def _due_in(self, now: float) -> float:
        return self._batch.due_in(now, _SPARING if self._maintenance.is_sparing else 0.0)

    def _keep_up(self) -> None:
        """Do a step of what need not be done now; samples go first."""
        now = time.monotonic()
        if now < max(self._maintenance_at, self._retry_at) or self._due_in(now) <= 0:
            return
        try:
            self._maintenance_at = now + self._maintenance.turn(self._guarded.store)
        except CannotWrite as error:
            self._log.debug("maintenance has to wait: %s", error)
            self._maintenance_at = now + _LONGEST_WAIT

    def _has_caught_up(self) -> bool:
        """Whether all that the ring has is stored; without a sampler there is nothing to wait for."""
        is_alone = time.monotonic() - self._busy_at >= _ALONE
        return (self._subscriber.caught_up or is_alone) and self._commit()

    def _report(self) -> dict[str, object]:
        device, inode = self._guarded.store.identity
        return {"ok": True, "dev": device, "ino": inode, "newest": self._guarded.store.position}

    def _commit(self) -> bool:
        """Commit what is pending; return whether nothing is pending any more."""
        if not self._batch.items:
            return True
        if time.monotonic() < self._retry_at:
            return False
        store = self._guarded.store
        file = store.identity
        try:
            store.append(self._batch.items, time.time(), durable=self._batch.urgent)
        except CannotWrite as error:
            self._note_trouble(error)
            return False
        if store.identity != file and self._trouble is None:
            self._log.error("%s was moved or deleted: storing into a new one", store.path)
        if self._trouble is not None:
            self._log.warning("%s can be written again", self._guarded.store.path)
            self._trouble = None
        self._log.debug("committed %d samples", len(self._batch.items))
        self._batch.clear()
        self._maintenance_at = 0.0  # what was stored may have completed more than its transaction rolled up
        return True

    def _note_trouble(self, error: CannotWrite) -> None:
        """Say once that the database cannot be written; then be silent until it can."""
        if self._trouble is None:
            self._log.error(
                "cannot write %s: %s; keeping the samples and trying again", self._guarded.store.path, error
            )
        self._trouble = str(error)
        self._retry_at = time.monotonic() + _RETRY
