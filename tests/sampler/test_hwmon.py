"""INA219, INA226 and INA3221: the choice of the chip, and its readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import NoSuchSupply
from sampler.choice import Choice, choose, make_battery, make_source
from sampler.clock import Clock
from sampler.driver_sign import DriverSigns
from sampler.hwmon import HwmonBattery, NoSuchChip, RailSource
from telemetry.errors import UserError
from telemetry.sample import Battery, PowerSource
from tests.sampler.fakes import SetClock
from tests.sampler.monitors import write_chip
from tests.sampler.supplies import over_the_wire, pack, write_supply

INA219: dict[str, str | int] = {
    "in0_input": 9,
    "in1_input": 7904,
    "curr1_input": -512,
    "power1_input": 4040000,
    "shunt_resistor": 100000,
}
"""7.904 V, 0.512 A, 4.04 W, discharging by the kernel's sign."""


def read(sysfs: Path, name: str = "auto", *, reverse: bool = False) -> Battery | None:
    battery = make_battery(sysfs, name, Clock(), DriverSigns(), reverse=reverse).read()
    assert over_the_wire(battery) == battery
    return battery


# --- the battery behind a power monitor ------------------------------------------------------------


@pytest.mark.parametrize("chip", ["ina219", "ina226"])
def test_auto_takes_the_only_monitor_of_a_machine_without_a_battery(tmp_path: Path, chip: str) -> None:
    write_chip(tmp_path, 0, "cpu_thermal", temp1_input=48000)
    write_chip(tmp_path, 3, chip, **INA219)
    assert read(tmp_path) == Battery(chip, None, 7.904, -0.512, -4.04, None, "power1_input")


