"""The arithmetic: a worked example, and properties that hold for any samples."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telemetry.energy_model.cells import cell, divide, largest_remainders
from telemetry.energy_model.columns import (
    AWAKE,
    BEFORE,
    IDLE,
    KERNEL,
    ONE,
    OTHERS,
    POWER,
    RESIDUAL,
    SCREEN,
    SCREEN_ON,
    UNATTRIBUTED,
)
from telemetry.energy_model.features import BLOCK, EXPONENTS, Block, Lag, Reading, blocks, features, stretches
from telemetry.energy_model.fit import Model, best_exponent, fit
from telemetry.energy_model.learner import Knowledge, learn, refit
from telemetry.energy_model.sums import add, hour_sums, moments
from tests.energy.learning import measured

MODEL = Model(
    rates={1: 2.0, 2: 4.0, OTHERS: 3.0, KERNEL: 1.0, AWAKE: 0.5, SCREEN: 2.0, SCREEN_ON: 0.25},
    common=3.0,
    deviations={},
    with_awake={},
    blocks=1000,
    squares=1.0,
)


def test_the_worked_example_of_the_document() -> None:
    """An hour of 10 W: half a core of program 1 and a quarter of program 2, at 1 GHz and half brightness."""
    reading = Reading(3600.0, 10.0, 0.875, 1.0, 0.5, {1: 0.5, 2: 0.25}, 0.125)
    row = features(reading, 1.0, frozenset({1, 2}))
    assert row == {1: 0.5, 2: 0.25, KERNEL: 0.125, AWAKE: 0.875, SCREEN: 0.5, SCREEN_ON: 1.0}
    parts = divide(cell([reading], [row]), 36_000_000_000, MODEL, idle=4.0)
    watt_hours = {column: part.uj / 3.6e9 for column, part in parts.items()}
    assert watt_hours == {
        IDLE: 4.0,
        SCREEN: 2.0 * 0.5 + 0.25,
        1: 0.5 * 2.0 + 0.5 * 0.5,
        2: 0.25 * 4.0 + 0.5 * 0.25,
        KERNEL: 0.125 * 1.0 + 0.5 * 0.125,
        UNATTRIBUTED: 10.0 - 4.0 - 1.25 - 1.25 - 1.125 - 0.1875,
    }


def test_if_the_model_exceeds_the_measured_energy_all_parts_shrink_alike() -> None:
    reading = Reading(3600.0, 2.0, 0.5, 1.0, None, {1: 0.5}, 0.0)
    parts = divide(cell([reading], [features(reading, 1.0)]), 7_200_000_000, MODEL, idle=2.75)
    # 2.75 W + 0.5 × 2 W + 0.5 × 0.5 W are 4 W
    assert {column: part.uj for column, part in parts.items()} == {IDLE: 4_950_000_000, 1: 2_250_000_000}


def test_without_a_model_nothing_is_attributed() -> None:
    parts = divide(cell([], []), 5, None, 0.0)
    assert {column: part.uj for column, part in parts.items()} == {UNATTRIBUTED: 5}


def test_features_are_averaged_like_the_gauge() -> None:
    readings = [
        Reading(5.0, 1.0, float(at == 3), 1.0, None, {1: 1.0} if at == 3 else {}, 0.0) for at in range(16)
    ]
    rows = [features(reading, 1.0) for reading in readings]
    (block,) = blocks(readings, rows, Lag(1, 3))
    # The block has samples 3 to 14. The means that end 1 earlier contain sample 3 at 4, 5 and 6.
    assert abs(block.values[1] - 1 / 12) < 1e-12


def test_a_hole_or_a_change_of_direction_ends_a_stretch() -> None:
    on = Reading(5.0, 1.0, 0.0, 1.0, None, {}, 0.0)
    off = on._replace(watts=None)
    hole = on._replace(joined=False)
    found = list(stretches([on, on, hole, on, off, off, hole, on]))
    assert found == [range(2), range(2, 4), range(6, 8)]


def test_rates_are_learned_from_exact_data() -> None:
    made = []
    for at in range(200):
        x, z = (at % 7) / 7, (at % 5) / 5
        made.append(Block(3 + 2 * x + 5 * z, {1: x, 2: z} if at % 35 else {}, x + z))
    model = fit(moments([hour_sums(made, None).sums]))
    assert model is not None
    assert abs(model.rate(1) - 2) < 0.01
    assert abs(model.rate(2) - 5) < 0.01
    assert model.rate(99) == model.common


def test_constant_power_does_not_fail() -> None:
    made = [Block(123.456, dict.fromkeys(range(5), 12.345), 99.9) for _ in range(240)]
    model = fit(moments([hour_sums(made, None).sums]))
    assert model is not None
    assert all(abs(model.rate(program) - model.common) <= model.common for program in range(5))


def test_a_program_without_evidence_has_the_common_rate() -> None:
    made = [Block(3 + 2 * (at % 7) / 7, {1: (at % 7) / 7, 2: 0.5}, 1.0) for at in range(200)]
    model = fit(moments([hour_sums(made, None).sums]))
    assert model is not None
    assert abs(model.rate(2) - model.common) < 0.1 * model.common
    assert model.deviation(2) > 20 * model.deviation(1)


def test_the_exponent_is_1_until_another_one_is_clearly_better() -> None:
    # n × ln 2 is at least 10 from n = 15 on
    assert best_exponent({0.0: 1.0, 1.0: 2.0}, 14) == 1.0
    assert best_exponent({0.0: 1.0, 1.0: 2.0}, 15) == 0.0
    assert best_exponent({0.0: 1.0, 1.0: 1.016}, 600) == 1.0
    assert best_exponent({0.0: 1.0}, 600) == 1.0


def test_correlated_residuals_count_for_fewer_blocks() -> None:
    taught = moments([{(ONE, ONE): 300, (RESIDUAL, RESIDUAL): 100, (BEFORE, RESIDUAL): 50}])
    assert taught.independent == 100  # 300 × (1 − ½) / (1 + ½)


def test_an_exponent_is_used_before_it_is_certain() -> None:
    """Sixty blocks an hour, from a machine whose power does not depend on its clock."""
    sums: dict[float, list[dict[tuple[int, int], int]]] = {exponent: [{}] for exponent in EXPONENTS}
    turn = Random(1)
    found = []
    for _ in range(10):
        drawn = [(turn.random(), turn.uniform(0.5, 2)) for _ in range(60) for _ in range(BLOCK)]
        own = [Reading(5.0, 3 + 2 * x, x, ghz, None, {1: x}, 0.0) for x, ghz in drawn]
        for exponent, lesson in learn(own, 0, Knowledge()).lessons.items():
            add(sums[exponent][0], lesson.hour.sums)
        known = refit(sums, None)
        found.append((known.exponent_now, known.exponent))
    assert found == 9 * [(0.0, None)] + [(0.0, 0.0)]


watts = st.none() | st.floats(0, 100) | st.just(60.0)
loads = st.dictionaries(st.integers(0, 5), st.floats(0, 4), max_size=4)
readings = st.builds(
    Reading,
    seconds=st.floats(0.01, 300),
    watts=watts,
    busy=st.floats(0, 8),
    ghz=st.floats(0.1, 5),
    brightness=st.none() | st.floats(0, 1),
    programs=loads,
    kernel=st.floats(0, 1),
    joined=st.booleans(),
)


@given(st.lists(readings, max_size=60))
def test_the_parts_sum_to_the_measured_energy(drawn: list[Reading]) -> None:
    learned = learn(drawn, 0, Knowledge())
    known = refit({exponent: [lesson.hour.sums] for exponent, lesson in learned.lessons.items()}, None)
    total = measured(drawn)
    for exponent, lesson in learned.lessons.items():
        parts = divide(lesson.cell, total, known.models.get(exponent), lesson.hour.idle or 0.0)
        assert sum(part.uj for part in parts.values()) == total
        assert all(part.uj >= 0 and part.pm_uj >= 0 for part in parts.values())


@given(
    st.lists(readings.map(lambda it: it._replace(joined=True, watts=it.watts or 1.0)), max_size=80), st.data()
)
def test_sums_add_up_in_any_order(drawn: list[Reading], data: Any) -> None:
    middle = data.draw(st.integers(0, len(drawn)))
    hours = [learn(part, 0, Knowledge()).lessons[1.0].hour.sums for part in (drawn[:middle], drawn[middle:])]
    forward: dict[tuple[int, int], int] = {}
    backward: dict[tuple[int, int], int] = {}
    for one, other in zip(hours, reversed(hours), strict=True):
        add(forward, one)
        add(backward, other)
    assert forward == backward
    for pair, value in forward.items():
        assert abs(value) < 1 << 63, pair


@given(st.dictionaries(st.integers(), st.floats(0, 1e12), min_size=1), st.integers(0, 1000))
def test_whole_parts_sum_to_the_whole(parts: dict[int, float], more: int) -> None:
    total = round(sum(parts.values())) + more
    whole = largest_remainders(parts, total)
    assert sum(whole.values()) == total
    if more == 0 and sum(parts.values()) < 1e9:
        assert all(abs(whole[key] - value) <= 1 for key, value in parts.items())


def test_power_is_not_used_as_a_feature() -> None:
    made = [Block(3 + at % 3, {1: at % 3}, 1.0) for at in range(30)]
    sums = hour_sums(made, None).sums
    assert sums[ONE, ONE] == 30
    model = fit(moments([sums]))
    assert model is not None
    assert POWER not in model.rates
