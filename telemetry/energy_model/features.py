"""From samples to blocks: what the CPU did while the gauge averaged, beside the power that it told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import mul, sub
from typing import Final, NamedTuple

from telemetry.energy_model.columns import AWAKE, KERNEL, LOAD_LAG, OTHERS, POWER_LAG, SCREEN, SCREEN_ON

BLOCK: Final = 12
"""Samples in a block"""
MOST_DELAY: Final = 6
MOST_AVERAGED: Final = 12
WARM_UP: Final = MOST_DELAY + MOST_AVERAGED - 1
"""Samples before the first of a block that its features may reach back to"""
EXPONENTS: Final = (0.0, 0.5, 1.0, 1.5, 2.0)
"""The cost of a busy core may rise with frequency to the power of one of these"""
_STEP: Final = 3
"""Samples over which changes are taken to find the lag: 15 s at 5 s"""
_NOTHING: Final = 1e-6
"""Cores that are no load: what is left of a difference of readings that are rounded, for instance"""
_LEAST_CHANGES: Final = 200
_LEAST_CORRELATION: Final = 0.05


class Reading(NamedTuple):
    """What the model takes from one sample."""

    seconds: float
    """It covers"""
    watts: float | None
    """Discharging, positive; None: not known, or not discharging"""
    busy: float
    """Busy cores"""
    ghz: float
    """CPU clock; 1 where it is not known"""
    brightness: float | None
    """0 to 1; None: not known"""
    programs: Mapping[int, float]
    """Busy cores of each listed program, with its children"""
    kernel: float
    """Busy cores that no program accounts for"""
    joined: bool = True
    """It follows the one before without a hole or a sleep"""


class Lag(NamedTuple):
    """How the gauge lags: it tells the mean of ``averaged`` samples, the last of them ``delay`` ago."""

    delay: int = 0
    averaged: int = 1


class Block(NamedTuple):
    """Means over consecutive samples."""

    power: float
    """W"""
    values: dict[int, float]
    """By column: busy cores × GHz^exponent, or a share of 1"""
    busy: float
    """Busy cores"""


def features(reading: Reading, exponent: float, columns: frozenset[int] | None = None) -> dict[int, float]:
    """Return the value of each column at one reading; those that are 0 are left out.

    A program outside ``columns`` counts with the others. ``None``: each program has a column.
    """
    scale = reading.ghz**exponent
    found = {}
    listed = rest = 0.0
    for program, cores in reading.programs.items():
        listed += cores
        if columns is not None and program not in columns:
            rest += cores
        elif cores > _NOTHING:
            found[program] = cores * scale
    others = (max(0.0, reading.busy - listed - reading.kernel) + rest) * scale
    if others > _NOTHING:
        found[OTHERS] = others
    if reading.kernel > _NOTHING:
        found[KERNEL] = reading.kernel * scale
    if reading.busy > _NOTHING:
        found[AWAKE] = min(1.0, reading.busy)
    if reading.brightness:
        found[SCREEN] = reading.brightness
        found[SCREEN_ON] = 1.0
    return found


def stretches(readings: Sequence[Reading]) -> Iterator[range]:
    """Yield where readings discharge without a hole, a sleep or a change of direction between them."""
    start = 0
    for at, reading in enumerate(readings):
        if reading.watts is None or not reading.joined:
            if start < at:
                yield range(start, at)
            start = at + 1 if reading.watts is None else at
    if start < len(readings):
        yield range(start, len(readings))


def blocks(
    stretch: Sequence[Reading], rows: Sequence[Mapping[int, float]], lag: Lag, first: int = 0
) -> Iterator[Block]:
    """Yield the blocks of a stretch whose samples are at ``first`` or later; those before warm up.

    ``rows``: the features of each reading. Samples without enough before them are left out, and so is a last
    block that is not full.
    """
    reach = lag.delay + lag.averaged - 1
    weights = _weights(lag.averaged)
    for start in range(max(first, reach), len(stretch) - BLOCK + 1, BLOCK):
        sums: dict[int, float] = {}
        origin = start - reach
        busy = 0.0
        for offset, weight in enumerate(weights):
            busy += weight * stretch[origin + offset].busy
            for column, value in rows[origin + offset].items():
                sums[column] = sums.get(column, 0.0) + weight * value
        watts = [reading.watts or 0.0 for reading in stretch[start : start + BLOCK]]
        yield Block(sum(watts) / BLOCK, sums, busy)


def _weights(averaged: int) -> list[float]:
    """Weights of the samples under a block, the mean of BLOCK means of ``averaged`` samples each."""
    span = BLOCK + averaged - 1
    return [min(at + 1, span - at, BLOCK, averaged) / (BLOCK * averaged) for at in range(span)]


def lag_sums(stretch: Sequence[Reading], exponent: float, typical: float) -> dict[tuple[int, int], int]:
    """Return the products of changes that ``lag_of`` needs, in units of 1e-6.

    ``typical``: W; power counts within 0.1 to 4 times of it, so that no wrong reading decides.
    """
    if len(stretch) <= WARM_UP + _STEP:
        return {}
    power = [min(max(reading.watts or 0.0, 0.1 * typical), 4 * typical) for reading in stretch]
    load = [reading.busy * reading.ghz**exponent for reading in stretch]
    power_steps = list(map(sub, power[_STEP:], power))
    load_steps = list(map(sub, load[_STEP:], load))
    found = {}
    for k in range(WARM_UP + 1):
        found[POWER_LAG, k] = round(1e6 * sum(map(mul, power_steps[k:], load_steps)))
    for k in range(MOST_AVERAGED):
        found[LOAD_LAG, k] = round(1e6 * sum(map(mul, load_steps[k:], load_steps)))
    found[POWER_LAG, -1] = len(power_steps)
    found[POWER_LAG, -2] = round(1e6 * sum(map(mul, power_steps, power_steps)))
    return found


def lag_of(sums: Mapping[tuple[int, int], int]) -> Lag:
    """Return the lag with the greatest correlation of changes; none where there is too little to tell."""
    if sums.get((POWER_LAG, -1), 0) < _LEAST_CHANGES:
        return Lag()
    with_power = [sums.get((POWER_LAG, k), 0) for k in range(WARM_UP + 1)]
    with_load = [sums.get((LOAD_LAG, k), 0) for k in range(MOST_AVERAGED)]
    best, chosen = 0.0, Lag()
    for averaged in range(1, MOST_AVERAGED + 1):
        # The variance of a mean of ``averaged`` follows from the products of each distance.
        variance = averaged * with_load[0] + 2 * sum(
            (averaged - k) * with_load[k] for k in range(1, averaged)
        )
        if variance <= 0:
            continue
        for delay in range(MOST_DELAY + 1):
            score = sum(with_power[delay : delay + averaged]) / variance**0.5
            if score > best:
                best, chosen = score, Lag(delay, averaged)
    spread = sums.get((POWER_LAG, -2), 0) ** 0.5
    return chosen if spread and best / spread >= _LEAST_CORRELATION else Lag()
