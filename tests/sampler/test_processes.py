from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sampler.processes import ProcessSensor, Stat, parse_stat, sweep

HZ = os.sysconf("SC_CLK_TCK")


def line(pid: int, comm: bytes, *, utime: int = 0, stime: int = 0, start: int = 0, rss: int = 0) -> bytes:
    fields = [
        b"S",
        *[b"0"] * 10,
        b"%d" % utime,
        b"%d" % stime,
        *[b"0"] * 5,
        b"0",
        b"%d" % start,
        b"0",
        b"%d" % rss,
    ]
    return b"%d (%s) " % (pid, comm) + b" ".join(fields) + b" 18446744073709551615 0\n"


@pytest.mark.parametrize(
    "comm",
    [
        b"bash",
        b"tmux: server",
        b"(sd-pam)",
        b"a) S 1 (b",
        b"two\nlines",
        b"",
        b"\xff\xfe",
        b"kworker/0:1-events",
    ],
    ids=ascii,
)
def test_a_name_may_hold_anything(comm: bytes) -> None:
    assert parse_stat(line(7, comm, utime=3, stime=4, start=5, rss=6)) == Stat(7, comm, 7, 5, 6)


@given(st.binary())
@example(b"1 (a) S")
@example(b")(")
def test_a_line_that_is_none_is_left_out(damaged: bytes) -> None:
    assert parse_stat(damaged) is None


@given(st.integers(1, 1 << 22), st.binary(max_size=64), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_numbers_are_those_of_the_line(pid: int, comm: bytes, utime: int, start: int) -> None:
    assert parse_stat(line(pid, comm, utime=utime, start=start)) == Stat(pid, comm, utime, start, 0)


class Machine:
    """A tree like /proc, with a clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 100.0
        (root / "meminfo").write_text("MemTotal:  4096 kB\nMemFree: 0 kB\n")
        (root / "not-a-process").mkdir()

    def process(
        self, pid: int, comm: bytes = b"p", *, used: float = 0, born: float = 0, rss: int = 0
    ) -> None:
        directory = self.root / str(pid)
        directory.mkdir(exist_ok=True)
        stat = line(pid, comm, utime=int(used * HZ), start=int(born * HZ), rss=rss)
        (directory / "stat").write_bytes(stat)

    def sensor(self, count: int = 10) -> ProcessSensor:
        return ProcessSensor(self.root, count, lambda: self.now, lambda: self.now)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    yield Machine(tmp_path)
    psutil.PROCFS_PATH = "/proc"


def test_use_is_counted_from_read_to_read(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1, b"init", used=50)
    assert sensor.read() == ()
    machine.now += 4
    machine.process(1, b"init", used=53, rss=256)
    (process,) = sensor.read()
    assert process.cpu == 75.0
    assert process.mem == 256 * os.sysconf("SC_PAGE_SIZE") / (4096 * 1024) * 100
    assert (process.pid, process.start, process.name) == (1, 0, "init")


def test_those_that_used_most_come_first_and_no_more_than_asked(machine: Machine) -> None:
    sensor = machine.sensor(3)
    for pid in range(1, 8):
        machine.process(pid)
    sensor.read()
    machine.now += 10
    for pid in range(1, 8):
        machine.process(pid, used=pid / 2 if pid != 4 else 9.0)
    assert [(process.pid, process.cpu) for process in sensor.read()] == [(4, 90.0), (7, 35.0), (6, 30.0)]


def test_a_process_born_since_is_credited_from_birth(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1)
    sensor.read()
    machine.now += 2
    machine.process(2, used=1, born=101)
    assert [(process.pid, process.cpu) for process in sensor.read()] == [(2, 50.0), (1, 0.0)]


def test_a_process_that_was_hidden_before_is_not_credited_its_past(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1)
    sensor.read()
    machine.now += 2
    machine.process(2, used=5000, born=3)
    assert {process.cpu for process in sensor.read()} == {0.0}


def test_a_pid_that_is_used_again_is_another_process(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(5, b"old", used=90, born=1)
    sensor.read()
    machine.now += 1
    machine.process(5, b"new", used=0.25, born=100.5)
    (process,) = sensor.read()
    assert (process.name, process.cpu) == ("new", 25.0)


def test_names_are_text_whatever_their_bytes(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1, b"caf\xe9")
    sensor.read()
    machine.now += 1
    (process,) = sensor.read()
    assert process.name == "caf\N{REPLACEMENT CHARACTER}"


def test_none_are_wanted(machine: Machine) -> None:
    sensor = machine.sensor(0)
    machine.process(1)
    sensor.read()
    machine.now += 1
    assert sensor.read() == ()


def test_a_tree_that_is_gone_gives_none(machine: Machine, tmp_path: Path) -> None:
    assert sweep(tmp_path / "gone") == []


def test_this_machine(tmp_path: Path) -> None:
    """A child with a long name that burns a known share of a core, read from the real /proc."""
    shell = tmp_path / "a-name-of-more-than-fifteen-bytes"
    shell.symlink_to("/bin/sh")
    burning = subprocess.Popen([str(shell), "-c", "while :; do :; done"])
    try:
        sensor = ProcessSensor(
            Path("/proc"), 1000, time.monotonic, lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
        )
        sensor.read()
        used_before = sum(psutil.Process(burning.pid).cpu_times()[:2])
        began = time.monotonic()
        while sum(psutil.Process(burning.pid).cpu_times()[:2]) < used_before + 0.5:
            time.sleep(0.05)
        found = {process.pid: process for process in sensor.read()}
        elapsed = time.monotonic() - began
        used = sum(psutil.Process(burning.pid).cpu_times()[:2]) - used_before
    finally:
        burning.kill()
        burning.wait()
    process = found[burning.pid]
    assert process.name == shell.name
    assert process.cpu == pytest.approx(used / elapsed * 100, rel=0.2)
    assert process.start > found[os.getpid()].start
    assert 0 < process.mem < 100
