"""Builds small sysfs trees of power supplies, and reads them with the battery sensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sampler.battery import PowerSupplySensor
from telemetry.sample import Battery, Cpu, Sample, decode, encode

LAPTOP: Final[dict[str, str | int]] = {
    "type": "Battery",
    "present": "1",
    "status": "Discharging",
    "capacity": "50",
    "voltage_now": "12000000",
    "current_now": "1000000",
    "charge_now": "2000000",
    "charge_full": "4000000",
}
"""An ordinary pack: 12 V, 1 A, 50 %."""


ABSENT: Final = "\0"
"""Marks an attribute that a case removes."""

Attributes = Mapping[str, str | int]


def write_supply(sysfs: Path, name: str, /, **attributes: str | int) -> Path:
    """Make a supply with these attribute files, each ending in a newline as in sysfs."""
    directory = sysfs / "class" / "power_supply" / name
    directory.mkdir(parents=True)
    for attribute, value in attributes.items():
        if value != ABSENT:
            (directory / attribute).write_text(f"{value}\n")
    return directory


def pack(sysfs: Path, name: str = "BAT0", /, **changes: str | int) -> Path:
    """Make the ordinary pack with these changes."""
    return write_supply(sysfs, name, **(LAPTOP | changes))


def read(sysfs: Path, choice: str = "auto") -> Battery | None:
    """Return one reading, and check that every reader of the stream would accept it."""
    battery = PowerSupplySensor(sysfs, choice).read()
    assert over_the_wire(battery) == battery
    return battery


def reading(sysfs: Path) -> Battery:
    """Return one reading of a machine with a battery."""
    battery = read(sysfs)
    assert battery is not None
    return battery


def plain(battery: Battery | None) -> Battery | None:
    """Return the battery without method, raw and packs."""
    return battery and battery._replace(method=None, raw=None, packs=None, health=None, level=None)


def over_the_wire(battery: Battery | None) -> Battery | None:
    cpu = Cpu(total=None, cores=())
    load = (None, None, None)
    sample = Sample("host", "boot", "run", 1, 1, 1.0, 1.0, 0.0, battery, cpu, load, ())
    return decode(encode(sample)).battery
