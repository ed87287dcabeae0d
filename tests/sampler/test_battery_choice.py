"""Which supply is a battery, and the effect of the user's choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import NoSuchSupply, PowerSupplySensor
from telemetry.errors import UserError
from tests.sampler.supplies import ABSENT, Attributes, pack, read, reading, write_supply

# --- which supply is a battery ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "is_battery", "reason"),
    [
        pytest.param({}, True, "", id="ordinary"),
        pytest.param({"scope": "System"}, True, "", id="scope-system"),
        pytest.param({"scope": "Unknown"}, True, "", id="scope-unknown"),
        pytest.param({"scope": "Device"}, False, "scope is Device", id="peripheral"),
        pytest.param({"present": 0}, False, "present is 0", id="empty-bay"),
        pytest.param({"present": ABSENT}, True, "", id="no-present-attribute"),
        pytest.param({"online": 1}, True, "", id="axp20x-has-online"),
        pytest.param({"type": "Mains"}, False, "type is 'Mains'", id="mains"),
        pytest.param({"type": "USB"}, False, "type is 'USB'", id="usb"),
        pytest.param({"type": "UPS"}, False, "type is 'UPS'", id="ups"),
        pytest.param({"type": "BMS"}, False, "type is 'BMS'", id="second-gauge"),
        pytest.param({"type": ABSENT}, False, "type cannot be read", id="no-type"),
        pytest.param({"type": "Unknown"}, True, "", id="unknown-with-gauge"),
        pytest.param({"type": "Unknown", "scope": "Device"}, False, "scope is", id="unknown-peripheral"),
        pytest.param({"type": "Unknown", "present": 0}, False, "present is 0", id="unknown-empty-bay"),
        pytest.param({"type": "Unknown", "online": 1}, False, "of a source", id="unknown-with-online"),
        pytest.param({"type": "Unknown", "usb_type": "[C] PD"}, False, "of a source", id="unknown-usb"),
    ],
)
def test_which_supplies_are_batteries(
    tmp_path: Path, changes: Attributes, is_battery: bool, reason: str
) -> None:
    pack(tmp_path, "some-supply", **changes)
    assert (read(tmp_path) is not None) == is_battery
    lines = PowerSupplySensor(tmp_path).explain()
    assert len(lines) == (0 if is_battery else 1)
    assert all(line.startswith("some-supply: ") and reason in line for line in lines)


@pytest.mark.parametrize(
    ("attributes", "is_battery"),
    [
        pytest.param({"energy_avg": 1000000}, True, id="energy"),
        pytest.param({"charge_now": 1000000}, True, id="charge"),
        pytest.param({"capacity": 50}, True, id="capacity"),
        pytest.param({"voltage_now": 3700000, "current_avg": 1}, True, id="voltage-and-current"),
        pytest.param({"voltage_now": 5000000}, False, id="voltage-only"),
        pytest.param({"current_now": 5000000, "status": "Charging"}, False, id="current-only"),
        pytest.param({"energy_now": "nan", "charge_full_design": 1}, False, id="no-number"),
        pytest.param({}, False, id="nothing"),
    ],
)
def test_an_unknown_type_needs_attributes_that_only_batteries_have(
    tmp_path: Path, attributes: Attributes, is_battery: bool
) -> None:
    write_supply(tmp_path, "BAT0", type="Unknown", **attributes)
    assert (read(tmp_path) is not None) == is_battery


@pytest.mark.parametrize("name", ["BAT0", "AC", "cw2015-battery", "hid-70:cd-battery", "x", "ACAD", "ü"])
def test_the_name_of_a_supply_does_not_matter(tmp_path: Path, name: str) -> None:
    pack(tmp_path, name)
    assert reading(tmp_path).name == name
    pack(tmp_path, "BATTERY", type="Mains")
    assert reading(tmp_path).name == name


def test_a_name_that_is_not_utf8_can_still_be_sent(tmp_path: Path) -> None:
    pack(tmp_path, "B\udcff")
    assert reading(tmp_path).name == "B\ufffd"


def test_a_plain_file_among_the_supplies_is_ignored(tmp_path: Path) -> None:
    pack(tmp_path)
    (tmp_path / "class/power_supply/notes").write_text("Battery\n")
    assert reading(tmp_path).name == "BAT0"


# --- the choice ------------------------------------------------------------------------------------


def test_auto_without_any_supply(tmp_path: Path) -> None:
    sensor = PowerSupplySensor(tmp_path)
    assert sensor.read() is None
    assert PowerSupplySensor(tmp_path).explain() == [
        f"battery: there is no power supply in {tmp_path}/class/power_supply"
    ]


def test_each_rejected_value_is_explained_in_a_line(tmp_path: Path) -> None:
    pack(tmp_path, voltage_now=0, capacity=1536)
    assert PowerSupplySensor(tmp_path).explain() == [
        "BAT0: 0 V is outside what a machine can do (1 to 100)",
        "BAT0: capacity 1536 is not a percentage",
    ]


def test_none_reads_nothing(tmp_path: Path) -> None:
    pack(tmp_path)
    assert read(tmp_path, "none") is None
    assert PowerSupplySensor(tmp_path, "none").explain() == ["battery: not read (--power-supply none)"]


def test_only_the_given_supply_is_read(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0")
    pack(tmp_path, "BAT1", capacity=10)
    battery = read(tmp_path, "BAT1")
    assert battery is not None
    assert (battery.name, battery.pct, battery.power) == ("BAT1", 10, -12)


@pytest.mark.parametrize("changes", [{"type": "BMS"}, {"type": ABSENT}, {"scope": "Device"}, {"type": "UPS"}])
def test_a_given_supply_need_not_look_like_a_battery(tmp_path: Path, changes: dict[str, str]) -> None:
    pack(tmp_path, "gauge", **changes)
    assert read(tmp_path) is None
    battery = read(tmp_path, "gauge")
    assert battery is not None
    assert battery.power == -12


@pytest.mark.parametrize(
    "changes", [{"type": "Mains"}, {"type": "USB_PD"}, {"type": "Wireless"}, {"present": "0"}]
)
def test_a_given_supply_that_cannot_be_a_battery_is_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    pack(tmp_path, "AC", **changes)
    assert read(tmp_path, "AC") is None
    assert len(PowerSupplySensor(tmp_path, "AC").explain()) == 1


@pytest.mark.parametrize("name", ["BAT7", "", ".", "..", "BAT0/../BAT0", "BAT0/", "/", "BAT0\0", "Auto"])
def test_a_given_supply_that_is_missing_gives_an_error(tmp_path: Path, name: str) -> None:
    pack(tmp_path, "BAT0")
    write_supply(tmp_path, "AC", type="Mains")
    with pytest.raises(NoSuchSupply, match="there are AC, BAT0 ") as raised:
        PowerSupplySensor(tmp_path, name)
    assert isinstance(raised.value, UserError)
    assert repr(name) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_given_supply_on_a_machine_without_any_gives_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoSuchSupply, match="there are none"):
        PowerSupplySensor(tmp_path, "BAT0")


def test_batteries_may_be_inserted_and_removed(tmp_path: Path) -> None:
    auto = PowerSupplySensor(tmp_path)
    assert auto.read() is None
    first = pack(tmp_path, "BAT0", capacity=40)
    forced = PowerSupplySensor(tmp_path, "BAT0")
    for sensor in (auto, forced):
        battery = sensor.read()
        assert battery is not None
        assert battery.pct == 40
    first.rename(tmp_path / "pulled")
    assert auto.read() is None
    assert forced.read() is None
    assert forced.explain() == [f"battery: there is no BAT0 in {tmp_path}/class/power_supply"]
    (tmp_path / "pulled").rename(first)
    assert forced.read() is not None
    pack(tmp_path, "BAT1", current_now=3000000)
    battery = auto.read()
    assert battery is not None
    assert (battery.name, battery.power) == ("BAT1", -48)
    (first / "present").write_text("0\n")
    battery = auto.read()
    assert battery is not None
    assert battery.power == -36
