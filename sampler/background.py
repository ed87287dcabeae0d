"""Sensors that may block (a gauge on an I2C bus, firmware, another program), each in its own thread.

A tick asks these sensors first, reads all others, and then takes the answers. It waits briefly for late ones
and then goes on without them. A sensor that is still busy is not asked again, so requests do not pile up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
Reply = TypeVar("Reply")

_FRESH: Final = 10.0
"""s after which a late reading is too old for this sample."""


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def patience(interval: float) -> float:
    """Return how many s a tick may wait for a slow sensor: a twentieth of the interval, but 0.25 to 3."""
    return min(max(0.25, interval / 20), 3.0)


class Readable(Protocol[T_co]):
    """A sensor."""

    def read(self) -> T_co: ...


class _Answer(NamedTuple, Generic[T]):
    value: T | None
    error: Exception | None
    finished: float


class Background(Generic[T]):
    """``sensor``, read in a daemon thread; ``interval`` is the time between ticks, s.

    ``clock`` also counts the time asleep, so that a reading from before a sleep is too old.

    ``start`` asks for a reading and ``read`` takes it. A reading that is too late for its tick is used by the
    next tick, once, and only if it is younger than both the interval and 10 s: it then lies in the time that
    the next sample covers.
    """

    def __init__(self, sensor: Readable[T], interval: float, clock: Callable[[], float] = _boottime) -> None:
        self.sensor = sensor
        self._patience = patience(interval)
        self._fresh = min(interval, _FRESH)
        self._clock = clock
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._answers: SimpleQueue[_Answer[T]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = False
        """A reading was requested and has not been taken."""
        self._asked = False
        """The reading was requested in this tick."""
        self._late: _Answer[T] | None = None

    def start(self) -> None:
        """Ask for a reading, unless an earlier request is still running."""
        self._late = self._answer(0.0)
        self._asked = not self._busy
        if self._asked:
            self._busy = True
            self._run(self._read)

    def read(self) -> T | None:
        """Return the reading, None if it is late. Raises what the sensor raised, which is a bug."""
        answer = self._answer(self._patience if self._asked else 0.0) or self._late
        self._asked, self._late = False, None
        if answer is None or self._clock() - answer.finished > self._fresh:
            return None
        if answer.error is not None:
            raise answer.error
        return answer.value

    def ask(self, question: Callable[[], Reply]) -> Reply | None:
        """Call ``question`` in the sensor's thread and return its result; None if that takes too long."""
        replies: SimpleQueue[Reply] = SimpleQueue()
        self._run(lambda: replies.put(question()))
        try:
            return replies.get(timeout=self._patience)
        except Empty:
            return None

    def _answer(self, seconds: float) -> _Answer[T] | None:
        if not self._busy:
            return None
        try:
            answer = self._answers.get(timeout=seconds) if seconds else self._answers.get_nowait()
        except Empty:
            return None
        self._busy = False
        return answer

    def _run(self, work: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._go_on, daemon=True, name=type(self.sensor).__name__)
            self._thread.start()
        self._work.put(work)

    def _go_on(self) -> None:
        while True:
            self._work.get()()

    def _read(self) -> None:
        value, error = None, None
        try:
            value = self.sensor.read()
        except Exception as raised:  # noqa: BLE001 it is raised again in the reading thread
            error = raised
        self._answers.put(_Answer(value, error, self._clock()))


class Slowly(Generic[T]):
    """``sensor``, read at most every ``seconds``: for a value that changes rarely or is expensive to read.

    Between two readings, ``read`` returns the last one, or None if ``hold`` is false.
    """

    def __init__(
        self, sensor: Readable[T], seconds: float, clock: Callable[[], float], *, hold: bool = True
    ) -> None:
        self._sensor = sensor
        self._seconds = seconds
        self._clock = clock
        self._due = float("-inf")
        self._hold = hold
        self._held: T | None = None

    def read(self) -> T | None:
        """Return the newest reading."""
        now = self._clock()
        if now < self._due:
            return self._held
        reading = self._sensor.read()
        self._due = now + self._seconds - 0.5  # a tick that is a little early does not wait for the next
        self._held = reading if self._hold else None
        return reading
