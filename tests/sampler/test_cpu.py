from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.cpu import CpuSensor, core_usage, parse_busy_ticks, unowned_share
from sampler.load import LoadSensor, parse_load
from telemetry.sample import Cpu

HZ = os.sysconf("SC_CLK_TCK")

STAT = """cpu  300 30 60 9000 500 6 9 77 0 0
cpu0 100 10 20 3000 100 2 3 50 0 0
cpu2 200 20 40 6000 400 4 6 27 0 0
intr 12345 0 9 0
ctxt 1990473
"""


def test_busy_leaves_out_idle_iowait_and_steal() -> None:
    assert parse_busy_ticks(STAT) == {0: 100 + 10 + 20 + 2 + 3, 2: 200 + 20 + 40 + 4 + 6}


def test_usage_is_the_share_of_the_time_elapsed() -> None:
    assert core_usage({0: 0, 1: 0}, {0: HZ, 1: 5 * HZ}, 5.0) == (20.0, 100.0)


def test_a_core_that_is_offline_keeps_its_place() -> None:
    assert core_usage({0: 0, 1: 0, 2: 0}, {0: HZ, 2: HZ // 2}, 1.0) == (100.0, None, 50.0)


def test_a_core_that_came_online_has_no_use_yet() -> None:
    assert core_usage({0: 0}, {0: HZ, 1: HZ}, 1.0) == (100.0, None)


def test_a_counter_that_steps_back_gives_no_negative_use() -> None:
    """A step back of one tick is rounding. After a larger one the counter restarted: the use is unknown."""
    assert core_usage({0: 500}, {0: 499}, 1.0) == (0.0,)
    assert core_usage({0: 500}, {0: 400}, 1.0) == (None,)


@pytest.mark.parametrize("gain", [5_000_000, 2**63, 2 * HZ, -5_000_000])
def test_a_core_cannot_gain_more_than_the_time_elapsed(gain: int) -> None:
    assert core_usage({0: 10**7, 1: 0}, {0: 10**7 + gain, 1: HZ // 2}, 1.0) == (None, 50.0)


def test_a_core_that_was_busy_all_the_time_is_at_100_percent() -> None:
    """The reader was delayed: counter and clock are not read at the same instant."""
    assert core_usage({0: 0, 1: 0}, {0: HZ + 1, 1: HZ * 5 // 4}, 1.0) == (100.0, 100.0)


def test_if_a_core_is_unknown_there_is_no_mean(tmp_path: Path) -> None:
    times = iter([10.0, 11.0, 12.0])
    sensor = CpuSensor(tmp_path / "sys", tmp_path, lambda: next(times))
    machine(tmp_path, 0)
    sensor.read()
    machine(tmp_path, 5_000_000)
    assert sensor.read()[:2] == (None, (None, 0.0))
    machine(tmp_path, 5_000_000 + HZ)
    assert sensor.read()[:2] == (50.0, (100.0, 0.0))


def test_lines_that_no_kernel_prints_are_left_out() -> None:
    assert parse_busy_ticks("cpu0 1 -2 3 4 5 6 7\ncpu-1 1 2 3 4 5 6 7\ncpu4096 1 2 3 4 5 6 7\n") == {}


def test_the_first_read_has_no_use() -> None:
    assert core_usage({}, {0: 100}, 1.0) == ()
    assert core_usage({0: 1}, {0: 100}, 0.0) == ()


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse_busy_ticks(text)
    parse_busy_ticks(f"cpu0 {text}")
    parse_load(text)


def machine(tree: Path, ticks: int) -> None:
    (tree / "stat").write_text(f"cpu0 {ticks} 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 0\n")


def test_the_sensor_counts_from_read_to_read(tmp_path: Path) -> None:
    times = iter([10.0, 14.0, 16.0])
    sensor = CpuSensor(tmp_path / "sys", tmp_path, lambda: next(times))
    machine(tmp_path, 0)
    assert sensor.read().total is None
    machine(tmp_path, 2 * HZ)
    assert sensor.read()[:2] == (25.0, (50.0, 0.0))
    machine(tmp_path, 4 * HZ)
    assert sensor.read()[:2] == (50.0, (100.0, 0.0))


def test_a_machine_without_the_file_has_no_use(tmp_path: Path) -> None:
    sensor = CpuSensor(tmp_path, tmp_path, lambda: 1.0)
    assert sensor.read() == (None, (), None, None, None)
    assert sensor.read() == (None, (), None, None, None)


def test_unowned_use_is_on_the_scale_of_the_total() -> None:
    """It is a mean of the online cores, while processes are in percent of one core."""
    cpu = Cpu(total=40.0, cores=(60.0, None, 20.0))
    assert unowned_share(cpu, 0.0) == 40.0
    assert unowned_share(cpu, 70.0) == 5.0
    assert unowned_share(cpu, 80.5) == 0.0  # read slightly later
    assert unowned_share(cpu, None) is None
    assert unowned_share(Cpu(None, ()), 10.0) is None
    assert unowned_share(Cpu(None, (None,)), 10.0) is None


def test_load(tmp_path: Path) -> None:
    assert parse_load("0.20 0.18 0.12 1/80 11206\n") == (0.2, 0.18, 0.12)
    for bad in ("", "1 2", "a b c", "nan 0 0", "-1 0 0", "1e400 0 0"):
        assert parse_load(bad) == (None, None, None)
    assert LoadSensor(tmp_path).read() == (None, None, None)
    (tmp_path / "loadavg").write_text("1.5 0.5 0.25 3/456 789\n")
    assert LoadSensor(tmp_path).read() == (1.5, 0.5, 0.25)
