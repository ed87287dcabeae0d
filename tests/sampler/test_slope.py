"""The slope of a counter, alone and as the power of a battery that does not report power."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sampler.background import Background
from sampler.battery import PowerSupplySensor
from sampler.choice import Choice
from sampler.sensors import SENSORS, Settings
from sampler.slope import Slope
from telemetry.sample import Battery
from tests.sampler.fakes import SetClock
from tests.sampler.supplies import ABSENT, Attributes, over_the_wire, pack

# --- the counter alone -----------------------------------------------------------------------------


class Watched:
    """A counter that is read every ``step`` seconds."""

    def __init__(self, step: float = 5.0, most: float = 500.0) -> None:
        self.clock = SetClock()
        self.slope = Slope(step)
        self.step = step
        self.most = most

    def see(self, level: float, regime: str = "Discharging", direction: float = -1) -> float | None:
        rate = self.slope.per_hour(
            self.clock.now(), level, regime=regime, direction=direction, most=self.most
        )
        self.clock.go_on(self.step)
        return rate

    def fall(self, seconds: float, per_hour: float, start: float, unit: float = 1e-6) -> list[float | None]:
        """Show it a counter with this resolution that falls from ``start``."""
        count = round(seconds / self.step)
        return [
            self.see(round((start - per_hour * number * self.step / 3600) / unit) * unit)
            for number in range(count + 1)
        ]


def test_a_slope_needs_a_minute() -> None:
    rates = Watched().fall(120, 6.0, 50.0)
    assert rates[:12] == [None] * 12
    assert rates[12:] == pytest.approx([-6.0] * 13, rel=1e-3)


@pytest.mark.parametrize("unit", [0.01, 0.1, 0.5])
def test_a_coarse_counter_is_measured_from_step_to_step(unit: float) -> None:
    rates = [rate for rate in Watched().fall(3600, 6.0, 50.0, unit) if rate is not None]
    assert len(rates) > 500
    assert all(rate == pytest.approx(-6.0, rel=0.35) for rate in rates)
    assert sum(rates) / len(rates) == pytest.approx(-6.0, rel=0.05)


@given(st.floats(0.01, 1.0), st.floats(0.0, 1.0), st.floats(2.0, 30.0))
@example(0.2, 5 / 120, 6.0)  # 20 Wh with a counter in percents, which steps 5 s after the first reading
def test_the_position_of_the_first_reading_between_steps_does_not_matter(
    unit: float, phase: float, watts: float
) -> None:
    """A step is seen up to 5 s late, in 60 s or more; the incomplete first step is one of ten."""
    watched = Watched()
    rates = [
        watched.see(unit * math.ceil(100 + phase - watts * second / 3600 / unit))
        for second in range(0, 1800, 5)
    ]
    told = [rate for rate in rates if rate is not None]
    assert len(told) > 100 or unit > 0.25 * watts * 1800 / 3600
    assert all(rate == pytest.approx(-watts, rel=0.15) for rate in told)


def test_a_single_step_gives_no_slope() -> None:
    watched = Watched()
    assert [watched.see(50.0) for _ in range(40)] == [None] * 40
    assert [watched.see(49.5) for _ in range(40)] == [None] * 40


def test_two_readings_a_minute_apart_are_enough() -> None:
    watched = Watched(step=60.0)
    assert watched.see(50.0) is None
    assert watched.see(49.9) == pytest.approx(-6.0)


LONG = pytest.mark.parametrize("interval", [360.0, 400.0, 600.0, 3600.0])


@LONG
def test_long_intervals(interval: float) -> None:
    """Each slope covers the last interval, as soon as there is one."""
    watched = Watched(step=interval)
    assert watched.fall(3 * interval, 6.0, 90.0) == [None, *[pytest.approx(-6.0, rel=1e-3)] * 3]
    assert watched.see(90.0 - 6.0 * interval / 1200 - 15.0 * interval / 3600) == pytest.approx(
        -15.0, rel=1e-3
    )


@LONG
def test_a_long_interval_that_is_missed(interval: float) -> None:
    watched = Watched(step=interval)
    assert watched.fall(interval, 6.0, 90.0)[-1] is not None
    watched.clock.go_on(interval)
    assert watched.see(90.0 - 6.0 * interval / 1200) == pytest.approx(-6.0, rel=1e-3)
    watched.clock.go_on(2 * interval)
    assert watched.see(90.0 - 6.0 * interval / 600) is None


def test_a_decreasing_rate_is_seen() -> None:
    watched = Watched()
    assert watched.fall(300, 6.0, 50.0)[-1] == pytest.approx(-6.0, rel=0.01)
    standing = [watched.see(49.5) or 0.0 for _ in range(360)]
    assert standing[0] == pytest.approx(-6.0, rel=0.05)
    assert standing == sorted(standing)
    assert standing[300] > -1.5


def test_a_new_load_shows_within_minutes() -> None:
    watched = Watched()
    watched.fall(600, 6.0, 50.0)
    rates = watched.fall(600, 18.0, 49.0)
    assert rates[-1] == pytest.approx(-18.0, rel=0.01)


@pytest.mark.parametrize("regime", ["Charging", "Full"])
def test_another_status_restarts_the_slope(regime: str) -> None:
    watched = Watched()
    watched.fall(120, 6.0, 50.0)
    assert watched.see(49.7, regime, 0) is None
    assert watched.see(49.6) is None


def test_a_counter_that_moves_against_the_status_restarts_the_slope() -> None:
    watched = Watched()
    watched.fall(120, 6.0, 50.0)
    assert watched.see(49.9) is None
    assert watched.fall(60, 6.0, 49.9)[-1] == pytest.approx(-6.0, rel=0.2)


def test_a_jump_restarts_the_slope() -> None:
    watched = Watched()
    watched.fall(120, 6.0, 50.0)
    assert watched.see(20.0) is None
    assert watched.fall(60, 6.0, 20.0)[-1] == pytest.approx(-6.0, rel=0.2)


def test_a_sleep_restarts_the_slope() -> None:
    watched = Watched()
    watched.fall(120, 6.0, 50.0)
    watched.clock.asleep += 8 * 3600
    assert watched.see(49.7) is None
    assert watched.fall(65, 6.0, 49.7)[-1] == pytest.approx(-6.0, rel=0.2)


def test_memory_is_bounded() -> None:
    watched = Watched(step=0.1)
    watched.fall(900, 6.0, 50.0)
    assert len(watched.slope._points) <= 512


@given(st.lists(st.tuples(st.floats(0.01, 4000), st.floats(0, 100), st.sampled_from("abc")), max_size=60))
def test_a_slope_is_always_within_the_bounds(seen: list[tuple[float, float, str]]) -> None:
    watched = Watched()
    for step, level, regime in seen:
        rate = watched.see(level, regime, direction={"a": -1, "b": 0, "c": 1}[regime])
        assert rate is None or abs(rate) <= 500
        assert rate is None or rate * {"a": -1, "b": 0, "c": 1}[regime] >= 0
        watched.clock.go_on(step)


# --- as a battery's power --------------------------------------------------------------------------


def run_down(sysfs: Path, counter: str, rate: float, changes: Attributes | None = None) -> list[Battery]:
    """Return readings of a pack without current, 5 s apart. Its counter moves by ``rate`` µWh or µAh/h."""
    without_current: dict[str, str | int] = {"current_now": ABSENT, "charge_now": ABSENT, counter: 0}
    directory = pack(sysfs, **(without_current | dict(changes or {})))
    clock = SetClock()
    sensor = PowerSupplySensor(sysfs, clock=clock)
    readings = []
    for second in range(0, 91, 5):
        (directory / counter).write_text(f"{round(30e6 + rate * second / 3600)}\n")
        battery = sensor.read()
        assert battery is not None
        assert over_the_wire(battery) == battery
        readings.append(battery)
        clock.go_on(5)
    return readings


def test_the_slope_of_energy_is_power(tmp_path: Path) -> None:
    readings = run_down(tmp_path, "energy_now", -6e6)
    assert {(it.power, it.method) for it in readings[:12]} == {(None, None)}
    last = readings[-1]
    assert last.power == pytest.approx(-6.0, rel=1e-3)
    assert last.current == pytest.approx(-0.5, rel=1e-3)
    assert (last.method, last.voltage, last.pct, last.raw) == ("slope", 12, 50, None)


@LONG
@pytest.mark.parametrize("choice", ["auto", "BAT0"])
def test_the_slope_over_long_intervals(tmp_path: Path, interval: float, choice: str) -> None:
    """The interval option reaches the pack's slope."""
    directory = pack(tmp_path, current_now=ABSENT, charge_now=ABSENT, energy_now=0)
    clock = SetClock()
    background = SENSORS["battery"](Settings(tmp_path, tmp_path, 0, interval, Choice(choice)), clock)
    assert isinstance(background, Background)
    readings = []
    for number in range(3):
        (directory / "energy_now").write_text(f"{round(50e6 - 6e6 * number * interval / 3600)}\n")
        battery = background.sensor.read()
        assert isinstance(battery, Battery)
        readings.append(battery.power)
        clock.go_on(interval)
    assert readings == [None, *[pytest.approx(-6.0, rel=1e-3)] * 2]


