"""The witness, which compares power with the pack's own counter over minutes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.battery import PowerSupplySensor
from sampler.pack import Content
from sampler.rate import Candidate
from sampler.witness import Witness
from telemetry.sample import Battery
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import ABSENT, Attributes, over_the_wire, pack

Watts = Callable[[int], float]


def watch(
    sysfs: Path,
    told: Watts,
    true: float,
    *,
    minutes: float = 5,
    every: int = 5,
    step: float = 0.01,
    counter: str = "energy_now",
    changes: Attributes | None = None,
) -> list[Battery]:
    """Return readings of a pack that reports ``told`` W; its counter moves by ``true`` W, in steps of Wh."""
    given: Attributes = {"current_now": ABSENT, "charge_now": ABSENT, counter: 0, "power_now": 0}
    directory = pack(sysfs, **{**given, **(changes or {})})
    clock = SetClock()
    sensor = PowerSupplySensor(sysfs, clock=clock)
    volts = 12 if counter == "charge_now" else 1
    readings = []
    for number in range(round(minutes * 60 / every) + 1):
        inside = 30 + round(true * number * every / 3600 / step) * step
        (directory / counter).write_text(f"{round(inside / volts * 1e6)}\n")
        (directory / "power_now").write_text(f"{round(told(number) * 1e6)}\n")
        battery = sensor.read()
        assert battery is not None
        readings.append(battery)
        clock.go_on(every)
    assert over_the_wire(readings[-1]) == readings[-1]
    return readings


def watt_hours(readings: list[Battery], every: int = 5) -> float:
    return sum((it.power or 0) * every / 3600 for it in readings)


CHARGING: Attributes = {"status": "Charging"}


@pytest.mark.parametrize("counter", ["energy_now", "charge_now"])
def test_a_reported_charge_that_is_a_discharge(tmp_path: Path, counter: str) -> None:
    """Charging, +30 W, while the counter falls."""
    readings = watch(tmp_path, lambda _: 30, -30, counter=counter, changes=CHARGING)
    assert {it.method for it in readings[:24]} == {"power_now"}
    later = readings[25:]
    assert all(it.power is None or it.power < 0 for it in later)
    assert later[-1].power == pytest.approx(-30, rel=0.05)
    assert later[-1].method == "slope"
    assert later[-1].current == pytest.approx(-2.5, rel=0.05)
    assert later[-1].raw is not None


@pytest.mark.parametrize("every", [10, 60])
def test_a_wrong_sign_is_found_soon(tmp_path: Path, every: int) -> None:
    """81 mAh of 15 V are lost at 30 W in two and a half minutes."""
    readings = watch(tmp_path, lambda _: 30, -30, minutes=3, every=every, changes=CHARGING)
    assert readings[-1].method != "power_now"
    assert readings[-1].power is None or readings[-1].power < 0


def test_a_power_that_is_noise(tmp_path: Path) -> None:
    """Between 0.5 and 60 W, while the counter shows 5 W."""
    random_watts = random.Random(11)
    readings = watch(tmp_path, lambda _: random_watts.uniform(0.5, 60), -5, minutes=20)
    later = readings[30:]
    assert {it.method for it in later} == {"slope"}
    assert watt_hours(later) == pytest.approx(-5 * len(later) * 5 / 3600, rel=0.1)


@pytest.mark.parametrize("factor", [0.3, 2.5])
@pytest.mark.parametrize(("status", "true"), [("Discharging", -6.0), ("Charging", 9.0)])
def test_a_power_off_by_more_than_a_factor_of_two(
    tmp_path: Path, factor: float, status: str, true: float
) -> None:
    readings = watch(tmp_path, lambda _: abs(true) * factor, true, changes={"status": status})
    assert readings[-1].power == pytest.approx(true, rel=0.1)
    assert readings[-1].method == "slope"


@pytest.mark.parametrize("factor", [0.6, 1, 1.8])
@pytest.mark.parametrize("step", [0.00001, 0.02])
def test_a_power_that_agrees_is_kept(tmp_path: Path, factor: float, step: float) -> None:
    readings = watch(tmp_path, lambda _: 6 * factor, -6, step=step, minutes=8)
    assert {it.method for it in readings} == {"power_now"}
    assert {it.raw is None for it in readings} == {True}


@pytest.mark.parametrize("every", [1, 5, 60, 300])
@pytest.mark.parametrize("low", [0.5, 3])
@pytest.mark.fast_cases(3)
def test_a_changing_load_is_not_a_contradiction(tmp_path: Path, every: int, low: float) -> None:
    """The counter follows the reported power, however it jumps."""
    directory = pack(tmp_path, current_now=ABSENT, charge_now=ABSENT, energy_now=0, power_now=0)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock, interval=every)
    inside, loads = 60.0, random.Random(3)
    for _ in range(120):
        watts = loads.choice([low, 40])
        inside -= watts * every / 3600
        if inside < 1:
            break
        (directory / "power_now").write_text(f"{round(watts * 1e6)}\n")
        (directory / "energy_now").write_text(f"{round(inside * 100) * 10_000}\n")
        clock.go_on(every)
        battery = sensor.read()
        assert battery is not None
        assert battery.method == "power_now"


def test_a_counter_that_does_not_move_proves_nothing(tmp_path: Path) -> None:
    readings = watch(tmp_path, lambda _: 30, 0, minutes=90, every=60)
    assert {it.method for it in readings} == {"power_now"}


def test_if_neither_is_plausible_there_is_no_power(tmp_path: Path) -> None:
    """Discharging, while the counter rises: a discharge has no positive slope."""
    readings = watch(tmp_path, lambda _: 10, +10)
    assert {(it.power, it.method, it.current) for it in readings[30:]} == {(None, None, None)}


def test_a_power_that_becomes_right_is_believed_again(tmp_path: Path) -> None:
    readings = watch(tmp_path, lambda number: 60 if number < 40 else 6, -6, minutes=9)
    assert readings[39].method == "slope"
    assert readings[-1].method == "power_now"


def test_the_counter_decides_between_power_and_product(tmp_path: Path) -> None:
    for name, amps, method in (("a", 505_000, "voltage*current"), ("b", 5_050, "power_now")):
        changes: Attributes = {"current_now": amps}
        readings = watch(tmp_path / name, lambda _: 68 if amps > 10_000 else 6, -6.06, changes=changes)  # noqa: B023
        assert readings[0].method == "voltage*current"
        assert readings[-1].power == pytest.approx(-6, abs=0.1)
        assert readings[-1].method == method
        assert readings[-1].current == pytest.approx(-0.5, abs=0.01)


def test_a_rate_of_0_that_the_counter_contradicts(tmp_path: Path) -> None:
    """Some firmware always reports 0: then the slope is used as soon as there is one."""
    readings = watch(tmp_path, lambda _: 0, -5)
    assert readings[0].power is None
    assert readings[-1].power == pytest.approx(-5, rel=0.05)
    assert readings[-1].method == "slope"


def test_a_rate_without_a_direction_has_a_slope(tmp_path: Path) -> None:
    """Some firmware reports Not charging while it runs from the pack."""
    readings = watch(tmp_path, lambda _: 6, -6, changes={"status": "Not charging"})
    assert readings[-1].power == pytest.approx(-6, rel=0.05)
    assert readings[-1].method == "slope"


def test_another_status_restarts_the_comparison(tmp_path: Path) -> None:
    readings = watch(tmp_path, lambda _: 30, -30, changes=CHARGING)
    assert readings[-1].method == "slope"
    directory = tmp_path / "class/power_supply/BAT0"
    sensor = PowerSupplySensor(tmp_path)
    (directory / "status").write_text("Discharging\n")
    battery = sensor.read()
    assert battery is not None
    assert (battery.power, battery.method) == (-30, "power_now")


def test_a_reset_of_the_gauge_is_not_a_contradiction(tmp_path: Path) -> None:
    """The counter jumps by 10 Wh, and then continues as before."""
    directory = pack(tmp_path, current_now=ABSENT, charge_now=ABSENT, energy_now=0, power_now=6_000_000)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    for number in range(100):
        inside = 30 - 6 * number * 5 / 3600 + 10 * (number > 40) - 3 * (number > 60)
        (directory / "energy_now").write_text(f"{round(inside * 100) * 10_000}\n")
        battery = sensor.read()
        assert battery is not None
        assert battery.method == "power_now"
        clock.go_on(5)


def test_a_sleep_is_left_out(tmp_path: Path) -> None:
    """The energy lost asleep does not come from the measured power."""
    directory = pack(tmp_path, current_now=ABSENT, charge_now=ABSENT, energy_now=0, power_now=6_000_000)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    inside = 40.0
    for number in range(100):
        inside -= 6 * 5 / 3600
        clock.go_on(5)
        if number % 20 == 10:
            clock.asleep += 3600
            inside -= 0.5
        (directory / "energy_now").write_text(f"{round(inside * 100) * 10_000}\n")
        battery = sensor.read()
        assert battery is not None
        assert battery.method == "power_now"


@given(
    seen=st.lists(
        st.tuples(
            st.floats(0.1, 1000),
            st.floats(0, 100),
            st.floats(-500, 500),
            st.sampled_from(["power_now", "voltage*current"]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_the_witness_only_rejects_reported_values(
    seen: list[tuple[float, float, float, str, bool]],
) -> None:
    clock, witness = SetClock(), Witness(5.0)
    told = set()
    for seconds, level, watts, method, asleep in seen:
        clock.go_on(seconds)
        clock.asleep += 10.0 * asleep
        witness.see(clock.now(), Content("Wh", level, 1.0), "Discharging", [Candidate(method, watts)])
        told.add(method)
        assert all(not witness.denies(other) for other in {"power_now", "voltage*current"} - told)
