"""Several packs combined into one battery."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import PowerSupplySensor
from sampler.combined import combine
from sampler.pack import Pack
from telemetry.sample import Battery, BatteryPack, Health
from tests.sampler.supplies import ABSENT, Attributes, pack, plain, read, reading, write_supply

THINKPAD: Attributes = {"type": "Battery", "present": 1, "voltage_now": 11000000}


def two(sysfs: Path, first: Attributes, second: Attributes) -> Battery:
    for name, changes in (("BAT0", first), ("BAT1", second)):
        write_supply(sysfs, name, **{**THINKPAD, **changes})
    return reading(sysfs)


IDLE: Attributes = {"status": "Unknown", "power_now": 0}
NUMBERS = ("power_now", "voltage_now", "capacity")
DRAINED: Attributes = {"status": "Discharging", "power_now": 6000000, "voltage_now": 12000000}


@pytest.mark.parametrize("order", [1, -1])
def test_the_pack_that_carries_the_load(tmp_path: Path, order: int) -> None:
    first, second = [IDLE, DRAINED][::order]
    battery = two(tmp_path, first, second)
    name = "BAT1" if order == 1 else "BAT0"
    assert plain(battery) == Battery(name, "Discharging", 12, -0.5, -6, None)


def test_power_is_the_signed_sum(tmp_path: Path) -> None:
    battery = two(tmp_path, DRAINED, {"status": "Charging", "power_now": -2000000})
    assert (battery.name, battery.power) == ("BAT0", -4)
    assert battery.current == pytest.approx(-4 / 12)


@pytest.mark.parametrize(("watts", "total"), [(250000000, 500), (-250000000, -500), (250000001, None)])
def test_the_sum_has_the_bounds_of_one(tmp_path: Path, watts: int, total: float | None) -> None:
    half: Attributes = {"status": "Charging" if watts > 0 else "Discharging", "power_now": watts}
    assert two(tmp_path, half, half).power == total


def test_of_two_equal_packs_the_first_by_name_is_chosen(tmp_path: Path) -> None:
    assert two(tmp_path, DRAINED, DRAINED).name == "BAT0"


def test_the_order_of_the_packs_does_not_matter() -> None:
    packs = [Pack(name, "Full", 12, 0, 0, 50) for name in ("BAT1", "BAT0", "BAT2")]
    assert plain(combine(packs)) == Battery("BAT0", "Full", 12, 0, 0, 50)


def test_half_a_watt_counts_more_than_unknown_power() -> None:
    quiet = Pack("BAT0", "Full", 11, None, None, 50)
    assert plain(combine([quiet, Pack("BAT1", "Discharging", 12, -0.05, -0.5, 50)])) == Battery(
        "BAT1", "Discharging", 12, -0.5 / 12, -0.5, 50
    )


def test_without_any_power_there_is_no_sum(tmp_path: Path) -> None:
    battery = two(tmp_path, {"status": "Full", "capacity": 9}, {"status": "Full", "capacity": 9})
    assert plain(battery) == Battery("BAT0", "Full", 11, None, None, 9)


def test_without_power_the_status_shows_which_pack_carries_the_load(tmp_path: Path) -> None:
    battery = two(tmp_path, {"status": "Full", "capacity": 9}, {"status": "Discharging", "capacity": 9})
    assert plain(battery) == Battery("BAT1", "Discharging", 11, None, None, 9)


@pytest.mark.parametrize(
    ("other", "power"),
    [
        pytest.param({"status": "Full"}, -6, id="idle-without-power-is-no-hole"),
        pytest.param({"status": "Full", "capacity": 1536}, -6, id="an-absurd-percent-is-no-hole-in-power"),
        pytest.param({"status": "Discharging"}, None, id="active-without-power-is-one"),
        pytest.param({"status": "Charging"}, None, id="charging-without-power-is-one"),
        pytest.param({"status": "Unknown", "power_now": 10**12}, None, id="absurd-is-one"),
        pytest.param({"status": "Full", "voltage_now": 0, "power_now": 0}, None, id="timed-out-is-one"),
        pytest.param({"status": "Discharging", "power_now": 499000000}, None, id="505-W-together"),
    ],
)
def test_a_sum_with_a_missing_term_is_not_available(
    tmp_path: Path, other: Attributes, power: float | None
) -> None:
    assert two(tmp_path, DRAINED, other).power == power


@pytest.mark.parametrize(
    ("first", "second", "percent"),
    [
        pytest.param(
            {"energy_now": 1000000, "energy_full": 10000000, "capacity": 11},
            {"energy_now": 30000000, "energy_full": 30000000, "capacity": 99},
            77.5,
            id="by-energy",
        ),
        pytest.param(
            {"charge_now": 1000000, "charge_full": 10000000},
            {"charge_now": 30000000, "charge_full": 30000000},
            77.5,
            id="by-charge",
        ),
        pytest.param(
            {"charge_now": 1000000, "charge_full": 10000000},
            {"energy_now": 30000000, "energy_full": 30000000},
            55,
            id="units-not-mixed",
        ),
        pytest.param({"capacity": 20}, {"capacity": 60}, 40, id="mean-of-percents"),
        pytest.param(
            {"capacity": 20, "energy_now": 1000000, "energy_full": 10000000},
            {"capacity": 60},
            40,
            id="one-level",
        ),
        pytest.param({"capacity": 20}, {"capacity": 1536}, None, id="one-absurd"),
        pytest.param({"capacity": 20}, {}, None, id="one-tells-no-percent"),
        pytest.param(
            {"capacity": 20}, {"capacity": 0, "power_now": 0, "voltage_now": 0}, None, id="timed-out"
        ),
        pytest.param({"capacity": 20}, {"voltage_now": ABSENT}, 20, id="one-tells-nothing"),
        pytest.param(
            {"capacity": 20}, {"voltage_now": ABSENT, "current_now": -5}, None, id="one-tells-amps-only"
        ),
        pytest.param(
            {"capacity": 20}, {"voltage_now": ABSENT, "power_now": -5}, None, id="one-tells-watts-only"
        ),
        pytest.param(
            {"capacity": 20}, {"voltage_now": ABSENT, "capacity": 60}, 40, id="one-tells-percent-only"
        ),
        pytest.param(
            {"energy_now": 20000000, "energy_full": 10000000},
            {"energy_now": 30000000, "energy_full": 30000000},
            100,
            id="over-full",
        ),
    ],
)
def test_the_percent_of_two_packs(
    tmp_path: Path, first: Attributes, second: Attributes, percent: float | None
) -> None:
    assert two(tmp_path, first, second).pct == pytest.approx(percent)


def test_an_empty_bay_and_a_mouse_change_nothing(tmp_path: Path) -> None:
    pack(tmp_path, "BAT0")
    alone = read(tmp_path)
    pack(tmp_path, "BAT1", present=0, capacity=100)
    pack(tmp_path, "A-mouse", scope="Device", capacity=3)
    write_supply(tmp_path, "AC", type="Mains", online=0)
    assert read(tmp_path) == alone


# --- each of them ----------------------------------------------------------------------------------


def test_each_pack_is_kept(tmp_path: Path) -> None:
    battery = two(tmp_path, DRAINED, {"status": "Unknown", "power_now": 10**12, "capacity": 20})
    assert battery.packs == (
        BatteryPack("BAT0", "Discharging", 12, -0.5, -6, None),
        BatteryPack(
            *("BAT1", "Unknown", None, None, None, 20),
            {
                "type": "Battery",
                "present": "1",
                "status": "Unknown",
                "capacity": "20",
                "voltage_now": "11000000",
                "power_now": "1000000000000",
            },
        ),
    )
    assert battery.raw is None


def test_a_single_pack_gives_no_list_of_packs(tmp_path: Path) -> None:
    pack(tmp_path)
    assert reading(tmp_path).packs is None


def test_a_pack_without_values_is_listed_too(tmp_path: Path) -> None:
    battery = two(tmp_path, {"status": "Full", "voltage_now": ABSENT}, DRAINED)
    assert battery.name == "BAT1"
    assert battery.packs is not None
    assert [it.name for it in battery.packs] == ["BAT0", "BAT1"]


@pytest.mark.parametrize("status", ["Discharging", "Charging"])
def test_an_active_pack_without_values_is_not_an_empty_bay(tmp_path: Path, status: str) -> None:
    silent: Attributes = {"status": status, **dict.fromkeys(NUMBERS, "")}
    battery = two(tmp_path, {**DRAINED, "capacity": 90}, silent)
    assert (battery.power, battery.current, battery.pct) == (None, None, None)
    assert battery.packs is not None
    assert [it.power for it in battery.packs] == [-6, None]


@pytest.mark.parametrize("gone", [("status",), ()], ids=["its-status-neither", "but-its-status"])
def test_a_pack_that_stops_reporting_is_not_an_empty_bay(tmp_path: Path, gone: tuple[str, ...]) -> None:
    write_supply(tmp_path, "BAT0", **{**THINKPAD, **DRAINED, "capacity": 90})
    other = write_supply(tmp_path, "BAT1", **{**THINKPAD, **IDLE, "capacity": 10})
    sensor = PowerSupplySensor(tmp_path)

    def told() -> tuple[float | None, float | None]:
        battery = sensor.read()
        assert battery is not None
        return battery.power, battery.pct

    assert told() == (-6, 50)
    kept = {path: path.read_text() for path in (other / name for name in (*NUMBERS, *gone))}
    for path in kept:
        path.unlink()
    assert told() == (None, None)
    for path, text in kept.items():
        path.write_text(text)
    assert told() == (-6, 50)
    (other / "present").write_text("0\n")
    assert told() == (-6, 90)
    for path in kept:
        path.unlink()
    (other / "present").write_text("1\n")
    # Another pack may follow, or none: nothing was reported since this one was removed.
    assert told() == (-6, 90)


def test_packs_whose_names_print_alike_get_distinct_names(tmp_path: Path) -> None:
    for name in ("B\udcfe", "B\udcff", "B\ufffd~2"):
        pack(tmp_path, name)
    battery = reading(tmp_path)
    assert battery.packs is not None
    assert len({it.name for it in battery.packs}) == 3


@pytest.mark.parametrize(
    ("other", "method"),
    [
        pytest.param({"status": "Discharging", "power_now": 1}, "power_now", id="the-same"),
        pytest.param({"status": "Discharging", "current_now": 1}, "power_now+voltage*current", id="two"),
        pytest.param({"status": "Full"}, "power_now", id="one-tells-none"),
        pytest.param({"status": "Charging"}, None, id="no-sum"),
    ],
)
def test_the_method_of_a_sum(tmp_path: Path, other: Attributes, method: str | None) -> None:
    assert two(tmp_path, DRAINED, other).method == method


@pytest.mark.parametrize(
    ("first", "second", "health"),
    [
        pytest.param(
            {"charge_full": 3_000_000, "charge_full_design": 4_000_000, "cycle_count": 5},
            {"charge_full": 1_000_000, "charge_full_design": 2_000_000, "cycle_count": 7},
            Health(4, 6, "Ah", 7),
            id="sums",
        ),
        pytest.param(
            {"charge_full": 3_000_000, "charge_full_design": 4_000_000},
            {"charge_full": 1_000_000},
            Health(4, None, "Ah"),
            id="no-sum-of-a-part",
        ),
        pytest.param(
            {"charge_full": 3_000_000, "cycle_count": 5}, {"energy_full": 1}, Health(cycles=5), id="two-units"
        ),
        pytest.param({"charge_full": 3_000_000}, {"energy_full": 1}, None, id="two-units-and-no-cycles"),
        pytest.param({}, {}, None, id="nothing"),
    ],
)
def test_the_health_of_two_packs(
    tmp_path: Path, first: Attributes, second: Attributes, health: Health | None
) -> None:
    assert two(tmp_path, first, second).health == health
