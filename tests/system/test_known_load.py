"""Real loads on this machine beside a battery whose power follows their CPU time through a known formula.

Sampler, writer and query are the real processes, and so are the loads. The battery is a recorded one; this
test writes its current from the CPU time that /proc tells, through a gauge that averages and delays.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.system.processes import BATTERY, System, stop, wait_until

SAMPLER: Final = """
import sys
import sampler.main
sampler.main.DEFAULT_INTERVAL = 0.2  # shorter than --interval takes, so that minutes are enough
sys.exit(sampler.main.main())
"""
IDLE: Final = 6.0
"""W while no core is busy"""
WATTS: Final = {"cheapload": 3.0, "dearload": 9.0}
"""W of a busy core, for each load"""
REST: Final = 4.0
"""W of a core that other programs keep busy"""
QUIET: Final = 0.5
"""Busy cores of other programs, up to which the loads can be distinguished from them"""
LOOKED: Final = 3.0
"""s of measuring the other programs before the loads start"""
AVERAGE: Final = 1.2
"""s over which the gauge averages"""
DELAY: Final = 0.4
"""s by which the gauge is late"""
LOADED: Final = 100.0
"""s for which the loads run"""
TICKS: Final = os.sysconf("SC_CLK_TCK")

LOAD: Final = """#!{python} -IS
import random, sys, time
turn = random.Random({seed})
while True:
    end = time.monotonic() + turn.uniform({busy})
    while time.monotonic() < end:
        pass
    time.sleep(turn.uniform({quiet}))
"""


@contextmanager
def load(directory: Path, name: str, seed: int, busy: str, quiet: str) -> Iterator[int]:
    """Run a load of this name, alternately busy and quiet; yield its pid."""
    script = directory / name
    script.write_text(LOAD.format(python=sys.executable, seed=seed, busy=busy, quiet=quiet))
    script.chmod(0o700)
    with subprocess.Popen([script]) as started:
        try:
            yield started.pid
        finally:
            started.kill()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process: utime and stime of /proc/PID/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy_seconds() -> float:
    """Return the busy time of the machine: /proc/stat without idle and iowait; user time includes guests."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    return (sum(map(int, fields)) - int(fields[3]) - int(fields[4])) / TICKS


class _Moment(NamedTuple):
    time: float
    joules: float
    """J since the gauge started"""


class Gauge:
    """Writes the current of the recorded battery every 0.05 s, in its own thread."""

    def __init__(self, supply: Path) -> None:
        self._current = supply / "current_now"
        self._volts = int((supply / "voltage_now").read_text()) / 1e6
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._begun = time.monotonic()
        self._busy = busy_seconds()
        self._loads: dict[str, int] = {}
        self._past: deque[_Moment] = deque(maxlen=100)
        self.taken = dict.fromkeys(WATTS, 0.0)
        """CPU s of each load"""

    def __enter__(self) -> Gauge:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def follow(self, loads: Mapping[str, int]) -> None:
        """Follow loads (name to pid) from their start. They must exist while they are followed."""
        self._loads = dict(loads)

    def _joules(self) -> _Moment:
        now = time.monotonic()
        self.taken.update({name: cpu_seconds(pid) for name, pid in self._loads.items()})
        rest = busy_seconds() - self._busy - sum(self.taken.values())
        loads = sum(WATTS[name] * taken for name, taken in self.taken.items())
        return _Moment(now, IDLE * (now - self._begun) + REST * rest + loads)

    def _follow(self) -> None:
        while not self._ended.wait(0.05):
            self._past.append(self._joules())
            end = self._at(time.monotonic() - DELAY)
            begin = self._at(end.time - AVERAGE)
            if begin.time < end.time:
                self._write((end.joules - begin.joules) / (end.time - begin.time))

    def _at(self, when: float) -> _Moment:
        """Return the newest moment at or before ``when``, or else the oldest moment."""
        return next((moment for moment in reversed(self._past) if moment.time <= when), self._past[0])

    def _write(self, watts: float) -> None:
        new = self._current.with_name("new")
        new.write_text(f"{round(watts / self._volts * 1e6)}\n")
        new.replace(self._current)


class Recorded(NamedTuple):
    """What the loads did."""

    taken: dict[str, float]
    """CPU s of each load"""
    rest: float
    """Busy cores of other programs, on average"""


def record(system: System, directory: Path) -> Recorded:
    """Record the loads, with some idle seconds before and after."""
    shutil.copytree(BATTERY, directory / "sys")
    with ExitStack() as stack:
        gauge = stack.enter_context(Gauge(directory / "sys/class/power_supply/BAT0"))
        time.sleep(DELAY + AVERAGE + 0.5)
        sampler = subprocess.Popen(
            [sys.executable, "-c", SAMPLER, "--sysfs", str(directory / "sys")], env=system.environ
        )
        stack.callback(sampler.kill)
        writer = system.writer()
        wait_until(lambda: system.stored() >= 4)
        loads = {
            name: stack.enter_context(load(directory, name, seed, busy="0.5, 5", quiet="0.5, 6"))
            for seed, name in enumerate(WATTS)
        }
        stack.enter_context(load(directory, "innocent", len(loads), busy="0.01, 0.02", quiet="1, 2"))
        gauge.follow(loads)
        busy = busy_seconds()
        time.sleep(LOADED)
        for pid in loads.values():
            os.kill(pid, signal.SIGSTOP)
        busy = busy_seconds() - busy
        time.sleep(DELAY + AVERAGE + 2)
        sampler.terminate()
        assert sampler.wait(timeout=30) == 0
        wait_until(lambda: system.stored() > LOADED)
        assert stop(writer)[0] == 0
        taken = dict(gauge.taken)
        return Recorded(taken, (busy - sum(taken.values())) / LOADED)


@pytest.mark.slow
@pytest.mark.alone
def test_each_load_gets_the_energy_of_the_formula(system: System, tmp_path: Path) -> None:
    busy = busy_seconds()
    time.sleep(LOOKED)
    if busy_seconds() - busy > QUIET * LOOKED:
        pytest.skip("other programs keep a core busy")
    taken, rest = record(system, tmp_path)
    if rest > QUIET:
        pytest.skip(f"{rest:.1f} cores were busy with other programs")
    rows = {row["name"]: row for row in system.query("blame", "--limit", "1000")}
    learned = {row["item"]: row for row in system.query("model", "--limit", "1000")}
    (energy,) = system.query("energy")
    total = round(3.6e9 * energy["discharged_wh"])
    assert sum(round(3.6e9 * row["wh"]) for row in rows.values()) == total
    for name, watts in WATTS.items():
        row, joules = rows[name], watts * taken[name]
        assert 3600 * row["cpu_h"] == pytest.approx(taken[name], rel=0.03)
        assert 3600 * row["wh"] == pytest.approx(joules, rel=0.12)
        assert abs(3600 * row["wh"] - joules) <= 3600 * row["pm"]
        assert learned[name]["value"] == pytest.approx(watts, rel=0.12)
    told = [rows[name]["wh"] / rows[name]["cpu_h"] for name in ("cheapload", "dearload")]
    assert told[1] / told[0] == pytest.approx(WATTS["dearload"] / WATTS["cheapload"], rel=0.15)
    assert learned["idle"]["value"] == pytest.approx(IDLE, rel=0.12)
    innocent = rows["innocent"]
    assert innocent["wh"] - REST * innocent["cpu_h"] <= 0.005 * energy["discharged_wh"]
