"""Which samples give an alert, without a process: samples in, events out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.crossings import Rule, Watch
from query.limits import KINDS
from telemetry.sample import Battery, Cpu, Health, Sample

BELOW, ABOVE, DRAINS, HOTTER = KINDS
BATTERY = Battery("BAT0", "Discharging", 12.0, -1.0, -12.0, 66.0, health=Health(48.0, 50.0, "Wh"))
CHARGING = BATTERY._replace(status="Charging", power=12.0)
TIME = 1_800_000_000.0


def sample(seq: int, battery: Battery | None = BATTERY, temp: float | None = None) -> Sample:
    """A sample of a run with 5 s between two samples."""
    time = TIME + 5.0 * seq
    cpu = Cpu(None, (), temp=temp)
    return Sample("pi4", "boot", "run", seq, int(time), time, 5.0, 0.0, battery, cpu, (None,) * 3, ())


def given_at(
    rules: Sequence[Rule], samples: Iterable[Sample], late: Iterable[int] = (), watch: Watch | None = None
) -> list[tuple[int, str]]:
    """Return seq and name of each alert; the samples whose seq is in ``late`` come an hour late."""
    watch = watch or Watch(rules)
    hour = dict.fromkeys(late, 3600.0)
    return [
        (it.seq, event.rule.kind.name)
        for it in samples
        for event in watch.take(it, it.time + 0.1 + hour.get(it.seq, 0.0))
    ]


def with_percents(percents: Iterable[float | None], battery: Battery = BATTERY) -> list[Sample]:
    return [sample(seq, battery._replace(pct=pct)) for seq, pct in enumerate(percents, start=1)]


def with_temperatures(*temps: float | None) -> list[Sample]:
    return [sample(seq, temp=temp) for seq, temp in enumerate(temps, start=1)]


def below(*percents: float | None, late: Iterable[int] = ()) -> list[int]:
    return [seq for seq, _ in given_at([Rule(BELOW, 15.0)], with_percents(percents), late)]


# --- percent ---


def test_a_percent_at_the_limit_gives_one_alert() -> None:
    assert below(17, 16, 15, 14, 13, 12) == [3]


def test_a_percent_that_alternates_at_the_limit_gives_one_alert() -> None:
    assert below(16, *[15, 16, 17] * 20) == [2]


def test_it_is_armed_again_three_percent_above() -> None:
    assert below(16, 15, 17, 15, 17, 18, 16, 15) == [2, 8]


def test_two_limits_are_two_alerts() -> None:
    rules = [Rule(BELOW, 15.0), Rule(BELOW, 13.0)]
    assert [seq for seq, _ in given_at(rules, with_percents([16, 15, 14, 13, 12]))] == [2, 4]


@pytest.mark.parametrize("glitch", [[0.0], [0.0] * 5, [0.0, 90.0, 0.0], [5.0]])
def test_a_glitch_gives_no_alert(glitch: list[float]) -> None:
    assert below(66, *glitch, 66, 66) == []


def test_a_glitch_does_not_arm_it_again() -> None:
    assert below(16, 15, 66, 14, 14) == [2]


def test_a_lasting_step_gives_an_alert() -> None:
    """It comes 30 s after the first sample of the step."""
    assert below(66, *[10] * 20) == [8]


def test_a_glitch_at_the_very_start_gives_no_alert() -> None:
    assert below(0, *[66] * 10) == []


def test_a_glitch_at_the_start_of_the_next_run_gives_no_alert() -> None:
    watch = Watch([Rule(BELOW, 15.0)])
    glitch = sample(2, BATTERY._replace(pct=0.0))._replace(run="b", seq=1)
    runs = [sample(1), glitch, sample(3)._replace(run="b")]
    assert given_at([], runs, watch=watch) == []


def test_starting_below_the_limit_alerts_with_the_second_sample() -> None:
    assert below(10, 10, 10) == [2]


def test_a_low_charging_battery_alerts_only_once_unplugged() -> None:
    rules, watch = [Rule(BELOW, 15.0)], Watch([Rule(BELOW, 15.0)])
    assert given_at(rules, with_percents([9, 9, 10, 10], CHARGING), watch=watch) == []
    unplugged = [sample(seq, BATTERY._replace(pct=10.0)) for seq in (5, 6, 7)]
    assert given_at(rules, unplugged, watch=watch) == [(6, "below")]


def test_above_is_for_a_battery_that_charges_or_rests() -> None:
    rules = [Rule(ABOVE, 80.0)]
    assert given_at(rules, with_percents([85, 84, 83])) == []
    assert given_at(rules, with_percents([78, 79, 80, 81, 80, 78, 80, 81], CHARGING)) == [(3, "above")]
    assert given_at(rules, with_percents([79, 80, 78, 77, 79, 80], CHARGING)) == [(2, "above"), (6, "above")]
    full = BATTERY._replace(status="Full", power=0.0)
    assert given_at(rules, with_percents([100, 100], full)) == [(2, "above")]
    assert given_at(rules, [it._replace(on_ac=False) for it in with_percents([100, 100], full)]) == []


@pytest.mark.parametrize("limit", [98.0, 99.0])
def test_a_limit_near_the_end_can_be_armed_again(limit: float) -> None:
    there_and_back = with_percents([100, limit, 100, limit])
    assert [seq for seq, _ in given_at([Rule(BELOW, limit)], there_and_back)] == [2, 4]


def test_without_a_battery_or_a_percent_there_is_no_alert() -> None:
    assert below(None, None, 14, None, 14, None) == [5]
    assert given_at([Rule(BELOW, 15.0), Rule(DRAINS)], [sample(seq, None) for seq in range(1, 9)]) == []


# --- late samples ---


def test_a_late_sample_gives_no_alert_but_the_next_one_does() -> None:
    assert below(16, 15, 14, 13, late=[2, 3]) == [4]


def test_a_crossing_with_only_late_samples_gives_no_alert() -> None:
    assert below(16, 15, 17, 19, 19, late=[2, 3, 4]) == []


def test_a_late_sample_arms_it_again() -> None:
    assert below(16, 15, 17, 19, 17, 15, late=[3, 4, 5]) == [2, 6]


def test_a_sample_of_a_clock_that_is_ahead_is_late() -> None:
    watch = Watch([Rule(BELOW, 15.0)])
    samples = with_percents([16, 15, 14])
    assert [watch.take(it, it.time - 3600.0) for it in samples] == [[], [], []]
    assert watch.take(sample(4, BATTERY._replace(pct=14.0)), TIME + 20.0)


def test_a_long_interval_makes_a_sample_late_later() -> None:
    watch = Watch([Rule(BELOW, 15.0)])
    slow = [it._replace(interval=600.0) for it in with_percents([16, 15])]
    assert [len(watch.take(it, it.time + 1000.0)) for it in slow] == [0, 1]


# --- the other rules ---


def on_mains(*powers: float | None, status: str = "Charging", mains: bool | None = True) -> list[Sample]:
    battery = BATTERY._replace(status=status)
    return [
        sample(seq, battery._replace(power=power))._replace(on_ac=mains)
        for seq, power in enumerate(powers, start=1)
    ]


def drains(samples: Iterable[Sample]) -> list[int]:
    return [seq for seq, _ in given_at([Rule(DRAINS)], samples)]


def test_a_drain_on_mains_must_last_two_minutes() -> None:
    assert drains(on_mains(5.0, *[-3.0] * 30)) == [26]
    assert drains(on_mains(*[5.0, *[-3.0] * 24] * 4)) == []


def test_less_than_half_a_watt_is_not_a_drain() -> None:
    assert drains(on_mains(*[-0.4] * 60)) == []
    assert drains(on_mains(*[-0.5] * 60)) == [25]


def test_a_full_battery_may_drain_at_two_watts() -> None:
    assert drains(on_mains(*[-1.9] * 60, status="Full")) == []
    assert drains(on_mains(*[-2.0] * 60, status="Full")) == [25]


@pytest.mark.parametrize("mains", [False, None])
def test_without_mains_there_is_no_drain_alert(mains: bool | None) -> None:
    assert drains(on_mains(*[-3.0] * 60, mains=mains)) == []


def test_a_drain_alerts_again_after_two_minutes_without_one() -> None:
    assert drains(on_mains(*[-3.0] * 30, *[5.0] * 24, *[-3.0] * 30)) == [25]
    assert drains(on_mains(*[-3.0] * 30, *[5.0] * 25, *[-3.0] * 30)) == [25, 80]


def test_hot_needs_two_samples_in_a_row() -> None:
    rules = [Rule(HOTTER, 80.0)]
    assert given_at(rules, with_temperatures(70, 81, 75, 120, 70)) == []
    assert given_at(rules, with_temperatures(70, 80, 80, 80)) == [(3, "hotter")]
    assert given_at(rules, with_temperatures(70, 81, None, 82)) == [(4, "hotter")]


def test_hot_is_armed_again_three_degrees_below_for_two_samples() -> None:
    rules = [Rule(HOTTER, 80.0)]
    assert given_at(rules, with_temperatures(81, 81, 77, 81, 81, 78, 78, 81, 81)) == [(2, "hotter")]
    assert given_at(rules, with_temperatures(81, 81, 77, 77, 81, 81)) == [(2, "hotter"), (6, "hotter")]


# --- all of them, with anything ---

ANY_BATTERY = st.none() | st.builds(
    BATTERY._replace,
    status=st.none() | st.sampled_from(["Charging", "Discharging", "Full", "Not charging", "Unknown"]),
    power=st.none() | st.floats(-60, 60),
    pct=st.none() | st.sampled_from([0.0, 13.0, 15.0, 16.0, 18.0, 66.0, 80.0, 100.0]) | st.floats(0, 100),
)
ANY_SAMPLE = st.tuples(
    ANY_BATTERY, st.none() | st.floats(20, 110), st.none() | st.booleans(), st.sampled_from([0.1, 3600.0])
)
RULES = [Rule(BELOW, 15.0), Rule(ABOVE, 80.0), Rule(DRAINS), Rule(HOTTER, 80.0)]


@given(st.lists(ANY_SAMPLE, max_size=60))
def test_every_alert_has_its_cause_and_none_is_repeated_without_a_return(
    drawn: list[tuple[Battery | None, float | None, bool | None, float]],
) -> None:
    watch = Watch(RULES)
    samples = [
        sample(seq, battery, temp)._replace(on_ac=mains)
        for seq, (battery, temp, mains, _) in enumerate(drawn, start=1)
    ]
    events = []
    for it, (*_, late) in zip(samples, drawn, strict=True):
        new = watch.take(it, it.time + late)
        assert not (new and late > 100)
        events += new
    for rule in RULES:
        mine = [event for event in events if event.rule == rule]
        for event in mine:
            look = rule.look(event.sample, is_steady=True)
            assert look is not None
            assert (look.beyond, look.value) == (True, event.value)
        for one, two in pairwise(mine):
            between = samples[one.sample.seq : two.sample.seq - 1]
            looks = [rule.look(it, is_steady=True) for it in between]
            assert any(look is not None and look.beyond is False for look in looks)


@given(st.lists(st.sampled_from([66.0, 65.0, 64.0, 65.5]), min_size=2, max_size=40), st.integers(0, 38))
def test_a_single_zero_in_any_recording_gives_no_alert(percents: list[float], where: int) -> None:
    percents[min(where, len(percents) - 1)] = 0.0
    assert below(*percents) == []


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.booleans())
def test_a_falling_percent_gives_exactly_one_alert(steps: list[int], first_is_low: bool) -> None:
    """The percent falls in steps that power explains, from above the limit to below it."""
    falling = [40.0]
    for step in [*steps, *[2] * 20]:
        falling.append(max(0.0, falling[-1] - step))
    shown = below(*falling)
    assert shown == [falling.index(next(pct for pct in falling if pct <= 15)) + 1]
