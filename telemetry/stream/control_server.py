"""The writer's end of the control socket (see ``telemetry.stream.control`` for the protocol)."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import Any

import zmq

from telemetry.stream.budget import READS, Budget
from telemetry.stream.control import CHECK, VERSION, operation
from telemetry.stream.door import Door
from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.keys import ServerKeys
from telemetry.stream.presence import Presence

OWNER = "telemetry-writer"
_REQUESTS_IN_A_ROW = 50


class ControlServer:
    """Poll ``socket``; take ``requests``; commit; ``answer`` each."""

    check_wanted = False
    """Whether a check was requested since this was last set to False."""

    def __init__(
        self, endpoint: str, presence: Presence | None = None, keys: ServerKeys | None = None
    ) -> None:
        """Bind. ``presence`` watches the runtime directory; ``keys`` are for ``tcp://``.

        Raises UserError if the endpoint is in use.
        """
        self._presence = presence or Presence(None, logging.getLogger(OWNER))
        self._reads = Budget(READS)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._door = Door(self._context, keys) if keys else None
        try:
            self._bound = BoundSocket(self._context, zmq.ROUTER, endpoint, OWNER, door=self._door)
        except BaseException:
            if self._door is not None:
                self._door.close()
            self._context.destroy(linger=0)  # term() would wait for any socket that is still open
            raise

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """The socket to poll."""
        return self._bound.socket

    def keep(self) -> None:
        """Recreate the socket if somebody removed it.

        Raises TakenOver if another writer has it now.
        """
        self._presence.keep([self._bound])

    def ready_in(self, now: float) -> float:
        """Return the seconds until requests are read again; 0 except during a flood of requests."""
        return self._reads.ready_in(now)

    def requests(self) -> list[list[bytes]]:
        """Return the routes of requests for a commit; any other message is answered with an error."""
        if self._door is not None:
            self._door.look()
        routes: list[list[bytes]] = []
        for _ in range(_REQUESTS_IN_A_ROW):
            if self._reads.ready_in(time.monotonic()) > 0:
                break
            try:
                *route, frame = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            self._reads.take(1)
            asked = operation(frame)
            if asked is None:
                error = 'only {"v":1,"op":"commit"} and {"v":1,"op":"check"} are known'
                self.answer(route, {"ok": False, "error": error})
                continue
            self.check_wanted = self.check_wanted or asked == CHECK
            routes.append(route)
        return routes

    def answer(self, route: list[bytes], fields: dict[str, Any]) -> None:
        """Answer one request; a client that has gone is not an error."""
        body = json.dumps({"v": VERSION} | fields).encode()
        with suppress(zmq.ZMQError):
            self.socket.send_multipart([*route, body], zmq.DONTWAIT)

    def close(self) -> None:
        """Unbind."""
        self._bound.close()
        if self._door is not None:
            self._door.close()
        self._context.term()
