"""CPU frequency: the mean of the cores, from the first source that has it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler import frequency
from sampler.frequency import FrequencySensor, count_cpus, parse_cpuinfo, parse_frequency
from telemetry.sample import Cpu, Sample, decode, encode

RECORDED = Path(__file__).parent.parent / "data" / "sysfs"
CPUINFO = "processor\t: {}\nmodel name\t: A CPU @ 3.00GHz\ncpu MHz\t\t: {}\ncache size\t: 1 KB\n\n"


def write_policy(sysfs: Path, number: int, cpus: str | None, **attributes: str | int) -> Path:
    return write_cpufreq(sysfs, f"cpufreq/policy{number}", affected_cpus=cpus, **attributes)


def write_cpufreq(sysfs: Path, place: str, **attributes: str | int | None) -> Path:
    directory = sysfs / "devices" / "system" / "cpu" / place
    directory.mkdir(parents=True)
    for name, value in attributes.items():
        if value is not None:
            (directory / name).write_text(f"{value}\n")
    return directory


def read(root: Path) -> float | None:
    return FrequencySensor(root, root).read()


def test_the_recorded_machine(tmp_path: Path) -> None:
    assert FrequencySensor(RECORDED, tmp_path).read() == 1219.917


def test_cores_that_share_a_clock_count_separately(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, "0 1 2 3 4 5", scaling_cur_freq=1000000)
    write_policy(tmp_path, 6, "6 7", scaling_cur_freq=2000000)
    assert read(tmp_path) == 1250


def test_one_policy_of_all_cores(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, "0 1 2 3", scaling_cur_freq=1500000)
    assert read(tmp_path) == 1500


@pytest.mark.parametrize("text", ["", "\n", " \n"])
def test_a_cluster_that_is_offline_has_no_frequency(tmp_path: Path, text: str) -> None:
    """Its list of online CPUs is empty, while its frequency file still has a value."""
    write_policy(tmp_path, 0, "0 1 2 3", scaling_cur_freq=600000)
    offline = write_policy(tmp_path, 4, None, scaling_cur_freq=2400000)
    (offline / "affected_cpus").write_text(text)
    assert read(tmp_path) == 600


def test_a_single_cluster_that_is_offline(tmp_path: Path) -> None:
    offline = write_policy(tmp_path, 4, None, scaling_cur_freq=2400000)
    (offline / "affected_cpus").write_text("\n")
    assert read(tmp_path) is None


def test_a_core_that_is_offline_has_no_frequency(tmp_path: Path) -> None:
    write_cpufreq(tmp_path, "cpu0/cpufreq", scaling_cur_freq=600000)
    write_cpufreq(tmp_path, "cpu1/cpufreq", scaling_cur_freq=2400000)
    write_cpufreq(tmp_path, "cpu2/cpufreq", scaling_cur_freq=2400000, affected_cpus="")
    (tmp_path / "devices/system/cpu/cpu1/online").write_text("0\n")
    assert read(tmp_path) == 600


def test_a_policy_without_a_list_of_cores(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, None, scaling_cur_freq=1000000)
    write_policy(tmp_path, 1, "1 2 3", scaling_cur_freq=2000000)
    assert read(tmp_path) == 1750


@pytest.mark.parametrize("broken", ["", "<unknown>", "0", "-1000000", "nan", "1e6", 10**30, "100000000"])
def test_a_policy_that_cannot_be_read_is_left_out(tmp_path: Path, broken: str | int) -> None:
    write_policy(tmp_path, 0, "0", scaling_cur_freq=broken)
    assert read(tmp_path) is None
    write_policy(tmp_path, 1, "1", scaling_cur_freq=2000000)
    assert read(tmp_path) == 2000


def test_the_frequency_of_the_hardware_is_a_fallback(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, "0", scaling_cur_freq="<unknown>", cpuinfo_cur_freq=1800000)
    assert read(tmp_path) == 1800


def test_average_and_limits_are_not_used(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, "0", cpuinfo_avg_freq=3184097, cpuinfo_max_freq=1, scaling_max_freq=1)
    assert read(tmp_path) is None


def test_each_core_may_have_its_own_directory(tmp_path: Path) -> None:
    write_cpufreq(tmp_path, "cpu0/cpufreq", scaling_cur_freq=1000000)
    write_cpufreq(tmp_path, "cpu1/cpufreq", scaling_cur_freq=2000000)
    write_cpufreq(tmp_path, "cpu2", online=0)
    write_cpufreq(tmp_path, "cpuidle/cpufreq", scaling_cur_freq=9000000)
    assert read(tmp_path) == 1500


def test_policies_come_before_cores_and_cores_before_cpuinfo(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(0, "3000.000"))
    assert read(tmp_path) == 3000
    write_cpufreq(tmp_path, "cpu0/cpufreq", scaling_cur_freq=2000000)
    assert read(tmp_path) == 2000
    write_policy(tmp_path, 0, "0", scaling_cur_freq=1000000)
    assert read(tmp_path) == 1000


def test_cpuinfo_is_not_read_unless_needed(tmp_path: Path) -> None:
    write_policy(tmp_path, 0, "0", scaling_cur_freq=1000000)
    with mock.patch.object(frequency, "read_whole", side_effect=AssertionError):
        assert read(tmp_path) == 1000


def test_the_mean_of_cpuinfo(tmp_path: Path) -> None:
    cores = "".join(CPUINFO.format(core, 1000 + core) for core in range(1001))
    (tmp_path / "cpuinfo").write_text(cores)
    assert len(cores) > 1 << 16  # longer than one read
    assert read(tmp_path) == 1500


def test_no_source(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 108.00\nCPU part\t: 0xd0b\n")  # ARM
    assert read(tmp_path) is None


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop", "endless"])
def test_a_cpuinfo_that_is_not_a_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cpuinfo"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("cpuinfo" if kind == "loop" else "/dev/zero")
    assert read(tmp_path) is None


def test_an_endless_cpuinfo_gives_no_reading(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("cpu MHz : 1000.0\n" * 600_000)
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"cpu MHz\t\t: 800.059\n", [800.059]),
        (b"cpu MHz : 800\ncpu MHz : 900\n", [800, 900]),
        (b"cpu MHz : 0.5\ncpu MHz : 20000\n", [0.5, 20000]),
        (b"cpu MHz\t\t: 0.000\ncpu MHz\t\t: 20001\n", []),
        (b"cpu MHz : nan\ncpu MHz : 1e3\ncpu MHz :\ncpu MHz : -1\ncpu MHz : 1.\ncpu MHz : 1 2\n", []),
        (b"not cpu MHz : 800\ncpu MHz max : 800\n", []),
        (b"cpu MHz : \xff\n\xff\0", []),
        (b"cpu MHz : " + b"1" * 5000, []),
        (b"", []),
    ],
)
def test_cpuinfo_lines(content: bytes, expected: list[float]) -> None:
    assert parse_cpuinfo(content) == expected


@pytest.mark.parametrize(
    ("text", "megahertz"), [("1219917", 1219.917), ("1", 0.001), ("20000000", 20000), ("20000001", None)]
)
def test_kilohertz(text: str, megahertz: float | None) -> None:
    assert parse_frequency(text) == megahertz


@pytest.mark.parametrize(("text", "count"), [("0", 1), ("0 1 2 3", 4), ("0 1 ...", 2), ("x", 0), ("-1", 0)])
def test_affected_cpus(text: str, count: int) -> None:
    assert count_cpus(text) == count


anything = st.binary(max_size=30) | st.integers(-5, 1 << 70).map(lambda number: b"%d\n" % number)


@given(policies=st.lists(st.tuples(anything, anything, anything), max_size=3), cpuinfo=anything)
def test_any_content_gives_a_frequency_that_readers_accept(
    policies: list[tuple[bytes, bytes, bytes]], cpuinfo: bytes
) -> None:
    names = ("scaling_cur_freq", "affected_cpus", "cpuinfo_cur_freq")
    with tempfile.TemporaryDirectory() as directory:
        for number, contents in enumerate(policies):
            policy = write_policy(Path(directory), number, None)
            for name, content in zip(names, contents, strict=True):
                (policy / name).write_bytes(content)
        (Path(directory) / "cpuinfo").write_bytes(b"cpu MHz\t: " + cpuinfo)
        megahertz = read(Path(directory))
    assert megahertz is None or 0 < megahertz <= 20_000
    cpu = Cpu(None, (), freq=megahertz)
    sample = Sample("host", "boot", "run", 1, 1, 1.0, 1.0, 0.0, None, cpu, (None, None, None), ())
    assert decode(encode(sample)) == sample
