"""Mains, governor, brightness and radios: further inputs of a power model."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.backlight import BrightnessSensor
from sampler.governor import GovernorSensor
from sampler.mains import MainsSensor
from sampler.rfkill import RadioSensor
from tests.sampler.monitors import write_class
from tests.sampler.supplies import pack, write_supply

MACHINES = Path(__file__).parent.parent / "data" / "power_supply"

# --- mains -----------------------------------------------------------------------------------------

Supply = dict[str, str | int]


@pytest.mark.parametrize(
    ("supplies", "on"),
    [
        pytest.param([], None, id="none-at-all"),
        pytest.param([{"type": "Mains", "online": 1}], True, id="mains"),
        pytest.param([{"type": "Mains", "online": 0}], False, id="mains-off"),
        pytest.param([{"type": "Mains", "online": 0}, {"type": "USB", "online": 1}], True, id="usb"),
        pytest.param([{"type": "USB_PD", "online": 2}], True, id="programmable"),
        pytest.param([{"type": "USB_C", "online": 0}] * 3, False, id="ports-without-a-charger"),
        pytest.param([{"type": "Wireless", "online": 1}], True, id="wireless"),
        pytest.param([{"type": "Wireless", "online": 1, "scope": "Device"}], None, id="pad-of-a-mouse"),
        pytest.param([{"type": "Battery", "online": 1}], None, id="axp20x-battery-has-online"),
        pytest.param([{"type": "UPS", "online": 1}], None, id="ups"),
        pytest.param([{"type": "Mains"}], None, id="does-not-tell"),
        pytest.param([{"type": "Mains", "online": ""}, {"type": "USB", "online": 0}], False, id="one-tells"),
        pytest.param([{"type": "Mains", "online": "yes"}], None, id="no-number"),
        pytest.param([{"type": "Mains", "online": -1}], False, id="negative"),
        pytest.param([{"online": 1}], None, id="no-type"),
    ],
)
def test_mains(tmp_path: Path, supplies: list[Supply], on: bool | None) -> None:
    for number, attributes in enumerate(supplies):
        write_supply(tmp_path, f"supply{number}", **attributes)
    pack(tmp_path, "BAT0")
    assert MainsSensor(tmp_path).read() is on


def test_supplies_may_be_plugged_in_and_removed(tmp_path: Path) -> None:
    sensor = MainsSensor(tmp_path)
    assert sensor.read() is None
    adapter = write_supply(tmp_path, "AC", type="", online=1)
    assert sensor.read() is None
    (adapter / "type").write_text("Mains\n")
    assert sensor.read() is True
    (adapter / "online").write_text("0\n")
    assert sensor.read() is False
    adapter.rename(tmp_path / "pulled")
    assert sensor.read() is None


@pytest.mark.parametrize(
    ("machine", "on"),
    [
        ("lenovo-node-exporter", False),
        ("lenovo-procfs-uevent-mismatch", False),
        ("dell-2s-discharging", None),
    ],
)
def test_mains_of_recorded_machines(machine: str, on: bool | None) -> None:
    assert MainsSensor(MACHINES / machine / "sys").read() is on


# --- governor --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("governors", "expected"),
    [
        ([], None),
        (["schedutil"], "schedutil"),
        (["performance"] * 8, "performance"),
        (["schedutil", "performance"], "performance+schedutil"),
        (["", "powersave"], "powersave"),
        (["\x1b[31m", "<unknown>", "a" * 4000], None),
    ],
)
def test_governor(tmp_path: Path, governors: list[str], expected: str | None) -> None:
    root = tmp_path / "devices/system/cpu/cpufreq"
    for number, governor in enumerate(governors):
        (root / f"policy{number}").mkdir(parents=True)
        (root / f"policy{number}" / "scaling_governor").write_text(f"{governor}\n")
    assert GovernorSensor(tmp_path).read() == expected


# --- brightness ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("screen", "percent"),
    [
        pytest.param({"brightness": 400, "max_brightness": 1000}, 40, id="ordinary"),
        pytest.param({"brightness": 0, "max_brightness": 255}, 0, id="dark"),
        pytest.param({"brightness": 255, "max_brightness": 255}, 100, id="full"),
        pytest.param({"brightness": 9, "max_brightness": 9, "bl_power": 4}, 0, id="off"),
        pytest.param({"brightness": 9, "max_brightness": 9, "bl_power": 0}, 100, id="on"),
        pytest.param({"brightness": 5, "max_brightness": 10, "actual_brightness": 65535}, 50, id="amdgpu"),
        pytest.param({"brightness": 11, "max_brightness": 10}, None, id="over"),
        pytest.param({"brightness": -1, "max_brightness": 10}, None, id="negative"),
        pytest.param({"brightness": 1, "max_brightness": 0}, None, id="no-range"),
        pytest.param({"brightness": 1}, None, id="no-maximum"),
        pytest.param({"max_brightness": 10}, None, id="no-brightness"),
        pytest.param({"brightness": "nan", "max_brightness": 10}, None, id="no-number"),
    ],
)
def test_brightness(tmp_path: Path, screen: Supply, percent: float | None) -> None:
    write_class(tmp_path, "backlight", "intel_backlight", **screen)
    assert BrightnessSensor(tmp_path).read() == percent


def test_screens_are_preferred_as_in_the_kernel(tmp_path: Path) -> None:
    for name, kind, brightness in (("a", "raw", 1), ("b", "firmware", 3), ("c", "platform", 2)):
        write_class(tmp_path, "backlight", name, type=kind, brightness=brightness, max_brightness=10)
    assert BrightnessSensor(tmp_path).read() == 30


def test_a_screen_may_be_added_and_removed(tmp_path: Path) -> None:
    sensor = BrightnessSensor(tmp_path)
    assert sensor.read() is None
    first = write_class(tmp_path, "backlight", "a", type="raw", brightness=1, max_brightness=10)
    assert sensor.read() == 10
    (first / "brightness").write_text("7\n")
    assert sensor.read() == 70
    first.rename(tmp_path / "gone")
    assert sensor.read() is None
    write_class(tmp_path, "backlight", "b", type="raw", brightness=1, max_brightness=20)
    assert sensor.read() == 5


def test_the_maximum_of_a_screen_may_change(tmp_path: Path) -> None:
    screen = write_class(tmp_path, "backlight", "a", type="raw", brightness=5, max_brightness=10)
    sensor = BrightnessSensor(tmp_path)
    assert sensor.read() == 50
    (screen / "brightness").write_text("102\n")
    assert sensor.read() is None  # above the maximum
    (screen / "max_brightness").write_text("255\n")
    assert sensor.read() == 40


# --- radios ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "radios"),
    [
        pytest.param([], None, id="none"),
        pytest.param([{"type": "wlan", "state": 1}], {"wlan": True}, id="on"),
        pytest.param([{"type": "wlan", "state": 0}], {"wlan": False}, id="soft-blocked"),
        pytest.param([{"type": "wlan", "state": 2}], {"wlan": False}, id="hard-blocked"),
        pytest.param([{"type": "wlan", "soft": 0, "hard": 0}], {"wlan": True}, id="without-state"),
        pytest.param([{"type": "wlan", "soft": 0, "hard": 1}], {"wlan": False}, id="switch"),
        pytest.param([{"type": "wlan", "soft": 0}], None, id="half-told"),
        pytest.param(
            [
                {"type": "bluetooth", "state": 0},
                {"type": "bluetooth", "state": 1},
                {"type": "wlan", "state": 0},
            ],
            {"bluetooth": True, "wlan": False},
            id="any-of-a-type",
        ),
        pytest.param([{"state": 1}], None, id="no-type"),
        pytest.param([{"type": "wlan", "state": 7}], None, id="no-state"),
        pytest.param([{"type": "\x1b[31m", "state": 1}], None, id="no-word"),
    ],
)
def test_radios(tmp_path: Path, switches: list[Supply], radios: dict[str, bool] | None) -> None:
    for number, attributes in enumerate(switches):
        write_class(tmp_path, "rfkill", f"rfkill{number}", **attributes)
    assert RadioSensor(tmp_path).read() == radios
