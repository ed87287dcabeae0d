"""The level of a battery, in the unit of its health."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import PowerSupplySensor
from sampler.combined import combine
from sampler.pack import Pack
from telemetry.sample import Health
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import ABSENT, Attributes, pack, reading

IN_WH: Attributes = {
    **dict.fromkeys(("charge_now", "charge_full"), ABSENT),
    "energy_now": 24_000_000,
    "energy_full": 48_000_000,
}
BOTH: Attributes = {"energy_now": 24_000_000, "energy_full": 48_000_000}


@pytest.mark.parametrize(
    ("told", "level", "unit"),
    [
        pytest.param({}, 2, "Ah", id="charge"),
        pytest.param(IN_WH, 24, "Wh", id="energy"),
        pytest.param({"charge_now": ABSENT, "charge_avg": 1_500_000}, 1.5, "Ah", id="average"),
        pytest.param(BOTH, 2, "Ah", id="both-in-the-unit-of-health"),
        pytest.param({**BOTH, "energy_full_design": 50_000_000}, 24, "Wh", id="both-and-more-of-energy"),
        pytest.param({"charge_now": ABSENT, **BOTH}, 24, "Wh", id="health-of-both"),
        pytest.param({"charge_now": ABSENT, "energy_now": 5}, None, "Ah", id="in-the-other-unit"),
        pytest.param({"charge_full": ABSENT}, None, None, id="no-unit"),
        pytest.param({"charge_now": ABSENT}, None, "Ah", id="not-told"),
        pytest.param({"charge_now": -1}, None, "Ah", id="below-0"),
        pytest.param({"charge_now": 10**11}, None, "Ah", id="absurd"),
        pytest.param({"charge_now": 4_100_000}, 4.1, "Ah", id="past-full"),
        pytest.param({"charge_now": 0, "capacity": 0}, 0, "Ah", id="empty"),
        pytest.param({"charge_now": 0, "capacity": 66}, None, "Ah", id="nought-beside-a-percent"),
        pytest.param({"charge_now": 2_000_000, "voltage_now": ABSENT}, 2, "Ah", id="no-voltage"),
        pytest.param(
            {**IN_WH, "energy_now": 4_000_000, "energy_full": 8_000_000}, None, None, id="made-up-of-percent"
        ),
    ],
)
def test_level(tmp_path: Path, told: Attributes, level: float | None, unit: str | None) -> None:
    pack(tmp_path, **told)
    battery = reading(tmp_path)
    assert battery.level == level
    assert (battery.health and battery.health.unit) == unit


@pytest.mark.parametrize("told", [{}, IN_WH, BOTH], ids=["charge", "energy", "both"])
def test_the_level_is_in_each_sample_and_costs_one_read(tmp_path: Path, told: Attributes) -> None:
    """Between two reads of the health, which changes in months, only the level is read."""
    directory = pack(tmp_path, **told)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    levels = []
    for second in range(0, 1300, 5):
        for name in ("charge_now", "energy_now"):
            if told.get(name) != ABSENT and (directory / name).exists():
                (directory / name).write_text(f"{2_000_000 - 1_000 * second}\n")
        battery = sensor.read()
        assert battery is not None
        levels.append(battery.level)
        clock.go_on(5)
    assert levels == [pytest.approx((2_000_000 - 1_000 * second) / 1e6) for second in range(0, 1300, 5)]


@pytest.mark.parametrize(
    ("first", "second", "levels", "total"),
    [
        pytest.param({}, {"charge_now": 1_000_000}, [2, 1], 3, id="sum"),
        pytest.param(IN_WH, IN_WH, [24, 24], 48, id="sum-of-Wh"),
        pytest.param({}, IN_WH, [None, None], None, id="two-units"),
        pytest.param({}, {"charge_now": ABSENT}, [2, None], None, id="no-sum-of-a-part"),
    ],
)
def test_the_level_of_several_packs(
    tmp_path: Path, first: Attributes, second: Attributes, levels: list[float | None], total: float | None
) -> None:
    pack(tmp_path, "BAT0", **first)
    pack(tmp_path, "BAT1", **second)
    battery = reading(tmp_path)
    assert battery.packs is not None
    assert [it.level for it in battery.packs] == levels
    assert battery.level == total


def test_only_one_of_two_packs_reports_a_level() -> None:
    """The other pack reported its health once, in another unit, so the unit of the level is unclear."""
    silent = Pack("BAT1", None, None, None, None, None, health=Health(40.0, None, "Wh"))
    telling = Pack("BAT0", "Full", 12.0, 0.0, 0.0, 50.0, health=Health(4.0, None, "Ah"), level=2.0)
    mixed = combine([telling, silent])
    assert mixed is not None
    assert (mixed.name, mixed.level) == ("BAT0", None)
    alike = combine([telling, silent._replace(health=Health(4.0, None, "Ah"))])
    assert alike is not None
    assert alike.level == 2
