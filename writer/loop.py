"""The writer's loop: receive, gather, commit when it is due or asked for."""

from __future__ import annotations

import logging
import time

from telemetry.service import StopSignal
from telemetry.stream.control_server import ControlServer
from telemetry.stream.subscriber import Subscriber
from writer.ingest import Batch
from writer.keeper import Keeper
from writer.store import CannotWrite

_LONGEST_WAIT = 60.0
_RETRY = 1.0
"""s between tries while the database cannot be written"""


class Loop:
    """Stores one stream into one database. What cannot be written now is kept and tried again."""

    def __init__(
        self,
        keeper: Keeper,
        subscriber: Subscriber,
        control: ControlServer,
        commit_interval: float,
        log: logging.Logger,
    ) -> None:
        self._keeper = keeper
        self._subscriber = subscriber
        self._control = control
        self._batch = Batch(commit_interval)
        self._log = log
        self._trouble: str | None = None
        self._retry_at = 0.0

    def run(self, stop: StopSignal) -> None:
        """Run until ``stop``; then commit what is left."""
        while not stop.requested:
            now = time.monotonic()
            wait = min(_LONGEST_WAIT, max(self._batch.due_in(now), self._retry_at - now))
            if self._batch.full:  # the ring keeps what follows
                stop.wait(wait)
            else:
                items = self._subscriber.receive(wait, [stop, self._control.socket])
                self._batch.add(items, time.monotonic())
            self._serve()
        self._retry_at = 0.0
        if not self._commit():
            self._log.error("%d samples are not stored; the ring has them", len(self._batch.items))

    def _serve(self) -> None:
        self._keeper.tend()
        requests = self._control.requests()
        now = time.monotonic()
        done = self._commit() if requests or self._batch.due_in(now) <= 0 else False
        for route in requests:
            self._control.answer(route, self._report() if done else {"ok": False, "error": self._trouble})

    def _report(self) -> dict[str, object]:
        device, inode = self._keeper.store.identity
        return {"ok": True, "dev": device, "ino": inode, "newest": self._keeper.store.position}

    def _commit(self) -> bool:
        """Commit what is pending; return whether nothing is pending any more."""
        if not self._batch.items:
            return True
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._keeper.store.append(self._batch.items, time.time(), durable=self._batch.urgent)
        except CannotWrite as error:
            if self._trouble is None:
                self._log.error(
                    "cannot write %s: %s; keeping the samples and trying again",
                    self._keeper.store.path,
                    error,
                )
            self._trouble = str(error)
            self._retry_at = time.monotonic() + _RETRY
            return False
        if self._trouble is not None:
            self._log.warning("%s can be written again", self._keeper.store.path)
            self._trouble = None
        self._log.debug("committed %d samples", len(self._batch.items))
        self._batch.clear()
        return True
