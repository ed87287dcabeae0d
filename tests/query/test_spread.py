"""Means of blocks and their differences, compared with arithmetic by hand and with a known truth."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.spread import LESS, MORE, NO, TOO_LITTLE, Block, Difference, Mean, difference, mean
from tests.query.slow_power import rates

blocks = st.lists(st.builds(Block, st.floats(0.1, 1e3), st.floats(-1e6, 1e6)), min_size=1, max_size=40)


def equal(*values: float) -> list[Block]:
    return [Block(1.0, value) for value in values]


def test_blocks_that_alternate_are_independent() -> None:
    found = mean(equal(1, 3, 1, 3, 1, 3, 1, 3))
    assert found is not None
    assert found.value == 2
    assert found.error == pytest.approx(sqrt(8 / 7) / sqrt(8))  # standard deviation / √n


def test_blocks_that_are_alike_count_for_less() -> None:
    alternating, rising = mean(equal(*[0, 1] * 20)), mean(equal(*[0] * 20, *[1] * 20))
    assert alternating is not None
    assert rising is not None
    assert rising.value == alternating.value
    assert rising.error is None or rising.error > 3 * (alternating.error or 0.0)


def test_a_block_counts_by_its_weight() -> None:
    found = mean([Block(3.0, 1.0), Block(1.0, 5.0)])
    assert found == Mean(2.0, None)


def test_without_blocks_there_is_no_mean() -> None:
    assert mean([]) is None
    assert mean([Block(0.0, 1.0)]) is None
    assert difference(None, Mean(1.0, 0.1)) is None


def test_a_difference_of_more_than_two_standard_errors_is_reported() -> None:
    a = Mean(10.0, 3.0)
    for more, told in ((9.9, NO), (10.1, MORE), (-9.9, NO), (-10.1, LESS)):
        found = difference(a, Mean(10.0 + more, 4.0))
        assert found is not None
        assert found.value == pytest.approx(more)
        assert (found.half_width, found.differs) == (10.0, told)


def test_few_blocks_are_too_little() -> None:
    found = difference(mean(equal(1, 2)), mean(equal(5, 6, 5, 6, 5, 6)))
    assert found == Difference(4.0, None, TOO_LITTLE)


def test_constant_values_differ_by_any_difference_beyond_rounding() -> None:
    same = mean(equal(*[0.1] * 10))
    assert same is not None
    for value, told in ((0.1 + 1e-15, NO), (0.2, MORE)):
        found = difference(same, mean(equal(*[value] * 10)))
        assert found is not None
        assert (found.half_width, found.differs) == (0.0, told)


@given(blocks, blocks)
def test_the_sides_may_be_swapped(a: list[Block], b: list[Block]) -> None:
    there, back = difference(mean(a), mean(b)), difference(mean(b), mean(a))
    assert there is not None
    assert back is not None
    assert there.value == -back.value
    assert there.half_width == back.half_width
    assert back.differs == {MORE: LESS, LESS: MORE}.get(there.differs, there.differs)


@given(blocks, st.floats(0.1, 100))
def test_the_unit_of_weights_does_not_matter(held: list[Block], scale: float) -> None:
    before, after = mean(held), mean([Block(scale * block.weight, block.value) for block in held])
    assert before is not None
    assert after is not None
    assert after.value == pytest.approx(before.value, rel=1e-6, abs=1e-3)
    if before.error is not None and after.error is not None:
        assert after.error == pytest.approx(before.error, rel=1e-3, abs=1e-3)


# --- a known truth -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "tau"),
    [(6, 900.0), (24, 60.0), (24, 900.0), (3, 300.0), (1, 60.0)],
)
@pytest.mark.fast_cases(1)
def test_equal_means_are_seldom_reported_as_different(hours: float, tau: float) -> None:
    """Power varies slowly: if samples of 15 s counted as independent, most windows would seem to differ."""
    assert rates(hours, tau, 200) <= 0.1


@pytest.mark.parametrize(("hours", "tau"), [(24, 60.0), (24, 300.0), (24, 900.0)])
@pytest.mark.slow
def test_a_difference_of_three_standard_errors_is_found(hours: float, tau: float) -> None:
    assert rates(hours, tau, 200, errors=3.0) >= 0.8
