"""Controls who may connect by ``tcp://``: CURVE, and an allow-list checked at each handshake (ZAP, RFC 27).

A thread answers libzmq's ZAP requests, so that no handshake waits for a sample. libzmq sends a ZAP request
only when a connection begins. So when a key is removed from the list, all connections are closed, and the
clients that are still allowed reconnect.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Final

import zmq

from telemetry.command import LEAST_OPEN_FILES, check_open_files
from telemetry.service import RateLimited
from telemetry.stream import addresses
from telemetry.stream.gate import FILES, Gate
from telemetry.stream.keys import ServerKeys

_DOMAIN: Final = b"telemetry"
_HANDSHAKE: Final = 5000
"""ms after which a connection without a completed handshake is closed"""
_LOOK_AGAIN: Final = 1000
"""ms between two checks of the allow-list while nobody connects"""


class Door:
    """Protects the ``tcp://`` sockets of one ZeroMQ context."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> None:
        self._keys = keys
        self._refused = RateLimited(keys.log)
        self._lock = threading.Lock()
        self._gates: list[Gate] = []
        self._wakes, self._waker = socket.socketpair()
        self._zap = context.socket(zmq.REP)
        self._zap.setsockopt(zmq.LINGER, 0)
        self._zap.bind("inproc://zeromq.zap.01")
        self._thread = threading.Thread(target=self._run, daemon=True, name="door")
        self._thread.start()

    def inner(self, endpoint: str) -> Path:
        """Return the ``ipc://`` endpoint in the runtime directory that serves a ``tcp://`` endpoint."""
        address = endpoint.removeprefix("tcp://").replace("*", "any").replace("/", "")
        return self._keys.directory / f"tcp-{address}"

    def protect(self, zmq_socket: zmq.Socket[bytes]) -> None:
        """Make the socket a CURVE server before it is bound. Without a ZAP answer it refuses every client."""
        zmq_socket.setsockopt(zmq.CURVE_SERVER, 1)
        zmq_socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.private)
        zmq_socket.setsockopt(zmq.ZAP_DOMAIN, _DOMAIN)
        zmq_socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        zmq_socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE)

    def open(self, endpoint: str, inner: Path) -> int:
        """Accept clients at ``endpoint``; return the port.

        Raises the errors of ``addresses.listening``, and UserError if clients could use up the file
        descriptors of this process.
        """
        check_open_files(LEAST_OPEN_FILES + FILES * (len(self._gates) + 1))
        gate = Gate(addresses.listening(endpoint), inner)
        self._gates.append(gate)
        return gate.port

    def look(self) -> None:
        """Check the allow-list before anything is sent: a client that was removed gets nothing more.

        Raises RuntimeError if a thread has died of a bug: an unreachable service must not keep running.
        """
        self._look()
        if not (self._thread.is_alive() and all(gate.is_alive() for gate in self._gates)):
            raise RuntimeError("a thread that serves tcp:// has ended")

    def _look(self) -> None:
        with self._lock:
            if self._keys.clients.look():
                for gate in self._gates:
                    gate.cut()

    def close(self) -> None:
        """Close the ports. Call it after the ZeroMQ sockets are closed, and before their context is."""
        for gate in self._gates:
            gate.close()
        self._waker.send(b"x")
        self._thread.join()
        self._wakes.close()
        self._waker.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._zap, zmq.POLLIN)
        poller.register(self._wakes.fileno(), zmq.POLLIN)
        with self._zap:
            while self._wakes.fileno() not in (ready := dict(poller.poll(_LOOK_AGAIN))):
                self._look()
                if self._zap in ready:
                    self._answer(self._zap.recv_multipart())

    def _answer(self, request: list[bytes]) -> None:
        """Answer a ZAP request: version, id, domain, address, identity, mechanism, key."""
        version, number, domain, _, _, mechanism, *credentials = request
        with self._lock:
            may = (
                domain == _DOMAIN
                and mechanism == b"CURVE"
                and len(credentials) == 1
                and credentials[0] in self._keys.clients
            )
        if not may:
            self._refused.warning(f"refused a client: its key is not in {self._keys.clients.path}")
        status, text = (b"200", b"OK") if may else (b"400", b"not on the list")
        self._zap.send_multipart([version, number, status, text, b"", b""])
