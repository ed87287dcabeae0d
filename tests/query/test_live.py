"""The screen of live, line by line; tests/system has the process."""

from __future__ import annotations

from query.live import _lines
from telemetry.sample import Battery, BatteryPack, Cpu, PowerSource, Process, Sample

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


def lines(sample: Sample) -> list[str]:
    return list(_lines(sample, limit=10, width=90))


def test_what_every_sampler_tells() -> None:
    assert lines(SAMPLE) == [
        "pi4  2026-11-21 12:00:00  sample 7",
        "battery  57.0 %  Discharging  5.70 W out  3.80 V  1.50 A out",
        "cpu       20.0 %  1500 MHz  48.5 °C  load 0.50 0.40 -",
        "cores     30  -",
        "",
        "pid  name     cpu  mem  children",
        "---  -------  ---  ---  --------",
        "  1  sh       1.0  0.5      80.0",
        "  2  \\x1b[2J  2.0  0.5         -",
    ]


def test_what_some_samplers_tell() -> None:
    packs = tuple(BatteryPack(f"BAT{n}", None, None, None, None, pct) for n, pct in enumerate([40.0, None]))
    sample = SAMPLE._replace(
        battery=Battery("BAT0", "Charging", None, None, 9.0, 40.0, packs=packs),
        on_ac=True,
        source=PowerSource("rapl", 6.5, estimate=True),
        throttled=("undervoltage", "throttled"),
    )
    _, battery, cpu, *_ = lines(sample)
    assert battery == "battery  40.0 %  Charging  9.00 W in  BAT0 40.0 %  BAT1 -  mains  rapl 6.50 W and more"
    assert cpu.endswith("load 0.50 0.40 -  held back: undervoltage, throttled")
    assert len(cpu) <= 90


def test_no_battery() -> None:
    bare = SAMPLE._replace(battery=None, on_ac=False, source=PowerSource("ina219", 4.2), throttled=())
    assert lines(bare)[1] == "battery  none  no mains  ina219 4.20 W"
    assert lines(bare)[2].endswith("load 0.50 0.40 -")
