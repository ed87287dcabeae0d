"""Clocks that stop, step and jump: keys stay unique and rising, and energy stays exact.

The writer gets samples as a sampler with such a clock would publish them; one test changes the clock of the
real sampler with libfaketime.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sampler.processes import Processes
from sampler.sensors import Sampler, Sensor
from telemetry.sample import Battery, Cpu, Sample
from tests.sampler.fakes import Fixed, SetClock
from tests.system.processes import System, stop, wait_until
from tests.system.recorder import Recorder
from writer.store import Store

BEGAN = 1_800_000_000.0
WATTS = 7.2


SENSORS: dict[str, Sensor] = {
    "battery": Fixed(Battery("BAT0", "Discharging", 7.2, -1.0, -WATTS, 50.0)),
    "cpu": Fixed(Cpu(10.0, (10.0,))),
    "load": Fixed((0.0, 0.0, 0.0)),
    "processes": Fixed(Processes((), None)),
}


HOUR, YEAR = 3600.0, 365 * 86400.0

STORIES = {
    "an hour back": {10: ("wall", -HOUR)},
    "a year forward": {10: ("wall", YEAR)},
    "a Pi without RTC until NTP": {0: ("wall", 1000.0 - BEGAN), 10: ("wall", BEGAN - 1000.0)},
    "forward and back": {5: ("wall", YEAR), 10: ("wall", -YEAR), 15: ("wall", -HOUR)},
    "asleep for eight hours": {10: ("asleep", 8 * HOUR)},
}


def samples(story: dict[int, tuple[str, float]]) -> Iterator[Sample]:
    """Yield 40 samples of 5 s; the clocks change as given before some of them."""
    clock = SetClock()
    clock.wall = BEGAN
    sampler = Sampler(SENSORS, clock, "pi4", "boot")
    for index in range(40):
        what, by = story.get(index, ("wall", 0.0))
        setattr(clock, what, getattr(clock, what) + by)
        if what == "asleep":
            clock.wall += by
        clock.go_on(5.0)
        yield sampler.sample()


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_keys_rise_and_energy_stays_exact(system: System, story: dict[int, tuple[str, float]]) -> None:
    published = list(samples(story))
    with Store(system.database) as store:
        for sample in published:
            store.append([sample], noticed=BEGAN)
    with closing(sqlite3.connect(system.database)) as database:
        rows = database.execute(
            "SELECT ts, time, interval, energy_uj FROM system_sample ORDER BY seq"
        ).fetchall()
    keys = [ts for ts, *_ in rows]
    assert keys == sorted(set(keys))
    assert [(time, interval) for _, time, interval, _ in rows] == [(s.time, s.interval) for s in published]
    assert {interval for _, _, interval, _ in rows} == {5.0}
    assert sum(energy for *_, energy in rows) == -round(40 * 5 * WATTS * 1e6)
    (energy,) = system.query("energy", "--since", "0")
    assert energy["discharged_wh"] == pytest.approx(40 * 5 * WATTS / 3600, rel=1e-12)
    assert energy["covered_s"] == 200


def test_time_asleep_is_recorded_and_not_covered(system: System) -> None:
    with Store(system.database) as store:
        store.append(list(samples(STORIES["asleep for eight hours"])), noticed=BEGAN)
    (energy,) = system.query("energy")
    assert energy["covered_s"] == 200
    assert energy["uncovered_s"] == pytest.approx(8 * HOUR)
    with closing(sqlite3.connect(system.database)) as database:
        assert database.execute("SELECT SUM(suspended) FROM system_sample").fetchone() == (8 * HOUR,)


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (apt-get install faketime)")
def test_the_real_sampler_if_the_clock_is_set_back_an_hour(system: System, tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    before = dict(system.environ)
    system.environ |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    sampler = system.sampler()
    system.environ = before
    system.writer()
    with Recorder(system) as recorder:
        wait_until(lambda: len(recorder.samples) >= 2)
        offset.with_suffix(".new").write_text("-3600\n")
        shutil.move(offset.with_suffix(".new"), offset)
        wait_until(lambda: any(sample.time < began(recorder) - 3000 for sample in recorder.samples.values()))
        seen = len(recorder.samples)
        wait_until(lambda: len(recorder.samples) >= seen + 2)
        published = list(recorder.samples.values())
        wait_until(lambda: system.stored() >= len(published))
    assert stop(sampler)[0] == 0
    assert [sample.ts for sample in published] == sorted({sample.ts for sample in published})
    assert all(sample.interval == pytest.approx(1.0, abs=0.5) for sample in published)
    assert min(sample.time for sample in published) == pytest.approx(published[0].time - 3600, abs=60)


def began(recorder: Recorder) -> float:
    """Return the time of the first sample."""
    return next(iter(recorder.samples.values())).time
