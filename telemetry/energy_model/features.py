"""Makes blocks from samples: what the CPU did while the gauge averaged, and the power that it reported."""

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
"""Samples before a block that its features may use"""
EXPONENTS: Final = (0.0, 0.5, 1.0, 1.5, 2.0)
"""The cost of a busy core may be proportional to frequency raised to one of these exponents"""
_STEP: Final = 3
"""Changes over this many samples are used to find the lag: 15 s at an interval of 5 s"""
_NOTHING: Final = 1e-6
"""Busy cores at or below this count as 0, for example the difference of two rounded readings"""
_LEAST_CHANGES: Final = 200
_LEAST_CORRELATION: Final = 0.05


class Reading(NamedTuple):
    """What the model uses of one sample."""

    seconds: float
    """The time that the sample covers"""
    watts: float | None
    """Power while discharging, positive; None: unknown, or not discharging"""
    busy: float
    """Busy cores"""
    ghz: float
    """CPU clock; 1 if unknown"""
    brightness: float | None
    """0 to 1; None: not known"""
    programs: Mapping[int, float]
    """Busy cores of each listed program, with its children"""
    kernel: float
    """Busy cores that no program accounts for"""
    joined: bool = True
    """There is no gap or sleep between this sample and the previous one"""


class Lag(NamedTuple):
    """How the gauge lags: it reports the mean of ``averaged`` samples, the last one ``delay`` samples ago."""

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
    """Return the value of each column for one reading; values of 0 are left out.

    A program outside ``columns`` is counted in OTHERS. ``None``: each program has a column.
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
    """Yield the ranges in which readings discharge without a gap, a sleep or a change of direction."""
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
    """Yield the blocks of a stretch from index ``first`` on; earlier samples are used only for the lag.

    ``rows``: the features of each reading. Samples without enough earlier ones are left out, and so is an
    incomplete last block.
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
    """Return the weights of a block's samples: it is the mean of BLOCK means of ``averaged`` samples."""
    span = BLOCK + averaged - 1
    return [min(at + 1, span - at, BLOCK, averaged) / (BLOCK * averaged) for at in range(span)]


def lag_sums(stretch: Sequence[Reading], exponent: float, typical: float) -> dict[tuple[int, int], int]:
    """Return the products of changes that ``lag_of`` needs, in units of 1e-6.

    ``typical``: W; power is limited to 0.1 to 4 times this value, so that a wrong reading has little effect.
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
    """Return the lag with the greatest correlation of changes; no lag if there is too little evidence."""
    if sums.get((POWER_LAG, -1), 0) < _LEAST_CHANGES:
        return Lag()
    with_power = [sums.get((POWER_LAG, k), 0) for k in range(WARM_UP + 1)]
    with_load = [sums.get((LOAD_LAG, k), 0) for k in range(MOST_AVERAGED)]
    best, chosen = 0.0, Lag()
    for averaged in range(1, MOST_AVERAGED + 1):
        # The variance of a mean of ``averaged`` samples follows from the products at each distance.
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
