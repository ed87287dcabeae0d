"""Both ends of the stream on real sockets: whatever comes and goes, every sample once and in order."""

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
from telemetry.sample import Sample, encode
from telemetry.stream.endpoints import BoundSocket
from telemetry.stream.joiner import Gap, Position, Start
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import Ring
from telemetry.stream.subscriber import Subscriber
from tests.strategies import sample
from tests.telemetry.streams import Context, Listener, Station, all_of, connected, listening, until


def samples(run: str, first: int, last: int) -> list[Sample]:
    return [sample(run, seq) for seq in range(first, last + 1)]


# --- who comes first, who goes and comes back -------------------------------------------------------


def test_publisher_first(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(3)
        with listening(tmp_path) as listener:
            all_of(listener, station)
            connected(listener, station)
            station.publish(3)
            all_of(listener, station)
            assert listener.items == samples("a", 1, station.seq)


def test_subscriber_first(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        listener.receive()
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            station.publish(3)
            all_of(listener, station)
            assert listener.items == samples("a", 1, station.seq)


def test_the_newest_at_once(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(700)
        with listening(tmp_path, Start.NEWEST) as listener:
            until(lambda: bool(listener.items), [listener], station)
            assert listener.items == samples("a", 700, 700)
            connected(listener, station)
            assert listener.items == samples("a", 700, station.seq)


def test_from_a_position_over_many_pages(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(1800)
        with listening(tmp_path, Position("a", 17)) as listener:
            all_of(listener, station)
            assert listener.items == samples("a", 18, 1800)


def test_a_publisher_that_is_started_anew(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        expected: list[Sample] = []
        for run in ("a", "b", "c"):
            with Station(tmp_path, run) as station:
                connected(listener, station)
                station.publish(5)  # not all of them have arrived when it closes
            expected += samples(run, 1, station.seq)
        with Station(tmp_path, "d") as station:
            connected(listener, station)
            assert listener.items == [*expected, *samples("d", 1, station.seq)]


def test_both_are_started_anew(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        station.publish(5)
        all_of(listener, station)
        station.publish(5)
    with Station(tmp_path, "b") as other, listening(tmp_path, Position("a", 5)) as listener:
        other.publish(2)
        all_of(listener, other)
        assert listener.items == [*samples("a", 6, 10), *samples("b", 1, 2)]


def test_a_lost_ring_is_a_gap(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
        (tmp_path / "ring").unlink()
        with Station(tmp_path, "b", capacity=4000) as other:
            other.publish(50)
            connected(listener, other)
            gap = listener.items[station.seq]
            assert isinstance(gap, Gap)
            assert gap.first == 1
            assert gap.last > 40
            assert listener.items == [
                *samples("a", 1, station.seq),
                gap,
                *samples("b", gap.last + 1, other.seq),
            ]


def test_iterating_and_topics(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(3)
        with listening(tmp_path) as listener:
            until(lambda: len(listener.items) == 3, [listener], station)
            connected(listener, station)
            station.publish(2)
            stream = iter(listener.subscriber)
            assert [next(stream) for _ in range(2)] == samples("a", station.seq - 1, station.seq)
        with Subscriber(
            f"ipc://{tmp_path}/samples", f"ipc://{tmp_path}/replay", topic="sample/other/"
        ) as other:
            for _ in range(5):
                other._take_live([])
                station.publish()
            assert other._live.poll(50) == 0


# --- the sockets' files ----------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["samples", "replay", "both", "directory"])
def test_a_deleted_socket_is_made_anew(tmp_path: Path, gone: str) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    with Station(directory, "a") as station, listening(directory) as listener:
        connected(listener, station)
        if gone == "directory":
            shutil.rmtree(directory)
            station.publish(2)  # nothing can be bound: no reason to stop
            directory.mkdir()
        for name in ("samples", "replay"):
            if gone in (name, "both"):
                (directory / name).unlink()
        station.publish()
        assert (directory / "samples").is_socket()
        assert (directory / "replay").is_socket()
        listener.clock.now += 15.1  # three silent intervals: the subscriber makes its sockets anew too
        all_of(listener, station)
        connected(listener, station)
        assert listener.items == samples("a", 1, station.seq)
        with listening(directory) as late:
            all_of(late, station)
            assert late.items == samples("a", 1, station.seq)


def test_something_else_in_the_place_of_a_deleted_socket_stays(tmp_path: Path) -> None:
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
    with pytest.raises(UserError, match=r"samples is in the way: it is no socket"):
        Station(tmp_path, "a")
    assert (tmp_path / "samples").read_bytes() == b"mine"
    (tmp_path / "samples").unlink()
    with Station(tmp_path, "a"):
        pass  # nothing of the failed try is held any more


def test_a_second_publisher_is_refused_and_steals_nothing(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        connected(listener, station)
        ring = Ring(None, 1 << 16)
        for endpoints in (
            (f"ipc://{tmp_path}/samples", f"ipc://{tmp_path}/other"),
            (f"ipc://{tmp_path}/other", f"ipc://{tmp_path}/replay"),
        ):
            with pytest.raises(UserError, match="belongs to another telemetry-sampler that runs; stop"):
                Publisher(endpoints[:1], endpoints[1], ring, "b")
        ring.close()
        station.publish(3)
        all_of(listener, station)
        assert listener.items == samples("a", 1, station.seq)


def test_owner_and_group_may_connect_and_others_not(tmp_path: Path) -> None:
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
        assert os.umask(0) == 0, "the umask is put back"
    finally:
        os.umask(before)


@pytest.mark.parametrize("endpoint", ["nonsense", "ipc//x", "http://localhost:1", "tcp://127.0.0.1:port"])
def test_a_malformed_endpoint_is_wrong_usage(tmp_path: Path, endpoint: str) -> None:
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


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    ring = Ring(None, 4096)
    with pytest.raises(UserError, match=r"cannot bind in .*/gone: No such file or directory; make it"):
        Publisher([f"ipc://{tmp_path}/gone/samples"], f"ipc://{tmp_path}/replay", ring, "a")
    ring.close()


def test_several_endpoints_and_tcp(tmp_path: Path) -> None:
    """A given endpoint may be of any transport; each gets every sample."""
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


# --- silence ---------------------------------------------------------------------------------------


def test_three_silent_intervals_are_noticed(tmp_path: Path) -> None:
    """What was lost on the way at the end of the stream is asked for without a sample that shows the hole."""
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        connected(listener, station)
        (tmp_path / "samples").unlink()
        listener.subscriber._live.close()  # deaf, as after a message over MAXMSGSIZE
        listener.subscriber._live = listener.subscriber._connect(
            zmq.SUB, f"ipc://{tmp_path}/nowhere", "--subscribe"
        )
        station.publish(2)
        before = list(listener.items)
        listener.clock.now += 14.9
        for _ in range(5):
            station.serve()
            listener.receive()
        assert listener.items == before
        listener.clock.now += 0.2
        all_of(listener, station)
        connected(listener, station)
        assert listener.items == samples("a", 1, station.seq)


@pytest.mark.parametrize(("interval", "silence"), [(0.2, 1.0), (2.0, 6.0), (60.0, 180.0), (1e6, 3 * 3600.0)])
def test_the_interval_is_the_samples_own(tmp_path: Path, interval: float, silence: float) -> None:
    """Of those that were replayed too; a sampler that was stopped for days does not make it days."""
    for live in (True, False):
        directory = tmp_path / str(live)
        directory.mkdir()
        with Station(directory, "a") as station:
            if not live:
                station.publish(interval=interval)
            with listening(directory) as listener:
                if live:
                    connected(listener, station)
                    station.publish(interval=interval)
                all_of(listener, station)
                socket = listener.subscriber._live
                listener.clock.now += silence - 0.1
                listener.receive()
                assert listener.subscriber._live is socket
                listener.clock.now += 0.2
                listener.receive()
                assert listener.subscriber._live is not socket


def test_who_was_busy_finds_the_answer_before_the_clock_is_looked_at(tmp_path: Path) -> None:
    """A writer whose card takes ten seconds a commit must not throw each answer away."""
    with Station(tmp_path, "a") as station, listening(tmp_path, Position("a", 0)) as listener:
        station.publish(3)
        until(lambda: listener.subscriber._asked is not None, [listener])
        listener.subscriber.receive(0.0)  # the connection may take a moment
        end = time.monotonic() + 5
        while not listener.subscriber._replay.poll(0) and time.monotonic() < end:
            station.serve()
        listener.clock.now += 100.0
        socket = listener.subscriber._replay
        listener.receive()
        assert listener.items == samples("a", 1, 3)
        assert listener.subscriber._replay is socket


# --- no answers ------------------------------------------------------------------------------------


def later(listener: Listener, station: Station, seconds: float) -> None:
    """Let time pass, and then a live sample come."""
    listener.clock.now += seconds
    listener.receive(0.0)
    station.publish()
    until(lambda: listener.subscriber._heard == listener.clock.now, [listener])


def test_without_replay_holes_become_gaps_and_the_stream_goes_on(tmp_path: Path) -> None:
    with Station(tmp_path, "a", replay="elsewhere") as station, listening(tmp_path) as listener:
        until(lambda: listening_live(listener, station))
        for seconds in (2.1, 4.1):
            later(listener, station, seconds)
        assert listener.items == []  # the ring may have more, for all that is known
        later(listener, station, 8.1)
        all_of(listener, station)
        begin = listener.items[0]
        assert isinstance(begin, Sample)
        assert listener.items == samples("a", begin.seq, station.seq)
        first = station.seq + 1
        for _ in range(2):  # lost on the way
            station.seq += 1
            station.ring.append("a", station.seq, b"{}")
        for seconds in (0.1, 2.1, 4.1):
            later(listener, station, seconds)
        assert listener.last == ("a", first - 1)
        later(listener, station, 8.1)
        all_of(listener, station)
        assert listener.items == [
            *samples("a", begin.seq, first - 1),
            Gap("a", first, first + 1),
            *samples("a", first + 2, station.seq),
        ]


def listening_live(listener: Listener, station: Station) -> bool:
    """Publish without an answer to anything, and see whether it gets through."""
    station.publish()
    listener.receive(0.04)
    return listener.subscriber._live_run == station.run


def test_a_dead_sampler_is_waited_for_however_long(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            seq = station.seq
            station.ring.append("a", seq + 1, encode(sample("a", seq + 1)))  # died before it was published
        for _ in range(50):
            listener.clock.now += 40.0
            listener.receive(0.0)
        with Station(tmp_path, "b") as other:
            connected(listener, other)
            assert listener.items == [*samples("a", 1, seq + 1), *samples("b", 1, other.seq)]


def test_samples_of_dead_samplers_are_no_reason_to_give_up(tmp_path: Path) -> None:
    """Each was heard once and died before it answered: none of them is without replay."""
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            expected = samples("a", 1, station.seq + 1)
            station.ring.append("a", station.seq + 1, encode(expected[-1]))
        for run in ("b", "c", "d"):
            with Station(tmp_path, run) as dying:
                until(lambda: listening_live(listener, dying))
            expected += samples(run, 1, dying.seq)
            for _ in range(5):
                listener.clock.now += 40.0
                listener.receive(0.0)
        with Station(tmp_path, "e") as other:
            connected(listener, other)
        assert listener.items == [*expected, *samples("e", 1, other.seq)]


# --- strangers -------------------------------------------------------------------------------------


GARBAGE: Final[list[list[bytes]]] = [
    [b"sample/"],
    [b"sample/x/", b""],
    [b"sample/x/", b"\xff\xfe\xfd"],
    [b"sample/x/", b"[" * 100_000],
    [b"sample/x/", b"9" * 5000],
    [b"sample/x/", b'{"v":2}'],
    [b"sample/x/", b'{"v":1}'],
    [b"sample/\xff/", b"null"],
    [b"sample/x/", encode(sample("a", 2)), b"and more"],
    [b"sample/", b"", encode(sample("a", 2))],
    [b"sample/" + encode(sample("a", 2))],
    [b"sample/x/", b"\0" * (100 << 20)],
]


def test_a_garbage_publisher_is_counted_and_no_more(tmp_path: Path) -> None:
    with Context() as context, listening(tmp_path) as listener:
        with context.socket(zmq.PUB) as stranger:
            stranger.bind(f"ipc://{tmp_path}/samples")
            while not listener.refused:
                stranger.send_multipart([b"sample/", b"hello"])
                listener.receive()
            before = len(listener.refused)
            for frames in GARBAGE:
                stranger.send_multipart(frames)
            until(lambda: len(listener.refused) >= before + len(GARBAGE), [listener])
            assert listener.items == []
            assert all(str(refused).isprintable() for refused in listener.refused)
            assert "frames, not 2" in " ".join(map(str, listener.refused))
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            assert listener.items == samples("a", 1, station.seq)


def test_a_stranger_that_answers_does_no_harm(tmp_path: Path) -> None:
    with Context() as context, listening(tmp_path) as listener:
        with context.socket(zmq.ROUTER) as stranger:
            stranger.bind(f"ipc://{tmp_path}/replay")
            until(lambda: bool(stranger.poll(0)), [listener])
            route, *_ = stranger.recv_multipart()
            for frames in ([b""], [b"junk"], [b"[" * 100_000], [b"{}", b"x"], [b'{"v":1,"id":1}']):
                stranger.send_multipart([route, *frames])
                listener.receive()
            assert listener.items == []
            assert listener.subscriber._asked is not None
        with Station(tmp_path, "a") as station:
            listener.clock.now += 2.1
            connected(listener, station)
            assert listener.items == samples("a", 1, station.seq)


# --- slow and stopped ------------------------------------------------------------------------------


def test_a_stopped_subscriber_costs_no_time_and_gets_all_later(tmp_path: Path) -> None:
    with (
        Station(tmp_path, "a", capacity=8 << 20) as station,
        listening(tmp_path) as stopped,
        listening(tmp_path) as other,
    ):
        connected(stopped, station)
        connected(other, station)
        slowest = 0.0
        for _ in range(6000):
            before = time.monotonic()
            station.publish()
            slowest = max(slowest, time.monotonic() - before)
            if station.seq % 100 == 0:
                other.receive(0.0)
        assert slowest < 0.5, "a publisher that waits for a subscriber would wait for ever"
        connected(stopped, station)  # what it missed at the end shows with the next sample
        all_of(other, station)
        assert other.items == samples("a", 1, station.seq)
        assert stopped.items == samples("a", 1, station.seq)


def test_what_is_over_the_high_water_mark_is_lost_on_the_way_only(tmp_path: Path) -> None:
    """The bound is there: a subscriber without replay misses what did not fit."""
    with (
        Station(tmp_path, "a", capacity=8 << 20) as station,
        Context() as context,
        context.socket(zmq.SUB) as client,
    ):
        client.setsockopt(zmq.RCVHWM, 10)
        client.subscribe(b"")
        client.connect(f"ipc://{tmp_path}/samples")
        while not client.poll(5):
            station.publish()
        station.publish(12_000)
        got = 0
        while client.poll(50):
            client.recv_multipart()
            got += 1
        assert 10 < got < 6000


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
"""A subscriber that becomes nobody, once it has read its code."""


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach."""
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
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


def test_who_is_not_of_the_group_is_told_which_to_join(open_directory: Path) -> None:
    run = open_directory
    with Station(run, "a"):
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "samples"))
        (run / "samples").chmod(0o777)
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "replay"))


def test_who_is_of_the_group_is_not(open_directory: Path) -> None:
    run, group = open_directory, 54321
    with Station(run, "a"):
        for name in ("samples", "replay"):
            os.chown(run / name, 0, group)
        assert said(reader(run, groups=[group])) == (0, "waits\n")
        assert said(reader(run, groups=[group + 1]))[0] == 1


def test_a_closed_directory_is_a_gate_as_well(open_directory: Path) -> None:
    run = open_directory
    with Station(run, "a"):
        run.chmod(0o700)
        assert said(reader(run)) == (1, WHAT_TO_DO.format(run / "samples"))


def test_who_was_there_first_is_told_too(open_directory: Path) -> None:
    run = open_directory
    process = reader(run, later=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    with Station(run, "a"):
        status, text = said(process)
    assert (status, text) == (1, WHAT_TO_DO.format(run / "samples"))


def test_a_socket_that_its_owner_may_not_write_to(tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may write to any")
    with Station(tmp_path, "a"):
        (tmp_path / "samples").chmod(0)
        with pytest.raises(UserError, match=r"you may not read the stream at .*/samples: sudo adduser"):
            Subscriber(f"ipc://{tmp_path}/samples", f"ipc://{tmp_path}/replay")


def test_what_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    for endpoint in (f"ipc://{tmp_path}/gone/samples", f"ipc://{tmp_path}/samples", "tcp://127.0.0.1:1"):
        Subscriber(endpoint, endpoint).close()
