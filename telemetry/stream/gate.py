"""A gate in front of a ZeroMQ socket: it accepts a bounded number of TCP connections and relays their bytes.

libzmq accepts every connection, 18 KiB each (measured with 4.3.5), until the process has no file descriptor
left, and then aborts the process. So one peer could use up a service's memory or its file descriptors.
Therefore the gate owns the TCP port, and the ZeroMQ socket behind it listens at ``ipc://`` in the runtime
directory. Connections beyond the bounds are closed immediately.

A gate has its own thread, so it costs the sampler's loop no time.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from telemetry.stream.budget import Budget, PeerBudgets, Rate

PLACES: Final = 64
"""The most connections at a time"""
PLACES_EACH: Final = 16
"""The most connections from one address (for IPv6: from one /64 network)"""
FILES: Final = 3 * PLACES + 16
"""File descriptors that a gate and the ZeroMQ socket behind it may use"""
ADMITTED: Final = Rate(20.0, 100)
"""The rate of accepted connections from all addresses: each costs a handshake"""
ADMITTED_EACH: Final = Rate(2.0, 40)
"""The rate of accepted connections from one address"""
ACCEPTED: Final = Rate(500.0, 500, pause=0.02)
"""The rate of connections taken from the kernel's backlog; others wait there, or the kernel refuses them"""
_BACKLOG: Final = 128
_IN_A_ROW: Final = 50
_PIECE: Final = 16 << 10
"""The most bytes buffered in each direction of a connection"""
_FAREWELL: Final = 0.2
"""s at the end for sending the last sample"""
_DEAD_AFTER: Final = 60
"""A connection is closed after this many s without a TCP acknowledgement from the peer"""


class Gate:
    """Relays connections at ``listener`` to the Unix socket ``inner``."""

    def __init__(self, listener: socket.socket, inner: Path) -> None:
        """``listener`` is bound; the gate owns it from now on."""
        self._listener = listener
        self._inner = inner
        self._lock = threading.Lock()
        self._links: dict[int, _Link] = {}
        """Links by the file descriptor of either socket"""
        self._taken: Counter[bytes] = Counter()
        """The number of connections from each address"""
        self._accepts = Budget(ACCEPTED)
        self._admits = PeerBudgets(ADMITTED_EACH, ADMITTED)
        self._wakes, self._waker = socket.socketpair()
        self._is_closing = False
        self._epoll = select.epoll()
        self._epoll.register(self._wakes, select.EPOLLIN)
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._thread = threading.Thread(target=self._run, daemon=True, name="gate")
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def cut(self) -> None:
        """Close all connections: after this returns, nothing more is sent to any of them."""
        with self._lock:
            for link in self._links.values():
                link.cut()

    def close(self) -> None:
        """Accept no more connections; relay bytes until ZeroMQ has closed its end (at most 0.2 s)."""
        self._is_closing = True
        self._waker.send(b"x")
        self._thread.join()
        for it in (self._listener, self._wakes, self._waker, self._epoll):
            it.close()

    def _run(self) -> None:
        listens = False
        end: float | None = None
        while True:
            now = time.monotonic()
            closed = self._accepts.ready_in(now)
            if self._is_closing and end is None:
                end = now + _FAREWELL
            if end is not None and (now >= end or not self._links):
                break
            wants = closed <= 0 and end is None
            if wants and not listens:
                self._epoll.register(self._listener, select.EPOLLIN)
            elif listens and not wants:
                self._epoll.unregister(self._listener)
            listens = wants
            wait = end - now if end is not None else closed if closed > 0 else -1.0
            ready = dict(self._epoll.poll(wait))
            is_called = ready.pop(self._listener.fileno(), 0)
            if ready.pop(self._wakes.fileno(), 0):
                self._wakes.recv(16)
            for file, events in ready.items():
                if (
                    link := self._links.get(file)
                ) is not None:  # None if the link was closed by an event of its other socket
                    self._turn(link, file, events)
            if (
                is_called
            ):  # last, because a new connection may reuse the file descriptor of one that was just closed
                self._accept()
        for link in list(self._links.values()):
            self._end(link)

    def _accept(self) -> None:
        for _ in range(_IN_A_ROW):
            now = time.monotonic()
            if self._accepts.ready_in(now) > 0:
                return
            try:
                outer, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:  # the peer has disconnected, or no file descriptor is left
                self._accepts.take(1)
                continue
            self._accepts.take(1)
            source = source_of(str(address[0]))
            with self._lock:  # a cut at this moment must close this connection too
                if (
                    len(self._links) >= 2 * PLACES
                    or self._taken[source] >= PLACES_EACH
                    or self._admits.ready_in(source, now) > 0
                    or (inner := self._reached()) is None
                ):
                    outer.close()
                    continue
                self._admits.take(source, 1, now)
                self._admit(_Link(outer, inner, source))

    def _reached(self) -> socket.socket | None:
        """Return a connection to the ZeroMQ socket; None if it accepts none now."""
        inner: socket.socket | None = None
        try:
            inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            inner.connect(str(self._inner))
        except OSError:
            if inner is not None:
                inner.close()
            return None
        return inner

    def _admit(self, link: _Link) -> None:
        link.prepare()
        self._taken[link.source] += 1
        for it in link.sockets:
            self._links[it.fileno()] = link
        for it in link.sockets:
            self._epoll.register(it, select.EPOLLIN)

    def _turn(self, link: _Link, file: int, events: int) -> None:
        if not link.turn():
            self._end(link)
            return
        if events & (select.EPOLLHUP | select.EPOLLERR):
            # This end is closed, but bytes from it wait for the other end: epoll would report it endlessly.
            self._epoll.unregister(file)
            link.gone.add(file)
        for it in link.sockets:
            if it.fileno() not in link.gone:
                self._epoll.modify(it, link.wanted(it))

    def _end(self, link: _Link) -> None:
        if link.sockets[0].fileno() < 0:
            return
        with self._lock:
            for it in link.sockets:
                del self._links[it.fileno()]
                it.close()
        self._taken[link.source] -= 1
        if not self._taken[link.source]:
            del self._taken[link.source]


