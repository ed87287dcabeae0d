"""Sensors that block: real threads, held up in the kernel at a FIFO that nobody writes to."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampler.background import Background, Slowly, patience
from sampler.sensors import Sampler
from telemetry.sample import Battery
from tests.sampler.fakes import Fixed, SetClock
from tests.sampler.test_sensors import sensors

BATTERY = Battery("BAT0", "Discharging", 7.5, -1.0, -7.5, 50.0)


class Gauge:
    """Answers what is written to a FIFO, and blocks in open() until something is."""

    def __init__(self, directory: Path) -> None:
        self.fifo = directory / "gauge"
        os.mkfifo(self.fifo)
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.fifo.read_text()

    def answer(self, text: str) -> None:
        self.fifo.write_text(text)  # waits for the reader


@pytest.fixture
def gauge(tmp_path: Path) -> Iterator[Gauge]:
    result = Gauge(tmp_path)
    yield result
    # Lets the thread go, which else would stay in open() until the tests end.
    with contextlib.suppress(OSError):
        os.close(os.open(result.fifo, os.O_WRONLY | os.O_NONBLOCK))


def elapsed(call: object) -> tuple[object, float]:
    assert callable(call)
    before = time.monotonic()
    return call(), time.monotonic() - before


def until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.005)
    pytest.fail("it did not come")


def test_what_is_fast_is_read_in_its_tick() -> None:
    sensor = Background(Fixed(BATTERY), 5.0)
    for _ in range(100):
        sensor.start()
        assert sensor.read() is BATTERY


def test_a_tick_waits_a_moment_and_goes_on_without(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    sensor.start()
    value, seconds = elapsed(sensor.read)
    assert value is None
    assert 0.2 < seconds < 2.0


def test_a_sensor_that_is_stuck_costs_no_more_time_and_no_second_thread(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    sensor.start()
    sensor.read()
    threads = threading.active_count()
    before = time.monotonic()
    for _ in range(1000):
        sensor.start()
        assert sensor.read() is None
    assert time.monotonic() - before < 0.25
    assert threading.active_count() == threads
    assert gauge.reads == 1


def test_a_late_reading_is_the_next_tick_s_once(gauge: Gauge) -> None:
    clock = SetClock()
    sensor = Background(gauge, 5.0, clock.boottime)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("late")
    until(sensor._answers.qsize)
    clock.go_on(4.0)
    sensor.start()
    assert sensor.read() == "late"
    sensor.start()
    assert sensor.read() is None
    assert gauge.reads == 2


def test_a_reading_of_another_time_is_none(gauge: Gauge) -> None:
    clock = SetClock()
    sensor = Background(gauge, 5.0, clock.boottime)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("stale")
    until(sensor._answers.qsize)
    clock.go_on(5.1)
    sensor.start()
    assert sensor.read() is None


def test_a_reading_from_before_a_sleep_is_none(gauge: Gauge) -> None:
    clock = SetClock()
    sensor = Background(gauge, 5.0, clock.boottime)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("of the evening")
    until(sensor._answers.qsize)
    clock.asleep += 8 * 3600
    clock.go_on(1.0)
    sensor.start()
    assert sensor.read() is None


def test_it_recovers(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    sensor.start()
    assert sensor.read() is None
    gauge.answer("late")
    until(sensor._answers.qsize)
    sensor.start()
    writer = threading.Thread(target=gauge.answer, args=["new"])
    writer.start()
    assert sensor.read() == "new"
    writer.join()


def test_a_bug_in_a_sensor_is_raised_where_it_is_seen() -> None:
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


def test_a_question_waits_no_longer_than_a_tick(gauge: Gauge) -> None:
    sensor = Background(gauge, 5.0)
    assert sensor.ask(lambda: "why") == "why"
    sensor.start()
    answer, seconds = elapsed(lambda: sensor.ask(lambda: "why"))
    assert answer is None
    assert seconds < 2.0


@pytest.mark.parametrize(("interval", "seconds"), [(1, 0.25), (5, 0.25), (10, 0.5), (60, 3.0), (3600, 3.0)])
def test_patience(interval: float, seconds: float) -> None:
    assert patience(interval) == seconds


def test_the_other_sensors_are_not_kept_waiting(gauge: Gauge) -> None:
    """Their readings and the sample's own time are of the tick, whatever the gauge does."""
    clock = SetClock()
    fixed = Fixed(True)
    sampler = Sampler({**sensors(), "on_ac": fixed, "battery": Background(gauge, 5.0)}, clock, "pi4", "boot")
    before = time.monotonic()
    for seq in range(1, 100):
        clock.go_on(5.0)
        sample = sampler.sample()
        assert (sample.seq, sample.interval, sample.time) == (seq, 5.0, clock.wall)
        assert (sample.battery, sample.on_ac, sample.load) == (None, True, (0.5, 0.25, 0.125))
    assert time.monotonic() - before < 0.25  # the reading before the first sample has had its wait
    assert fixed.reads == 100


# --- slowly ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hold", "between"), [(True, 7), (False, None)])
def test_slowly(hold: bool, between: int | None) -> None:
    clock = SetClock()
    fixed = Fixed(7)
    slow = Slowly(fixed, 15.0, clock.boottime, hold=hold)
    read = []
    for _ in range(7):
        read.append(slow.read())
        clock.go_on(5.0)
    assert read == [7, between, between, 7, between, between, 7]
    assert fixed.reads == 3


def test_slowly_is_not_put_off_by_a_tick_that_comes_early() -> None:
    clock = SetClock()
    fixed = Fixed(7)
    slow = Slowly(fixed, 15.0, clock.boottime)
    for _ in range(4):
        slow.read()
        clock.go_on(4.999)
    assert fixed.reads == 2
