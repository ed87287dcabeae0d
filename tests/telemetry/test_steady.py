"""Which steps of the percent count at once, and which must last first."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import Battery, Cpu, Health, Sample
from telemetry.steady import SteadyPercent, Steps

BATTERY = Battery("BAT0", "Discharging", 12.0, -1.0, -12.0, 66.0, health=Health(48.0, 50.0, "Wh"))
"""Wh: a quarter of a percent a minute is 7.2 W."""


def sample(seq: int, battery: Battery | None, interval: float = 5.0, run: str = "a") -> Sample:
    return Sample(
        "host", "boot", run, seq, seq, float(seq), interval, 0.0, battery, Cpu(None, ()), (None,) * 3, ()
    )


def steady(percents: Iterable[float | None], interval: float = 5.0, battery: Battery = BATTERY) -> list[bool]:
    watch = SteadyPercent()
    return [
        watch.take(sample(seq, battery._replace(pct=percent), interval))
        for seq, percent in enumerate(percents, start=1)
    ]


@pytest.mark.parametrize("glitch", [0.0, 10.0, 63.0, 69.0, 100.0])
def test_a_step_that_goes_back_is_not_steady(glitch: float) -> None:
    assert steady([66, 66, glitch, 66, 65]) == [True, True, False, True, True]


def test_a_step_that_lasts_becomes_steady() -> None:
    assert steady([66, *[0] * 8]) == [True, *[False] * 6, True, True]


def test_a_step_that_flickers_does_not_last() -> None:
    assert not any(steady([66, *[0, 90] * 20])[1:])


def test_small_steps_are_accepted_at_once() -> None:
    assert all(steady(range(66, -1, -2)))


@pytest.mark.parametrize(
    ("interval", "to", "acted_on"),
    [
        (5.0, 63, False),
        (60.0, 64, True),
        (600.0, 54, True),  # 12 W of 48 Wh are 4.2 % in 10 minutes, three times that is 12.5
        (600.0, 53, False),
        (3600.0, 0, True),
    ],
)
def test_a_step_that_power_explains_is_accepted_at_once(interval: float, to: float, acted_on: bool) -> None:
    assert steady([66, to], interval)[1] is acted_on


def test_charge_is_counted_in_volts_too() -> None:
    battery = BATTERY._replace(health=Health(4.0, 5.0, "Ah"))
    assert [steady([66, to], 600.0, battery)[1] for to in (54, 53)] == [True, False]


@pytest.mark.parametrize(
    "battery", [BATTERY._replace(power=None), BATTERY._replace(health=None)], ids=["power", "health"]
)
def test_steps_without_known_power_or_health(battery: Battery) -> None:
    assert [steady([66, to], 60.0, battery)[1] for to in (60, 59)] == [True, False]


def test_the_first_percent_is_steady() -> None:
    assert SteadyPercent().take(sample(9, BATTERY._replace(pct=0.0)))


@pytest.mark.parametrize(("away", "acted_on"), [(5.0, False), (3600.0, False), (3 * 3600.0, True)])
def test_between_runs_the_wall_clock_gives_the_elapsed_time(away: float, acted_on: bool) -> None:
    """12 W of 48 Wh are 25 % an hour; three times that is doubted."""
    watch = SteadyPercent()
    assert watch.take(sample(9, BATTERY._replace(pct=90.0)))
    later = sample(1, BATTERY._replace(pct=3.0), run="b")._replace(time=9.0 + away)
    assert watch.take(later) is acted_on


def test_a_glitch_at_the_start_of_a_run_is_recognised() -> None:
    watch = SteadyPercent()
    percents = [("a", 1, 66.0), ("b", 1, 0.0), ("b", 2, 66.0)]
    assert [watch.take(sample(seq, BATTERY._replace(pct=pct), run=run)) for run, seq, pct in percents] == [
        True,
        False,
        True,
    ]


def test_a_clock_that_was_set_back_between_two_runs_adds_no_time() -> None:
    watch = SteadyPercent()
    assert watch.take(sample(9, BATTERY)._replace(time=1e9))
    assert not watch.take(sample(1, BATTERY._replace(pct=0.0), run="b"))
    assert watch.take(sample(2, BATTERY, run="b"))


def test_the_time_of_lost_samples_counts() -> None:
    watch = SteadyPercent()
    assert watch.take(sample(1, BATTERY))
    assert watch.take(sample(1000, BATTERY._replace(pct=20.0)))


def test_without_a_percent_nothing_is_steady() -> None:
    watch = SteadyPercent()
    assert not watch.take(sample(1, None))
    assert not watch.take(sample(2, BATTERY._replace(pct=None)))
    assert watch.take(sample(3, BATTERY))
    assert not watch.take(sample(4, None))
    assert not watch.take(sample(5, BATTERY._replace(pct=0.0)))


@given(
    st.lists(st.tuples(st.none() | st.floats(0, 100), st.none() | st.floats(-500, 500)), max_size=40),
    st.floats(0.1, 4000),
)
def test_a_percent_that_stays_becomes_steady(
    seen: list[tuple[float | None, float | None]], interval: float
) -> None:
    watch = SteadyPercent()
    for seq, (percent, watts) in enumerate(seen, start=1):
        watch.take(sample(seq, BATTERY._replace(pct=percent, power=watts), interval))
    later = [
        watch.take(sample(len(seen) + seq, BATTERY, interval)) for seq in range(1, int(30 / interval) + 4)
    ]
    assert later[-1]


def test_a_gauge_that_steps_by_5_is_steady() -> None:
    steps = Steps()
    for percent in (60.0, 55.0, 50.0):
        assert all(steps.take(percent, 10.0, -30.0, 30.0) for _ in range(20))
    assert steps.unexplained == 0
    assert not steps.take(0.0, 10.0, -30.0, 30.0)
