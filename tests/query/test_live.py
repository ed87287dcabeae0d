"""The screen of live, line by line; tests/system runs the process."""

from __future__ import annotations

from pathlib import Path

from query.ahead import Ahead
from query.live import View
from telemetry.sample import Battery, BatteryPack, Cpu, PowerSource, Process, Sample
from tests.query.recordings import NOON, Recording

SAMPLE = Sample(
    host="pi4",
    boot_id="boot",
    run="run",
    seq=7,
    ts=1_795_262_400,
    time=1_795_262_400.0,
    interval=5.0,
    suspended=0.0,
    battery=Battery("BAT0", "Discharging", 3.8, -1.5, -5.7, 57.0),
    cpu=Cpu(20.0, (30.0, None), 1500.0, 48.5),
    load=(0.5, 0.4, None),
    processes=(Process(1, 5, "sh", 1.0, 0.5, 80.0), Process(2, 5, "\x1b[2J", 2.0, 0.5)),
)


NOWHERE = Path("/nowhere/telemetry.db")


def lines(sample: Sample, width: int = 90, path: Path = NOWHERE) -> list[str]:
    ahead = Ahead(path, lambda: sample.time + 1)
    return View("table", 10, ahead).lines(sample, width)


def test_fields_that_every_sampler_sends() -> None:
    assert lines(SAMPLE) == [
        "pi4  2026-11-21 12:00:00  sample 7",
        "battery  57.0 %  Discharging  5.70 W out  3.80 V  1.50 A out",
        "cpu       20.0 %  1500 MHz  48.5 °C  load 0.50 0.40 -",
        "cores     30  -",
        "",
        "pid  name     cpu %  mem %  children %",
        "---  -------  -----  -----  ----------",
        "  1  sh         1.0    0.5        80.0",
        "  2  \\x1b[2J    2.0    0.5           -",
    ]


def test_fields_that_some_samplers_send() -> None:
    packs = tuple(BatteryPack(f"BAT{n}", None, None, None, None, pct) for n, pct in enumerate([40.0, None]))
    sample = SAMPLE._replace(
        battery=Battery("BAT0", "Charging", None, None, 9.0, 40.0, packs=packs),
        on_ac=True,
        source=PowerSource("rapl", 6.5, estimate=True),
        throttled=("undervoltage", "throttled"),
    )
    _, battery, cpu, *_ = lines(sample)
    assert battery == "battery  40.0 %  Charging  9.00 W in  BAT0 40.0 %  BAT1 -  mains  rapl 6.50 W and more"
    assert cpu.endswith("held back: undervoltage, throttled  load 0.50 0.40 -")
    assert len(cpu) <= 90


def test_no_battery() -> None:
    bare = SAMPLE._replace(battery=None, on_ac=False, source=PowerSource("ina219", 4.2), throttled=())
    assert lines(bare)[1] == "battery  none  no mains  ina219 4.20 W"
    assert lines(bare)[2].endswith("load 0.50 0.40 -")


def test_a_narrow_line_never_cuts_a_figure() -> None:
    assert lines(SAMPLE, 53)[1] == "battery  57.0 %  Discharging  5.70 W out  3.80 V"
    assert lines(SAMPLE, 40)[1] == "battery  57.0 %  Discharging  5.70 W out"
    assert lines(SAMPLE, 39)[1] == "battery  57.0 %  Discharging"
    assert all(len(line) <= 20 for line in lines(SAMPLE, 20))


def test_time_left_comes_from_the_database(recording: Recording) -> None:
    recording.run()
    recording.health(NOON - 3_600, "BAT0", 5.0, 5.0, 1)
    for index in range(720):
        recording.sample(
            NOON + 5 * (index - 719),
            power=-5.7,
            voltage=3.8,
            battery_pct=80.0 - index // 36,
            status="Discharging",
        )
    recording.database.commit()
    assert lines(SAMPLE, path=recording.path)[2].startswith("time left  ")
    charging = SAMPLE._replace(battery=Battery("BAT0", "Charging", 3.8, 1.5, 5.7, 57.0))
    assert lines(charging, path=recording.path)[2].startswith("cpu ")


def test_the_database_is_read_once_a_minute(recording: Recording) -> None:
    """It is deleted after the first read, and missing at the next one."""
    recording.run()
    for index in range(240):
        recording.sample(
            NOON + 5 * (index - 239), power=-5.7, voltage=3.8, battery_pct=57.0, status="Discharging"
        )
    recording.database.commit()
    moment = NOON
    ahead = Ahead(recording.path, lambda: moment)
    assert list(ahead.lines(SAMPLE.battery))
    recording.path.rename(recording.path.with_suffix(".away"))
    moment = NOON + 59
    assert list(ahead.lines(SAMPLE.battery))
    moment = NOON + 60
    assert not list(ahead.lines(SAMPLE.battery))
