"""False readings of drivers: each rule of docs/battery.md, at one instant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.battery import PowerSupplySensor
from sampler.driver_sign import DriverSigns
from sampler.pack import parse_pack
from sampler.supply import NOTHING, Supply
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import ABSENT, Attributes, pack, reading, write_supply

# --- a percent relative to the wrong capacity ------------------------------------------------------


def charges(now: int, full: int | str, design: int | str) -> Attributes:
    return {"charge_now": now, "charge_full": full, "charge_full_design": design}


def energies(now: int, full: int | str, design: int | str) -> Attributes:
    without: Attributes = {"charge_now": ABSENT, "charge_full": ABSENT}
    return {**without, "energy_now": now, "energy_full": full, "energy_full_design": design}


@pytest.mark.parametrize(
    ("capacity", "levels", "percent"),
    [
        pytest.param(111, charges(9_877_000, 9_877_000, 8_880_000), 100, id="replaced-pack"),
        pytest.param(448, charges(8_739_000, 8_739_000, 1_950_000), 100, id="wrong-design"),
        pytest.param(106, charges(4_240_000, 4_240_000, 4_000_000), 100, id="a-little-larger"),
        pytest.param(106, energies(42_400_000, 42_400_000, 40_000_000), 100, id="in-Wh"),
        pytest.param(224, charges(4_369_500, 8_739_000, 1_950_000), 50, id="half-full"),
        pytest.param(103, charges(4_100_000, 4_000_000, 4_000_000), 100, id="past-full"),
        pytest.param(110, charges(4_360_000, 4_360_000, 4_000_000), 100, id="1-percent-apart"),
        pytest.param(111, charges(4_360_000, 4_360_000, 4_000_000), None, id="2-percent-apart"),
        pytest.param(1536, charges(1_300, 1_000_000, 1_000_000), None, id="bq27000"),
        pytest.param(111, charges(9_877_000, 9_877_000, ABSENT), None, id="no-design"),
        pytest.param(111, charges(9_877_000, 9_877_000, 0), None, id="design-0"),
        pytest.param(111, charges(9_877_000, ABSENT, 8_880_000), None, id="no-full"),
        pytest.param(111, charges(9_877_000, 0, 8_880_000), None, id="full-0"),
        pytest.param(90, charges(1_800_000, 4_000_000, 2_000_000), 90, id="not-over-101"),
        pytest.param(101, charges(4_040_000, 8_080_000, 4_000_000), 100, id="101-is-full"),
    ],
)
def test_a_percent_relative_to_the_design_capacity(
    tmp_path: Path, capacity: int, levels: Attributes, percent: float | None
) -> None:
    pack(tmp_path, capacity=capacity, **levels)
    battery = reading(tmp_path)
    assert battery.pct == pytest.approx(percent)
    assert battery.power == -12
    if capacity > 101:
        given = {name: str(value) for name, value in levels.items() if value != ABSENT}
        assert battery.raw is not None
        assert battery.raw | given | {"capacity": str(capacity)} == battery.raw


def test_a_percent_relative_to_the_design_is_corrected_below_101_too(tmp_path: Path) -> None:
    """It must not jump from 91 to 100 % while the driver's percent goes from 102 to 100."""
    directory = pack(tmp_path, charge_full=9_900_000, charge_full_design=9_000_000)
    sensor = PowerSupplySensor(tmp_path)
    seen = []
    for capacity in (110, 102, 100, 90, 55):
        (directory / "capacity").write_text(f"{capacity}\n")
        (directory / "charge_now").write_text(f"{capacity * 90_000}\n")
        battery = sensor.read()
        assert battery is not None
        seen.append(battery.pct)
    assert seen == pytest.approx([100, 92.7, 90.9, 81.8, 50], abs=0.1)


