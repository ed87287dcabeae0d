"""Sufficient statistics: the sums over an hour's blocks that a fit needs, exact in any order of adding.

The sums map a pair of columns to a whole number. Sums of hours are added to the sums of their day. When an
hour is added, most of the variation between hours is removed, because a slow drift of the base power is not
evidence. The rest of the day's mean is removed when the day is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from telemetry.energy_model.columns import BEFORE, HOURS, ONE, POWER, RESIDUAL
from telemetry.energy_model.features import Block

UNIT: Final = 100_000
"""A feature of 1 is stored as this number"""
POWER_UNIT: Final = 10_000
"""One watt is stored as this number"""
_BETWEEN: Final = (19, 20)
"""The part of the variation between hours that is removed"""
_LARGEST: Final = 1 << 25
"""The limit for a stored value: the products of a day still fit 64 bits"""

Sums = dict[tuple[int, int], int]


class HourSums(NamedTuple):
    """What an hour adds to its day."""

    sums: Sums
    idle: float | None
    """W that the model does not explain, in a quiet moment of the hour"""
    quiet: float
    """Busy cores in that moment"""


def median(values: Iterable[float]) -> float:
    """Return the median. The module statistics is not used: it would keep 0.8 MB of memory."""
    order = sorted(values)
    half = len(order) // 2
    return order[half] if len(order) % 2 else (order[half - 1] + order[half]) / 2


def hour_sums(blocks: Sequence[Block], rates: Mapping[int, float] | None) -> HourSums:
    """Add up the blocks of an hour.

    ``rates``: the model so far, W for each unit of a column. A block is left out if its power is outside 0.1
    to 4 times the median, or if its residual differs by more than 6 robust standard deviations + 0.1 W.
    """
    if not blocks:
        return HourSums({}, None, 0.0)
    typical = median(block.power for block in blocks)
    likely = [block for block in blocks if 0.1 * typical <= block.power <= 4 * typical]
    rest = [block.power - explained(block, rates or {}) for block in likely]
    if rates:
        middle = median(rest)
        limit = 6 * 1.4826 * median(abs(value - middle) for value in rest) + 0.1
        near = [abs(value - middle) <= limit for value in rest]
        likely = [block for block, is_near in zip(likely, near, strict=True) if is_near]
        rest = [value for value, is_near in zip(rest, near, strict=True) if is_near]
    return HourSums(_products(likely, rest), *_quiet(likely, rest))


def explained(block: Block, rates: Mapping[int, float]) -> float:
    """Return the W of a block that the rates explain."""
    return sum(value * rates.get(column, 0.0) for column, value in block.values.items())


def _products(blocks: Sequence[Block], rest: Sequence[float]) -> Sums:
    rows = []
    for block in blocks:
        row = [(column, round(value * UNIT)) for column, value in block.values.items()]
        row.append((POWER, round(block.power * POWER_UNIT)))
        row = sorted(item for item in row if item[1])
        if all(value < _LARGEST for _, value in row):
            rows.append(row)
    count = len(rows)
    if count < 2:
        return {}
    means: dict[int, int] = {}
    products: Sums = {}
    for row in rows:
        for at, (column, value) in enumerate(row):
            means[column] = means.get(column, 0) + value
            for other, factor in row[at:]:
                pair = (column, other)
                products[pair] = products.get(pair, 0) + value * factor
    taken, of = _BETWEEN
    items = sorted(means.items())
    found: Sums = {}
    for at, (column, total) in enumerate(items):
        for other, sum_of in items[at:]:
            part = products.get((column, other), 0) - taken * total * sum_of // (of * count)
            if part:
                found[column, other] = part
        found[min(column, ONE), max(column, ONE)] = total
    found[ONE, ONE] = count
    found[HOURS, HOURS] = 1
    middle = sum(rest) / len(rest)
    steps = [round((value - middle) * POWER_UNIT) for value in rest]
    found[RESIDUAL, RESIDUAL] = sum(value * value for value in steps)
    found[BEFORE, RESIDUAL] = sum(a * b for a, b in pairwise(steps))
    return found


def _quiet(blocks: Sequence[Block], rest: Sequence[float]) -> tuple[float | None, float]:
    """Return the 20 % quantile of the residual of the quietest 30 % of blocks, and their mean load."""
    if not blocks:
        return None, 0.0
    order = sorted(range(len(blocks)), key=lambda at: blocks[at].busy)
    quietest = order[: max(1, round(0.3 * len(order)))]
    values = sorted(rest[at] for at in quietest)
    return values[len(values) // 5], sum(blocks[at].busy for at in quietest) / len(quietest)


def add(to: Sums, more: Mapping[tuple[int, int], int]) -> None:
    """Add sums to others in place."""
    for pair, value in more.items():
        to[pair] = to.get(pair, 0) + value


class Moments(NamedTuple):
    """Centred products of days, in units of features and W."""

    products: dict[tuple[int, int], float]
    """By pair of columns, the smaller one first"""
    totals: dict[int, float]
    """Sum over the blocks, by column"""
    blocks: int
    """Blocks"""
    hours: int
    correlation: float
    """Correlation of a residual with that of the previous block, 0 to 0.95"""

    @property
    def independent(self) -> float:
        """The number of independent blocks that would give as much evidence as these."""
        return self.blocks * (1 - self.correlation) / (1 + self.correlation)


def moments(days: Iterable[Mapping[tuple[int, int], int]]) -> Moments:
    """Add up the centred products of days."""
    products: dict[tuple[int, int], float] = {}
    totals: dict[int, float] = {}
    count = hours = squares = steps = 0
    for day in days:
        blocks = day.get((ONE, ONE), 0)
        if not blocks:
            continue
        means = {b: total / blocks for (a, b), total in day.items() if a == ONE and b != ONE}
        left = blocks * (1 - _BETWEEN[0] / _BETWEEN[1])
        items = sorted(means.items())
        for at, (column, mean) in enumerate(items):
            for other, mean_of in items[at:]:
                value = day.get((column, other), 0) - left * mean * mean_of
                pair = (column, other)
                products[pair] = products.get(pair, 0.0) + value / (_unit(column) * _unit(other))
        for column, mean in items:
            totals[column] = totals.get(column, 0.0) + mean * blocks / _unit(column)
        count += blocks
        hours += day.get((HOURS, HOURS), 0)
        squares += day.get((RESIDUAL, RESIDUAL), 0)
        steps += day.get((BEFORE, RESIDUAL), 0)
    correlation = min(max(steps / squares, 0.0), 0.95) if squares else 0.0
    return Moments(products, totals, count, hours, correlation)


def _unit(column: int) -> int:
    return POWER_UNIT if column == POWER else UNIT
