"""Sensors that block: real threads, blocked in the kernel by a FIFO without a writer."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sampler.background import Background, Slowly, patience
from sampler.sensors import Sampler
from telemetry.sample import Battery
from tests.sampler.fakes import Fixed, SetClock
from tests.sampler.test_sensors import sensors

BATTERY = Battery("BAT0", "Discharging", 7.5, -1.0, -7.5, 50.0)


class Gauge:
    """Returns what is written to a FIFO, and blocks in open() until then."""

    def __init__(self, directory: Path) -> None:
        self.fifo = directory / "gauge"
        os.mkfifo(self.fifo)
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.fifo.read_text()

    def answer(self, text: str) -> None:
        self.fifo.write_text(text)  # blocks until the reader opens it


@pytest.fixture
def gauge(tmp_path: Path) -> Iterator[Gauge]:
    result = Gauge(tmp_path)
    yield result
    # Releases the thread, which otherwise would stay in open() until the tests end.
    with contextlib.suppress(OSError):
        os.close(os.open(result.fifo, os.O_WRONLY | os.O_NONBLOCK))


def elapsed(call: Callable[[], object]) -> tuple[object, float]:
    before = time.monotonic()
    return call(), time.monotonic() - before


def wait_for_reading(sensor: Background[str]) -> None:
    """Wait for the reading: questions are answered in the sensor's thread, after its reading."""
    while not sensor.ask(lambda: True):
        pass


def test_a_fast_sensor_is_read_in_its_tick() -> None:
    sensor = Background(Fixed(BATTERY), 5.0)
    for _ in range(100):
        sensor.start()
        assert sensor.read() is BATTERY


def test_a_stuck_sensor_costs_one_short_wait_and_no_second_thread(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    sensor.start()
    value, seconds = elapsed(sensor.read)
    assert value is None
    assert seconds >= patience(5.0)
    threads = threading.active_count()

    def thousand() -> None:
        for _ in range(1000):
            sensor.start()
            assert sensor.read() is None

    assert elapsed(thousand)[1] < 100 * patience(5.0)
    assert threading.active_count() == threads
    assert gauge.reads == 1


@pytest.mark.parametrize(
    ("awake", "asleep", "reading"),
    [(4.0, 0.0, "late"), (5.1, 0.0, None), (1.0, 8 * 3600.0, None)],
    ids=["in time", "of another time", "from before a sleep"],
)
def test_a_late_reading_is_used_once_in_the_next_tick_if_it_is_fresh(
    gauge: Gauge, awake: float, asleep: float, reading: str | None
) -> None:
    clock = SetClock()
    sensor = Background(gauge, 5.0, clock.boottime)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("late")
    wait_for_reading(sensor)
    clock.go_on(awake)
    clock.asleep += asleep
    sensor.start()
    assert sensor.read() == reading
    sensor.start()
    assert sensor.read() is None
    assert gauge.reads == 2


def test_a_stuck_sensor_recovers(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("late")
    wait_for_reading(sensor)
    sensor.start()
    writer = threading.Thread(target=gauge.answer, args=["new"])
    writer.start()
    assert sensor.read() == "new"
    writer.join()


def test_an_exception_in_a_sensor_is_raised_by_read() -> None:
    class Broken:
        def read(self) -> None:
            raise ZeroDivisionError

    sensor = Background(Broken(), 5.0)
    sensor.start()
    with pytest.raises(ZeroDivisionError):
        sensor.read()
    sensor.start()
    with pytest.raises(ZeroDivisionError):
        sensor.read()


def test_a_question_waits_at_most_a_tick(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    assert sensor.ask(lambda: "why") == "why"
    sensor.start()
    waits = [elapsed(lambda: sensor.ask(lambda: "why")) for _ in range(3)]
    assert [answer for answer, _ in waits] == [None] * 3
    assert min(seconds for _, seconds in waits) < 4 * patience(5.0)


@pytest.mark.parametrize(("interval", "seconds"), [(1, 0.25), (5, 0.25), (10, 0.5), (60, 3.0), (3600, 3.0)])
def test_the_patience_for_a_sensor(interval: float, seconds: float) -> None:
    assert patience(interval) == seconds


def test_a_stuck_sensor_does_not_delay_the_others(gauge: Gauge) -> None:
    """Their readings and the sample's time belong to the tick, whatever the gauge does."""
    clock = SetClock()
    fixed = Fixed(True)
    sampler = Sampler({**sensors(), "on_ac": fixed, "battery": Background(gauge, 5.0)}, clock, "pi4", "boot")
    for seq in range(1, 100):
        clock.go_on(5.0)
        sample = sampler.sample()
        assert (sample.seq, sample.interval, sample.time) == (seq, 5.0, clock.wall)
        assert (sample.battery, sample.on_ac, sample.load) == (None, True, (0.5, 0.25, 0.125))
    assert fixed.reads == 100


# --- slowly ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hold", "between"), [(True, 7), (False, None)])
def test_a_slow_sensor_is_read_seldom(hold: bool, between: int | None) -> None:
    clock = SetClock()
    fixed = Fixed(7)
    slow = Slowly(fixed, 15.0, clock.boottime, hold=hold)
    read = []
    for _ in range(7):
        read.append(slow.read())
        clock.go_on(5.0)
    assert read == [7, between, between, 7, between, between, 7]
    assert fixed.reads == 3


def test_an_early_tick_does_not_delay_a_slow_sensor() -> None:
    clock = SetClock()
    fixed = Fixed(7)
    slow = Slowly(fixed, 15.0, clock.boottime)
    for _ in range(4):
        slow.read()
        clock.go_on(4.999)
    assert fixed.reads == 2
