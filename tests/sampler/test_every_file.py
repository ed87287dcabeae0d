"""Each file of a machine goes bad in every way: no sample is lost, and no other field."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from sampler.background import Background
from sampler.battery import NoSuchSupply
from sampler.choice import Choice
from sampler.clock import Clock
from sampler.hwmon import NoSuchChip
from sampler.processes import Processes, ProcessSensor
from sampler.sensors import NOTHING, SENSORS, Sampler, Sensor, Settings, make_sensors, read_boot_id
from telemetry.sample import Sample, decode, encode
from tests.sampler.fakes import Fixed, SetClock
from tests.sampler.monitors import write_chip, write_class
from tests.sampler.proc import line
from tests.sampler.supplies import write_supply

DATA: Final = Path(__file__).parent.parent / "data"
RECORDED: Final = (DATA / "sysfs", DATA / "power_supply" / "thinkpad-dual-tlp-discharging" / "sys")
STAT: Final = "cpu  9 9 9 9 9 9 9 9 0 0\n" + "".join(
    f"cpu{core} {{}} 0 0 9 9 0 0 0 0 0\n" for core in range(4)
)
BUSY: Final = 100_000
"""Ticks at the first reading; they grow each second."""


def write_machine(root: Path) -> None:
    """Write /sys and /proc of a machine with something for every sensor."""
    sysfs, procfs = root / "sys", root / "proc"
    for recorded in RECORDED:
        shutil.copytree(recorded, sysfs, dirs_exist_ok=True)
    (sysfs / "README.md").unlink(missing_ok=True)
    write_supply(sysfs, "AC", type="Mains", online=0)
    write_chip(sysfs, 0, "rpi_volt", in0_lcrit_alarm=0)
    write_chip(sysfs, 1, "ina3221", in1_input=5000, curr1_input=1200, in1_label="VDD_IN")
    write_class(sysfs, "backlight", "screen", type="raw", brightness=4, max_brightness=10, bl_power=0)
    write_class(sysfs, "rfkill", "rfkill0", type="wlan", state=1, soft=0, hard=0)
    for directory in ("sys/kernel/random", "self", "1", "23", "456"):
        (procfs / directory).mkdir(parents=True)
    (procfs / "meminfo").write_text("MemTotal:  4096000 kB\nMemFree: 9 kB\n")
    (procfs / "loadavg").write_text("0.20 0.18 0.12 1/80 11206\n")
    (procfs / "cpuinfo").write_text("processor : 0\ncpu MHz : 1000.0\n")
    (procfs / "sys/kernel/random/boot_id").write_text("0b0b\n")
    (procfs / "self/schedstat").write_text("1 2 3\n")
    run(root, 0)


def run(root: Path, ticks: int) -> None:
    """Set the busy time of processes and cores since the start."""
    procfs = root / "proc"
    for pid, name in ((1, b"init"), (23, b"a-name-of-many-bytes"[:15]), (456, b"caf\xe9")):
        rewrite(procfs / str(pid) / "stat", line(pid, name, parent=pid // 9, utime=BUSY + ticks, rss=100))
        rewrite(procfs / str(pid) / "schedstat", f"{ticks} 1 {ticks}\n".encode())
        rewrite(procfs / str(pid) / "cmdline", b"/bin/" + name + b"-and-more\0--flag\0")
    rewrite(procfs / "stat", STAT.format(*[BUSY + ticks] * 4).encode())


def rewrite(path: Path, content: bytes) -> None:
    """Rewrite a regular or missing file in place, as the kernel changes attributes."""
    if path.parent.is_dir() and not path.is_symlink() and (path.is_file() or not path.exists()):
        path.write_bytes(content)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink() if path.is_file() else shutil.rmtree(path)
    make(path)


def huge(path: Path) -> None:
    start = path.read_bytes() if path.is_file() else b""
    path.unlink()
    path.write_bytes(start + b"9" * 10_000)
    os.truncate(path, 1 << 27)


DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "missing": lambda path: replace(path, lambda path: None),
    "empty": lambda path: replace(path, Path.touch),
    "unreadable": lambda path: replace(path, lambda path: path.symlink_to("/proc/self/mem")),  # EIO
    "refused": lambda path: replace(path, lambda path: path.symlink_to(path.name)),  # ELOOP
    "binary": lambda path: replace(path, lambda path: path.write_bytes(bytes(range(256)) * 3)),
    "text": lambda path: replace(path, lambda path: path.write_text("<unknown> (x) S -1 -1 -1\n" * 9)),
    "number": lambda path: replace(path, lambda path: path.write_text("9" * 39)),
    "negative": lambda path: replace(path, lambda path: path.write_text("-7\n")),
    "endless": lambda path: replace(path, lambda path: path.symlink_to("/dev/zero")),
    "directory": lambda path: replace(path, Path.mkdir),
    "fifo": lambda path: replace(path, os.mkfifo),
    "huge": huge,
}


class Machine:
    """The tree, and one run of the sampler at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = SetClock()
        self.ticks = 0

    @contextmanager
    def sampler(self) -> Iterator[Sampler]:
        settings = Settings(self.root / "sys", self.root / "proc", 3, 5.0, Choice("auto", "ina3221"))
        made = make_sensors(settings, self.clock)
        # Sensors run in this thread, so that no reading is late.
        direct: dict[str, Sensor] = {
            field: it.sensor if isinstance(it, Background) else it for field, it in made.items()
        }
        try:
            yield Sampler(direct, self.clock, "pi4", read_boot_id(self.root / "proc"))
        finally:
            for sensor in direct.values():
                if isinstance(sensor, ProcessSensor):
                    sensor.close()

    def go_on(self) -> None:
        """Let 20 s pass, half busy, in which slow sensors are read again."""
        self.clock.go_on(20.0)
        self.ticks += 10 * os.sysconf("SC_CLK_TCK")
        run(self.root, self.ticks)

    def sample(self, sampler: Sampler) -> Sample:
        self.go_on()
        sample = sampler.sample()
        assert decode(encode(sample)) == sample
        return sample

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def directories(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_dir())