def test_auto_prefers_a_kernel_battery(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina219", **INA219)
    write_supply(tmp_path, "AC", type="Mains", online=1)
    assert (read(tmp_path) or [None])[0] == "ina219"
    pack(tmp_path, "BAT0")
    assert (read(tmp_path) or [None])[0] == "BAT0"


def test_auto_takes_the_monitor_beside_an_empty_bay(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina219", **INA219)
    nothing = dict.fromkeys(("capacity", "voltage_now", "current_now", "charge_now", "charge_full"), 0)
    bay = pack(tmp_path, "BAT0", status="Unknown", **nothing)
    sensor = make_battery(tmp_path, "auto", Clock(), DriverSigns())

    def name() -> str | None:
        battery = sensor.read()
        return battery and battery.name

    assert name() == "ina219"
    (bay / "charge_full").write_text("4000000\n")
    (bay / "charge_now").write_text("2000000\n")
    (bay / "capacity").write_text("50\n")
    assert name() == "BAT0"
    for attribute in nothing:
        (bay / attribute).write_text("0\n")
    assert name() == "BAT0"  # it reported numbers, so it is not an empty bay


def test_auto_chooses_neither_of_two_monitors(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina219", **INA219)
    write_chip(tmp_path, 1, "ina226", **INA219)
    assert read(tmp_path) is None
    lines = make_battery(tmp_path, "auto", Clock(), DriverSigns()).explain()
    assert lines[-1].endswith("hwmon0 (ina219), hwmon1 (ina226)")
    assert "not exactly one" in lines[-1]


@pytest.mark.parametrize("chip", ["ina3221", "acpitz", "rpi_volt", "ina2190"])
def test_auto_ignores_other_chips(tmp_path: Path, chip: str) -> None:
    write_chip(tmp_path, 0, chip, **INA219)
    assert read(tmp_path) is None
    lines = make_battery(tmp_path, "auto", Clock(), DriverSigns()).explain()
    assert lines == [
        f"battery: there is no power supply in {tmp_path}/class/power_supply",
        f"battery: no ina219 or ina226 in {tmp_path}/class/hwmon: {chip}",
    ]


@pytest.mark.parametrize("name", ["ina219", "hwmon3"])
def test_a_monitor_by_name(tmp_path: Path, name: str) -> None:
    pack(tmp_path, "BAT0")
    write_chip(tmp_path, 0, "ina226", **(INA219 | {"in1_input": 5000}))
    write_chip(tmp_path, 3, "ina219", **INA219)
    battery = read(tmp_path, name)
    assert battery is not None
    assert (battery.name, battery.voltage) == ("ina219", 7.904)


def test_any_monitor_may_be_named(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina260", **INA219)
    assert (read(tmp_path, "ina260") or [None])[0] == "ina260"


@pytest.mark.parametrize("name", ["ina226", "hwmon0", "hwmon7", "BAT0", "../hwmon/hwmon3"])
def test_a_name_that_is_neither_a_monitor_nor_a_supply(tmp_path: Path, name: str) -> None:
    write_chip(tmp_path, 0, "acpitz", temp1_input=1)
    write_chip(tmp_path, 3, "ina219", **INA219)
    with pytest.raises(NoSuchSupply, match=r"power monitors in hwmon: hwmon3 \(ina219\)") as raised:
        read(tmp_path, name)
    assert "ina3221, pmic, rapl" in str(raised.value)


def test_two_monitors_with_the_same_name_are_selected_by_directory(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina219", **INA219)
    write_chip(tmp_path, 1, "ina219", **INA219)
    with pytest.raises(NoSuchChip, match=r"2 chips 'ina219' .*: hwmon0 \(ina219\), hwmon1 \(ina219\)"):
        read(tmp_path, "ina219")
    assert read(tmp_path, "hwmon1") is not None


@pytest.mark.parametrize(
    ("changes", "reverse", "expected"),
    [
        pytest.param({}, False, (7.904, -0.512, -4.04, "power1_input"), id="abi"),
        pytest.param({}, True, (7.904, 0.512, 4.04, "power1_input"), id="reversed"),
        pytest.param({"curr1_input": 512}, False, (7.904, 0.512, 4.04, "power1_input"), id="charging"),
        pytest.param({"curr1_input": 512}, True, (7.904, -0.512, -4.04, "power1_input"), id="waveshare"),
        pytest.param({"power1_input": 0}, False, (7.904, -0.512, -4.046848, "voltage*current"), id="0-W"),
        pytest.param(
            {"power1_input": 68000000}, False, (7.904, -0.512, -4.046848, "voltage*current"), id="68-W"
        ),
        pytest.param({"power1_input": ""}, False, (7.904, -0.512, -4.046848, "voltage*current"), id="no-W"),
        pytest.param({"curr1_input": ""}, False, (7.904, None, None, None), id="no-direction-no-power"),
        pytest.param({"in1_input": ""}, False, (None, -0.512, -4.04, "power1_input"), id="no-volts"),
        pytest.param({"curr1_input": 0, "power1_input": 0}, False, (7.904, 0, 0, "power1_input"), id="rest"),
        pytest.param({"curr1_input": 0}, False, (7.904, 0, 0, "voltage*current"), id="0-A-has-no-direction"),
        pytest.param({"curr1_input": 0}, True, (7.904, 0, 0, "voltage*current"), id="0-A-reversed"),
        pytest.param({"in1_input": 104}, False, (None, None, None, None), id="under-1-V"),
        pytest.param({"curr1_input": 3200000}, False, (None, None, None, None), id="not-calibrated"),
        pytest.param(
            {"in1_input": 0, "curr1_input": 0, "power1_input": 0}, False, (None,) * 4, id="no-answer"
        ),
        pytest.param({"in1_input": "nan", "curr1_input": "0x1"}, False, (None,) * 4, id="no-numbers"),
    ],
)
def test_readings_of_a_monitor(
    tmp_path: Path, changes: dict[str, str | int], reverse: bool, expected: tuple[float | str | None, ...]
) -> None:
    write_chip(tmp_path, 0, "ina219", **(INA219 | changes))
    battery = read(tmp_path, reverse=reverse)
    assert battery is not None
    assert battery[:2] == ("ina219", None)
    assert battery.pct is None
    numbers = (battery.voltage, battery.current, battery.power)
    assert numbers == pytest.approx(expected[:3])
    assert battery.method == expected[3]


def test_rejected_values_are_kept_under_the_attribute_names_of_the_chip(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "ina219", **(INA219 | {"in1_input": 104}))
    battery = read(tmp_path)
    assert battery is not None
    assert battery.raw == {"in1_input": "104", "curr1_input": "-512", "power1_input": "4040000"}


def test_a_chip_is_found_again_if_its_hwmon_number_changes(tmp_path: Path) -> None:
    """hwmon3 is another chip after a driver was reloaded."""
    directory = write_chip(tmp_path, 3, "ina219", **INA219)
    sensor = HwmonBattery(tmp_path)
    assert sensor.read() is not None
    directory.rename(directory.with_name("hwmon5"))
    write_chip(tmp_path, 3, "nvme", temp1_input=1)
    battery = sensor.read()
    assert battery is not None
    assert battery.voltage == 7.904


def test_without_a_chip_the_machine_is_searched_once_a_minute(tmp_path: Path) -> None:
    clock = SetClock()
    sensor = HwmonBattery(tmp_path, monotonic=clock.monotonic)
    assert sensor.read() is None
    write_chip(tmp_path, 3, "ina219", **INA219)
    assert sensor.read() is None
    clock.go_on(60)
    assert sensor.read() is not None


# --- rails -----------------------------------------------------------------------------------------

JETSON: dict[str, str | int] = {
    "in1_label": "VDD_IN",
    "in2_label": "VDD_CPU_GPU_CV",
    "in3_label": "VDD_SOC",
    "in1_input": 5080,
    "in2_input": 5072,
    "in3_input": 5072,
    "curr1_input": 1200,
    "curr2_input": 300,
    "curr3_input": 400,
}


def test_the_rail_that_feeds_the_board(tmp_path: Path) -> None:
    directory = write_chip(tmp_path, 2, "ina3221", **JETSON)
    sensor = RailSource(tmp_path)
    source = sensor.read()
    assert source is not None
    assert source == PowerSource("ina3221:1", 5.08 * 1.2, 5.08, 1.2)
    (directory / "curr1_input").write_text("-1200\n")
    assert (sensor.read() or source).power == pytest.approx(6.096)
    (directory / "in1_input").unlink()
    assert sensor.read() is None
    directory.rename(directory.with_name("gone"))
    assert sensor.read() is None


def test_a_rail_by_number(tmp_path: Path) -> None:
    write_chip(tmp_path, 2, "ina3221", **JETSON)
    for name in ("ina3221:2", "hwmon2:2"):
        source = make_source(tmp_path, name, Clock()).read()
        assert source is not None
        assert (source.name, source.current) == ("ina3221:2", 0.3)


@pytest.mark.parametrize("name", ["ina3221", "ina3221:4", "ina3221:x", "ina3221:", "ina3221:²"])
def test_an_ambiguous_rail_is_refused(tmp_path: Path, name: str) -> None:
    write_chip(tmp_path, 2, "ina3221", **(JETSON | {"in1_label": "CH1"}))
    with pytest.raises(
        NoSuchChip, match=r"which rail of hwmon2 \(ina3221\)\? .*:1 \(CH1\), .*:3 \(VDD_SOC\)"
    ):
        RailSource(tmp_path, name)


def test_a_chip_without_rails(tmp_path: Path) -> None:
    write_chip(tmp_path, 2, "ina3221")
    with pytest.raises(NoSuchChip, match="it reports no current"):
        RailSource(tmp_path)


# --- the choice ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "choice"),
    [
        ([], Choice("auto", None)),
        (["BAT1"], Choice("BAT1", None)),
        (["rapl"], Choice("auto", "rapl")),
        (["none", "pmic"], Choice("none", "pmic")),
        (["ina3221:2", "hwmon1"], Choice("hwmon1", "ina3221:2")),
        (["hwmon2"], Choice("auto", "hwmon2")),
        (["hwmon2:3"], Choice("auto", "hwmon2:3")),
    ],
)
def test_which_choices_are_batteries_and_which_are_sources(
    tmp_path: Path, names: list[str], choice: Choice
) -> None:
    write_chip(tmp_path, 1, "ina219", **INA219)
    write_chip(tmp_path, 2, "ina3221", **JETSON)
    assert choose(tmp_path, names) == choice


@pytest.mark.parametrize("names", [["BAT0", "BAT1"], ["auto", "none"], ["rapl", "pmic"], ["rapl", "hwmon2"]])
def test_two_choices_of_one_kind_are_refused(tmp_path: Path, names: list[str]) -> None:
    write_chip(tmp_path, 2, "ina3221", **JETSON)
    with pytest.raises(ValueError, match=" and "):
        choose(tmp_path, names)


@pytest.mark.parametrize("name", ["rapl", "pmic", "ina3221"])
def test_a_missing_source_gives_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as raised:
        make_source(tmp_path, name, Clock())
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)
