"""A closed day sums to the measured energy, and is read back unchanged after it is written."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.energy_model import stored
from telemetry.energy_model.columns import IDLE, UNATTRIBUTED
from telemetry.energy_model.day import OpenHour, close, taught_by
from telemetry.energy_model.features import Reading
from telemetry.energy_model.learner import Knowledge, learn
from tests.energy.learning import measured
from tests.energy.machines import days, plan

READINGS = st.builds(
    Reading,
    seconds=st.sampled_from([5.0, 5.0, 5.0, 1e-6, 3600.0]),
    watts=st.none() | st.floats(1e-9, 1e12) | st.floats(1.0, 20.0),
    busy=st.floats(0.0, 4096.0),
    ghz=st.floats(0.001, 100.0),
    brightness=st.none() | st.floats(0.0, 1.0),
    programs=st.dictionaries(st.integers(0, 9), st.floats(0.0, 4096.0), max_size=4),
    kernel=st.floats(0.0, 64.0),
    joined=st.sampled_from([True, True, True, False]),
)


@given(st.lists(st.lists(READINGS, min_size=1, max_size=60), min_size=1, max_size=3))
def test_a_day_is_closed_whatever_was_read(hours: list[list[Reading]]) -> None:
    """Even with values that no gauge reports."""
    opened = [OpenHour(measured(part), learn(part, 0, Knowledge())) for part in hours]
    closed = close(opened, [], None)
    for hour, parts in zip(opened, closed.parts, strict=True):
        assert sum(part.uj for part in parts.values()) == hour.discharged_uj
        assert min((part.uj for part in parts.values()), default=0) >= 0
    again = close(opened, [closed.taught], closed.knowledge.exponent)
    assert len(again.parts) == len(hours)


@given(st.lists(READINGS, max_size=60))
def test_a_written_day_is_read_back_unchanged(readings: list[Reading]) -> None:
    hour = learn(readings, 0, Knowledge())
    assert stored.read_hour(stored.hour_text(hour)) == hour
    taught = taught_by([hour])
    assert stored.read_taught(stored.taught_text(taught)) == taught
    closed = close([OpenHour(measured(readings), hour)], [], None)
    assert stored.read_models(stored.models_text(closed.knowledge.models)) == closed.knowledge.models


JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=2), lambda it: st.lists(it, max_size=4)
).map(json.dumps)
GOOD = learn([Reading(5.0, 4.0, 0.5, 1.0, None, {1: 0.5}, 0.0)] * 60, 0, Knowledge())


@given(st.text() | st.binary() | st.none() | st.integers() | JSON)
def test_damaged_text_is_not_read(text: object) -> None:
    """A damaged text is refused, unless the damage is harmless."""
    for read in (stored.read_hour, stored.read_taught, stored.read_models, stored.read_quiet):
        read(text)


@given(st.data())
def test_a_text_with_a_value_that_is_not_a_number_is_refused(data: st.DataObject) -> None:
    text = stored.hour_text(GOOD)
    numbers = [found.span() for found in re.finditer(r"-?[0-9.]+", text)]
    start, stop = data.draw(st.sampled_from(numbers))
    odd = data.draw(st.sampled_from(['"a"', "[1]", "{}", "NaN", "null"]))
    hour = stored.read_hour(text[:start] + odd + text[stop:])
    if hour is not None:  # idle may be unknown
        assert odd == "null"
        close([OpenHour(10**6, hour)], [], None)


def test_a_day_without_anything_learned_is_unattributed() -> None:
    readings = [Reading(5.0, 4.0, 0.5, 1.0, None, {1: 0.5}, 0.0, joined=False)] * 100
    closed = close([OpenHour(measured(readings), learn(readings, 0, Knowledge()))], [], None)
    assert [*closed.parts[0]] == [UNATTRIBUTED]


@pytest.mark.slow
def test_knowledge_does_not_depend_on_the_order_of_hours() -> None:
    """An hour uses only its own samples and the knowledge from the start of its day."""
    (day,) = days(plan(3), 2, 1)
    parts = [day.readings[:720], day.readings[720:]]
    lessons = [learn(part, 0, Knowledge()) for part in parts]
    both = [taught_by(lessons), taught_by(lessons[::-1])]
    assert both[0] == both[1]
    assert lessons == [learn(part, 0, Knowledge()) for part in parts]
    assert pytest.approx(2 * 3600, abs=60) == sum(it.lessons[1.0].cell.seconds for it in lessons) / 1e5


def test_a_day_that_is_too_short_uses_the_idle_power_of_the_day_before() -> None:
    """A few samples do not make a block: with an idle power of 0, all energy would be (unattributed)."""
    (day,) = days(plan(3), 1)
    long = day.readings
    taught = OpenHour(measured(long), learn(long, 0, Knowledge()))
    before = close([taught], [], None)
    assert before.idle > 0.5
    short = long[:10]
    closed = close(
        [OpenHour(measured(short), learn(short, 0, before.knowledge))],
        [before.taught],
        before.knowledge.exponent,
        before.idle,
    )
    assert closed.idle == before.idle
    assert closed.parts[0][IDLE].uj > 0.1 * measured(short)