@contextmanager
def kept(path: Path, aside: Path) -> Iterator[None]:
    """Restore ``path`` afterwards."""
    copy = shutil.copytree if path.is_dir() else shutil.copy2
    remove: Callable[[Path], object] = shutil.rmtree if path.is_dir() else Path.unlink
    copy(path, aside)
    try:
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        copy(aside, path)
        remove(aside)


def readings(sample: Sample) -> dict[str, Any]:
    """Return the fields by sensor. Unowned CPU comes from two sensors, so it belongs to none."""
    told = sample._asdict()
    for name in ("run", "seq", "ts", "time", "interval", "suspended"):
        del told[name]
    return {**told, "cpu": sample.cpu._replace(unowned=None)}


def spoilt(good: Sample, bad: Sample) -> set[str]:
    """Return the fields that differ from before."""
    before, after = readings(good), readings(bad)
    return {field for field, told in before.items() if told != after[field]}


def check(machine: Machine, path: Path, damage: str, log: pytest.LogCaptureFixture) -> None:
    log.clear()
    with machine.sampler() as sampler:
        good = machine.sample(sampler)
        with kept(path, machine.root / "aside"):
            DAMAGES[damage](path)
            bad = machine.sample(sampler)
            check_start(machine, path)
        machine.sample(sampler)
        healed = machine.sample(sampler)
    where = f"{path} {damage}"
    assert len(spoilt(good, bad)) <= 1, where
    assert spoilt(good, healed) <= lasting(path), where
    assert log.messages == [], where


def lasting(path: Path) -> set[str]:
    """Return the fields that may still differ after the file is good again."""
    if "thermal" in path.parts and path.name == "type":
        return {"cpu"}  # a zone whose type changed counts as another zone, and the next best one was chosen
    # The descriptor of a process's file stays open: a replaced file, which no kernel makes, is not noticed.
    return {"processes"} if "proc" in path.parts else set()


def check_start(machine: Machine, path: Path) -> None:
    """Check that a newly started sampler takes samples too. A chip requested by name must exist."""
    with suppress(NoSuchChip) if "hwmon1" in path.parts else nullcontext(), machine.sampler() as begun:
        machine.sample(begun)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    write_machine(tmp_path)
    return Machine(tmp_path)


