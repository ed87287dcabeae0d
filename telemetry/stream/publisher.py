"""The sampler's end of the stream: PUB for live samples, ROUTER for missed ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import zmq

from telemetry.stream.budget import READS, Budget, FairQueue, PeerBudgets, Rate
from telemetry.stream.door import Door
from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.keys import ServerKeys, is_tcp
from telemetry.stream.presence import Renewable
from telemetry.stream.replay import answer
from telemetry.stream.ring import Ring

_HIGH_WATER = 1000
"""Messages kept for a subscriber that does not read, about 1 MB; it must fetch the rest by replay."""
_REPLIES_KEPT = 4
"""Replies kept for a client that does not read them: each is a page of 256 KiB."""
_HIGH_WATER_TCP, _REPLIES_KEPT_TCP = 100, 1
"""The same for each client on the network; there may be ``gate.PLACES`` of them"""
_REQUESTS_IN_A_ROW = 50
"""After this many requests, the stop signal is checked."""
EACH = Rate(2 << 20, 16 << 20)
"""Bytes of replies for each peer: the whole ring twice at once, then 2 MiB a second."""
TOTAL = Rate(8 << 20, 64 << 20)
"""Bytes of replies for all peers"""
LEAST_COST = 16 << 10
"""The cost of a reply in addition to its bytes"""


class Readable(Protocol):
    """Anything that can be polled."""

    def fileno(self) -> int: ...


class Publisher:
    """Publishes samples and serves replay, in the thread of its caller. No send ever blocks."""

    def __init__(
        self,
        publish: Sequence[str],
        replay: str | Sequence[str],
        ring: Ring,
        run: str,
        keys: ServerKeys | None = None,
    ) -> None:
        """Bind every endpoint. ``keys`` are for ``tcp://`` endpoints.

        Raises UserError if one cannot be bound.
        """
        self._ring = ring
        self._run = run
        self._reads = Budget(READS)
        self._budgets = PeerBudgets(EACH, TOTAL)
        self._waiting = FairQueue(self._budgets)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._door = Door(self._context, keys) if keys else None
        self._publish: list[BoundSocket] = []
        self._replay: list[BoundSocket] = []
        try:
            for endpoint in publish:
                self._publish.append(
                    self._bound(zmq.PUB, endpoint, _HIGH_WATER_TCP if is_tcp(endpoint) else _HIGH_WATER)
                )
            for endpoint in [replay] if isinstance(replay, str) else replay:
                self._replay.append(
                    self._bound(
                        zmq.ROUTER, endpoint, _REPLIES_KEPT_TCP if is_tcp(endpoint) else _REPLIES_KEPT
                    )
                )
        except BaseException:
            for bound in (*self._publish, *self._replay):
                bound.close()
            if self._door is not None:
                self._door.close()
            self._context.destroy(linger=0)  # term() would wait for any socket that is still open
            raise

    def _bound(self, kind: int, endpoint: str, high_water: int) -> BoundSocket:
        return BoundSocket(
            self._context, kind, endpoint, "telemetry-sampler", high_water=high_water, door=self._door
        )

    def publish(self, topic: str, seq: int, body: bytes) -> None:
        """Put the sample into the ring, then send it, so that every sample that was sent can be replayed."""
        self._ring.append(self._run, seq, body)
        self._look()
        for bound in self._publish:
            bound.socket.send_multipart([topic.encode(), body])

    @property
    def parts(self) -> tuple[Renewable, ...]:
        """The files in the runtime directory, in the order in which they must be recreated.

        The ring comes first: the process that holds its lock owns the directory.
        """
        return (self._ring, *self._publish, *self._replay)

    def serve(self, deadline: float, stop: Readable) -> None:
        """Answer replay requests until ``deadline`` (monotonic) or until ``stop`` is readable."""
        while (left := deadline - (now := time.monotonic())) > 0:
            poller = zmq.Poller()
            poller.register(stop.fileno(), zmq.POLLIN)
            closed = self._reads.ready_in(now)
            if closed <= 0:
                for bound in self._replay:
                    poller.register(bound.socket, zmq.POLLIN)
            wait = min(left, closed or left, self._waiting.ready_in(now))
            # Rounded up: poll() takes whole milliseconds, and with 0 this would be a busy loop at the end.
            ready = dict(poller.poll(int(wait * 1000) + 1 if wait > 0 else 0))
            if stop.fileno() in ready:
                return
            self._look()
            for number, bound in enumerate(self._replay):
                if bound.socket in ready:
                    self._read_some(bytes([number]), bound.socket)
            self._answer_some(deadline)

    def _look(self) -> None:
        """Check the list of clients before anything is sent: a removed client must not receive it."""
        if self._door is not None:
            self._door.look()

    def _read_some(self, which: bytes, replay: zmq.Socket[bytes]) -> None:
        for _ in range(_REQUESTS_IN_A_ROW):
            try:
                peer, *request = replay.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self._reads.take(1)
            self._waiting.add(which + peer, request)

    def _answer_some(self, deadline: float) -> None:
        """Answer the requests whose turn it is; a flood of requests must not delay the next sample."""
        for _ in range(_REQUESTS_IN_A_ROW):
            now = time.monotonic()
            if now >= deadline or (taken := self._waiting.take(now)) is None:
                return
            peer, (*route, request) = taken
            frames = answer(request, self._ring, self._run)
            self._budgets.take(peer, sum(map(len, frames), LEAST_COST), now)
            try:
                self._replay[peer[0]].socket.send_multipart([peer[1:], *route, *frames], zmq.DONTWAIT)
            except zmq.ZMQError as error:  # the client does not read its replies, or has disconnected
                if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                    raise

    def close(self) -> None:
        """Close the sockets; the last sample still goes to subscribers that keep up (at most 0.1 s)."""
        for bound in (*self._publish, *self._replay):
            bound.close()
        if self._door is not None:
            self._door.close()
        self._context.term()
