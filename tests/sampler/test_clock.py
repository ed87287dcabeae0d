from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.clock import Moment, next_deadline, next_ts

SECONDS = st.floats(min_value=0, max_value=1e6)


@given(st.floats(min_value=1, max_value=3600), st.lists(st.floats(min_value=0, max_value=5), max_size=50))
def test_deadlines_are_multiples_of_the_interval_and_in_the_future(
    interval: float, late: list[float]
) -> None:
    """However late a sample is, the next one is at a multiple of the interval, without drift or a burst."""
    start = deadline = 1000.0
    for intervals_late in late:
        now = deadline + intervals_late * interval
        deadline = next_deadline(deadline, interval, now)
        assert deadline > now - 1e-6
        assert deadline - now <= interval + 1e-6
        steps = (deadline - start) / interval
        assert steps == pytest.approx(round(steps), abs=1e-6)


def test_a_sample_in_time_is_followed_by_one_an_interval_later() -> None:
    assert next_deadline(100.0, 5.0, 100.2) == 105.0


def test_a_late_sample_is_not_followed_by_a_burst() -> None:
    assert next_deadline(100.0, 5.0, 117.0) == 120.0


@given(st.lists(st.floats(min_value=-10, max_value=4e9), min_size=1))
def test_ts_rises_whatever_the_clock_does(clock: list[float]) -> None:
    given_ts = [0]
    for now in clock:
        given_ts.append(next_ts(given_ts[-1], now))
    assert all(before < after for before, after in pairwise(given_ts))
    assert given_ts[1] == max(int(clock[0]), 1)


def test_a_clock_that_steps_back_gives_the_next_free_second() -> None:
    assert next_ts(1000, 400.0) == 1001


def test_a_clock_that_advances_gives_its_second() -> None:
    assert next_ts(1000, 1005.9) == 1005


def test_time_asleep_is_separated_from_time_awake() -> None:
    before = Moment(time=0.0, monotonic=100.0, boottime=200.0)
    after = Moment(time=0.0, monotonic=105.0, boottime=3805.0)
    assert after.awake_since(before) == 5.0
    assert after.asleep_since(before) == 3600.0


def test_the_delay_between_two_clock_readings_is_not_sleep() -> None:
    before = Moment(time=0.0, monotonic=100.0, boottime=200.0)
    assert Moment(0.0, 105.0, 205.0000004).asleep_since(before) == 0.0