def test_the_machine_has_something_for_every_sensor(machine: Machine) -> None:
    with machine.sampler() as sampler:
        sample = machine.sample(sampler)
    assert None not in sample
    assert sample.cpu._replace(cores=()) == (50.0, (), 1219.917, 49.925, 12.5)
    assert sample.battery is not None
    assert [process.cpu for process in sample.processes] == [50.0] * 3


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.fast_cases(4)
def test_a_file_that_goes_bad_costs_only_its_field(
    machine: Machine, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A few of the files, different ones for each kind of damage; the slow test has all."""
    offset = list(DAMAGES).index(damage)
    for path in machine.files()[offset :: len(DAMAGES)]:
        check(machine, path, damage, caplog)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_that_goes_bad_costs_only_its_field(
    machine: Machine, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    for path in machine.files():
        check(machine, path, damage, caplog)


@pytest.mark.parametrize("name", [b"BAT\xff", b"...", b"hwmon99999999", b"policy7\n", b"x" * 255])
def test_a_directory_may_have_any_name(
    machine: Machine, name: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One more empty directory in each class: the fields do not change."""
    with machine.sampler() as sampler:
        good = machine.sample(sampler)
        for directory in machine.directories():
            with suppress(FileExistsError):
                os.mkdir(os.fsencode(directory) + b"/" + name)
        assert spoilt(good, machine.sample(sampler)) == set()
    assert caplog.messages == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "empty", "refused", "fifo"])
def test_a_directory_that_goes_bad_costs_only_its_fields(
    machine: Machine, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory contains the files of several sensors, perhaps of all."""
    for path in machine.directories():
        with machine.sampler() as sampler:
            machine.sample(sampler)
            with kept(path, machine.root / "aside"):
                DAMAGES[damage](path)
                machine.sample(sampler)
                check_start(machine, machine.root / "sys/class/hwmon/hwmon1")
            machine.sample(sampler)
        assert caplog.messages == [], f"{path} {damage}"


def check_changing(machine: Machine, paths: list[Path], log: pytest.LogCaptureFixture) -> None:
    """Truncate, overwrite and restore files while the sampler reads them."""
    contents = {path: path.read_bytes() for path in paths}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for path, content in contents.items():
                for other in (content[: len(content) // 2], b"\xff" * 9, b"-1\n", b"7" * 25, content):
                    rewrite(path, other)

    changing = threading.Thread(target=change)
    with machine.sampler() as sampler:
        changing.start()
        try:
            for _ in range(10):
                machine.sample(sampler)
        finally:
            stop.set()
            changing.join()
    assert log.messages == []


def test_files_that_change_while_they_are_read(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    check_changing(machine, machine.files(), caplog)


@pytest.mark.slow
def test_each_file_that_changes_while_it_is_read(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    for path in machine.files():
        check_changing(machine, [path], caplog)


# --- a bug ---


class Broken:
    """A sensor that raises a given exception."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self) -> object:
        raise self.error


@pytest.mark.parametrize("field", SENSORS)
@pytest.mark.parametrize("in_background", [False, True])
@pytest.mark.fast_cases(5)
def test_a_bug_in_a_sensor_costs_its_field_and_is_logged_once(
    field: str, in_background: bool, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Sensor = Broken(RuntimeError("line 'btime' not found\nin /proc/stat \udcff" + "x" * 999))
    if in_background:
        broken = Background(broken, 60.0)
    clock = SetClock()
    sampler = Sampler({"load": Fixed((1.0, 2.0, 3.0)), field: broken}, clock, "pi4", "boot")
    for _ in range(100):
        clock.go_on(5.0)
        sample = sampler.sample()
        assert decode(encode(sample)) == sample
        told = sample._asdict()
        told.update(processes=Processes(sample.processes, None))
        assert told[field] == NOTHING.get(field)
    (line_of_log,) = caplog.messages
    assert line_of_log.startswith(
        f"{field} is not available: this is a bug: RuntimeError: line 'btime' not found in"
    )
    assert line_of_log.endswith(")")
    assert len(line_of_log) < 350
    assert sample.load == ((None, None, None) if field == "load" else (1.0, 2.0, 3.0))


def test_an_exception_in_the_constructor_of_a_sensor_leaves_the_others(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(settings: Settings, clock: Clock) -> Sensor:
        raise ZeroDivisionError("division by zero")

    with machine.sampler() as sampler:
        good = machine.sample(sampler)
    monkeypatch.setattr("sampler.sensors.SENSORS", {**SENSORS, "battery": make})
    with machine.sampler() as sampler:
        assert spoilt(good, machine.sample(sampler)) == {"battery"}
    assert len(caplog.messages) == 1


def test_a_requested_device_that_is_missing_is_reported(machine: Machine) -> None:
    settings = Settings(machine.root / "sys", machine.root / "proc", 3, 5.0, Choice("BAT7"))
    with pytest.raises(NoSuchSupply, match="no power supply 'BAT7'"):
        make_sensors(settings, machine.clock)
