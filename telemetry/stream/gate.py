"""A gate before a ZeroMQ socket: it takes TCP connections within bounds, and passes their bytes on.

libzmq accepts whoever comes until the process has no file left, 18 KiB each (measured with 4.3.5): one peer
can take all memory of a service, or all its files, and for want of a file libzmq ends the process. So the
TCP port is ours, and the ZeroMQ socket behind it listens at ``ipc://`` in the runtime directory. What comes
over the bounds is closed at once.

A gate has a thread of its own: it costs the sampler's loop no time.
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
"""Connections at a time"""
PLACES_EACH: Final = 16
"""Of them from one address; of IPv6, one network of 64 bits"""
FILES: Final = 3 * PLACES + 16
"""Files that a gate and the ZeroMQ socket behind it may take"""
ADMITTED: Final = Rate(20.0, 100)
"""Connections that are let in, of all addresses: each costs a handshake"""
ADMITTED_EACH: Final = Rate(2.0, 40)
"""Connections of one address"""
ACCEPTED: Final = Rate(500.0, 500, pause=0.02)
"""Connections that are looked at; the others wait in the kernel's backlog, or are turned away there"""
_BACKLOG: Final = 128
_IN_A_ROW: Final = 50
_PIECE: Final = 16 << 10
"""Bytes under way in each direction of a connection"""
_FAREWELL: Final = 0.2
"""s in which the last sample still goes out"""
_DEAD_AFTER: Final = 60
"""s without an answer of a peer's TCP after which its connection is closed"""


class Gate:
    """Passes what comes at ``listener`` on to the Unix socket ``inner``."""

    def __init__(self, listener: socket.socket, inner: Path) -> None:
        """``listener`` is bound, and the gate's from now on."""
        self._listener = listener
        self._inner = inner
        self._lock = threading.Lock()
        self._links: dict[int, _Link] = {}
        """By the file number of either of its sockets"""
        self._taken: Counter[bytes] = Counter()
        """Connections of each address"""
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
        """End all connections: when this returns, nothing more goes to any of them."""
        with self._lock:
            for link in self._links.values():
                link.cut()

    def close(self) -> None:
        """Take no more connections; pass on what is under way, until ZeroMQ has closed its end (0.2 s)."""
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
                if (link := self._links.get(file)) is not None:  # unless its other end was closed just now
                    self._turn(link, file, events)
            if is_called:  # last: a new connection may get the number of one that was closed just now
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
            except OSError:  # the peer has gone, or there is no file for it
                self._accepts.take(1)
                continue
            self._accepts.take(1)
            source = _source(str(address[0]))
            with self._lock:  # a cut at this moment ends this connection too
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
        """Return a connection to the ZeroMQ socket; None where it takes none now."""
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
            # Closed at that end, while bytes from there wait for the other one: it would wake us on and on.
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
    """A client's connection, that to the ZeroMQ socket, and the bytes under way between them."""

    def __init__(self, outer: socket.socket, inner: socket.socket, source: bytes) -> None:
        self.sockets = (outer, inner)
        self.source = source
        self.gone: set[int] = set()
        self._waiting = {outer: b"", inner: b""}
        """Bytes that are to be sent to each"""

    def prepare(self) -> None:
        outer = self.sockets[0]
        outer.setblocking(False)
        with suppress(OSError):  # it is closed already
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _DEAD_AFTER // 2)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _DEAD_AFTER // 6)
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER * 1000)

    def cut(self) -> None:
        with suppress(OSError):  # the peer did that already
            self.sockets[0].shutdown(socket.SHUT_RDWR)

    def turn(self) -> bool:
        """Pass on what can be, in both directions; return whether the connection goes on."""
        outer, inner = self.sockets
        return self._pass_on(outer, inner) and self._pass_on(inner, outer)

    def wanted(self, it: socket.socket) -> int:
        """Return the events that ``it`` waits for: room for what is to be sent, or more to read."""
        outer, inner = self.sockets
        other = inner if it is outer else outer
        return (select.EPOLLOUT if self._waiting[it] else 0) | (0 if self._waiting[other] else select.EPOLLIN)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> bool:
        try:
            for _ in range(4):  # the other connections have their turn, too
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


def _source(address: str) -> bytes:
    """Return what stands for one peer: an IPv4 address, or the 64 bits of an IPv6 network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped.packed if found.ipv4_mapped else found.packed[:8]
    return found.packed