class _Link:
    """A client's connection, its connection to the ZeroMQ socket, and the bytes buffered in between."""

    def __init__(self, outer: socket.socket, inner: socket.socket, source: bytes) -> None:
        self.sockets = (outer, inner)
        self.source = source
        self.gone: set[int] = set()
        self._waiting = {outer: b"", inner: b""}
        """Bytes to be sent to each socket"""

    def prepare(self) -> None:
        outer = self.sockets[0]
        outer.setblocking(False)
        with suppress(OSError):  # the peer has closed it already
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _DEAD_AFTER // 2)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _DEAD_AFTER // 6)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER * 1000)

    def cut(self) -> None:
        with suppress(OSError):  # the peer has closed it already
            self.sockets[0].shutdown(socket.SHUT_RDWR)

    def turn(self) -> bool:
        """Relay as much as possible in both directions; return whether the connection stays open."""
        outer, inner = self.sockets
        return self._pass_on(outer, inner) and self._pass_on(inner, outer)

    def wanted(self, it: socket.socket) -> int:
        """Return the events that ``it`` waits for: space for buffered bytes, or more bytes to read."""
        outer, inner = self.sockets
        other = inner if it is outer else outer
        return (select.EPOLLOUT if self._waiting[it] else 0) | (0 if self._waiting[other] else select.EPOLLIN)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> bool:
        try:
            for _ in range(4):  # bounded, so that other connections get their turn
                if waiting := self._waiting[target]:
                    self._waiting[target] = waiting[target.send(waiting) :]
                if self._waiting[target]:
                    return True
                if not (piece := source.recv(_PIECE)):
                    return False
                self._waiting[target] = piece
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def source_of(address: str) -> bytes:
    """Return the bytes that identify a peer: an IPv4 address, or the first 64 bits of an IPv6 address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped.packed if found.ipv4_mapped else found.packed[:8]
    return found.packed
