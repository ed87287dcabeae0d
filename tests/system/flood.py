"""A flood of TCP: ``python -m tests.system.flood SECONDS SERVER_KEY_FILE PORT PORT``; prints counts as JSON.

It comes from many addresses of 127.0.0.0/8, as a network of machines would.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import zmq

from telemetry.stream.keys import ClientKeys, read_public

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
HELLO = b"\x04\xc8" + b"\x05HELLO\x01\x00" + bytes(192)
"""The right length, but random content"""
HUGE = b"\x02" + (1 << 62).to_bytes(8, "big")
"""The start of a frame of 4 EiB"""
_HELD = 2000


class Flood:
    def __init__(self, ports: list[int], server: bytes, end: float) -> None:
        self._ports = itertools.cycle(ports)
        self._server = server
        self._end = end
        self._random = random.Random(16)
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        kinds = (self.connects, self.holds, self.garbage, self.handshakes)
        threads = [threading.Thread(target=kind) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def connects(self) -> None:
        """Connect and close."""
        self._repeat("connects", lambda one: one.close())

    def holds(self) -> None:
        """Begin a handshake, and keep the connection open."""
        held: deque[socket.socket] = deque()

        def hold(one: socket.socket) -> None:
            one.send(GREETING + self._random.choice([b"", b"\x04", HELLO[:50]]))
            held.append(one)
            if len(held) > _HELD:
                held.popleft().close()

        self._repeat("half handshakes", hold)
        for one in held:
            one.close()

    def garbage(self) -> None:
        """Send random bytes, alone or after the start of a handshake."""

        def send(one: socket.socket) -> None:
            first = self._random.choice([b"", GREETING, GREETING + HELLO, GREETING + HUGE])
            one.send(first + os.urandom(self._random.choice([0, 1, 64, 4096, 1 << 16])))
            one.close()

        self._repeat("garbage", send)

    def handshakes(self) -> None:
        """Do real handshakes: with keys that are not on the list, and without keys."""
        with zmq.Context[zmq.Socket[bytes]]() as context:
            while time.monotonic() < self._end:
                ones = [context.socket(kind) for kind in (zmq.SUB, zmq.DEALER, zmq.SUB, zmq.REQ)]
                for number, one in enumerate(ones):
                    endpoint = f"tcp://127.0.0.1:{next(self._ports)}"
                    one.setsockopt(zmq.LINGER, 0)
                    if number:
                        ClientKeys(self._server, zmq.curve_keypair()[1]).protect(one, endpoint)
                    one.connect(endpoint)
                    self.counts["handshakes"] += 1
                time.sleep(0.02)
                for one in ones:
                    one.close()

    def _repeat(self, what: str, use: Callable[[socket.socket], None]) -> None:
        while time.monotonic() < self._end:
            one = socket.socket()
            try:
                one.settimeout(0.5)
                numbers = (self._random.randrange(1, 255) for _ in range(3))
                one.bind(("127.{}.{}.{}".format(*numbers), 0))
                one.connect(("127.0.0.1", next(self._ports)))
                use(one)
                self.counts[what] += 1
            except OSError:
                one.close()
                self.counts["turned away"] += 1


def main(seconds: str, server_key: str, *ports: str) -> None:
    flood = Flood(
        [int(port) for port in ports], read_public(Path(server_key)), time.monotonic() + float(seconds)
    )
    flood.run()
    print(json.dumps(flood.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
