"""Learns the watts of each column: non-negative ridge regression towards one common rate.

A program without evidence gets the common rate; a program with evidence gets its own rate. The minimum is
found by coordinate descent, which keeps the bounds (Friedman, Hastie, Tibshirani 2010, Regularization Paths
for Generalized Linear Models via Coordinate Descent).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from operator import mul
from typing import Final, NamedTuple

from telemetry.energy_model.columns import AWAKE, OTHERS, POWER, SCREEN, SCREEN_ON
from telemetry.energy_model.sums import Moments

MOST_PROGRAMS: Final = 40
"""Programs with their own column; the rest are counted in OTHERS"""
_CLEAR: Final = 10.0
"""An exponent other than 1 is chosen only if n·ln(SSE) falls by at least this much"""
_SPREAD: Final = 0.7
"""Standard deviation of the programs' rates, relative to the common rate"""
_LEAST: Final = 0.25
"""Least rate of a program, relative to the common rate"""
_SUPPOSED: Final = 0.02
"""Least common rate, relative to the mean power"""
_WIDE: Final = 5.0
"""W: prior standard deviation of the rates of screen and awake"""
_LEAST_ERROR: Final = 1e-4
"""Least standard error of a block, relative to the mean power: no gauge is better"""
_NOT_PROGRAMS: Final = (SCREEN, SCREEN_ON, AWAKE)


class Model(NamedTuple):
    """What was learned about a machine."""

    rates: dict[int, float]
    """By column: W for each unit"""
    common: float
    """The rate of a program without evidence, W"""
    deviations: dict[int, float]
    """Standard deviation of each rate, W"""
    with_awake: dict[int, float]
    """Covariance of each rate with that of AWAKE, W²"""
    blocks: int
    """The number of blocks that it was learned from"""
    squares: float
    """Sum of the squared residuals, W²"""

    def rate(self, column: int) -> float:
        """Return the W for one unit of a column; a program that was never seen has the common rate."""
        fallback = 0.0 if column in _NOT_PROGRAMS else self.common
        return self.rates.get(column, fallback)

    def deviation(self, column: int) -> float:
        """Return the standard deviation of that rate, W."""
        fallback = 0.0 if column in _NOT_PROGRAMS else _SPREAD * self.common
        return self.deviations.get(column, fallback)

    def is_learned(self, column: int) -> bool:
        """Return whether the samples determine the rate of screen or awake: its uncertainty has halved."""
        return column in self.deviations and self.deviations[column] < _WIDE / 2


def fit(moments: Moments) -> Model | None:
    """Learn the rates; None if there is nothing to learn from, or for values that no gauge reports."""
    try:
        return _fit(moments)
    except ArithmeticError:
        return None


def _fit(moments: Moments) -> Model | None:
    columns = _columns(moments)
    if not columns or moments.blocks < 3:
        return None
    matrix, vector, square = _arrays(moments, columns)
    # The first step is one rate for all programs.
    # If the power does not show what CPU time costs, a small cost is assumed.
    mean = moments.totals.get(POWER, 0.0) / moments.blocks
    supposed = _SUPPOSED * mean
    common = max(_one_rate(columns, matrix, vector), supposed)
    if common <= 0:
        return None
    is_program = [column not in _NOT_PROGRAMS for column in columns]
    rates = [common if program else 0.0 for program in is_program]
    # Power that never changes leaves no error. The precision would be infinite and could not be inverted.
    least = moments.blocks * (_LEAST_ERROR * mean) ** 2
    squares = square
    variance = 1.0
    for _ in range(3):
        squares = max(_squares(matrix, vector, square, rates), 1e-9)
        variance = _variance(moments, max(squares, least), len(columns))
        rates = _descend(matrix, vector, columns, rates, (common, variance))
        common = _common(moments, columns, rates, common)
    squares = max(_squares(matrix, vector, square, rates), 1e-9)
    variance = _variance(moments, max(squares, least), len(columns))
    precision = [[value / variance for value in row] for row in matrix]
    for at, column in enumerate(columns):
        precision[at][at] += _weight(column, common)
    covariance = _inverse(precision)
    awake = columns.index(AWAKE) if AWAKE in columns else None
    return Model(
        dict(zip(columns, rates, strict=True)),
        common,
        {column: max(covariance[at][at], 0.0) ** 0.5 for at, column in enumerate(columns)},
        {} if awake is None else {column: covariance[at][awake] for at, column in enumerate(columns)},
        moments.blocks,
        squares,
    )


def best_exponent(squares: Mapping[float, float], count: float) -> float:
    """Return the exponent with the least squares if it is clearly better than 1; else 1.

    ``count``: the number of independent blocks.
    """
    if 1.0 not in squares:
        return 1.0
    best = min(squares, key=lambda exponent: squares[exponent])
    gain = count * log(max(squares[1.0], 1e-12) / max(squares[best], 1e-12))
    return best if gain >= _CLEAR else 1.0