def test_an_absurd_percent_does_not_stop_the_slope(tmp_path: Path) -> None:
    last = run_down(tmp_path, "energy_now", -8e6, {"capacity": 1536})[-1]
    assert last.power == pytest.approx(-8.0, rel=1e-3)
    assert (last.method, last.pct) == ("slope", None)
    assert last.raw is not None
    assert last.raw["capacity"] == "1536"


def test_the_slope_of_charge_times_voltage_is_power(tmp_path: Path) -> None:
    last = run_down(tmp_path, "charge_now", 500_000, {"status": "Charging"})[-1]
    assert last.power == pytest.approx(6.0, rel=1e-3)
    assert last.method == "slope"


def test_a_sagging_voltage_does_not_count_as_lost_charge(tmp_path: Path) -> None:
    directory = pack(tmp_path, current_now=ABSENT)
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    for second in range(120):
        (directory / "voltage_now").write_text(f"{12_000_000 - 10_000 * second}\n")
        (directory / "charge_now").write_text(f"{2_000_000 - round(500_000 * second / 3600)}\n")
        battery = sensor.read()
        clock.go_on(1)
    assert battery is not None
    assert battery.power == pytest.approx(-0.5 * 10.81, rel=0.01)


@pytest.mark.parametrize(
    ("counter", "changes"),
    [
        pytest.param("energy_now", {"power_now": 5_000_000}, id="there-is-power"),
        pytest.param("energy_now", {"current_now": 400_000}, id="there-are-volts-and-amps"),
        pytest.param("charge_now", {"voltage_now": ABSENT}, id="charge-without-volts"),
        pytest.param("energy_now", {"voltage_now": 500_000_000}, id="a-gauge-that-talks-nonsense"),
        pytest.param("energy_full", {}, id="nothing-that-changes"),
    ],
)
def test_cases_without_a_slope(tmp_path: Path, counter: str, changes: Attributes) -> None:
    assert run_down(tmp_path, counter, -6e6, changes)[-1].method != "slope"


