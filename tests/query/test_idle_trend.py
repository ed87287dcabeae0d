"""The trend of idle power in the report model: a shift is reported, unless little is known."""

from __future__ import annotations

import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.idle_trend import shift_of
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import by_the_writer
from tests.query.test_blame import load

DAY = 86_400


def discharging(recording: Recording, moment: float, idle: float, use: float) -> None:
    """Add a sample on battery with this idle power, and a program of 4 W a core that uses ``use`` %."""
    recording.sample(
        moment,
        power=-(idle + 4 * use / 100),
        status="Discharging",
        cpu_total=use,
        cpu_unowned=0.0,
        cpu_freq=1000.0,
        cores=[use],
        processes=[(1, "a", use, 1.0)],
    )


def days_of(recording: Recording, idle: list[float], busy: float = 1.0, count: int = 300) -> None:
    """Record one day at each of these idle powers; the last day ends at noon of the 21st."""
    for number, watts in enumerate(idle):
        first = NOON - DAY * (len(idle) - 1 - number)
        recording.run(started=first)
        for index in range(count):
            discharging(recording, first + 5 * index, watts, busy * load(index + 50 * number, 1.0))
    complete(recording)


def complete(recording: Recording) -> None:
    """Complete the last hour, and let the writer store everything."""
    recording.sample(recording.ts // 3600 * 3600 + 3600.0)
    by_the_writer(recording.database)


def on_days(query: Query, *argv: str) -> dict[str, float]:
    rows = query("model", *argv).rows
    return {row["item"][8:]: row["value"] for row in rows if row["item"].startswith("idle on ")}


@pytest.mark.slow
def test_each_day_has_its_idle_power(recording: Recording, query: Query) -> None:
    days_of(recording, [3.0, 3.0, 3.1, 3.0, 2.9, 3.5, 3.5, 3.5, 3.6])
    found = on_days(query)
    assert list(found) == [f"2026-11-{day}" for day in range(15, 22)]
    assert list(found.values()) == pytest.approx([3.1, 3.0, 2.9, 3.5, 3.5, 3.5, 3.6], abs=0.05)
    said = query("model").err
    assert "since 2026-11-18 idle takes 0.5" in said
    assert " W more than the 3.0" in said


def test_a_fall_is_reported_too(recording: Recording, query: Query) -> None:
    days_of(recording, [4.0, 4.0, 4.0, 3.5])
    assert "since 2026-11-21 idle takes 0.50 W less than the 4.0" in query("model").err


@pytest.mark.parametrize("idle", [[3.0, 3.0, 3.0, 3.2], [3.0, 3.0, 3.6, 3.0]], ids=["small", "one day"])
def test_small_or_ended_shifts_are_not_reported(
    recording: Recording, query: Query, idle: list[float]
) -> None:
    days_of(recording, idle)
    assert len(on_days(query)) == 4
    assert "since" not in query("model").err


@pytest.mark.parametrize(("idle", "count"), [([3.0, 4.0], 300), ([3.0, 4.0, 4.0], 100)], ids=["two", "short"])
def test_with_little_data_nothing_is_reported(
    recording: Recording, query: Query, idle: list[float], count: int
) -> None:
    days_of(recording, idle, count=count)
    assert query("model").rows
    assert on_days(query) == {}
    assert "since" not in query("model").err


def test_days_are_local(recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    days_of(recording, [3.0, 3.0, 3.0])
    monkeypatch.setenv("TZ", "XXX-13")
    time.tzset()
    assert list(on_days(query)) == ["2026-11-20", "2026-11-21", "2026-11-22"]
    assert list(on_days(query, "--utc")) == ["2026-11-19", "2026-11-20", "2026-11-21"]


def test_a_busy_day_is_not_a_shift(recording: Recording, query: Query) -> None:
    days_of(recording, [3.0, 3.0, 3.0])
    for index in range(400):
        discharging(recording, NOON + 3600 + 5 * index, 3.0, 40.0 + load(index, 0.0))
    complete(recording)
    assert "since" not in query("model", now=NOON + DAY).err


FIRST = date(2026, 11, 1)


@given(
    st.lists(st.floats(-0.1, 0.1), min_size=3, max_size=14),
    st.integers(2, 13),
    st.floats(0.5, 5.0),
    st.sampled_from([-1, 1]),
)
def test_a_shift_is_found_on_its_day(noise: list[float], at: int, step: float, sign: int) -> None:
    days = [
        (FIRST + timedelta(index), 10 + extra + (sign * step if index >= at else 0.0))
        for index, extra in enumerate(noise)
    ]
    found = shift_of(days)
    if at >= len(days):
        assert found is None
    else:
        assert found is not None
        assert found.since == FIRST + timedelta(at)
        assert found.watts == pytest.approx(sign * step, abs=0.21)


@pytest.mark.parametrize(("last", "is_reported"), [(4.35, True), (4.34, False)])
def test_a_quarter_of_a_watt_is_enough(last: float, is_reported: bool) -> None:
    days = [(FIRST + timedelta(index), idle) for index, idle in enumerate([4.1, 4.1, last])]
    assert (shift_of(days) is not None) is is_reported
