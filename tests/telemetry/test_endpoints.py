"""Binding and reaching endpoints: socket files, who may connect, and the error for other users."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
import zmq

from telemetry.errors import UsageError, UserError
from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import Ring
from telemetry.stream.subscriber import Subscriber
from tests.needs import is_root_with_capabilities
from tests.telemetry.streams import Context, Station, all_of, connected, listening, samples

# --- the sockets' files ----------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["samples", "replay", "both", "directory"])
@pytest.mark.fast_cases(1)
def test_a_deleted_socket_is_recreated(tmp_path: Path, gone: str) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    with Station(directory, "a") as station, listening(directory) as listener:
        connected(listener, station)
        if gone == "directory":
            shutil.rmtree(directory)
            station.publish(2)  # nothing can be bound, but that does not stop the service
            directory.mkdir()
        for name in ("samples", "replay"):
            if gone in (name, "both"):
                (directory / name).unlink()
        station.publish()
        assert (directory / "samples").is_socket()
        assert (directory / "replay").is_socket()
        listener.clock.now += 15.1  # after three silent intervals the subscriber recreates its sockets too
        all_of(listener, station)
        connected(listener, station)
        assert listener.items == samples("a", 1, station.seq)
        with listening(directory) as late:
            all_of(late, station)
            assert late.items == samples("a", 1, station.seq)


def test_another_file_in_the_place_of_a_deleted_socket_is_kept(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        (tmp_path / "samples").unlink()
        (tmp_path / "samples").write_bytes(b"mine")
        station.publish(2)
        assert (tmp_path / "samples").read_bytes() == b"mine"
        (tmp_path / "samples").unlink()
        station.publish()
        assert (tmp_path / "samples").is_socket()


def test_a_plain_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"samples is in the way: it is not a socket"):
        Station(tmp_path, "a")
    assert (tmp_path / "samples").read_bytes() == b"mine"
    (tmp_path / "samples").unlink()
    with Station(tmp_path, "a"):
        pass  # the failed attempt left nothing locked or open


def test_a_second_publisher_is_refused_and_takes_nothing_over(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        connected(listener, station)
        ring = Ring(None, 1 << 16)
        for endpoints in (
            (f"ipc://{tmp_path}/samples", f"ipc://{tmp_path}/other"),
            (f"ipc://{tmp_path}/other", f"ipc://{tmp_path}/replay"),
        ):
            with pytest.raises(
                UserError, match="belongs to another telemetry-sampler, which is running; stop"
            ):
                Publisher(endpoints[:1], endpoints[1], ring, "b")
        ring.close()
        station.publish(3)
        all_of(listener, station)
        assert listener.items == samples("a", 1, station.seq)


def test_only_owner_and_group_may_connect(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Station(tmp_path, "a") as station:
            for name in ("samples", "replay"):
                assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o770
                (tmp_path / name).unlink()
            station.publish()
            for name in ("samples", "replay"):
                assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o770
            for lock in tmp_path.glob("*.lock"):
                assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        assert os.umask(0) == 0, "the umask is restored"
    finally:
        os.umask(before)


@pytest.mark.parametrize("endpoint", ["nonsense", "ipc//x", "http://localhost:1", "tcp://127.0.0.1:port"])
def test_a_malformed_endpoint_is_a_usage_error(tmp_path: Path, endpoint: str) -> None:
    good = f"ipc://{tmp_path}/samples"
    ring = Ring(None, 4096)
    for bound in (([endpoint], good), ([good, endpoint], f"{good}2"), ([good], endpoint)):
        with pytest.raises(UsageError, match="an endpoint looks like"):
            Publisher(*bound, ring, "a")
    for connected_to in ((endpoint, good), (good, endpoint)):
        with pytest.raises(UsageError, match="an endpoint looks like"):
            Subscriber(*connected_to)
    ring.close()


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/{'x' * 100}"
    ring = Ring(None, 4096)
    with pytest.raises(UsageError, match="too long for a socket: at most 107 bytes"):
        Publisher([endpoint], endpoint, ring, "a")
    ring.close()


def test_a_missing_directory_is_reported(tmp_path: Path) -> None:
    ring = Ring(None, 4096)
    with pytest.raises(UserError, match=r"cannot bind in .*/gone: No such file or directory; create it"):
        Publisher([f"ipc://{tmp_path}/gone/samples"], f"ipc://{tmp_path}/replay", ring, "a")
    ring.close()


def test_several_endpoints_and_tcp(tmp_path: Path) -> None:
    """An endpoint may use any transport; each gets every sample."""
    ring = Ring(None, 1 << 16)
    endpoints = [f"ipc://{tmp_path}/one", f"ipc://{tmp_path}/two", "tcp://127.0.0.1:*"]
    publisher = Publisher(endpoints, f"ipc://{tmp_path}/replay", ring, "a")
    port = publisher._publish[2].socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(port, bytes)
    endpoints[2] = port.decode().rstrip("\0")
    with Context() as context:
        clients = [context.socket(zmq.SUB) for _ in endpoints]
        for client, endpoint in zip(clients, endpoints, strict=True):
            client.subscribe(b"sample/")
            client.connect(endpoint)
        seq = 0
        while not all(client.poll(5) for client in clients):
            seq += 1
            assert seq < 500
            publisher.publish("sample/h/", seq, b"body")
        assert all(client.recv_multipart() == [b"sample/h/", b"body"] for client in clients)
        for client in clients:
            client.close()
    publisher.close()
    ring.close()


def test_bound_sockets_leave_no_descriptor_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Context() as context:
        context.socket(zmq.PUB).close()
        time.sleep(0.02)
        before = open_files()
        for endpoint in (f"ipc://{tmp_path}/gone/x", f"ipc://{tmp_path}", "nonsense"):
            with pytest.raises(UserError):
                BoundSocket(context, zmq.PUB, endpoint, "me")
        BoundSocket(context, zmq.PUB, f"ipc://{tmp_path}/x", "me").close()
        end = time.monotonic() + 5
        while open_files() > before and time.monotonic() < end:
            time.sleep(0.005)
        assert open_files() == before


# --- permissions -----------------------------------------------------------------------------------

READER: Final = """
import os, sys
from telemetry.errors import UserError
from telemetry.stream.subscriber import Subscriber

