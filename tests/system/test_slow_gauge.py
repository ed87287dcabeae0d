"""A gauge that blocks the process that samples it: real processes, and a real file that never responds."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from telemetry.sample import Sample, decode
from tests.sampler.supplies import pack, write_supply

BLOCKING: Final = """
import os, sys
real = os.open
def blocking(path, flags, *rest, **named):
    # A sysfs attribute can block whatever the flags are; a FIFO blocks only without O_NONBLOCK.
    return real(path, flags & ~os.O_NONBLOCK, *rest, **named)
os.open = blocking
import sampler.main
sys.exit(sampler.main.main())
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = pack(tmp_path / "sys", "BAT0")
    write_supply(tmp_path / "sys", "AC", type="Mains", online=1)
    (directory / "voltage_now").unlink()
    os.mkfifo(directory / "voltage_now")
    return tmp_path


def once(tree: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BLOCKING, "--once", "--sysfs", str(tree / "sys"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TELEMETRY_RUNTIME_DIR": str(tree / "run")},
    )


@pytest.mark.slow
def test_if_the_gauge_never_responds_only_the_battery_is_missing(tree: Path) -> None:
    before = time.monotonic()
    with once(tree) as sampler:
        printed, told = sampler.communicate(timeout=30)
    assert sampler.returncode == 0
    assert time.monotonic() - before < 10
    sample: Sample = decode(printed.encode())
    assert sample.battery is None
    assert sample.on_ac is True
    assert sample.processes
    assert told == "battery: it did not respond in time\n"


@pytest.mark.slow
def test_the_value_of_a_gauge_that_takes_a_second_is_in_the_next_sample(tree: Path) -> None:
    with once(tree, "--interval", "3") as sampler:
        with (tree / "sys/class/power_supply/BAT0/voltage_now").open(
            "w"
        ) as gauge:  # blocks until the sampler reads
            time.sleep(1.0)
            gauge.write("12000000\n")
        printed, told = sampler.communicate(timeout=30)
    sample = decode(printed.encode())
    assert sampler.returncode == 0
    assert sample.battery is not None
    assert sample.battery.power == -12
    assert told == ""


@pytest.mark.slow
def test_the_service_keeps_running_and_can_stop_while_the_gauge_hangs(tree: Path) -> None:
    sampler = subprocess.Popen(
        [sys.executable, "-c", BLOCKING, "--interval", "1", "--sysfs", str(tree / "sys"), "--verbose"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TELEMETRY_RUNTIME_DIR": str(tree / "run")},
    )
    with sampler:
        assert sampler.stderr is not None
        published = []
        for line in sampler.stderr:
            if "seq" in line:
                published.append(time.monotonic())
            if len(published) == 4:
                break
        gaps = [later - earlier for earlier, later in itertools.pairwise(published)]
        sampler.terminate()
        before = time.monotonic()
        assert sampler.wait(timeout=30) == 0
        assert time.monotonic() - before < 5
    assert sum(gaps) / len(gaps) == pytest.approx(
        1.0, abs=0.3
    )  # no drift: each sample is taken in its own second
