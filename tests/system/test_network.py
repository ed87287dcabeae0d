"""The stream over TCP, with real processes and ports: a client without a listed key gets nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import zmq

from telemetry.sample import Sample, decode
from telemetry.stream import addresses
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.keys import ClientKeys, client_keys
from telemetry.stream.replay import request
from telemetry.stream.subscriber import Subscriber
from tests.system.processes import ROOT, System, stop, wait_until
from tests.telemetry.keyring import Keys
from tests.telemetry.streams import Context, has_ipv6

EXAMPLES = ROOT / "examples"
ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


class Network:
    """A sampler with keys, at ``ipc://`` and at all addresses of this machine; clients connect by TCP."""

    def __init__(self, system: System, directory: Path, address: str) -> None:
        self.system = system
        self.keys = Keys(directory)
        ports = [_free_port() for _ in range(3)]
        self.bound = [f"tcp://{'[::]' if ':' in address else '*'}:{port}" for port in ports]
        self.publish, self.replay, self.control = (f"tcp://{address}:{port}" for port in ports)

    def sampler(self) -> subprocess.Popen[str]:
        return self.system.sampler(
            *("--publish", f"ipc://{self.system.runtime}/samples", "--publish", self.bound[0]),
            *("--replay", f"ipc://{self.system.runtime}/replay", "--replay", self.bound[1]),
            *("--key", str(self.keys.private), "--clients", str(self.keys.clients)),
        )

    def options(self, name: str) -> list[str]:
        """Return the options of a client."""
        return [
            *("--subscribe", self.publish, "--replay", self.replay),
            *("--server-key", str(self.keys.public), "--key", str(self.keys.directory / f"{name}.key")),
        ]


