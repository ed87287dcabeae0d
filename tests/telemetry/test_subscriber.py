"""Both ends of the stream on real sockets: whichever process restarts, every sample once and in order."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest
import zmq

from telemetry.sample import InvalidSample, Sample, encode
from telemetry.stream.joiner import Gap, Position, Start
from telemetry.stream.replay import answer, request
from telemetry.stream.ring import Ring
from telemetry.stream.subscriber import Subscriber
from tests.strategies import sample
from tests.telemetry.streams import (
    PATIENCE,
    Context,
    Listener,
    Station,
    all_of,
    connected,
    listening,
    samples,
    until,
)

# --- starting in any order, and restarts ------------------------------------------------------------


def test_the_publisher_may_start_first(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(3)
        with listening(tmp_path) as listener:
            all_of(listener, station)
            connected(listener, station)
            station.publish(3)
            all_of(listener, station)
            assert listener.items == samples("a", 1, station.seq)


def test_the_subscriber_may_start_first(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        listener.receive()
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            station.publish(3)
            all_of(listener, station)
            assert listener.items == samples("a", 1, station.seq)


def test_newest_yields_the_newest_sample_at_once(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(700)
        with listening(tmp_path, Start.NEWEST) as listener:
            until(lambda: bool(listener.items), [listener], station)
            assert listener.items == samples("a", 700, 700)
            connected(listener, station)
            assert listener.items == samples("a", 700, station.seq)


def test_a_position_is_resumed_over_many_pages(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        station.publish(1800)
        with listening(tmp_path, Position("a", 17)) as listener:
            all_of(listener, station)
            assert listener.items == samples("a", 18, 1800)


def test_the_publisher_may_restart(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        expected: list[Sample] = []
        for run in ("a", "b", "c"):
            with Station(tmp_path, run) as station:
                connected(listener, station)
                station.publish(5)  # some have not arrived yet when it closes
            expected += samples(run, 1, station.seq)
        with Station(tmp_path, "d") as station:
            connected(listener, station)
            assert listener.items == [*expected, *samples("d", 1, station.seq)]


def test_both_may_restart(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        station.publish(5)
        all_of(listener, station)
        station.publish(5)
    with Station(tmp_path, "b") as other, listening(tmp_path, Position("a", 5)) as listener:
        other.publish(2)
        all_of(listener, other)
        assert listener.items == [*samples("a", 6, 10), *samples("b", 1, 2)]


def test_a_lost_ring_becomes_a_gap(tmp_path: Path) -> None:
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


def test_caught_up_is_true_once_everything_was_yielded(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        listener.receive()
        assert not listener.subscriber.caught_up, "there is no reply yet"
        with Station(tmp_path, "a") as station:
            station.publish(1200)
            until(lambda: listener.subscriber.caught_up, [listener], station)
            assert listener.items == samples("a", 1, 1200)
            connected(listener, station)
            station.ring.append("a", station.seq + 1, encode(sample("a", station.seq + 1)))
            station.seq += 1
            station.publish()
            until(lambda: not listener.subscriber.caught_up, [listener])
            until(lambda: listener.subscriber.caught_up, [listener], station)
            assert listener.items == samples("a", 1, station.seq)


def test_a_subscriber_can_be_iterated(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        connected(listener, station)
        station.publish(2)
        stream = iter(listener.subscriber)
        assert [next(stream) for _ in range(2)] == samples("a", station.seq - 1, station.seq)


def test_a_topic_selects_one_host(tmp_path: Path) -> None:
    refused: list[InvalidSample] = []
    with (
        Station(tmp_path, "a") as station,
        Subscriber(
            f"ipc://{tmp_path}/samples",
            f"ipc://{tmp_path}/replay",
            on_invalid=refused.append,
            topic="sample/other/",
        ) as other,
    ):
        while len(refused) < 3:
            station.publish()  # as sample/pi4/
            station.publisher._publish[0].socket.send_multipart([b"sample/other/", b"hello"])
            other.receive(0.01)
        assert other._live_run is None


def test_the_last_sample_is_still_sent_at_the_end(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            station.publish()
        until(lambda: listener.last == ("a", station.seq), [listener])
        assert listener.items == samples("a", 1, station.seq)


def test_a_stopped_subscriber_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with listening(tmp_path) as stopped:
        station = Station(tmp_path, "a", capacity=8 << 20)
        connected(stopped, station)
        station.publish(5000)
        before = time.monotonic()
        station.close()
        assert time.monotonic() - before < PATIENCE


def test_serving_ends_with_a_signal(tmp_path: Path) -> None:
    with Station(tmp_path, "a") as station:
        before = time.monotonic()
        station.publisher.serve(before + 0.02, station._never)
        assert time.monotonic() >= before + 0.02
        station._other.send(b"x")
        deadline = time.monotonic() + 2 * PATIENCE
        station.publisher.serve(deadline, station._never)
        assert time.monotonic() < deadline


# --- silence ---------------------------------------------------------------------------------------


def test_three_silent_intervals_are_noticed(tmp_path: Path) -> None:
    """Samples lost at the end of the stream are requested even if no later sample reveals the hole."""
    with Station(tmp_path, "a") as station, listening(tmp_path) as listener:
        connected(listener, station)
        (tmp_path / "samples").unlink()
        listener.subscriber._live.close()  # it hears nothing, as after a message larger than MAXMSGSIZE
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
def test_the_interval_comes_from_the_samples(tmp_path: Path, interval: float, silence: float) -> None:
    """Replayed samples count too; a sampler that was stopped for days does not make the interval days."""
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


def test_a_busy_subscriber_reads_waiting_replies_before_it_times_out(tmp_path: Path) -> None:
    """A writer whose SD card takes ten seconds per commit must not discard each reply."""
    with Station(tmp_path, "a") as station, listening(tmp_path, Position("a", 0)) as listener:
        station.publish(3)
        until(lambda: listener.subscriber._asked is not None, [listener])
        listener.subscriber.receive(0.0)  # connecting may take a moment
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
    """Let time pass, then publish a live sample."""
    listener.clock.now += seconds
    listener.receive(0.0)
    station.publish()
    until(lambda: listener.subscriber._heard == listener.clock.now, [listener])


def test_without_replay_holes_become_gaps_and_the_stream_continues(tmp_path: Path) -> None:
    with Station(tmp_path, "a", replay="elsewhere") as station, listening(tmp_path) as listener:
        until(lambda: listening_live(listener, station))
        for seconds in (2.1, 4.1):
            later(listener, station, seconds)
        assert listener.items == []  # the ring may have more samples
        later(listener, station, 8.1)
        all_of(listener, station)
        begin = listener.items[0]
        assert isinstance(begin, Sample)
        assert listener.items == samples("a", begin.seq, station.seq)
        first = station.seq + 1
        for _ in range(2):  # lost in transit
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
    """Publish without answering any question, and return whether the samples get through."""
    station.publish()
    listener.receive(0.04)
    return listener.subscriber._live_run == station.run


def test_questions_become_rarer_but_never_stop(tmp_path: Path) -> None:
    with Context() as context, listening(tmp_path) as listener, context.socket(zmq.ROUTER) as silent:
        silent.bind(f"ipc://{tmp_path}/replay")
        asked: list[int] = []
        due = [0, 2, 6, 14, 30, 62, 94, 126]
        for second in range(130):
            listener.receive(0.0)
            if silent.poll(5000 if second in due else 0):
                silent.recv_multipart()
                asked.append(second)
            listener.clock.now += 1.0
        assert asked == due


def test_a_dead_sampler_is_waited_for_without_a_limit(tmp_path: Path) -> None:
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


def test_samples_of_dead_samplers_do_not_count_as_missing_replay(tmp_path: Path) -> None:
    """Each published once and died before it answered: that does not mean that it had no replay."""
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


def test_an_unanswered_question_is_sent_to_the_new_sampler_at_once(tmp_path: Path) -> None:
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            expected = samples("a", 1, station.seq + 2)
            station.ring.append("a", station.seq + 1, encode(expected[-2]))
            station.seq += 1
            station.publish()
            until(lambda: listener.subscriber._asked is not None, [listener])
            assert station.publisher._replay[0].socket.poll(5000), "it receives the question, and dies"
        with Station(tmp_path, "b") as other:
            until(lambda: listening_live(listener, other))
            until(lambda: complete(listener, other))  # without any time passing
        assert listener.items == [*expected, *samples("b", 1, other.seq)]


def complete(listener: Listener, station: Station) -> bool:
    station.serve()
    listener.receive()
    return not listener.waits and listener.last == (station.run, station.seq)


def test_samples_that_arrived_before_a_question_are_not_a_sign_of_life(tmp_path: Path) -> None:
    """The subscriber was stopped for an hour: hundreds of samples wait, with a hole. The sampler is dead."""
    with listening(tmp_path) as listener:
        with Station(tmp_path, "a") as station:
            connected(listener, station)
            hole = station.seq + 1
            station.ring.append("a", hole, encode(sample("a", hole)))
            station.seq += 1
            station.publish(700)
        for _ in range(10):
            listener.receive()
        assert listener.items == samples("a", 1, hole - 1)
        for _ in range(10):
            listener.clock.now += 40.0
            listener.receive(0.0)
        with Station(tmp_path, "b") as other:
            connected(listener, other)
        assert listener.items == [*samples("a", 1, hole + 700), *samples("b", 1, other.seq)]


# --- foreign programs -------------------------------------------------------------------------------


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


def test_messages_of_a_garbage_publisher_are_only_counted(tmp_path: Path) -> None:
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


def test_replies_of_a_foreign_server_do_no_harm(tmp_path: Path) -> None:
    with Context() as context, listening(tmp_path) as listener:
        with context.socket(zmq.ROUTER) as stranger:
            stranger.bind(f"ipc://{tmp_path}/replay")
            until(lambda: bool(stranger.poll(0)), [listener])
            route, *_ = stranger.recv_multipart()
            for frames in ([b""], [b"junk"], [b"[" * 100_000], [b"{}", b"x"], [b'{"v":1,"id":1}']):
                stranger.send_multipart([route, *frames])
                listener.receive()
            ring = Ring(None, 1 << 16)
            ring.append("x", 1, encode(sample("x", 1)))
            number = listener.subscriber._question_id
            for wrong in (number - 1, number + 1):
                stranger.send_multipart([route, *answer(request(wrong, None, 0), ring, "x")])
                listener.receive()
            ring.close()
            assert listener.items == []
            assert listener.subscriber._asked is not None
        with Station(tmp_path, "a") as station:
            listener.clock.now += 2.1
            connected(listener, station)
            assert listener.items == samples("a", 1, station.seq)


# --- slow and stopped ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stopped_subscriber_costs_no_time_and_gets_everything_later(tmp_path: Path) -> None:
    with (
        Station(tmp_path, "a", capacity=8 << 20) as station,
        listening(tmp_path) as stopped,
        listening(tmp_path) as other,
    ):
        connected(stopped, station)
        connected(other, station)
        for _ in range(6000):
            station.publish()  # a publisher that waited for a subscriber would wait for ever
            if station.seq % 100 == 0:
                other.receive(0.0)
        connected(stopped, station)  # the next sample reveals what it missed at the end
        all_of(other, station)
        assert other.items == samples("a", 1, station.seq)
        assert stopped.items == samples("a", 1, station.seq)


@pytest.mark.slow
def test_messages_above_the_high_water_mark_are_recovered_by_replay(tmp_path: Path) -> None:
    """The bound exists: a subscriber without replay misses the messages that did not fit."""
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
