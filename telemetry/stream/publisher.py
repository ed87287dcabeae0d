"""The sampler's end of the stream: PUB for whoever listens now, ROUTER for what they missed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import zmq

from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.replay import answer
from telemetry.stream.ring import Ring

_HIGH_WATER = 1000
"""Messages kept for a subscriber that does not read, about 1 MB; what is over is for it to replay."""
_REPLIES_KEPT = 4
"""Replies kept for a client that asks and does not read: each is a page, 256 KiB."""
_REQUESTS_IN_A_ROW = 50
"""After so many answers the clock is looked at: a flood of requests must not delay the next sample."""


class Readable(Protocol):
    """Anything that can be polled."""

    def fileno(self) -> int: ...


class Publisher:
    """Publishes samples and serves replay, in the thread of its caller. No send ever blocks."""

    def __init__(self, publish: Sequence[str], replay: str, ring: Ring, run: str) -> None:
        """Bind every endpoint; raises UserError where one cannot be bound."""
        self._ring = ring
        self._run = run
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._publish: list[BoundSocket] = []
        try:
            for endpoint in publish:
                self._publish.append(
                    BoundSocket(self._context, zmq.PUB, endpoint, "telemetry-sampler", high_water=_HIGH_WATER)
                )
            self._replay = BoundSocket(
                self._context, zmq.ROUTER, replay, "telemetry-sampler", high_water=_REPLIES_KEPT
            )
        except BaseException:
            for bound in self._publish:
                bound.close()
            self._context.term()
            raise

    def publish(self, topic: str, seq: int, body: bytes) -> None:
        """Keep the sample in the ring, then send it: what was seen can always be asked for again."""
        self._ring.append(self._run, seq, body)
        for bound in (*self._publish, self._replay):
            bound.renew_if_unlinked()
        for bound in self._publish:
            bound.socket.send_multipart([topic.encode(), body])

    def serve(self, deadline: float, stop: Readable) -> None:
        """Answer replay requests until ``deadline`` (monotonic) or until ``stop`` is readable."""
        poller = zmq.Poller()
        poller.register(self._replay.socket, zmq.POLLIN)
        poller.register(stop.fileno(), zmq.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            # Rounded up: poll() counts whole milliseconds, and 0 would spin through the last one.
            ready = dict(poller.poll(int(left * 1000) + 1))
            if stop.fileno() in ready:
                return
            if self._replay.socket in ready:
                self._answer_some()

    def _answer_some(self) -> None:
        socket = self._replay.socket
        for _ in range(_REQUESTS_IN_A_ROW):
            try:
                *route, request = socket.recv_multipart(zmq.DONTWAIT)
                socket.send_multipart([*route, *answer(request, self._ring, self._run)], zmq.DONTWAIT)
            except zmq.Again:  # no request left, or a client that does not read its replies
                return
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise

    def close(self) -> None:
        """Close the sockets; the last sample still goes to subscribers that keep up (at most 0.1 s)."""
        for bound in (*self._publish, self._replay):
            bound.close()
        self._context.term()
