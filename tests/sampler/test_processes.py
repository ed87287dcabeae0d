from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sampler.processes import ProcessSensor
from tests.sampler.proc import Tree


class Machine(Tree):
    """A tree of processes, and the sensor that reads it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.sensors: list[ProcessSensor] = []

    def sensor(self, count: int = 10) -> ProcessSensor:
        self.sensors.append(ProcessSensor(self.root, count, lambda: self.now, lambda: self.now))
        return self.sensors[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    for sensor in machine.sensors:
        sensor.close()


def test_use_is_counted_from_read_to_read(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1, b"init", used=50)
    assert sensor.read() == ((), None)
    machine.now += 4
    machine.process(1, b"init", used=53, rss=256)
    (process,) = sensor.read().top
    assert process.cpu == 75.0
    assert process.mem == 256 * os.sysconf("SC_PAGE_SIZE") / (4096 * 1024) * 100
    assert (process.pid, process.start, process.name) == (1, 0, "init")


def test_the_busiest_processes_come_first_up_to_the_limit(machine: Machine) -> None:
    sensor = machine.sensor(3)
    for pid in range(1, 8):
        machine.process(pid)
    sensor.read()
    machine.now += 10
    for pid in range(1, 8):
        machine.process(pid, used=pid / 2 if pid != 4 else 9.0)
    assert [(process.pid, process.cpu) for process in sensor.read().top] == [(4, 90.0), (7, 35.0), (6, 30.0)]


def test_a_new_process_is_credited_from_its_start(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1)
    sensor.read()
    machine.now += 2
    machine.process(2, used=1, born=101)
    assert [(process.pid, process.cpu) for process in sensor.read().top] == [(2, 50.0), (1, 0.0)]


def test_a_process_that_was_hidden_is_not_credited_its_past(machine: Machine) -> None:
    """Its use since then is unknown; it is reported from the next sample on."""
    sensor = machine.sensor()
    machine.process(1)
    sensor.read()
    machine.now += 2
    machine.process(2, used=5000, born=3)
    reading = sensor.read()
    assert [(process.pid, process.cpu) for process in reading.top] == [(1, 0.0)]
    assert reading.owned is None
    machine.now += 2
    machine.process(2, used=5001, born=3)
    assert {process.pid: process.cpu for process in sensor.read().top} == {1: 0.0, 2: 50.0}


def test_a_reused_pid_is_another_process(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(5, b"old", used=90, born=1)
    sensor.read()
    machine.now += 1
    machine.process(5, b"new", used=0.25, born=100.5)
    (process,) = sensor.read().top
    assert (process.name, process.cpu) == ("new", 25.0)


@pytest.mark.parametrize(
    ("comm", "name"),
    [(b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"), (b"fifteen-bytes-x", "fifteen-bytes-x")],
)
def test_names_are_text_whatever_their_bytes(machine: Machine, comm: bytes, name: str) -> None:
    """There is nothing but stat: no cmdline, from which a longer name could be read."""
    sensor = machine.sensor()
    machine.process(1, comm)
    sensor.read()
    machine.now += 1
    (process,) = sensor.read().top
    assert process.name == name


def test_the_list_may_be_empty(machine: Machine) -> None:
    sensor = machine.sensor(0)
    machine.process(1)
    sensor.read()
    machine.now += 1
    assert sensor.read() == ((), None)


def test_reaped_use_counts_too(machine: Machine) -> None:
    """A shell that runs short commands in a loop ranks before a process that uses more by itself."""
    sensor = machine.sensor(2)
    machine.process(1)
    machine.process(2, b"shell", parent=1, used=1, reaped=500)
    machine.process(3, b"burner", parent=1)
    sensor.read()
    machine.now += 10
    machine.process(2, b"shell", parent=1, used=1.5, reaped=508)
    machine.process(3, b"burner", parent=1, used=3)
    reading = sensor.read()
    assert [(process.name, process.cpu, process.children) for process in reading.top] == [
        ("shell", 5.0, 80.0),
        ("burner", 30.0, 0.0),
    ]
    assert reading.owned == pytest.approx(115.0)


def test_a_child_that_was_seen_is_not_counted_again_when_it_is_reaped(machine: Machine) -> None:
    sensor = machine.sensor()
    machine.process(1, b"make")
    machine.process(2, b"cc", parent=1, used=40, reaped=20)
    sensor.read()
    machine.now += 10
    machine.end(2)
    machine.process(1, b"make", reaped=40 + 20 + 2)  # 2 s more before it ended
    (process,) = sensor.read().top
    assert (process.name, process.cpu, process.children) == ("make", 0.0, 20.0)


def test_unlisted_processes_count_in_the_sum(machine: Machine) -> None:
    sensor = machine.sensor(1)
    for pid in range(1, 6):
        machine.process(pid)
    sensor.read()
    machine.now += 10
    for pid in range(1, 6):
        machine.process(pid, used=pid)
    reading = sensor.read()
    assert len(reading.top) == 1
    assert reading.owned == pytest.approx(150.0)


@pytest.mark.parametrize("seconds", [50_000, 10**9, 10**16])
@pytest.mark.parametrize("counter", ["used", "reaped"])
def test_a_gain_beyond_what_the_cores_provide_is_unknown(
    machine: Machine, counter: str, seconds: int
) -> None:
    """To be ranked, a process needs a known use of its own. Its reaped use may be unknown.

    If one term is missing, the sum of all is None.
    """
    (machine.root / "stat").write_text("".join(f"cpu{core} 1 2 3 4 5 6 7 8 9 10\n" for core in range(4)))
    sensor = machine.sensor()

    def spend(seconds: int) -> None:
        used, reaped = (seconds, 0) if counter == "used" else (0, seconds)
        machine.process(1, b"init", used=used, reaped=reaped)

    spend(0)
    machine.process(2, b"other")
    sensor.read()
    machine.now += 1
    spend(seconds)
    machine.process(2, b"other", used=0.5)
    reading = sensor.read()
    told = {process.name: (process.cpu, process.children) for process in reading.top}
    assert told == {"other": (50.0, 0.0)} | ({"init": (0.0, None)} if counter == "reaped" else {})
    assert reading.owned is None
    machine.now += 1
    spend(seconds + 1)
    reading = sensor.read()
    assert {process.cpu + (process.children or 0) for process in reading.top} == {100.0, 0.0}
    assert reading.owned == 100.0


def test_cores_that_come_online_are_counted(machine: Machine) -> None:
    """If the use seems to exceed all cores, the cores are counted again."""
    stat = machine.root / "stat"
    stat.write_text("cpu0 1 2 3 4 5 6 7 8 9 10\n")
    sensor = machine.sensor()
    machine.process(1)
    sensor.read()
    stat.write_text("".join(f"cpu{core} 1 2 3 4 5 6 7 8 9 10\n" for core in range(8)))
    machine.now += 1
    machine.process(1, used=7.5)
    (process,) = sensor.read().top
    assert process.cpu == 750.0


@pytest.mark.parametrize(
    "meminfo",
    [
        None,
        "",
        "MemFree: 5 kB\n",
        "MemTotal: 0 kB\n",
        "MemTotal: -4 kB\n",
        "MemTotal: much\n",
        "Huge: " * 9**6,
    ],
    ids=lambda text: "missing" if text is None else text[:12],
)
def test_without_the_amount_of_memory_there_is_no_share_of_it(machine: Machine, meminfo: str | None) -> None:
    (machine.root / "meminfo").unlink()
    if meminfo is not None:
        (machine.root / "meminfo").write_text(meminfo)
    sensor = machine.sensor()
    machine.process(1, rss=256)
    sensor.read()
    machine.now += 1
    (process,) = sensor.read().top
    assert process.mem is None


def test_the_amount_of_memory_may_be_on_any_line(machine: Machine) -> None:
    (machine.root / "meminfo").write_text("MemFree:  1 kB\nMemTotal:\t  4096 kB\nSwapTotal: 7 kB\n")
    sensor = machine.sensor()
    machine.process(1, rss=256)
    machine.process(2, rss=2**40)
    sensor.read()
    machine.now += 1
    shares = {process.pid: process.mem for process in sensor.read().top}
    assert shares == {1: 256 * os.sysconf("SC_PAGE_SIZE") / (4096 * 1024) * 100, 2: None}


def test_without_a_procfs_there_are_no_processes(tmp_path: Path) -> None:
    sensor = ProcessSensor(tmp_path / "gone", 10, iter([1.0, 2.0]).__next__, lambda: 1.0)
    assert sensor.read().top == ()
    assert sensor.read() == ((), None)


def test_this_machine(tmp_path: Path) -> None:
    """A child with a long name that uses a known share of a core, read from the real /proc."""
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
        found = {process.pid: process for process in sensor.read().top}
        elapsed = time.monotonic() - began
        used = sum(psutil.Process(burning.pid).cpu_times()[:2]) - used_before
    finally:
        burning.kill()
        burning.wait()
    process = found[burning.pid]
    assert process.name == shell.name
    assert process.cpu == pytest.approx(used / elapsed * 100, rel=0.2)
    assert process.start > found[os.getpid()].start
    assert process.mem is not None
    assert 0 < process.mem < 100


def test_a_name_changes_with_the_program(tmp_path: Path) -> None:
    """The kernel truncates both names to the same bytes, so both are looked up."""
    first, second = (
        tmp_path / f"{which}-of-more-than-fifteen-bytes" for which in ("first-name", "second-name")
    )
    for name in (first, second):
        name.symlink_to("/bin/sh")
    script = f"echo; read line; exec {second} -c 'echo; read line; :'"
    with subprocess.Popen([str(first), "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        sensor = ProcessSensor(Path("/proc"), 1000, time.monotonic, lambda: 0.0)
        sensor.read()
        for name in (first, second):
            assert shell.stdout.readline() == b"\n"
            for _ in range(2):
                names = {process.pid: process.name for process in sensor.read().top}
                assert names[shell.pid] == name.name
            shell.stdin.write(b"\n")
            shell.stdin.flush()
        sensor.close()
