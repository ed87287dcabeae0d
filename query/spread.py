"""Means of slowly varying quantities, and whether two of them differ by more than their spread.

Consecutive samples are correlated, so their mean is less certain than their number suggests. So samples are
averaged over blocks of minutes, and the remaining correlation of the blocks is estimated:

    m = Σ w x / Σ w,    n = (Σ w)² / Σ w²,    v = Σ w (x - m)² / Σ w
    r = lag-1 autocorrelation of the blocks, corrected for its bias by (1 + 3 r) / n (Marriott and Pope 1954)
    r = (1 - e^-θ)² / 2 (θ - 1 + e^-θ)     gives θ: block length ÷ time in which the correlation falls by e
    n' = n (θ - 1 + e^-θ) / θ       the number of independent blocks with the same information
    standard error = √(v n / (n - 1) / n')

Both formulas with θ are integrals of e^(-t/τ) over blocks: a slowly varying quantity is modelled as an AR(1)
process. Two means differ if their difference is more than twice its standard error, which is the root of the
sum of the squares of both standard errors (Welch).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, hypot, sqrt
from typing import Final, NamedTuple

LEAST: Final = 4.0
"""With fewer independent blocks, nothing is concluded"""
WIDTH: Final = 2.0
"""Half width of the spread, in standard errors"""
_MOST_ALIKE: Final = 0.95
_SHORTEST, _LONGEST, _HALVINGS = 0.01, 1e4, 40
"""The range of θ, and the number of bisections that find θ in it"""
_EQUAL: Final = 1e-9
"""Share of a value that may be a rounding error"""

MORE: Final = "more"
LESS: Final = "less"
NO: Final = "no"
TOO_LITTLE: Final = "too little"


class Block(NamedTuple):
    """Measurements over some minutes."""

    weight: float
    """Time, or samples"""
    value: float
    """Their mean"""


class Mean(NamedTuple):
    """The mean of blocks."""

    value: float
    error: float | None
    """Standard error; None: too few blocks to tell"""


class Difference(NamedTuple):
    """The difference of two means: the second minus the first."""

    value: float
    half_width: float | None
    differs: str


def mean(blocks: Sequence[Block]) -> Mean | None:
    """Return the mean of blocks in the order of their time; None: their weight is 0."""
    weight = sum(block.weight for block in blocks)
    if not weight > 0:
        return None
    middle = sum(block.weight * block.value for block in blocks) / weight
    count = weight**2 / sum(block.weight**2 for block in blocks)
    squares = [block.weight * (block.value - middle) ** 2 for block in blocks]
    variance = sum(squares) / weight
    deviations = [sqrt(block.weight) * (block.value - middle) for block in blocks]
    if variance <= (_EQUAL * middle) ** 2:
        variance, deviations = 0.0, []
    independent = count * independence(alike(deviations, count))
    if independent < LEAST:
        return Mean(middle, None)
    return Mean(middle, sqrt(variance * count / (count - 1) / independent))


def difference(first: Mean | None, second: Mean | None) -> Difference | None:
    """Return the second minus the first; None: one of them is not known."""
    if first is None or second is None:
        return None
    more = second.value - first.value
    if first.error is None or second.error is None:
        return Difference(more, None, TOO_LITTLE)
    width = WIDTH * hypot(first.error, second.error)
    if abs(more) <= max(width, _EQUAL * max(abs(first.value), abs(second.value))):
        return Difference(more, width, NO)
    return Difference(more, width, MORE if more > 0 else LESS)


def alike(deviations: Sequence[float], count: float) -> float:
    """Return the lag-1 autocorrelation of deviations from a mean, 0 to 0.95. ``count``: their number."""
    total = sum(deviation**2 for deviation in deviations)
    if not total > 0:
        return 0.0
    found = sum(before * after for before, after in pairwise(deviations)) / total
    return min(max(found + (1 + 3 * found) / count, 0.0), _MOST_ALIKE)


def independence(correlation: float) -> float:
    """Return the share of blocks with this correlation that counts as independent."""
    if correlation <= 0:
        return 1.0
    low, high = _SHORTEST, _LONGEST
    for _ in range(_HALVINGS):
        middle = sqrt(low * high)
        rest = middle - 1 + exp(-middle)
        if (1 - exp(-middle)) ** 2 / (2 * rest) > correlation:
            low = middle
        else:
            high = middle
    return rest / middle
