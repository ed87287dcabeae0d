"""Machines reconstructed from the source code of their drivers: their attributes and values.

These are not recordings; recorded machines are in test_battery_machines.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.mains import MainsSensor
from telemetry.sample import Battery
from tests.sampler.supplies import Attributes, plain, read, write_supply

MACHINES: list[tuple[str, dict[str, Attributes], Battery | None, bool | None]] = [
    (
        "max17040: percent and volts, nothing else (hackberrypi)",
        {
            "battery": {
                "type": "Battery",
                "online": 1,
                "status": "Unknown",
                "capacity": 101,
                "voltage_now": 4187500,
            }
        },
        Battery("battery", "Unknown", 4.1875, None, None, 100),
        None,
    ),
    (
        "max17040 of an old driver: volts not scaled",
        {"battery": {"type": "Battery", "status": "Unknown", "capacity": 64, "voltage_now": 53744}},
        Battery("battery", "Unknown", None, None, None, 64),
        None,
    ),
    (
        "axp20x since 2022: negative while discharging, and the charger of a uConsole",
        {
            "axp20x-battery": {
                "type": "Battery",
                "online": 1,
                "present": 1,
                "status": "Discharging",
                "capacity": 71,
                "voltage_now": 3712000,
                "current_now": -812000,
                "power_now": 0,
                "energy_now": 6100000,
                "energy_full": 8000000,
                "energy_full_design": 8000000,
            },
            "axp22x-ac": {"type": "Mains", "online": 0, "present": 0},
        },
        Battery("axp20x-battery", "Discharging", 3.712, -0.812, -3.014144, 71),
        False,
    ),
    (
        "macsmc: signed current and power, energy and charge",
        {
            "macsmc-battery": {
                "type": "Battery",
                "present": 1,
                "status": "Discharging",
                "capacity": 80,
                "voltage_now": 12318000,
                "current_now": -498000,
                "power_now": -6134000,
                "charge_now": 3600000,
                "charge_full": 4500000,
                "energy_now": 42000000,
                "energy_full": 52600000,
            },
            "macsmc-ac": {"type": "Mains", "online": 0},
        },
        Battery("macsmc-battery", "Discharging", 12.318, -0.498, -6.134, 80),
        False,
    ),
    (
        "a Chromebook: sbs gauge, Type-C chargers, and a charging pad for its stylus",
        {
            "sbs-5-000b": {
                "type": "Battery",
                "present": 1,
                "status": "Charging",
                "capacity": 55,
                "scope": "System",
                "voltage_now": 7731000,
                "current_now": 1520000,
                "current_avg": 1500000,
            },
            "CROS_USBPD_CHARGER0": {
                "type": "USB",
                "online": 1,
                "status": "Charging",
                "usb_type": "C [PD] PD_DRP",
                "voltage_now": 15000000,
                "current_now": 2000000,
            },
            "CROS_USBPD_CHARGER1": {"type": "USB", "online": 0, "status": "Not charging", "voltage_now": 0},
            "PCHG0": {"type": "Battery", "scope": "Device", "status": "Charging", "capacity": 12},
        },
        Battery("sbs-5-000b", "Charging", 7.731, 1.52, 11.75112, 55),
        True,
    ),
    (
        "a Steam Deck in its dock, full: no sign, a token current",
        {
            "BAT1": {
                "type": "Battery",
                "present": 1,
                "status": "Full",
                "capacity": 100,
                "current_now": 0,
                "voltage_now": 8706000,
                "charge_now": 5127000,
                "charge_full": 5127000,
            },
            "ACAD": {"type": "Mains", "online": 1},
        },
        Battery("BAT1", "Full", 8.706, 0, 0, 100),
        True,
    ),
    (
        "a charger chip that claims to be a battery and measures nothing, beside the gauge (bq24190)",
        {
            "bq24190-battery": {"type": "Battery", "online": 0, "status": "Discharging", "health": "Good"},
            "bq24190-charger": {"type": "USB", "online": 0},
            "max170xx_battery": {
                "type": "Battery",
                "present": 1,
                "status": "Discharging",
                "capacity": 44,
                "voltage_now": 3790000,
                "current_now": -600000,
            },
        },
        Battery("max170xx_battery", "Discharging", 3.79, -0.6, -2.274, 44),
        False,
    ),
    (
        "a PinePhone in its keyboard: two packs, the keyboard's without a percent",
        {
            "axp20x-battery": {
                "type": "Battery",
                "present": 1,
                "status": "Charging",
                "capacity": 60,
                "voltage_now": 4000000,
                "current_now": 500000,
            },
            "ip5xxx-battery": {
                "type": "Battery",
                "status": "Discharging",
                "voltage_now": 3900000,
                "current_now": -900000,
            },
            "axp813-usb": {"type": "USB", "online": 1},
            "ip5xxx-boost": {"type": "USB", "online": 1},
        },
        Battery("ip5xxx-battery", "Discharging", 3.9, -1.51 / 3.9, -1.51, None),
        True,
    ),
    (
        "a ThinkPad at its charge threshold",
        {
            "BAT0": {
                "type": "Battery",
                "present": 1,
                "status": "Not charging",
                "capacity": 80,
                "power_now": 0,
                "voltage_now": 12600000,
                "energy_now": 40000000,
                "energy_full": 50000000,
            },
            "AC": {"type": "Mains", "online": 1},
            "ucsi-source-psy-USBC000:001": {"type": "USB", "online": 1, "usb_type": "C [PD] PD_PPS"},
        },
        Battery("BAT0", "Not charging", 12.6, 0, 0, 80),
        True,
    ),
    (
        "a desktop with a UPS and an Xbox controller",
        {
            "ups": {"type": "UPS", "online": 1, "capacity": 100, "voltage_now": 13500000},
            "xpadneo_battery_0": {
                "type": "Battery",
                "scope": "Device",
                "capacity_level": "Low",
                "present": 1,
            },
        },
        None,
        None,
    ),
    (
        "an empty bay of a laptop, and the other one",
        {
            "BAT0": {
                "type": "Battery",
                "present": 1,
                "status": "Discharging",
                "power_now": 9000000,
                "voltage_now": 11000000,
                "energy_now": 20000000,
                "energy_full": 40000000,
                "capacity": 50,
            },
            "BAT1": {"type": "Battery", "present": 0},
        },
        Battery("BAT0", "Discharging", 11, -9 / 11, -9, 50),
        None,
    ),
    (
        "a driver that reports millivolts: nothing electrical is believed",
        {
            "battery": {
                "type": "Battery",
                "status": "Charging",
                "capacity": 50,
                "voltage_now": 4012,
                "current_now": 300,
            }
        },
        Battery("battery", "Charging", None, None, None, 50),
        None,
    ),
    (
        "an EC that reports 0xFFFF for unknown values",
        {
            "BAT0": {
                "type": "Battery",
                "present": 1,
                "status": "Discharging",
                "capacity": 70,
                "voltage_now": 11400000,
                "current_now": 65535000,
            }
        },
        Battery("BAT0", "Discharging", None, None, None, 70),
        None,
    ),
]


@pytest.mark.parametrize(
    ("supplies", "battery", "on_ac"),
    [pytest.param(*case, id=name.replace(" ", "-")) for name, *case in MACHINES],
)
def test_a_machine(
    tmp_path: Path, supplies: dict[str, Attributes], battery: Battery | None, on_ac: bool | None
) -> None:
    for name, attributes in supplies.items():
        write_supply(tmp_path, name, **attributes)
    found = plain(read(tmp_path))
    if battery is None or found is None:
        assert found == battery
    else:
        assert found[:2] == battery[:2]
        assert found[2:] == pytest.approx(battery[2:])
    assert MainsSensor(tmp_path).read() is on_ac
