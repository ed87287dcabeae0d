"""Which endpoints a socket can use: IPv6, host names, malformed ones, paths of any bytes."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import UsageError, UserError
from telemetry.sample import encode
from telemetry.stream import addresses
from telemetry.stream.control import request_commit
from telemetry.stream.control_server import ControlServer
from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import Ring
from telemetry.stream.subscriber import Subscriber
from tests.strategies import sample
from tests.telemetry.keyring import Keys
from tests.telemetry.streams import Context, has_ipv6, until

MALFORMED = [
    "tcp://::1:5555",
    "tcp://[::1:5555",
    "tcp://::1]:5555",
    "tcp://[::1]5555",
    "tcp://[::1]",
    "tcp://[::1]:",
    "tcp://[::1]:99999",
    "tcp://[::1]:-1",
    "tcp://[::1]:5x",
    "tcp://[]:5555",
    "tcp://[zz]:5555",
    "tcp://[1.2.3.4]:5555",
    "tcp://[::1%no-such-interface]:5555",
    "tcp://127.0.0.1:99999",
    "tcp://127.0.0.1",
    "tcp://:5555",
    "tcp://",
    "inproc://samples",
    "tcp://127.0.0.1:1\0",
]


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


def free_port(family: int, address: str) -> int:
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def ring() -> Iterator[Ring]:
    with closing(Ring(None, 1 << 16)) as ring:
        yield ring


@pytest.mark.parametrize("endpoint", MALFORMED)
def test_a_malformed_endpoint_is_a_usage_error_on_either_side(
    tmp_path: Path, ring: Ring, endpoint: str
) -> None:
    good = f"ipc://{tmp_path}/good"
    for publish, replay in ((endpoint, good), (good, endpoint)):
        with pytest.raises(UsageError):
            Publisher([publish], replay, ring, "a")
        with pytest.raises(UsageError):
            Subscriber(publish, replay)
    with pytest.raises(UsageError):
        ControlServer(endpoint)
    database = tmp_path / "db"
    database.touch()
    assert request_commit(endpoint, database, 0.01) is None


@pytest.mark.parametrize("endpoint", ["tcp://*:*", "tcp://127.0.0.1:*", "tcp://[::]:*", "tcp://127.0.0.1:0"])
def test_the_kernel_may_choose_a_port_to_bind_but_not_one_to_connect_to(endpoint: str) -> None:
    addresses.needs_ipv6(endpoint.replace("[::]", "*"), binds=True)
    with pytest.raises(UsageError, match="an endpoint looks like"):
        addresses.needs_ipv6(endpoint, binds=False)


@ipv6
@pytest.mark.parametrize(
    ("bound", "connected"),
    [
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[::]", "[::1]"),
        ("[::]", "127.0.0.1"),
        ("*", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
    ],
)
def test_every_socket_reaches_its_peer(tmp_path: Path, ring: Ring, bound: str, connected: str) -> None:
    """Sockets that other machines can reach have keys; sockets without keys are on the loopback only."""
    ports = [free_port(socket.AF_INET6, "::") for _ in range(3)]
    publish, replay, control = (f"tcp://{bound}:{port}" for port in ports)
    to_publish, to_replay, to_control = (f"tcp://{connected}:{port}" for port in ports)
    of_server, of_client = None, None
    if bound in ("[::]", "*"):
        known = Keys(tmp_path)
        of_server, of_client = known.server(), known.client()
    never, other = socket.socketpair()
    got = []
    with never, other, closing(Publisher([publish], replay, ring, "a", of_server)) as publisher:
        seq = 1
        publisher.publish("sample/h/", seq, encode(sample("a", seq)))
        with Subscriber(to_publish, to_replay, keys=of_client) as subscriber:

            def live() -> bool:
                """The first sample comes from replay, the next ones are live."""
                nonlocal seq
                got.extend(subscriber.receive(0.005))
                publisher.serve(publisher_deadline(), never)
                if got:
                    seq += 1
                    publisher.publish("sample/h/", seq, encode(sample("a", seq)))
                return len(got) > 2

            until(live)
    database = tmp_path / "db"
    database.touch()
    with (
        closing(ControlServer(control, None, of_server)) as server,
        Context() as context,
        context.socket(zmq.REQ) as client,
    ):
        if of_client is not None:
            of_client.protect(client, to_control)
        addresses.connect(client, to_control)
        client.send(b'{"v":1,"op":"commit"}')
        assert server.socket.poll(10_000)
        assert len(server.requests()) == 1


@pytest.mark.parametrize(
    "address",
    [
        *("*", "0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "192.0.2.7", "[2001:db8::7]", "[fe80::1]", "[::2]"),
        *("128.0.0.1", "[::ffff:192.0.2.7]", "eth0", "lo", "no-such-name.invalid", "0", "10.127.0.0.1"),
        *("127.0.0.1;192.0.2.7", "192.0.2.7;127.0.0.1", "127.0.0.1;*", " 127.0.0.1", "2130706433"),
    ],
)
def test_no_socket_is_open_to_other_machines_without_keys(tmp_path: Path, ring: Ring, address: str) -> None:
    endpoint, good = f"tcp://{address}:5555", f"ipc://{tmp_path}/good"
    for publish, replay in (
        ([endpoint], good),
        ([good, endpoint], good + "2"),
        ([good], [good + "2", endpoint]),
    ):
        with pytest.raises(UsageError, match="--key and --clients, or bind to this machine alone"):
            Publisher(publish, replay, ring, "a")
    with pytest.raises(UsageError, match="--key and --clients, or bind to this machine alone"):
        ControlServer(endpoint)


@pytest.mark.parametrize("scheme", ["udp", "epgm", "pgm", "norm", "tipc", "vmci", "ws", "wss", "TCP"])
def test_no_transport_is_allowed_that_keys_cannot_protect(ring: Ring, tmp_path: Path, scheme: str) -> None:
    with pytest.raises(UsageError, match="neither ipc:// nor tcp://"):
        Publisher([f"{scheme}://127.0.0.1:5555"], f"ipc://{tmp_path}/good", ring, "a")


@given(st.ip_addresses())
def test_loopback_addresses_are_those_that_the_kernel_routes_to_this_machine_only(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    of_four = address.version == 4
    endpoint = f"tcp://{address}:1" if of_four else f"tcp://[{address}]:1"
    mapped = None if isinstance(address, ipaddress.IPv4Address) else address.ipv4_mapped
    bits = (mapped or address).packed
    expected = bits[0] == 127 if len(bits) == 4 else bits == bytes(15) + b"\1"
    assert addresses.is_loopback(endpoint) == expected


def test_a_host_name_is_bound_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server may give another address each time."""
    answers: list[str] = []

    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0) if answers else "192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Context() as context, context.socket(zmq.PUB) as publisher:
        for said in (["127.0.0.1"], ["192.0.2.7"], ["127.0.0.1", "192.0.2.7"]):
            answers[:] = said
            with pytest.raises(UsageError, match="give --key"):
                addresses.bind(publisher, "tcp://name:0")
        answers[:] = ["192.0.2.7", "127.0.0.1"]
        addresses.bind(publisher, "tcp://name:0")
        assert str(publisher.last_endpoint).startswith("b'tcp://127.0.0.1:")


