"""The writer's end of the control socket (see ``telemetry.stream.control`` for the protocol)."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import zmq

from telemetry.stream.control import VERSION, is_commit
from telemetry.stream.endpoints import BoundSocket

_REQUESTS_IN_A_ROW = 50


class ControlServer:
    """Poll ``socket``; take ``requests``; commit; ``answer`` each."""

    def __init__(self, endpoint: str) -> None:
        """Bind; raises UserError where the endpoint is taken."""
        self._context = zmq.Context[zmq.Socket[bytes]]()
        try:
            self._bound = BoundSocket(self._context, zmq.ROUTER, endpoint, "telemetry-writer")
        except BaseException:
            self._context.term()
            raise

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """What to poll."""
        return self._bound.socket

    def requests(self) -> list[list[bytes]]:
        """Return the routes of those that wait for a commit; anything else is answered with an error."""
        self._bound.renew_if_unlinked()
        routes: list[list[bytes]] = []
        for _ in range(_REQUESTS_IN_A_ROW):
            try:
                *route, frame = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            if is_commit(frame):
                routes.append(route)
            else:
                self.answer(route, {"ok": False, "error": 'only {"v":1,"op":"commit"} is known'})
        return routes

    def answer(self, route: list[bytes], fields: dict[str, Any]) -> None:
        """Answer one request; a client that has gone is no error."""
        body = json.dumps({"v": VERSION} | fields).encode()
        with suppress(zmq.ZMQError):
            self.socket.send_multipart([*route, body], zmq.DONTWAIT)

    def close(self) -> None:
        """Unbind."""
        self._bound.close()
        self._context.term()
