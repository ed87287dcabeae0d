"""The rules of docs/battery.md for the numbers of one pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import PowerSupplySensor
from telemetry.sample import Battery
from tests.sampler.supplies import ABSENT, Attributes, pack, plain, read, reading, write_supply

# --- electrical readings ---------------------------------------------------------------------------

Electrical = tuple[float | None, float | None, float | None]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, (12, -1, -12), id="power-is-volts-times-amps"),
        pytest.param({"power_now": 11000000}, (12, -1, -11), id="power_now-first"),
        pytest.param({"power_now": 0}, (12, -1, -12), id="power_now-0-but-current"),
        pytest.param({"power_now": 0, "current_now": 0, "status": "Full"}, (12, 0, 0), id="nothing-flows"),
        pytest.param(
            {"power_now": 0, "current_now": ABSENT, "status": "Full"}, (12, 0, 0), id="power_now-0-alone"
        ),
        pytest.param({"power_now": 0, "voltage_now": ABSENT}, (None, -1, None), id="0-W-without-volts"),
        pytest.param({"power_avg": 11000000}, (12, -1, -11), id="power_avg"),
        pytest.param({"power_avg": 1, "power_now": 9000000}, (12, -1, -9), id="power_now-before-avg"),
        pytest.param({"power_now": 6000000, "current_now": ABSENT}, (12, -0.5, -6), id="amps-from-power"),
        pytest.param(
            {"power_now": 6000000, "current_now": ABSENT, "voltage_now": ABSENT},
            (None, None, -6),
            id="power-alone",
        ),
        pytest.param({"voltage_now": ABSENT}, (None, -1, None), id="current-alone"),
        pytest.param({"current_now": ABSENT}, (12, None, None), id="voltage-alone"),
        pytest.param({"voltage_now": ABSENT, "voltage_avg": 11000000}, (11, -1, -11), id="voltage_avg"),
        pytest.param({"voltage_avg": 11000000}, (12, -1, -12), id="voltage_now-before-avg"),
        pytest.param({"current_now": ABSENT, "current_avg": 500000}, (12, -0.5, -6), id="current_avg"),
        pytest.param({"current_avg": 500000}, (12, -1, -12), id="current_now-before-avg"),
        pytest.param({"voltage_now": "", "voltage_avg": 11000000}, (11, -1, -11), id="avg-for-empty"),
        pytest.param({"voltage_now": "?", "voltage_avg": 11000000}, (11, -1, -11), id="avg-for-text"),
        pytest.param(
            {"voltage_min_design": 1, "voltage_ocv": 1, "current_max": 1}, (12, -1, -12), id="others"
        ),
        pytest.param({"voltage_now": 12e6}, (None, -1, None), id="no-integer-no-reading"),
        pytest.param({"current_now": "1_000"}, (12, None, None), id="python-s-digits-are-not-the-kernel-s"),
        pytest.param({"current_now": "١"}, (12, None, None), id="arabic-digits"),
        pytest.param({"current_now": " 2000000 \n"}, (12, -2, -24), id="padded"),
        pytest.param({"current_now": "1\0"}, (12, None, None), id="nul"),
    ],
)
def test_volts_amps_watts(tmp_path: Path, changes: Attributes, expected: Electrical) -> None:
    pack(tmp_path, **changes)
    battery = reading(tmp_path)
    assert (battery.voltage, battery.current, battery.power) == pytest.approx(expected)
    assert battery.pct == 50


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"voltage_now": 999999}, id="under-1-V"),
        pytest.param({"voltage_now": 0}, id="0-V"),
        pytest.param({"voltage_now": -12000000}, id="negative-voltage"),
        pytest.param({"voltage_now": 100000001, "current_now": 1}, id="over-100-V"),
        pytest.param({"power_now": 500000001}, id="over-500-W"),
        pytest.param({"power_now": -500000001}, id="under-minus-500-W"),
        pytest.param({"current_now": 42000000}, id="504-W-by-product"),
        pytest.param({"current_now": -42000000, "power_now": 12000000}, id="product-beside-sane-power"),
        pytest.param({"current_now": 500000001, "voltage_now": ABSENT}, id="over-500-A"),
        pytest.param({"current_now": -500000001, "voltage_now": ABSENT}, id="under-minus-500-A"),
        pytest.param({"voltage_now": 10**30}, id="30-digits-of-volts"),
        pytest.param({"current_now": -(10**30)}, id="30-digits-of-amps"),
        pytest.param({"power_now": 10**30, "current_now": ABSENT}, id="30-digits-of-watts"),
        pytest.param({"voltage_now": 0, "voltage_avg": 12000000}, id="an-average-does-not-hide-it"),
    ],
)
def test_one_absurd_value_rejects_all_three(tmp_path: Path, changes: Attributes) -> None:
    pack(tmp_path, **changes)
    battery = reading(tmp_path)
    assert plain(battery) == Battery("BAT0", "Discharging", None, None, None, 50)
    (line,) = PowerSupplySensor(tmp_path).explain()
    assert line.startswith("BAT0: ")
    assert "outside what a machine can do" in line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"voltage_now": 1000000}, (1, -1, -1), id="1-V"),
        pytest.param({"voltage_now": 100000000}, (100, -1, -100), id="100-V"),
        pytest.param({"power_now": 500000000, "current_now": 41666666}, (12, -41.666666, -500), id="500-W"),
    ],
)
def test_the_limits_are_accepted(tmp_path: Path, changes: Attributes, expected: Electrical) -> None:
    pack(tmp_path, **changes)
    battery = reading(tmp_path)
    assert (battery.voltage, battery.current, battery.power) == expected


@pytest.mark.parametrize(
    ("status", "driver", "sign"),
    [
        ("Discharging", 1, -1),
        ("Discharging", -1, -1),
        ("Charging", 1, 1),
        ("Charging", -1, 1),  # Retroid Flip 2
        ("Full", 1, None),  # no direction: see test_battery_direction
        ("Full", -1, -1),
        ("Not charging", 1, None),
        ("Not charging", -1, -1),
        ("Unknown", -1, -1),
        ("Unknown", 1, None),
        ("charging", -1, -1),  # not a status of the kernel
        ("charging", 1, None),
        (ABSENT, -1, -1),
        (ABSENT, 1, None),
    ],
)
@pytest.mark.parametrize("source", ["current", "power", "both"])
def test_the_sign_follows_the_status(
    tmp_path: Path, status: str, driver: int, sign: int | None, source: str
) -> None:
    amps, watts = driver * 1000000, driver * 12000000
    given: dict[str, Attributes] = {
        "current": {"current_now": amps},
        "power": {"current_now": ABSENT, "power_now": watts},
        "both": {"current_now": amps, "power_now": watts},
    }
    pack(tmp_path, status=status, **given[source])
    battery = reading(tmp_path)
    assert (battery.current, battery.power) == ((None, None) if sign is None else (sign, sign * 12))
    assert battery.status == (None if status == ABSENT else status)


@pytest.mark.parametrize("current", ["0", "-0"])
@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_zero_has_no_sign(tmp_path: Path, status: str, current: str) -> None:
    pack(tmp_path, status=status, current_now=current)
    battery = reading(tmp_path)
    assert [str(battery.current), str(battery.power)] == ["0.0", "0.0"]


@pytest.mark.parametrize("status", ["a\0b", "\x1b[31m"])
def test_control_characters_in_a_status_are_removed(tmp_path: Path, status: str) -> None:
    pack(tmp_path, status=status)
    assert reading(tmp_path).status is None


# --- percent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "percent"),
    [
        pytest.param({"capacity": 0}, 0, id="empty"),
        pytest.param({"capacity": 100}, 100, id="full"),
        pytest.param({"capacity": 101}, 100, id="max17040"),
        pytest.param({"capacity": 102}, None, id="over"),
        pytest.param({"capacity": 1536}, None, id="bq27000"),
        pytest.param({"capacity": -22}, None, id="negative"),
        pytest.param({"capacity": 10**30}, None, id="30-digits"),
        pytest.param({"capacity": 49, "charge_now": 1}, 49, id="capacity-before-levels"),
        pytest.param({"capacity": ABSENT}, 50, id="from-charge"),
        pytest.param({"capacity": ""}, 50, id="empty-file"),
        pytest.param({"capacity": "nan"}, 50, id="text"),
        pytest.param({"capacity": ABSENT, "energy_now": 3, "energy_full": 4}, 50, id="charge-before-energy"),
        pytest.param(
            {"capacity": ABSENT, "charge_full": ABSENT, "energy_now": 3, "energy_full": 4}, 75, id="energy"
        ),
        pytest.param(
            {"capacity": ABSENT, "charge_now": ABSENT, "charge_avg": 1000000}, 25, id="average-level"
        ),
        pytest.param({"capacity": ABSENT, "charge_now": 4000001}, 100, id="over-full"),
        pytest.param({"capacity": ABSENT, "charge_now": 0}, 0, id="nothing-left"),
        pytest.param({"capacity": ABSENT, "charge_now": -1}, None, id="negative-level"),
        pytest.param({"capacity": ABSENT, "charge_full": 0}, None, id="full-0"),
        pytest.param({"capacity": ABSENT, "charge_full": -4000000}, None, id="full-negative"),
        pytest.param({"capacity": ABSENT, "charge_now": 10**30}, None, id="absurd-level"),
        pytest.param({"capacity": ABSENT, "charge_full": 10**30}, None, id="absurd-full"),
        pytest.param(
            {"capacity": ABSENT, "charge_full": ABSENT, "charge_full_design": 4000000}, None, id="not-design"
        ),
        pytest.param(
            {"capacity": ABSENT, "charge_full": ABSENT, "energy_full": 4000000}, None, id="units-not-mixed"
        ),
    ],
)
def test_percent(tmp_path: Path, changes: Attributes, percent: float | None) -> None:
    pack(tmp_path, **changes)
    battery = reading(tmp_path)
    assert battery.pct == pytest.approx(percent)
    assert battery.power == -12


ZEROS: Attributes = {"voltage_now": 0, "current_now": 0, "capacity": 0, "charge_now": 0}


@pytest.mark.parametrize(
    ("changes", "percent"),
    [
        pytest.param(ZEROS, None, id="timed-out"),
        pytest.param({**ZEROS, "power_now": 0, "energy_now": 0}, None, id="timed-out-with-more"),
        pytest.param({**ZEROS, "capacity": ABSENT}, None, id="timed-out-without-capacity"),
        pytest.param({**ZEROS, "voltage_now": ABSENT}, None, id="timed-out-without-voltage"),
        pytest.param(
            {**ZEROS, "voltage_now": ABSENT, "current_now": ABSENT, "power_now": 0},
            None,
            id="timed-out-watts",
        ),
        pytest.param({**ZEROS, "power_now": 5000000}, 0, id="watts-say-that-it-answers"),
        pytest.param({**ZEROS, "capacity": 47}, 47, id="percent-still-there"),
        pytest.param({**ZEROS, "capacity": ABSENT, "charge_now": 1000000}, 25, id="level-still-there"),
        pytest.param({**ZEROS, "voltage_now": 11000000}, 0, id="empty-pack-at-rest"),
    ],
)
def test_a_gauge_that_timed_out_reports_zero_for_everything(
    tmp_path: Path, changes: Attributes, percent: float | None
) -> None:
    pack(tmp_path, **changes)
    assert reading(tmp_path).pct == percent


def test_capacity_alone_may_be_zero(tmp_path: Path) -> None:
    write_supply(tmp_path, "BAT0", type="Battery", capacity=0)
    assert plain(read(tmp_path)) == Battery("BAT0", None, None, None, None, 0)


def test_a_battery_without_any_values(tmp_path: Path) -> None:
    write_supply(tmp_path, "BAT0", type="Battery")
    assert plain(read(tmp_path)) == Battery("BAT0", None, None, None, None, None)
