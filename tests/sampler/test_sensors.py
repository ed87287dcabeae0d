from __future__ import annotations

from pathlib import Path

from sampler.choice import Choice
from sampler.processes import Processes
from sampler.sensors import SENSORS, Sampler, Sensor, Settings, make_sensors, read_boot_id
from telemetry.sample import Battery, Cpu, PowerSource, Process, Sample, decode, encode
from tests.sampler.fakes import Fixed, SetClock
from tests.sampler.monitors import write_chip, write_class
from tests.sampler.supplies import pack, write_supply


def sensors() -> dict[str, Sensor]:
    return {
        "battery": Fixed(Battery("BAT0", "Discharging", 7.5, -1.0, -7.5, 50.0)),
        "cpu": Fixed(Cpu(12.5, (25.0, 0.0))),
        "load": Fixed((0.5, 0.25, 0.125)),
        "processes": Fixed(Processes((Process(1, 2, "init", 1.5, 0.5, 4.0),), owned=10.0)),
    }


def test_every_sensor_fills_a_field_of_the_sample() -> None:
    assert SENSORS.keys() <= set(Sample._fields)
    assert SENSORS.keys() >= sensors().keys()


def test_sensors_are_read_before_the_first_sample() -> None:
    fixed = Fixed(None)
    sampler = Sampler({**sensors(), "battery": fixed}, SetClock(), "pi4", "boot")
    assert fixed.reads == 1
    sampler.sample()
    assert fixed.reads == 2


def test_samples_are_numbered_without_holes_and_can_be_encoded(tmp_path: Path) -> None:
    clock = SetClock()
    sampler = Sampler(sensors(), clock, "pi4", "boot")
    for seq in (1, 2, 3):
        clock.go_on(5.0)
        sample = sampler.sample()
        assert (sample.run, sample.seq, sample.interval, sample.suspended) == (sampler.run, seq, 5.0, 0.0)
        assert decode(encode(sample)) == sample
        assert sample.topic == "sample/pi4/"


def test_unowned_use_comes_from_both_sensors() -> None:
    clock = SetClock()
    sampler = Sampler(sensors(), clock, "pi4", "boot")
    clock.go_on(5.0)
    sample = sampler.sample()
    assert sample.cpu == Cpu(12.5, (25.0, 0.0), unowned=12.5 - 10.0 / 2)
    assert sample.processes == (Process(1, 2, "init", 1.5, 0.5, 4.0),)


def test_without_processes_unowned_use_is_unknown() -> None:
    sampler = Sampler({**sensors(), "processes": Fixed(Processes((), None))}, SetClock(), "pi4", "boot")
    assert sampler.sample().cpu.unowned is None


def test_each_run_has_its_own_id() -> None:
    assert len({Sampler(sensors(), SetClock(), "pi4", "boot").run for _ in range(100)}) == 100


def test_wall_clock_steps_change_only_the_time() -> None:
    clock = SetClock()
    sampler = Sampler(sensors(), clock, "pi4", "boot")
    clock.go_on(5.0)
    first = sampler.sample()
    clock.go_on(5.0)
    clock.wall -= 3600
    second = sampler.sample()
    clock.go_on(5.0)
    clock.wall += 365 * 86400
    third = sampler.sample()
    assert [sample.interval for sample in (first, second, third)] == [5.0, 5.0, 5.0]
    assert second.time == first.time + 5.0 - 3600
    assert first.ts < second.ts < third.ts
    assert second.ts == first.ts + 1
    assert third.ts == int(third.time)


def test_time_asleep_is_not_part_of_the_interval() -> None:
    clock = SetClock()
    sampler = Sampler(sensors(), clock, "pi4", "boot")
    clock.go_on(5.0)
    clock.wall += 7200
    clock.asleep += 7200
    sample = sampler.sample()
    assert (sample.interval, sample.suspended) == (5.0, 7200.0)


def test_boot_id(tmp_path: Path) -> None:
    assert read_boot_id(tmp_path) == "unknown"
    directory = tmp_path / "sys" / "kernel" / "random"
    directory.mkdir(parents=True)
    (directory / "boot_id").write_text("0b0b\n")
    assert read_boot_id(tmp_path) == "0b0b"


def test_a_machine_that_has_everything(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0")
    write_supply(tmp_path, "AC", type="Mains", online=0)
    write_chip(tmp_path, 0, "rpi_volt", in0_lcrit_alarm=1)
    write_chip(tmp_path, 1, "ina3221", in1_input=5000, curr1_input=1200)
    write_class(tmp_path, "backlight", "screen", type="raw", brightness=4, max_brightness=10)
    write_class(tmp_path, "rfkill", "rfkill0", type="wlan", state=1)
    policy = tmp_path / "devices/system/cpu/cpufreq/policy0"
    policy.mkdir(parents=True)
    (policy / "scaling_governor").write_text("schedutil\n")
    clock = SetClock()
    settings = Settings(tmp_path, Path("/proc"), 3, 5.0, Choice("auto", "ina3221"))
    sampler = Sampler(make_sensors(settings, clock), clock, "pi4", "boot")
    clock.go_on(5.0)
    sample = sampler.sample()
    assert decode(encode(sample)) == sample
    assert sample.battery is not None
    assert (sample.battery.name, sample.on_ac, sample.governor) == ("BAT0", False, "schedutil")
    assert (sample.brightness, sample.radios, sample.throttled) == (40.0, {"wlan": True}, ("undervoltage",))
    assert sample.source == PowerSource("ina3221:1", 6.0, 5.0, 1.2)


def test_a_machine_that_has_nothing(tmp_path: Path) -> None:
    clock = SetClock()
    sampler = Sampler(make_sensors(Settings(tmp_path, tmp_path, 3, 5.0), clock), clock, "pi4", "boot")
    clock.go_on(5.0)
    sample = sampler.sample()
    assert sample.battery is None
    assert sample[12:] == (None,) * 6
