"""Learns from one hour of samples: what it adds to the sums, and what is needed to divide its energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from telemetry.energy_model.cells import Cell, cell
from telemetry.energy_model.columns import KERNEL, OTHERS
from telemetry.energy_model.features import (
    EXPONENTS,
    WARM_UP,
    Block,
    Lag,
    Reading,
    blocks,
    features,
    lag_of,
    lag_sums,
    stretches,
)
from telemetry.energy_model.fit import Model, best_exponent, fit
from telemetry.energy_model.sums import HourSums, Sums, add, hour_sums, median, moments

MOST_DAYS: Final = 28
"""Days on battery that a fit uses"""
LEAST_BLOCKS_OF_EXPONENT: Final = 600
"""With this many blocks the exponent is decided; with fewer, it may still change"""
MOST_OF_AN_HOUR: Final = 24
"""Programs of an hour that have a column; the rest are counted in OTHERS"""


class Knowledge(NamedTuple):
    """What is known about the machine when an hour is learned from."""

    models: Mapping[float, Model] = {}
    """By exponent"""
    exponent: float | None = None
    """None: not decided yet, so the sums for all exponents are kept"""
    lag_sums: Mapping[tuple[int, int], int] = {}
    likely: float = 1.0
    """The best exponent so far"""

    @property
    def exponent_now(self) -> float:
        """The exponent with which energy is divided."""
        return self.likely if self.exponent is None else self.exponent

    @property
    def exponents(self) -> tuple[float, ...]:
        """The exponents for which sums are kept."""
        return EXPONENTS if self.exponent is None else (self.exponent,)


class Lesson(NamedTuple):
    """What is learned from an hour with one exponent."""

    hour: HourSums
    cell: Cell


class Hour(NamedTuple):
    """What is learned from an hour."""

    lessons: dict[float, Lesson]
    """By exponent"""
    lag_sums: dict[tuple[int, int], int]
    cpu_us: dict[int, int]
    """By column: CPU time on battery, µs"""


def learn(readings: Sequence[Reading], lead: int, known: Knowledge) -> Hour:
    """Learn from the readings of an hour. The first ``lead`` are from the previous hour, for the lag."""
    lead = min(lead, WARM_UP)
    own = readings[lead:]
    powers = [reading.watts for reading in own if reading.watts is not None]
    exponent = 1.0 if known.exponent is None else known.exponent
    found_lag: dict[tuple[int, int], int] = {}
    if powers:
        typical = median(powers)
        for part in stretches(readings):
            add(found_lag, lag_sums(readings[part.start : part.stop], exponent, typical))
    lag = lag_of(_sum(known.lag_sums, found_lag))
    columns = busiest(own)
    lessons = {}
    for exponent in known.exponents:
        # One exponent at a time: the features of an hour take more memory than all else.
        rows = [features(it, exponent, columns) if it.watts is not None else {} for it in readings]
        sums = _sums(_blocks(readings, rows, lag, lead), known.models.get(exponent))
        lessons[exponent] = Lesson(sums, cell(own, rows[lead:]))
        del rows
    return Hour(lessons, found_lag, cpu_time(own, columns))


def _blocks(
    readings: Sequence[Reading], rows: Sequence[Mapping[int, float]], lag: Lag, lead: int
) -> list[Block]:
    return [
        block
        for part in stretches(readings)
        for block in blocks(
            readings[part.start : part.stop], rows[part.start : part.stop], lag, max(0, lead - part.start)
        )
    ]


def cpu_time(readings: Sequence[Reading], columns: frozenset[int]) -> dict[int, int]:
    """Return the CPU time on battery of each column, µs."""
    used: dict[int, float] = {}
    for reading in readings:
        if reading.watts is not None:
            for column, cores in features(reading, 0.0, columns).items():
                if column >= 0 or column in (OTHERS, KERNEL):
                    used[column] = used.get(column, 0.0) + cores * reading.seconds
    return {column: round(seconds * 1e6) for column, seconds in used.items()}


def busiest(readings: Sequence[Reading]) -> frozenset[int]:
    """Return the programs of an hour that get a column: the busiest."""
    used: dict[int, float] = {}
    for reading in readings:
        if reading.watts is not None:
            for program, cores in reading.programs.items():
                used[program] = used.get(program, 0.0) + cores * reading.seconds
    return frozenset(sorted(used, key=lambda program: (-used[program], program))[:MOST_OF_AN_HOUR])


def refit(days: Mapping[float, Sequence[Sums]], exponent: float | None) -> Knowledge:
    """Fit the model again to the sums of the last days, by exponent. The caller handles the lag sums."""
    models = {}
    independent = []
    for each in EXPONENTS if exponent is None else (exponent,):
        taught = moments(days.get(each, ()))
        model = fit(taught)
        if model is not None:
            models[each] = model
            independent.append(taught.independent)
    if exponent is not None or not models:
        return Knowledge(models, exponent)
    likely = best_exponent({each: model.squares for each, model in models.items()}, min(independent))
    is_decided = min(model.blocks for model in models.values()) >= LEAST_BLOCKS_OF_EXPONENT
    return Knowledge(models, likely if is_decided else None, likely=likely)


def idle_of(hours: Sequence[tuple[float, float]]) -> float:
    """Return the idle power of a day, W, from (idle power, busy cores) of its hours.

    It is the median of the quietest third.
    """
    if not hours:
        return 0.0
    quietest = sorted(hours, key=lambda hour: hour[1])[: max(1, round(len(hours) * 0.3))]
    return max(0.0, median(idle for idle, _ in quietest))


def _sums(made: Sequence[Block], model: Model | None) -> HourSums:
    if model is None:
        first = hour_sums(made, None)
        model = fit(moments([first.sums]))
        if model is None:
            return first
    return hour_sums(made, model.rates)


def _sum(first: Mapping[tuple[int, int], int], second: Mapping[tuple[int, int], int]) -> Sums:
    found = dict(first)
    add(found, second)
    return found
