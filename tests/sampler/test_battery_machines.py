"""The reading of every recorded machine matches its expected.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sampler.battery import PowerSupplySensor
from tests.sampler.supplies import over_the_wire

MACHINES = Path(__file__).parent.parent / "data" / "power_supply"
CASES = sorted(path.name for path in MACHINES.iterdir() if path.is_dir())
NO_BATTERY = {
    "desktop-apple-trackpad": "scope",
    "desktop-logitech-g903": "scope",
    "desktop-logitech-g935": "scope",
    "desktop-wacom-tablet": "scope",
    "lime2-no-battery": "present",
    "xiaomi-mi6-bms": "type",
}
"""Machines without a battery, and the attribute that shows it."""
DOUBTED = {
    "gta04-bq27000-capacity-1536": "bq27000-battery: capacity 1536 is not a percentage",
    "gta04-bq27000-uncalibrated": "bq27000-battery: -766.628 W (voltage × current) is outside",
    "odin3-power-now-68w": "battery: power 68 W is not voltage × current (2.09575 W)",
    "surface-go3-full-6w": "BAT1: 6.26671 W while Full: the driver has not shown its sign",
    "surface-pro7-not-charging-3w": "BAT1: 3.318 W while Not charging: the driver has not shown its sign",
    "t480-phantom-second-pack": "BAT1: all its readings are 0",
}
"""Machines with a rejected battery value, and the start of the line that explains it."""


def test_every_recorded_machine_is_tested() -> None:
    assert len(CASES) == 33


@pytest.mark.parametrize("case", CASES)
def test_a_machine_reads_as_expected(case: str) -> None:
    expected = json.loads((MACHINES / case / "expected.json").read_text())["expected"]
    battery = PowerSupplySensor(MACHINES / case / "sys").read()
    assert over_the_wire(battery) == battery
    if expected["battery"] is None:
        assert battery is None
        assert case in NO_BATTERY
        return
    assert battery is not None
    assert battery.name == expected["battery"]
    read = {
        "voltage": battery.voltage,
        "current": battery.current,
        "power": battery.power,
        "battery_pct": battery.pct,
    }
    for quantity, value in read.items():
        wanted = expected[quantity]
        assert value == (None if wanted is None else pytest.approx(wanted, rel=1e-3)), quantity


@pytest.mark.parametrize("case", CASES)
def test_rejected_values_of_a_machine_are_explained(case: str) -> None:
    lines = PowerSupplySensor(MACHINES / case / "sys").explain()
    supplies = sorted(path.name for path in (MACHINES / case / "sys/class/power_supply").iterdir())
    if case in NO_BATTERY:
        assert [line.partition(f": {NO_BATTERY[case]} is ")[0] for line in lines] == supplies
    else:
        told = [line for line in lines if not line.endswith("type is 'Mains', not Battery")]
        assert len(told) == (case in DOUBTED)
        assert all(line.startswith(DOUBTED[case]) for line in told)