directory, later, *groups = sys.argv[1:]
os.setgroups(list(map(int, groups)))
os.setgid(65534)
os.setuid(65534)
now = 0.0
try:
    with Subscriber(
        f"ipc://{directory}/samples", f"ipc://{directory}/replay", clock=lambda: now
    ) as subscriber:
        print("waits", flush=True)
        if later == "later":
            sys.stdin.read()
            now += 15.1
            subscriber.receive(0.0)
except UserError as error:
    print(error)
    raise SystemExit(1)
"""
"""A subscriber that becomes user nobody after its imports."""


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that every user can reach."""
    if not is_root_with_capabilities():
        pytest.skip("only root can become another user")
    directory = Path(tempfile.mkdtemp(prefix="telemetry-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def reader(directory: Path, *, later: bool = False, groups: Sequence[int] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", READER, str(directory), "later" if later else "now", *map(str, groups)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        text, _ = process.communicate(timeout=20)
    return process.returncode, text


WHAT_TO_DO: Final = "you may not read the stream at {}: sudo adduser $USER telemetry, then log in again\n"


def test_a_user_outside_the_group_is_told_which_group_to_join(open_directory: Path) -> None:
    run = open_directory
    with Station(run, "a"):
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "samples"))
        (run / "samples").chmod(0o777)
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "replay"))


def test_a_member_of_the_group_gets_no_error(open_directory: Path) -> None:
    run, group = open_directory, 54321
    with Station(run, "a"):
        for name in ("samples", "replay"):
            os.chown(run / name, 0, group)
        assert said(reader(run, groups=[group])) == (0, "waits\n")
        assert said(reader(run, groups=[group + 1]))[0] == 1


def test_a_directory_without_access_gives_the_same_error(open_directory: Path) -> None:
    run = open_directory
    with Station(run, "a"):
        run.chmod(0o700)
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "samples"))


def test_a_subscriber_that_started_first_is_told_too(open_directory: Path) -> None:
    run = open_directory
    process = reader(run, later=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    with Station(run, "a"):
        status, text = said(process)
    assert (status, text) == (1, WHAT_TO_DO.format(run / "samples"))


def test_a_socket_that_its_owner_may_not_write_to(tmp_path: Path) -> None:
    if is_root_with_capabilities():
        pytest.skip("root may write to any socket")
    with Station(tmp_path, "a"):
        (tmp_path / "samples").chmod(0)
        with pytest.raises(UserError, match=r"you may not read the stream at .*/samples: sudo adduser"):
            Subscriber(f"ipc://{tmp_path}/samples", f"ipc://{tmp_path}/replay")


def test_it_waits_for_a_socket_that_does_not_exist_yet(tmp_path: Path) -> None:
    for endpoint in (f"ipc://{tmp_path}/gone/samples", f"ipc://{tmp_path}/samples", "tcp://127.0.0.1:1"):
        Subscriber(endpoint, endpoint).close()
