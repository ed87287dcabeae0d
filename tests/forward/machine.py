"""A database, a cursor and an engine with a simulated clock: the test moves it, and waiting is instant."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from forward.client import Client, target
from forward.cursor import Cursor
from forward.delivery import Delivery
from forward.loop import Forwarder, Times
from forward.samples import Choice
from telemetry.database.reader import reading
from telemetry.records import SCHEMA
from tests.forward.engine import Engine
from writer.store import Store

NOW: Final = 1_800_100_000.0
"""The Unix time of these tests: a day after the samples of tests.writer.samples"""


class Machine:
    """Everything that a forwarder needs."""

    def __init__(self, directory: Path) -> None:
        self.database = directory / "telemetry.db"
        self.cursor = directory / "cursor.db"
        self.engine = Engine().start()
        self.now = NOW
        self.monotonic = 1000.0
        self.choice = Choice(None, "name", 5, 500)
        self.size = 100
        self.waits = 0
        self.log = logging.getLogger("telemetry-forward")
        self._forwarder: Forwarder | None = None
        self._open = ExitStack()

    def store(self) -> Store:
        return Store(self.database)

    def _wait(self, seconds: float) -> bool:
        self.now += seconds
        self.monotonic += seconds
        self.waits += 1
        assert self.waits < 1000, "it would wait for ever"
        return False

    def forwarder(self) -> Forwarder:
        """Return the forwarder; ``restart`` makes a new one."""
        if self._forwarder is None:
            cursor = self._open.enter_context(Cursor(self.cursor, self.engine.url))
            client = Client(target(self.engine.url))
            self._open.callback(client.close)
            delivery = Delivery(
                client.post,
                where=self.engine.url,
                wait=self._wait,
                random=lambda: 0.5,
                log=self.log,
                clock=lambda: self.monotonic,
            )
            self._forwarder = Forwarder(
                lambda: reading(self.database, SCHEMA, "telemetry-forward"),
                cursor,
                delivery,
                self.choice,
                times=Times(lambda: self.now, lambda: self.monotonic, self._wait, lambda: 0.5),
                log=self.log,
                size=self.size,
            )
        return self._forwarder

    def send(self, after: float = 10.0) -> int:
        """Let ``after`` s pass, then send everything that is found; return the number of requests."""
        before = self.engine.requests
        self.now += after
        self.monotonic += after
        self.forwarder().run_once()
        return self.engine.requests - before

    def restart(self) -> None:
        """End the forwarder as a kill between two requests would: it writes nothing more."""
        self._open.close()
        self._forwarder = None

    def close(self) -> None:
        self.restart()
        self.engine.kill()