def _free_port() -> int:
    """Return a port below 32768, so that no connection gets it as an ephemeral port meanwhile."""
    while True:
        port = random.randrange(20000, 32768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@pytest.fixture
def network(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> Network:
    return Network(system, tmp_path, getattr(request, "param", "127.0.0.1"))


BOTH_FAMILIES = pytest.mark.parametrize(
    "network", ["127.0.0.1", pytest.param("[::1]", marks=[ipv6, pytest.mark.slow])], indirect=True
)


class Listener:
    """Bare sockets on both ports, as any program might use."""

    def __init__(self, context: Context, network: Network, keys: ClientKeys | None) -> None:
        self._sockets: list[zmq.Socket[bytes]] = []
        for kind, endpoint in ((zmq.SUB, network.publish), (zmq.DEALER, network.replay)):
            one: zmq.Socket[bytes] = context.socket(kind)
            one.setsockopt(zmq.LINGER, 0)
            if kind == zmq.SUB:
                one.setsockopt(zmq.SUBSCRIBE, b"")
            if keys is not None:
                keys.protect(one, endpoint)
            addresses.connect(one, endpoint)
            self._sockets.append(one)
        self.live: list[Sample] = []
        self.replies = 0

    def ask(self) -> None:
        try:
            self._sockets[1].send(request(1, None, 0), zmq.DONTWAIT)
        except zmq.Again:  # no peer accepts it
            return

    def take(self) -> None:
        """Read everything that has arrived."""
        while self._sockets[0].poll(0):
            self.live.append(decode(self._sockets[0].recv_multipart()[1]))
        while self._sockets[1].poll(0):
            self._sockets[1].recv_multipart()
            self.replies += 1

    def close(self) -> None:
        for one in self._sockets:
            one.close()


@pytest.fixture
def context() -> Iterator[Context]:
    with Context() as context:
        yield context


@BOTH_FAMILIES
def test_a_client_that_is_not_on_the_allow_list_gets_nothing(network: Network, context: Context) -> None:
    keys = network.keys
    stranger, other_server = keys.add("stranger", is_known=False), keys.add("other-server", is_known=False)
    of_friend = keys.client("friend")
    refused = {
        "no key": None,
        "not on the list": client_keys(keys.public, stranger, [network.publish]),
        "the key of another server": client_keys(
            other_server.with_suffix(".key.pub"), keys.directory / "friend.key", [network.publish]
        ),
        "only a public key": ClientKeys(of_friend.server, zmq.curve_keypair()[1]),
    }
    sampler = network.sampler()
    with ExitStack() as stack:
        friend = Listener(context, network, of_friend)
        stack.callback(friend.close)
        strangers = {name: Listener(context, network, given) for name, given in refused.items()}
        for one in strangers.values():
            stack.callback(one.close)

        def has_heard() -> bool:
            for one in (friend, *strangers.values()):
                one.ask()
                one.take()
            return len(friend.live) >= 3 and friend.replies >= 3

        wait_until(has_heard)
        assert sampler.poll() is None
        assert {name: (len(one.live), one.replies) for name, one in strangers.items()} == dict.fromkeys(
            refused, (0, 0)
        )
    status, log = stop(sampler)
    assert status == 0
    assert f"refused a client: its key is not in {keys.clients}" in log


@BOTH_FAMILIES
def test_a_client_that_is_removed_from_the_allow_list_gets_nothing_more(
    network: Network, context: Context
) -> None:
    """ZeroMQ checks a key only when a connection begins, so open connections must be closed."""
    keys = network.keys
    friend, former = (Listener(context, network, keys.client(name)) for name in ("friend", "former"))
    sampler = network.sampler()
    with ExitStack() as stack:
        for one in (friend, former):
            stack.callback(one.close)

        def have_heard(count: int) -> bool:
            for one in (friend, former):
                one.ask()
                one.take()
            return min(len(friend.live), friend.replies) >= count

        wait_until(lambda: have_heard(2) and min(len(former.live), former.replies) >= 2)
        newest = max(sample.seq for sample in former.live)
        keys.remove("former")
        before, friend.replies = former.replies, 0
        heard = len(friend.live)
        wait_until(lambda: have_heard(0) and len(friend.live) >= heard + 3 and friend.replies >= 3)
        # It may have what was published and answered before the list was written.
        assert [it.seq for it in former.live if it.seq > newest + 1] == []
        after = former.replies
        wait_until(lambda: have_heard(0) and len(friend.live) >= heard + 5)
        assert (former.replies, after - before <= 1) == (after, True)
        # When it is on the list again, a new connection is served.
        keys.add("former-again")
        again = Listener(context, network, keys.client("former-again"))
        stack.callback(again.close)

        def is_back() -> bool:
            again.take()
            return len(again.live) >= 1

        wait_until(is_back)
    assert stop(sampler)[0] == 0


def test_a_cut_costs_the_other_clients_no_sample(network: Network) -> None:
    keys = network.keys
    keys.client("former")
    items: list[Sample | Gap] = []
    sampler = network.sampler()
    with Subscriber(network.publish, network.replay, Start.OLDEST, keys=keys.client("friend")) as friend:
        _receive(friend, items, 2)
        keys.remove("former")
        _receive(friend, items, 5)
        keys.add("another")
        _receive(friend, items, 6)
    assert [item.seq for item in items if isinstance(item, Sample)] == [*range(1, len(items) + 1)]
    assert stop(sampler)[0] == 0


def test_a_client_that_is_added_later_is_served_without_a_restart(network: Network) -> None:
    network.sampler()
    network.keys.add("friend", is_known=False)
    keys = network.keys.client("friend")
    items: list[Sample | Gap] = []
    with Subscriber(network.publish, network.replay, Start.OLDEST, keys=keys) as friend:
        for _ in range(5):
            items += friend.receive(0.3)
        assert items == []
        with network.keys.clients.open("a") as file:
            file.write((network.keys.directory / "friend.key.pub").read_text())
        _receive(friend, items, 2)
    assert [item.seq for item in items[:2] if isinstance(item, Sample)] == [1, 2]


def _receive(subscriber: Subscriber, items: list[Sample | Gap], count: int) -> None:
    """Receive until there are ``count`` items."""

    def has_come() -> bool:
        items.extend(subscriber.receive(0.1))
        return len(items) >= count

    wait_until(has_come)


@pytest.mark.parametrize("address", ["*", "0.0.0.0", "192.0.2.7", "[::]", "[2001:db8::7]"])
@pytest.mark.fast_cases(4)
@pytest.mark.parametrize("option", ["--publish", "--replay", "--control"])
def test_without_keys_only_the_loopback_can_be_bound(system: System, option: str, address: str) -> None:
    endpoint = f"tcp://{address}:{_free_port()}"
    ran = system.run("writer.main" if option == "--control" else "sampler.main", option, endpoint)
    assert ran.returncode == 2
    (line,) = [line for line in ran.stderr.splitlines() if "tcp" in line]
    assert f"{endpoint} may be reached from other machines: give --key and --clients" in line
    assert "Traceback" not in ran.stderr


def test_a_key_that_others_may_read_is_refused(network: Network) -> None:
    network.keys.private.chmod(0o640)
    sampler = network.sampler()
    _, error = sampler.communicate(timeout=30)
    assert (sampler.returncode, len(error.splitlines())) == (1, 1)
    assert error.startswith(
        f"telemetry-sampler: {network.keys.private} is a private key that others may read"
    )
    path = network.keys.add("friend")
    path.chmod(0o604)
    for command in (["live"], ["alert", "--below", "30"]):
        ran = network.system.run("query.main", *command, *network.options("friend"))
        assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
        assert f"{path} is a private key that others may read: chmod 600 {path}" in ran.stderr


def test_one_command_makes_a_key_pair(system: System, tmp_path: Path) -> None:
    path = tmp_path / "laptop.key"
    ran = system.run("sampler.main", "--make-key", str(path))
    assert ran.returncode == 0
    assert ran.stdout == path.with_suffix(".key.pub").read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = system.run("sampler.main", "--make-key", str(path))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"telemetry-sampler: {path} exists already; name another file, or remove it\n"


def test_live_and_alert_accept_keys(network: Network) -> None:
    """The recorded battery is at 29 % and discharging."""
    network.keys.add("friend")
    network.sampler()
    live = network.system.start("query.main", "live", "--format", "json", *network.options("friend"))
    alert = network.system.start("query.main", "alert", "--below", "30", *network.options("friend"))
    for process in (live, alert):
        assert process.stdout is not None
    assert json.loads(live.stdout.readline())["battery"]["pct"] == 29  # type: ignore[union-attr]
    assert "29 %" in alert.stdout.readline()  # type: ignore[union-attr]
    assert stop(live)[0] == 0
    assert stop(alert)[0] == 0


def test_a_client_without_an_answer_is_told_about_the_allow_list(network: Network) -> None:
    network.keys.add("stranger", is_known=False)
    network.sampler()
    live = network.system.start("query.main", "live", *network.options("stranger"))
    assert live.stderr is not None
    assert live.stderr.readline() == (
        f"telemetry-query: waiting for the sampler at {network.publish}; "
        "it sends only to keys that its --clients lists\n"
    )
    assert stop(live)[0] == 0


def test_a_writer_stores_what_another_machine_publishes(network: Network, tmp_path: Path) -> None:
    keys = network.keys
    network.sampler()
    keys.add("writer")
    keys.add("reader")
    (tmp_path / "there").mkdir()
    with System(tmp_path / "there") as there:
        at = there.writer(
            *network.options("writer"),
            *("--control", network.bound[2], "--clients", str(keys.clients)),
        )
        of_reader = ["--server-key", str(tmp_path / "writer.key.pub"), "--key", str(tmp_path / "reader.key")]

        def stored(*options: str) -> int:
            """A report asks the writer for a commit first; the next regular commit is due in a minute."""
            ran = there.run(
                "query.main", "--control", network.control, *options, "status", "--format", "json"
            )
            return json.loads(ran.stdout)[0]["samples"] if ran.returncode == 0 else 0

        wait_until(lambda: stored(*of_reader) >= 2, every=0.5)
        keys.add("stranger", is_known=False)
        before = stored()
        for options in ([], [*of_reader[:3], str(tmp_path / "stranger.key")]):
            assert stored(*options) == before, "a client that is not on the list cannot cause a commit"
        wait_until(lambda: stored(*of_reader) > before, every=0.5)
        assert stop(at)[0] == 0


def test_key_options_must_be_given_together(network: Network) -> None:
    keys = network.keys
    own = str(keys.add("friend"))
    for module, options, told in (
        ("sampler.main", ["--key", own], "--key and --clients go together"),
        ("sampler.main", ["--clients", str(keys.clients)], "--key and --clients go together"),
        ("sampler.main", ["--key", own, "--clients", str(keys.clients)], "are for tcp:// endpoints"),
        ("writer.main", ["--key", own], "--key goes with --server-key, --clients, or both"),
        ("writer.main", ["--clients", str(keys.clients)], "--key and --clients go together"),
        ("writer.main", ["--server-key", str(keys.public)], "--server-key and --key go together"),
        ("query.main", ["live", "--key", own], "--server-key and --key go together"),
        (
            "query.main",
            ["--server-key", str(keys.public), "--key", own, "status"],
            "are for tcp:// endpoints",
        ),
    ):
        ran = network.system.run(module, *options)
        assert ran.returncode == 2, (module, options, ran.stderr)
        assert told in ran.stderr.splitlines()[-1]
        assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("example", "options"),
    [("every_sample.py", []), ("low_battery.py", ["30"]), ("bare_pyzmq_keys.py", None)],
)
def test_examples_accept_keys(network: Network, example: str, options: list[str] | None) -> None:
    network.keys.add("friend")
    network.sampler()
    given = network.options("friend")
    command = [*given[4:], network.publish] if options is None else [*options, *given]
    line = _first_line(network, [sys.executable, str(EXAMPLES / example), *command])
    if example == "low_battery.py":
        assert line == "battery low: 29 %\n"
    else:
        assert int(line.split()[0 if options is None else 1]) >= 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed")
def test_the_node_example_accepts_keys(network: Network, tmp_path: Path) -> None:
    network.keys.add("friend")
    network.sampler()
    project = tmp_path / "node"
    shutil.copytree(EXAMPLES / "node", project, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"], cwd=project, capture_output=True, check=True
    )
    line = _first_line(network, ["node", "live.js", network.publish, *network.options("friend")[4:]], project)
    assert line.startswith(f"sample/{os.uname().nodename}/ ")


def _first_line(network: Network, command: list[str], cwd: Path | None = None) -> str:
    process = subprocess.Popen(
        command, env=network.system.environ, stdout=subprocess.PIPE, text=True, cwd=cwd
    )
    assert process.stdout is not None
    try:
        return process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
