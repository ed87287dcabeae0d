"""The gate in front of a ZeroMQ socket: it relays bytes, within bounds that no peer can exceed."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from telemetry.stream.gate import ADMITTED_EACH, PLACES, PLACES_EACH, Gate, source_of
from tests.telemetry.streams import has_ipv6, until

ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def test_a_peer_is_an_ipv4_address_or_a_network_of_ipv6() -> None:
    """A machine may choose any address of its /64."""
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("192.0.2.1") == source_of("::ffff:192.0.2.1") != source_of("192.0.2.2")
    assert source_of("fe80::1%lo") == source_of("fe80::2")


class Place:
    """A gate, and the socket behind it, at which the test listens."""

    def __init__(self, directory: Path, address: str = "127.0.0.1") -> None:
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(self._family)
        listener.bind((address, 0))
        self.address = address
        self.behind = socket.socket(socket.AF_UNIX)
        self.behind.bind(str(directory / "inner"))
        self.behind.listen(1000)
        self.behind.settimeout(10)
        self.gate = Gate(listener, directory / "inner")
        self.port = self.gate.port

    def close(self) -> None:
        self.gate.close()
        self.behind.close()

    def connect(self, source: str | None = None) -> socket.socket:
        outer = socket.socket(self._family)
        if source is not None:
            outer.bind((source, 0))
        outer.settimeout(10)
        try:
            outer.connect((self.address, self.port))
        except BaseException:
            outer.close()
            raise
        return outer

    def pair(self, source: str | None = None) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a new connection."""
        outer = self.connect(source)
        inner, _ = self.behind.accept()
        inner.settimeout(10)
        return outer, inner


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(Place(tmp_path)) as place:
        yield place


def received(from_: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count and (piece := from_.recv(1 << 16)):
        got += piece
    return bytes(got)


def is_closed(it: socket.socket) -> bool:
    """Return whether the other side has closed it, without waiting."""
    ready, _, _ = select.select([it], [], [], 0)
    try:
        return bool(ready) and it.recv(1, socket.MSG_PEEK) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
def test_bytes_are_relayed_in_both_directions_at_once(tmp_path: Path, address: str) -> None:
    up, down = os.urandom(3 << 20), os.urandom(2 << 20)
    with closing(Place(tmp_path, address)) as place:
        outer, inner = place.pair()
        with outer, inner:
            senders = [
                threading.Thread(target=it.sendall, args=(data,)) for it, data in ((outer, up), (inner, down))
            ]
            got: list[bytes] = []
            reader = threading.Thread(target=lambda: got.append(received(inner, len(up))))
            for thread in (*senders, reader):
                thread.start()
            assert received(outer, len(down)) == down
            for thread in (*senders, reader):
                thread.join()
            assert got == [up]


def test_closing_either_end_closes_both_after_all_bytes_are_delivered(place: Place) -> None:
    for first in (0, 1):
        ends = place.pair()
        data = os.urandom(1 << 16)
        ends[first].sendall(data)
        ends[first].close()
        assert received(ends[1 - first], 1 << 20) == data
        ends[1 - first].close()


def test_a_peer_that_does_not_read_delays_no_other(place: Place) -> None:
    slow, behind_slow = place.pair()
    quick, behind_quick = place.pair()
    with slow, behind_slow, quick, behind_quick:
        behind_slow.setblocking(False)
        sent = 0
        end = time.monotonic() + 0.5
        while time.monotonic() < end:  # until all buffers are full
            try:
                sent += behind_slow.send(bytes(1 << 16))
                end = time.monotonic() + 0.5
            except BlockingIOError:
                time.sleep(0.01)
        assert sent < 64 << 20, "the buffers are bounded"
        for number in range(100):
            behind_quick.sendall(b"%4d" % number)
            assert received(quick, 4) == b"%4d" % number
        assert len(received(slow, sent)) == sent


def test_connections_are_bounded_per_address_and_in_total(place: Place) -> None:
    with ExitStack() as stack:
        first = [stack.enter_context(place.connect("127.0.0.1")) for _ in range(PLACES_EACH + 5)]
        until(lambda: sum(map(is_closed, first)) == 5)
        for number in range(2, 2 + PLACES // PLACES_EACH):
            for _ in range(PLACES_EACH):
                stack.enter_context(place.connect(f"127.0.0.{number}"))
        other = stack.enter_context(place.connect("127.0.0.200"))
        until(lambda: is_closed(other))
        inners = []
        place.behind.setblocking(False)
        while select.select([place.behind], [], [], 0.2)[0]:
            inners.append(stack.enter_context(place.behind.accept()[0]))
        assert len(inners) == PLACES
        # A closed connection makes room for the next one.
        for inner in inners[:PLACES_EACH]:
            inner.close()
        late = stack.enter_context(place.connect("127.0.0.201"))
        assert select.select([place.behind], [], [], 10)[0]
        stack.enter_context(place.behind.accept()[0])
        assert not is_closed(late)


def test_the_handshakes_of_one_address_are_bounded(place: Place) -> None:
    admitted = 0
    place.behind.setblocking(False)
    begun = time.monotonic()
    for _ in range(300):
        with place.connect() as outer:
            select.select([place.behind, outer], [], [], 10)  # each connection is either admitted or closed
            if select.select([place.behind], [], [], 0)[0]:
                admitted += 1
                place.behind.accept()[0].close()
            assert outer.recv(1) == b""
    most = ADMITTED_EACH.burst + ADMITTED_EACH.rate * (time.monotonic() - begun) + 1
    assert ADMITTED_EACH.burst <= admitted <= most


def test_a_cut_closes_all_open_connections_and_no_later_ones(place: Place) -> None:
    ends = [place.pair() for _ in range(3)]
    place.gate.cut()
    for outer, inner in ends:
        inner.settimeout(10)
        assert inner.recv(1) == b""
        assert received(outer, 1) == b""
        outer.close()
        inner.close()
    outer, inner = place.pair()
    with outer, inner:
        inner.sendall(b"again")
        assert received(outer, 5) == b"again"


def test_without_a_socket_behind_it_the_gate_closes_connections(place: Place) -> None:
    path = Path(place.behind.getsockname())
    place.behind.close()
    path.unlink()
    with place.connect() as outer:
        until(lambda: is_closed(outer))
    place.behind = socket.socket(socket.AF_UNIX)
    place.behind.bind(str(path))
    place.behind.listen()
    place.behind.settimeout(10)
    outer, inner = place.pair()
    with outer, inner:
        outer.sendall(b"back")
        assert received(inner, 4) == b"back"


def test_bytes_sent_last_are_still_delivered(tmp_path: Path) -> None:
    place = Place(tmp_path)
    outer, inner = place.pair()
    with outer:
        inner.sendall(b"farewell")
        inner.close()
        place.close()
        assert received(outer, 100) == b"farewell"
    with pytest.raises(ConnectionRefusedError):
        place.connect()


def test_close_does_not_wait_for_clients_that_stay_connected(tmp_path: Path) -> None:
    place = Place(tmp_path)
    outer, inner = place.pair()
    with outer, inner:
        place.close()
        assert received(outer, 1) == b""