def _columns(moments: Moments) -> list[int]:
    found = [column for column in moments.totals if column != POWER]
    programs = sorted((c for c in found if c >= 0), key=lambda c: (-moments.totals[c], c))
    return sorted(set(found) - set(programs[MOST_PROGRAMS:]))


def _arrays(moments: Moments, columns: Sequence[int]) -> tuple[list[list[float]], list[float], float]:
    """Return XᵀX, Xᵀy and yᵀy; programs without a column are counted in OTHERS."""
    place = {column: at for at, column in enumerate(columns)}
    rest = place.get(OTHERS)
    matrix = [[0.0] * len(columns) for _ in columns]
    vector = [0.0] * len(columns)
    square = 0.0
    for (a, b), value in moments.products.items():
        if a == POWER and b == POWER:
            square = value
            continue
        at, to = place.get(a, rest), place.get(b, rest)
        if POWER in (a, b):
            target = to if a == POWER else at
            if target is not None:
                vector[target] += value
        elif at is not None and to is not None:
            matrix[at][to] += value
            if a != b:
                matrix[to][at] += value
    return matrix, vector, square


def _one_rate(columns: Sequence[int], matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> float:
    """Return one rate for all programs together, fitted along with screen and awake."""
    groups = [[at for at, column in enumerate(columns) if column not in _NOT_PROGRAMS]]
    groups += [[at] for at, column in enumerate(columns) if column in _NOT_PROGRAMS]
    small = [[sum(matrix[i][j] for i in a for j in b) for b in groups] for a in groups]
    target = [sum(vector[i] for i in a) for a in groups]
    rates = [0.0] * len(groups)
    for _ in range(200):
        for at, row in enumerate(small):
            if row[at] > 0:
                others = sum(map(mul, row, rates)) - row[at] * rates[at]
                rates[at] = max(0.0, (target[at] - others) / row[at])
    return rates[0]


def _descend(
    matrix: Sequence[Sequence[float]],
    vector: Sequence[float],
    columns: Sequence[int],
    start: Sequence[float],
    prior: tuple[float, float],
) -> list[float]:
    """Find the minimum, starting at ``start``. ``prior``: the common rate, and the variance of a residual."""
    common, variance = prior
    rates = list(start)
    gradient = [target - sum(map(mul, row, rates)) for row, target in zip(matrix, vector, strict=True)]
    weights = [_weight(column, common) * variance for column in columns]
    means = [0.0 if column in _NOT_PROGRAMS else common for column in columns]
    least = [_LEAST * common if column >= 0 else 0.0 for column in columns]
    for _ in range(200):
        largest = 0.0
        for at, row in enumerate(matrix):
            old = rates[at]
            new = (gradient[at] + row[at] * old + weights[at] * means[at]) / (row[at] + weights[at])
            new = max(new, least[at])
            step = new - old
            if step:
                rates[at] = new
                gradient = [value - step * factor for value, factor in zip(gradient, row, strict=True)]
                largest = max(largest, abs(step))
        if largest < 1e-4 * common:
            break
    return rates


def _weight(column: int, common: float) -> float:
    """Return the inverse of the rate's prior variance."""
    return 1.0 / (_WIDE if column in _NOT_PROGRAMS else _SPREAD * common) ** 2


def _common(moments: Moments, columns: Sequence[int], rates: Sequence[float], before: float) -> float:
    """Return the mean rate of programs, weighted by their CPU time."""
    total = sum(moments.totals[column] for column in columns if column >= 0)
    if total <= 0:
        return before
    return sum(moments.totals[c] * rate for c, rate in zip(columns, rates, strict=True) if c >= 0) / total


def _squares(
    matrix: Sequence[Sequence[float]], vector: Sequence[float], square: float, rates: Sequence[float]
) -> float:
    curve = sum(rate * sum(map(mul, row, rates)) for row, rate in zip(matrix, rates, strict=True))
    return float(square - 2 * sum(map(mul, vector, rates)) + curve)


def _variance(moments: Moments, squares: float, columns: int) -> float:
    freedom = max(moments.blocks - moments.hours - columns, 1)
    return squares / freedom * (1 + moments.correlation) / (1 - moments.correlation)


def solve(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    """Solve matrix · x = vector for x; the matrix must be symmetric and positive definite."""
    return [sum(map(mul, row, vector)) for row in _inverse([list(row) for row in matrix])]


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Return the inverse of a symmetric positive definite matrix, by Gauss-Jordan elimination in place."""
    size = len(matrix)
    for at in range(size):
        row = matrix[at]
        pivot = row[at]
        row[at] = 1.0
        row[:] = [value / pivot for value in row]
        for other in range(size):
            if other != at:
                target = matrix[other]
                factor = target[at]
                if factor:
                    target[at] = 0.0
                    target[:] = [value - factor * part for value, part in zip(target, row, strict=True)]
    return matrix
