"""Real sockets: a sampler's end and subscribers in one thread, so that a test controls their order."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import zmq

from telemetry.sample import InvalidSample, Sample, encode
from telemetry.stream.joiner import Gap, Position, Start
from telemetry.stream.presence import Presence
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import Ring
from telemetry.stream.subscriber import Subscriber
from tests.strategies import sample

PATIENCE: Final = 10.0
"""s after which a test gives up; normally none takes nearly as long"""
_SLICE: Final = 0.005

Item = Sample | Gap
Context = zmq.Context[zmq.Socket[bytes]]


def samples(run: str, first: int, last: int) -> list[Sample]:
    """Return the samples that ``Station.publish`` makes."""
    return [sample(run, seq) for seq in range(first, last + 1)]


class Clock:
    """A simulated clock: the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Station:
    """A publisher on the default sockets of ``directory``, with the ring file there."""

    def __init__(self, directory: Path, run: str, capacity: int = 1 << 20, *, replay: str = "replay") -> None:
        self.directory = directory
        self.run = run
        self.seq = 0
        self.ring = Ring(directory / "ring", capacity)
        try:
            self.publisher = Publisher(
                [f"ipc://{directory}/samples"], f"ipc://{directory}/{replay}", self.ring, run
            )
        except BaseException:
            self.ring.close()
            raise
        self.presence = Presence(None, logging.getLogger("telemetry-sampler"))
        self._never, self._other = socket.socketpair()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close as at the end of the process: the ring file and the socket files stay."""
        self.publisher.close()
        self.ring.close()
        self._never.close()
        self._other.close()

    def publish(self, count: int = 1, *, interval: float = 5.0) -> None:
        for _ in range(count):
            self.seq += 1
            it = sample(self.run, self.seq, interval=interval)
            self.presence.keep(self.publisher.parts)
            self.publisher.publish(it.topic, it.seq, encode(it))

    def serve(self, seconds: float = _SLICE) -> None:
        self.publisher.serve(time.monotonic() + seconds, self._never)


class Listener:
    """A subscriber, with everything that it yielded and refused."""

    def __init__(self, subscriber: Subscriber, clock: Clock, refused: list[InvalidSample]) -> None:
        self.subscriber = subscriber
        self.clock = clock
        self.refused = refused
        self.items: list[Item] = []

    def receive(self, timeout: float = _SLICE) -> None:
        self.items += self.subscriber.receive(timeout)

    @property
    def last(self) -> Position | None:
        """The newest sample received."""
        samples = [item for item in self.items[-3:] if isinstance(item, Sample)]
        return Position(samples[-1].run, samples[-1].seq) if samples else None

    @property
    def waits(self) -> bool:
        """Whether a question is pending."""
        return self.subscriber._asked is not None or self.subscriber._joiner.question is not None


@contextmanager
def listening(
    directory: Path, start: Position | Start = Start.OLDEST, *, replay: str = "replay"
) -> Iterator[Listener]:
    refused: list[InvalidSample] = []
    clock = Clock()
    with Subscriber(
        f"ipc://{directory}/samples",
        f"ipc://{directory}/{replay}",
        start,
        on_invalid=refused.append,
        clock=clock,
    ) as subscriber:
        yield Listener(subscriber, clock, refused)


def until(
    condition: Callable[[], bool], listeners: Sequence[Listener] = (), station: Station | None = None
) -> None:
    """Run them all until ``condition`` holds."""
    begin = bumped = time.monotonic()
    while not condition():
        now = time.monotonic()
        assert now < begin + PATIENCE, [listener.items[-5:] for listener in listeners]
        if now > bumped + 1.0:  # a question may be lost with a connection: let time pass until the next one
            bumped = now
            for listener in listeners:
                listener.clock.now += 2.1
        if station is not None:
            station.serve(0.001)
        for listener in listeners:
            listener.receive(0.001)


def all_of(listener: Listener, station: Station) -> None:
    """Wait until the newest sample was received."""
    until(lambda: listener.last == (station.run, station.seq), [listener], station)


def connected(listener: Listener, station: Station) -> None:
    """Publish until live samples arrive: afterwards none is lost because the connection is not yet up."""

    def heard() -> bool:
        if listener.waits:
            return False
        station.publish()
        listener.receive(_SLICE)
        return not listener.waits and listener.last == (station.run, station.seq)

    until(heard, [listener], station)


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
