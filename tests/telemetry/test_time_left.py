"""The remaining time of a discharge, on simulated machines with a known truth and on arbitrary input."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import exp, isfinite
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.time_left import RETURN, Discharge, Past, hours_to_full, time_left
from tests.telemetry.machines import CURVES, STEP, Machine, Minute, discharge, history, machine
from tests.telemetry.time_left_errors import (
    AT,
    DOCUMENT,
    OTHERS,
    SEED,
    TRACES,
    ask,
    asked,
    error,
    inside,
    past,
    rewritten,
    tables,
    traced,
)

AT_MOST = dict(zip(AT, (12, 13, 16), strict=True))
"""Median error with 20 earlier discharges, %; at 20 % no method without foresight gets much below it"""
STEADY = Discharge(50.0, 10.0, 600.0, 10.0, 2.0, 0.0, True, 50.0, 12.0)
"""10 W of 50 Wh"""


# --- errors ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_beats_the_simpler_methods_on_a_few_machines() -> None:
    found = asked(1, 16, 20)
    for at in AT:
        for other in OTHERS.values():
            assert error(found[at], "new") < error(found[at], other), (at, other)
        assert error(found[at], "new") <= AT_MOST[at], at
    assert 75 <= inside([one for at in AT for one in found[at]]) <= 90


@pytest.mark.parametrize("name", TRACES)
def test_it_beats_them_on_recorded_discharges(name: str) -> None:
    found = [one for _, one in traced(name)]
    for other in OTHERS.values():
        assert error(found, "new") < error(found, other), other
    assert all(it.new.low < it.truth < it.new.high for it in found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [SEED, 1, 2])
def test_median_errors_and_ranges(seed: int) -> None:
    found = asked(seed, 60, 20)
    for at in AT:
        assert error(found[at], "new") <= AT_MOST[at], at
        for other in OTHERS.values():
            assert error(found[at], "new") < error(found[at], other), (at, other)
        assert 75 <= inside(found[at]) <= 90, at


@pytest.mark.slow
@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_the_range_contains_the_truth_if_little_is_known(earlier: int) -> None:
    found = asked(SEED, 60, earlier)
    assert 75 <= inside([one for at in AT for one in found[at]]) <= 95


@pytest.mark.slow
def test_the_document_has_the_errors_that_were_measured() -> None:
    text = Path(DOCUMENT).read_text(encoding="utf-8")
    found = tables()
    assert all(f"<!-- errors: {name} -->" in text for name in found)
    assert rewritten(text, found) == text


# --- from the first minute on, without jumps -------------------------------------------------------


@pytest.mark.parametrize("curve", CURVES)
def test_there_is_an_answer_from_the_first_minute(curve: str) -> None:
    rng = Random(5)
    of = machine(rng, curve)
    course = discharge(rng, of)
    for at in range(1, len(course)):
        found = ask(of.full, Past(), course, at).new
        assert found.little
        assert found.low < found.hours < found.high
    first = ask(of.full, Past(), course, 1)
    assert first.new.low < first.truth < first.new.high


@pytest.mark.parametrize("curve", CURVES)
def test_it_does_not_jump_when_the_percent_steps(curve: str) -> None:
    """At constant power it never rises, and never drops by more than one percent's energy, on any curve."""
    even = Machine(40.0, 44.0, CURVES[curve], ((8.0, 15.0, 1.0),))
    earlier = [(_even(even, 8.0), True)] * 3
    known, course = past(earlier), _even(even, 8.0)
    told = [ask(even.full, known, course, at).new.hours for at in range(60, len(course))]
    longest = max(Counter(minute.percent for minute in course).values()) * STEP / 3600
    for before, after in pairwise(told):
        assert before - after < longest
        assert after < before + 1e-6


def _even(of: Machine, watts: float) -> list[Minute]:
    energies = [of.capacity - watts * STEP / 3600 * minute for minute in range(1, 300)]
    return [Minute(int(of.curve(it / of.capacity)) + 1, watts) for it in energies if it > 0]


def test_it_falls_evenly_while_a_percent_is_shown() -> None:
    known = past(history(Random(1), machine(Random(2), "bent"), 5))
    told = [time_left(STEADY._replace(drawn=drawn / 100), known) for drawn in range(40)]
    hours = [found.hours for found in told if found]
    assert len(hours) == 40
    assert all(after < before for before, after in pairwise(hours))


# --- the figures of a case by hand -----------------------------------------------------------------


def test_nominal_energy_at_constant_power() -> None:
    """From 50 to 3, plus half of the percent at which UPower acts."""
    found = time_left(STEADY, Past())
    assert found is not None
    assert found.hours == pytest.approx(48.5 * 0.5 / 10)
    assert found.little


def test_learned_energy() -> None:
    """Ten visits of each percent at 0.4 Wh, while the driver reports 0.5 Wh."""
    visits = {percent: (round(10 * 0.4 * 3.6e9), 10) for percent in range(1, 101)}
    found = time_left(STEADY, Past(visits, [7, 7, 8], 10.0, 0.1, 50.0))
    assert found is not None
    assert found.hours == pytest.approx(43.5 * 0.4 / 10, rel=0.001)
    assert not found.little