def test_an_energy_invented_by_the_kernel_gives_no_slope(tmp_path: Path) -> None:
    """uConsole: 0.1 Wh × (percent - 10) as for a pack of 8 Wh, whatever pack is inserted."""
    directory = pack(
        tmp_path, current_now=ABSENT, charge_now=ABSENT, charge_full=ABSENT, energy_full=8_000_000
    )
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    for percent in range(80, 60, -1):
        (directory / "capacity").write_text(f"{percent}\n")
        (directory / "energy_now").write_text(f"{(percent - 10) * 100_000}\n")
        battery = sensor.read()
        clock.go_on(60)
    assert battery is not None
    assert (battery.power, battery.method, battery.pct) == (None, None, 61)


def test_an_exchanged_pack_restarts_the_slope(tmp_path: Path) -> None:
    run = run_down(tmp_path, "energy_now", -6e6)
    assert run[-1].method == "slope"
    directory = tmp_path / "class/power_supply/BAT0"
    clock = SetClock()
    sensor = PowerSupplySensor(tmp_path, clock=clock)
    for second in range(0, 90, 5):
        (directory / "energy_now").write_text(f"{30_000_000 - second * 2_000}\n")
        if second == 75:
            directory.rename(tmp_path / "pulled")
            assert sensor.read() is None
            (tmp_path / "pulled").rename(directory)
        battery = sensor.read()
        assert battery is not None
        assert (battery.power is not None) == (60 <= second < 75)
        clock.go_on(5)