def test_a_host_name_is_looked_up_without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a systemd unit with RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6."""

    def refuse() -> list[tuple[int, str]]:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "if_nameindex", refuse)
    with Context() as context, context.socket(zmq.PUB) as publisher:
        addresses.bind(publisher, "tcp://localhost:0")
        assert str(publisher.last_endpoint).startswith("b'tcp://127.0.0.1:")


def publisher_deadline() -> float:
    return time.monotonic() + 0.005


@ipv6
def test_a_host_name_with_only_ipv6_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"six": [socket.AF_INET6], "both": [socket.AF_INET6, socket.AF_INET], "four": [socket.AF_INET]}

    def look_up(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if name not in found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(family, socket.SOCK_STREAM, 6, "", ("::1", 0)) for family in found[name]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    wants = {name: addresses.needs_ipv6(f"tcp://{name}:5555", binds=False) for name in [*found, "not.yet"]}
    assert wants == {"six": True, "both": False, "four": False, "not.yet": False}


def test_without_ipv6_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    for binds in (True, False):
        with pytest.raises(UserError, match="this machine has no IPv6"):
            addresses.needs_ipv6("tcp://[::1]:5555", binds=binds)


def test_a_path_may_contain_any_bytes(tmp_path: Path, ring: Ring) -> None:
    directory = tmp_path / os.fsdecode(b"caf\xe9\xff")
    directory.mkdir()
    never, other = socket.socketpair()
    endpoints = [f"ipc://{directory}/{name}" for name in ("samples", "replay", "writer")]
    with never, other, closing(Publisher(endpoints[:1], endpoints[1], ring, "a")) as publisher:
        publisher.publish("sample/h/", 1, encode(sample("a", 1)))
        assert sorted(os.listdir(os.fsencode(directory))) == [
            b"replay",
            b"replay.lock",
            b"samples",
            b"samples.lock",
        ]
        with Subscriber(endpoints[0], endpoints[1]) as subscriber:
            got: list[object] = []

            def heard() -> bool:
                got.extend(subscriber.receive(0.005))
                publisher.serve(publisher_deadline(), never)
                return bool(got)

            until(heard)
    ControlServer(endpoints[2]).close()


def test_a_failed_start_never_hangs(tmp_path: Path, ring: Ring) -> None:
    """ZeroMQ's term() waits for open sockets, so none may be left open, whatever the error is."""
    good = f"ipc://{tmp_path}/good"
    bad = ["tcp://[::1]:99999", f"ipc://{tmp_path}/gone/x", f"ipc://{tmp_path}", "ipc://\ud800", "x" * 300]
    for endpoint in bad:
        for publish, replay in (([good, endpoint], good + "2"), ([good], endpoint)):
            with pytest.raises((UserError, UnicodeError)):
                Publisher(publish, replay, ring, "a")
        with pytest.raises((UserError, UnicodeError)):
            ControlServer(endpoint)
    with Context() as context:
        BoundSocket(context, zmq.PUB, good, "me").close()  # the endpoint is free again