def test_energy_drawn_since_the_last_step_is_subtracted() -> None:
    whole, part = (time_left(STEADY._replace(drawn=it), Past()) for it in (0.0, 0.25))
    assert whole is not None
    assert part is not None
    assert whole.hours - part.hours == pytest.approx(0.025)


def test_a_percent_whose_start_was_not_seen_counts_half() -> None:
    seen, unseen = (time_left(STEADY._replace(entered=it), Past()) for it in (True, False))
    assert seen is not None
    assert unseen is not None
    assert seen.hours - unseen.hours == pytest.approx(0.025)


def test_power_returns_to_its_mean() -> None:
    """Now three times the usual power: the time is between those at this power and at the usual power."""
    known = Past({}, (), 5.0, 0.3, 1000.0)
    now, usual = (time_left(STEADY._replace(watts=it, own_hours=0.2), known) for it in (15.0, 5.0))
    assert now is not None
    assert usual is not None
    energy = 48.5 * 0.5
    assert energy / 15 < now.hours < usual.hours - 0.5


@given(
    energy=st.floats(0.5, 500),
    power=st.floats(0.1, 300),
    mean=st.floats(0.1, 300),
)
def test_the_expected_power_uses_up_the_remaining_energy(energy: float, power: float, mean: float) -> None:
    """All percents have the same energy, the current one just began. Only power and its mean are known."""
    percent = energy / 48.5
    current = STEADY._replace(
        full=100 * percent, watts=power, seconds=1e12, own_watts=mean, own_hours=1e12, voltage=None
    )
    found = time_left(current, Past())
    assert found is not None
    taken = mean * found.hours + (power - mean) * RETURN * (1 - exp(-found.hours / RETURN))
    assert taken == pytest.approx(energy, rel=1e-6)


# --- where little is known -------------------------------------------------------------------------


def test_the_range_narrows_with_what_is_known() -> None:
    visits = {percent: (round(20 * 0.5 * 3.6e9), 20) for percent in range(1, 101)}
    pasts = [
        Past(visits, [2] * 9, 10.0, 0.02, 100.0),  # a server: always the same
        Past(visits, [2] * 9, 10.0, 0.4, 100.0),
        Past(),
    ]
    found = [time_left(STEADY, past) for past in pasts]
    widths = [it.high / it.low for it in found if it]
    assert len(widths) == 3
    assert widths == sorted(widths)
    assert widths[0] < 1.2
    blind = time_left(STEADY._replace(full=None), Past())
    assert blind is not None
    assert blind.little
    assert blind.high / blind.low > 4


@pytest.mark.parametrize(
    "change",
    [{"full": None, "voltage": None}, {"watts": 0.0}, {"watts": -1.0}],
    ids=["energy", "0 W", "-1 W"],
)
def test_without_power_or_energy_there_is_no_answer(change: dict[str, float | None]) -> None:
    assert time_left(STEADY._replace(**change), Past()) is None  # type: ignore[arg-type]


def test_learned_energy_replaces_a_missing_capacity() -> None:
    visits = {percent: (round(0.4 * 3.6e9), 1) for percent in range(40, 60)}
    found = time_left(STEADY._replace(full=None, voltage=None), Past(visits))
    assert found is not None
    assert found.hours == pytest.approx(48.5 * 0.4 / 10)


finite = st.floats(0, 1e6)


@given(
    st.builds(
        Discharge,
        st.floats(0, 100),
        *(finite, finite, finite, finite, finite),
        st.booleans(),
        st.none() | finite,
        st.none() | st.floats(0, 100),
    ),
    st.builds(
        Past,
        st.dictionaries(st.integers(0, 100), st.tuples(st.integers(0, 10**15), st.integers(1, 1000))),
        st.lists(st.floats(0, 100), max_size=5),
        st.none() | finite,
        st.none() | st.floats(0, 100),
        finite,
    ),
)
def test_the_range_always_contains_the_estimate(current: Discharge, known: Past) -> None:
    found = time_left(current, known)
    if found is not None:
        assert 0 <= found.low <= found.hours <= found.high
        assert isfinite(found.high)


# --- charging --------------------------------------------------------------------------------------


def test_hours_until_a_charge_is_full() -> None:
    """30 percent at the present power, then the taper."""
    half, late = hours_to_full(50, 20, 0.5), hours_to_full(90, 5, 0.5)
    assert half == pytest.approx((30 + 15 * (exp(20 / 15) - 1)) * 0.5 / 20)
    assert late == pytest.approx(15 * (exp(10 / 15) - 1) * 0.5 / 5)


@pytest.mark.parametrize(("percent", "watts"), [(100, 5), (50, 0), (50, -5)])
def test_without_a_charge_there_are_no_hours_to_full(percent: float, watts: float) -> None:
    assert hours_to_full(percent, watts, 0.5) is None
