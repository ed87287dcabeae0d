"""The method of a reading, rejected values, and the health of the pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.battery import PowerSupplySensor
from telemetry.sample import Health
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import ABSENT, Attributes, pack, reading

# --- method ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        pytest.param({}, "voltage*current", id="product"),
        pytest.param({"power_now": 11000000}, "power_now", id="power_now"),
        pytest.param({"power_avg": 11000000}, "power_avg", id="power_avg"),
        pytest.param({"power_now": "", "power_avg": 11000000}, "power_avg", id="power_avg-for-empty"),
        pytest.param({"power_now": 0}, "voltage*current", id="power_now-0-but-current"),
        pytest.param({"power_now": 0, "current_now": 0, "status": "Full"}, "power_now", id="nothing-flows"),
        pytest.param({"power_now": 0, "voltage_now": ABSENT}, None, id="0-W-without-volts"),
        pytest.param({"current_now": ABSENT}, None, id="no-power"),
        pytest.param({"power_now": 10**12}, None, id="refused"),
    ],
)
def test_the_method_of_power(tmp_path: Path, changes: Attributes, method: str | None) -> None:
    pack(tmp_path, **changes)
    battery = reading(tmp_path)
    assert battery.method == method
    assert (battery.method is None) == (battery.power is None)


# --- raw -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        pytest.param({}, None, id="all-believed"),
        pytest.param({"current_now": ABSENT}, None, id="missing-is-not-refused"),
        pytest.param({"capacity": 101}, None, id="max17040"),
        pytest.param({"capacity": 1536}, {"capacity": "1536"}, id="no-percent"),
        pytest.param({"voltage_now": 0}, {"voltage_now": "0", "current_now": "1000000"}, id="absurd"),
        pytest.param({"current_now": "1.5e6"}, {"current_now": "1.5e6"}, id="no-number"),
        pytest.param({"status": "\x1b[31m"}, {"status": "\x1b[31m"}, id="status"),
        pytest.param({"current_now": "9" * 4000}, {"current_now": "9" * 100}, id="cut"),
        pytest.param({"voltage_now": 0, "current_now": 0, "capacity": 0}, {"capacity": "0"}, id="timed-out"),
    ],
)
def test_rejected_values_are_kept_as_reported(
    tmp_path: Path, changes: Attributes, kept: dict[str, str] | None
) -> None:
    pack(tmp_path, **changes)
    raw = reading(tmp_path).raw
    if kept is None:
        assert raw is None
    else:
        assert raw is not None
        assert raw | kept == raw


# --- health ----------------------------------------------------------------------------------------

CHARGE: Attributes = {"charge_full": 3_000_000, "charge_full_design": 4_000_000}
ENERGY: Attributes = {"energy_full": 30_000_000, "energy_full_design": 40_000_000}


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        pytest.param(CHARGE, Health(3, 4, "Ah"), id="charge"),
        pytest.param({**ENERGY, "charge_full": ABSENT}, Health(30, 40, "Wh"), id="energy"),
        pytest.param({**CHARGE, **ENERGY}, Health(3, 4, "Ah"), id="charge-first"),
        pytest.param(
            {**ENERGY, "charge_full": 3_000_000}, Health(30, 40, "Wh"), id="the-unit-that-tells-both"
        ),
        pytest.param({"charge_full": 3_000_000}, Health(3, None, "Ah"), id="full-alone"),
        pytest.param({**CHARGE, "charge_full": 0}, Health(None, 4, "Ah"), id="0-is-none"),
        pytest.param({**CHARGE, "charge_full": -5}, Health(None, 4, "Ah"), id="negative"),
        pytest.param({**CHARGE, "cycle_count": 312}, Health(3, 4, "Ah", 312), id="cycles"),
        pytest.param({**CHARGE, "cycle_count": 0}, Health(3, 4, "Ah"), id="cycles-0-is-not-available"),
        pytest.param({**CHARGE, "cycle_count": -1}, Health(3, 4, "Ah"), id="cycles-negative"),
        pytest.param({**CHARGE, "cycle_count": 65535}, Health(3, 4, "Ah"), id="cycles-saturated"),
        pytest.param({"charge_full": ABSENT, "cycle_count": 7}, Health(cycles=7), id="cycles-alone"),
        pytest.param({"charge_full": ABSENT}, None, id="nothing"),
        pytest.param(
            {
                "charge_full": ABSENT,
                "energy_now": 4000000,
                "energy_full": 8000000,
                "energy_full_design": 8000000,
            },
            None,
            id="8-Wh-that-the-kernel-made-up",
        ),
        pytest.param({"charge_full": "nan", "charge_full_design": 10**30}, None, id="absurd"),
    ],
)
def test_health(tmp_path: Path, changes: Attributes, health: Health | None) -> None:
    pack(tmp_path, **changes)
    assert reading(tmp_path).health == health


def test_wear_is_read_every_ten_minutes(tmp_path: Path) -> None:
    directory = pack(tmp_path, charge_full_design=4_000_000)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    seen = []
    for step in range(121):
        battery = sensor.read()
        assert battery is not None
        assert battery.health is not None
        seen.append(battery.health.full)
        if step == 0:
            (directory / "charge_full").write_text("3900000\n")
        clock.go_on(5)
    assert seen == [4.0] * 120 + [3.9]