def test_one_of_two_packs_with_a_percent_relative_to_the_design(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0", capacity=111, **charges(9_877_000, 9_877_000, 8_880_000))
    pack(tmp_path, "BAT1", capacity=50)
    battery = reading(tmp_path)
    assert battery.pct == pytest.approx(100 * (9.877 + 2) / (9.877 + 4))
    assert battery.packs is not None
    assert [it.pct for it in battery.packs] == [100, 50]


@given(now=st.floats(0.001, 50), full=st.floats(0.001, 50), design=st.floats(0.001, 50))
def test_a_percent_is_never_over_100(now: float, full: float, design: float) -> None:
    supply = Supply(
        capacity=round(100 * now / design), charge_now=now, charge_full=full, charge_full_design=design
    )
    percent = parse_pack("BAT0", supply).pct
    assert percent is None or 0 <= percent <= 100


# --- a rate without a direction --------------------------------------------------------------------

REST = ["Full", "Not charging", "Unknown", ABSENT, "charging"]


@pytest.mark.parametrize("status", REST)
@pytest.mark.parametrize(
    "rate",
    [
        pytest.param({"current_now": 413_000}, id="current"),
        pytest.param({"current_now": ABSENT, "power_now": 3_318_000}, id="power"),
        pytest.param({"current_now": 300_000, "power_now": 3_318_000}, id="both"),
        pytest.param({"current_now": 413_000, "voltage_now": ABSENT}, id="current-alone"),
        pytest.param({"current_now": ABSENT, "current_avg": 413_000}, id="average"),
    ],
)
def test_a_positive_rate_has_no_direction_if_the_status_has_none(
    tmp_path: Path, status: str, rate: Attributes
) -> None:
    pack(tmp_path, status=status, **rate)
    battery = reading(tmp_path)
    assert (battery.power, battery.current, battery.method) == (None, None, None)
    assert battery.pct == 50
    assert battery.raw is not None
    (line,) = PowerSupplySensor(tmp_path).explain()
    assert line.endswith("the driver has not shown its sign")


@pytest.mark.parametrize("status", REST)
@pytest.mark.parametrize(("microamps", "power"), [(-413_000, -4.956), (0, 0), (1_000, 0.012)])
def test_a_negative_rate_and_a_resting_rate_are_kept(
    tmp_path: Path, status: str, microamps: int, power: float
) -> None:
    pack(tmp_path, status=status, current_now=microamps)
    assert reading(tmp_path).power == pytest.approx(power)


def run(sensor: PowerSupplySensor, directory: Path, *states: tuple[str, int]) -> list[float | None]:
    powers = []
    for status, microamps in states:
        (directory / "status").write_text(f"{status}\n")
        (directory / "current_now").write_text(f"{microamps}\n")
        battery = sensor.read()
        assert battery is not None
        powers.append(battery.power)
    return powers


@pytest.mark.parametrize("status", ["Full", "Not charging", "Unknown"])
def test_a_driver_known_to_be_signed_is_believed(tmp_path: Path, status: str) -> None:
    directory = pack(tmp_path)
    sensor = PowerSupplySensor(tmp_path)
    assert run(sensor, directory, ("Discharging", -1_000_000), (status, 500_000)) == [-12, 6]


@pytest.mark.parametrize("status", ["Full", "Not charging", "Unknown"])
def test_a_driver_that_just_reported_discharge_as_positive_is_not_believed(
    tmp_path: Path, status: str
) -> None:
    """Also if an earlier run saw its other sign."""
    directory = pack(tmp_path)
    signs = DriverSigns(tmp_path / "signs")
    run(PowerSupplySensor(tmp_path, signs=signs), directory, ("Discharging", -1_000_000))
    sensor = PowerSupplySensor(tmp_path, signs=DriverSigns(tmp_path / "signs"))
    states = [("Discharging", 900_000), (status, 900_000), ("Discharging", -900_000), (status, 900_000)]
    assert run(sensor, directory, *states) == pytest.approx([-10.8, None, -10.8, 10.8])
    states = [("Discharging", 900_000), (status, 1_000), (status, 0), (status, -1_000)]
    assert run(sensor, directory, *states) == pytest.approx([-10.8, None, 0, -0.012])


@pytest.mark.parametrize(
    ("status", "power"), [("Full", -12), ("Not charging", -12), ("Unknown", None), (ABSENT, None)]
)
def test_a_rate_without_a_direction_in_a_sum(tmp_path: Path, status: str, power: float | None) -> None:
    """A resting pack adds nothing; the power of a pack with unknown status is unknown."""
    pack(tmp_path, "BAT0")
    pack(tmp_path, "BAT1", status=status, current_now=500_000)
    assert reading(tmp_path).power == power


# --- power is voltage times current ----------------------------------------------------------------


@pytest.mark.parametrize("status", ["Discharging", "Charging"])
@pytest.mark.parametrize(
    ("watts", "power", "method"),
    [
        pytest.param(68, 12, "voltage*current", id="68-W"),
        pytest.param(37, 12, "voltage*current", id="over-3-times"),
        pytest.param(36, 36, "power_now", id="3-times"),
        pytest.param(4, 4, "power_now", id="a-third"),
        pytest.param(3.9, 12, "voltage*current", id="under-a-third"),
        pytest.param(0.1, 12, "voltage*current", id="nearly-0"),
        pytest.param(-68, 12, "voltage*current", id="negative"),
    ],
)
def test_a_power_far_from_the_product(
    tmp_path: Path, status: str, watts: float, power: float, method: str
) -> None:
    pack(tmp_path, status=status, power_now=round(watts * 1e6))
    battery = reading(tmp_path)
    sign = 1 if status == "Charging" else -1
    assert (battery.power, battery.current, battery.method) == (power * sign, sign, method)
    assert (battery.raw is None) == (method == "power_now")


def test_a_current_of_0_beside_a_power(tmp_path: Path) -> None:
    pack(tmp_path, power_now=6_000_000, current_now=0)
    battery = reading(tmp_path)
    assert (battery.power, battery.current, battery.method) == (-6, -0.5, "power_now")


# --- 0 is not a valid reading of a running machine -------------------------------------------------


@pytest.mark.parametrize(
    "rate",
    [
        pytest.param({"current_now": 0}, id="current"),
        pytest.param({"current_now": ABSENT, "power_now": 0}, id="power"),
        pytest.param({"current_now": 0, "power_now": 0}, id="both"),
        pytest.param({"current_now": "-0"}, id="minus-0"),
        pytest.param({"current_now": 0, "voltage_now": ABSENT}, id="no-volts"),
    ],
)
def test_a_single_pack_that_discharges_at_0(tmp_path: Path, rate: Attributes) -> None:
    pack(tmp_path, **rate)
    battery = reading(tmp_path)
    assert (battery.power, battery.current, battery.method) == (None, None, None)
    assert battery.pct == 50


@pytest.mark.parametrize("other", ["mouse", "empty", "mains", "phantom"])
def test_a_pack_beside_a_supply_that_is_not_a_pack_counts_as_single(tmp_path: Path, other: str) -> None:
    pack(tmp_path, current_now=0)
    others: dict[str, Attributes] = {
        "mouse": {"type": "Battery", "scope": "Device", "status": "Discharging", "power_now": 1},
        "empty": {"type": "Battery", "present": 0},
        "mains": {"type": "Mains", "online": 0},
        "phantom": PHANTOM,
    }
    write_supply(tmp_path, "other", **others[other])
    assert reading(tmp_path).power is None


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_0_of_a_pack_that_does_not_discharge(tmp_path: Path, status: str) -> None:
    pack(tmp_path, status=status, current_now=0)
    assert reading(tmp_path).power == 0


def test_0_beside_a_pack_that_carries_the_load_is_a_reading(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0", current_now=0)
    pack(tmp_path, "BAT1")
    battery = reading(tmp_path)
    assert battery.power == -12
    assert battery.packs is not None
    assert [it.power for it in battery.packs] == [0, -12]


def test_0_beside_a_pack_whose_slope_carries_the_load(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0", current_now=0)
    other = pack(tmp_path, "BAT1", current_now=ABSENT, charge_now=ABSENT, energy_now=0)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    powers = []
    for number in range(40):
        (other / "energy_now").write_text(f"{30_000_000 - round(6e6 * number * 5 / 3600)}\n")
        battery = sensor.read()
        assert battery is not None
        powers.append(battery.power)
        clock.go_on(5)
    assert powers[:12] == [None] * 12
    assert powers[14:] == pytest.approx([-6] * 26, rel=0.01)


@pytest.mark.parametrize("status", ["Discharging", "Not charging", "Unknown", "Charging"])
def test_0_beside_a_pack_that_carries_no_load(tmp_path: Path, status: str) -> None:
    pack(tmp_path, "BAT0", current_now=0)
    pack(tmp_path, "BAT1", status=status, current_now=0)
    assert reading(tmp_path).power is None


# --- a phantom pack --------------------------------------------------------------------------------

PHANTOM: Attributes = {
    "type": "Battery",
    "present": 1,
    "status": "Not charging",
    "capacity": 0,
    "voltage_now": 0,
    "power_now": 0,
    "energy_now": 0,
    "energy_full": 0,
    "energy_full_design": 0,
}


@pytest.mark.parametrize("name", ["BAT1", "A"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="t480"),
        pytest.param({"energy_full": ABSENT}, id="full-is-missing"),
        pytest.param({"energy_full": ""}, id="full-cannot-be-read"),
        pytest.param({"energy_full_design": 24_000_000}, id="a-design"),
        pytest.param({"capacity": ABSENT}, id="no-percent"),
        pytest.param({"voltage_now": ABSENT, "power_now": ABSENT}, id="levels-alone"),
        pytest.param({"voltage_now": ABSENT}, id="no-volts"),
        pytest.param({"status": "Unknown"}, id="unknown"),
        pytest.param({"status": "Discharging"}, id="discharging"),
        pytest.param({"status": "Full"}, id="full"),
        pytest.param(
            {
                **dict.fromkeys(("energy_now", "energy_full"), ABSENT),
                "charge_now": 0,
                "charge_full": 0,
                "current_now": 0,
                "power_now": ABSENT,
            },
            id="in-Ah",
        ),
    ],
)
def test_a_phantom_pack_changes_nothing(tmp_path: Path, changes: Attributes, name: str) -> None:
    pack(tmp_path, "BAT0")
    alone = reading(tmp_path)
    write_supply(tmp_path, name, **{**PHANTOM, **changes})
    sensor = PowerSupplySensor(tmp_path)
    assert [sensor.read() for _ in range(3)] == [alone] * 3


def test_a_pack_that_reported_numbers_before_is_not_a_phantom(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0")
    real = {"capacity": 90, "voltage_now": 11_000_000, "energy_now": 20_000_000, "energy_full": 24_000_000}
    directory = write_supply(tmp_path, "BAT1", **{**PHANTOM, **real})
    sensor = PowerSupplySensor(tmp_path)
    clock_readings = [sensor.read()]
    for attribute in real:
        (directory / attribute).write_text("0\n")
    clock_readings.append(sensor.read())
    first, second = clock_readings
    assert first is not None
    assert second is not None
    assert first.power == -12
    assert (second.power, second.current, second.pct) == (None, None, None)


def test_a_single_phantom_gives_no_values(tmp_path: Path) -> None:
    write_supply(tmp_path, "BAT1", **PHANTOM)
    battery = reading(tmp_path)
    assert battery[2:6] == (None,) * 4


# --- a momentary zero ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "percent"),
    [
        pytest.param({"charge_full": 0}, None, id="full-0"),
        pytest.param({"charge_full": ABSENT, "energy_full": 0}, None, id="energy-full-0"),
        pytest.param({"charge_full": 0, "charge_now": 0}, None, id="level-0-too"),
        pytest.param({"charge_now": 0}, 0, id="an-empty-pack"),
        pytest.param({"charge_full": ABSENT}, 0, id="full-not-told"),
        pytest.param({"charge_full": 0, "energy_full": 40_000_000}, 0, id="one-full-is-told"),
    ],
)
def test_a_percent_of_0_is_rejected_if_the_full_charge_is_0_too(
    tmp_path: Path, changes: Attributes, percent: float | None
) -> None:
    pack(tmp_path, capacity=0, **changes)
    battery = reading(tmp_path)
    assert (battery.pct, battery.power) == (percent, -12)


def test_a_zero_for_a_second_after_a_resume(tmp_path: Path) -> None:
    directory = pack(tmp_path, capacity=66, energy_full=40_000_000)
    sensor = PowerSupplySensor(tmp_path, clock=SetClock())

    def percent(capacity: int, full: int) -> float | None:
        (directory / "capacity").write_text(f"{capacity}\n")
        for name in ("energy_full", "charge_full"):
            (directory / name).write_text(f"{full}\n")
        battery = sensor.read()
        assert battery is not None
        return battery.pct

    assert [percent(66, 40_000_000), percent(0, 0), percent(66, 40_000_000)] == [66, None, 66]


@pytest.mark.parametrize("interval", [5, 600])
@pytest.mark.parametrize("nought", [("energy_now",), ("energy_now", "energy_full", "capacity")])
def test_a_momentary_zero_is_not_part_of_a_slope(
    tmp_path: Path, interval: int, nought: tuple[str, ...]
) -> None:
    directory = pack(
        tmp_path, current_now=ABSENT, charge_now=ABSENT, charge_full=ABSENT, energy_full=50_000_000
    )
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock, interval=interval)
    seen = []
    for number in range(40):
        held = (
            round(33e6 - 6e6 * number * interval / 3600) if interval == 5 else 33_000_000 - number * 500_000
        )
        texts = {"energy_now": held, "energy_full": 50_000_000, "capacity": 66}
        if number == 30:
            texts |= dict.fromkeys(nought, 0)
        for name, value in texts.items():
            (directory / name).write_text(f"{value}\n")
        battery = sensor.read()
        assert battery is not None
        seen.append(battery.power)
        clock.go_on(interval)
    assert all(power is None or power > -7 for power in seen)
    assert seen[29] is not None
    assert seen[31] is not None


def test_health_survives_one_failed_read(tmp_path: Path) -> None:
    directory = pack(tmp_path, charge_full_design=5_000_000)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)

    def full(text: str, seconds: float) -> float | None:
        clock.go_on(seconds)
        (directory / "charge_full").write_text(f"{text}\n")
        battery = sensor.read()
        assert battery is not None
        assert battery.health is not None
        return battery.health.full

    assert [full("4000000", 0), full("0", 600), full("3900000", 60)] == [4, 4, 3.9]
    assert [full("0", 600), full("0", 60)] == [3.9, None]


def test_without_any_reading_there_are_no_values() -> None:
    assert parse_pack("BAT0", NOTHING)[2:6] == (None,) * 4
