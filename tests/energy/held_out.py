"""Held-out days: the errors of their predicted energy, compared with simpler rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from math import exp
from random import Random
from typing import Final

from query.energy_samples import Recorded
from query.held_out import by_line, by_model
from telemetry.energy_model.learner import Lesson
from tests.energy.learning import HOUR, Result, measured
from tests.energy.machines import Day

RULES: Final = (
    "the mean power",
    "a line in CPU use",
    "a linear fit of `training_view`",
    "the same without CPU temperature",
    "the same with a thermometer that follows CPU power exactly",
    "this method",
)
BEATEN: Final = RULES[:4]
"""Rules by name. The fifth uses a thermometer that the room temperature does not affect."""
DAYS: Final = 2
"""The number of held-out days, the newest ones"""

_Values = tuple[float | None, ...]


def errors(days: Sequence[Day], results: Sequence[Result], cores: int) -> list[list[float]]:
    """Return the relative error on the energy of each held-out day, by rule.

    ``results``: the results of ``study`` for these days, one each.
    """
    exponent = results[-DAYS - 1].knowledge.exponent_now
    seen: list[_Values] = []
    hours: list[list[tuple[Recorded, Lesson]]] = []
    random = Random(5)
    for day, result in zip(days, results, strict=True):
        first = len(seen)
        seen += _training_view(day, cores, room=random.gauss(0, 2))
        hours.append([(_hour(day, first, at), lesson[exponent]) for at, lesson in enumerate(result.lessons)])
    older = [hour for day in hours[:-DAYS] for hour in day]
    newer = [hour for day in hours[-DAYS:] for hour in day]

    def line(*columns: int) -> list[float]:
        return by_line(
            older, newer, lambda hour: {key: tuple(seen[key][at] for at in columns) for key in hour.keys}
        )

    told = (
        line(),
        line(0),
        line(0, 1, 2, 3, 4, 5, 6),
        line(0, 1, 2, 3, 4, 5),
        line(0, 1, 2, 3, 4, 5, 7),
        by_model(older, newer),
    )
    return [list(_by_day(joules, hours[-DAYS:])) for joules in told]


def _by_day(joules: Sequence[float], days: Iterable[Sequence[tuple[Recorded, Lesson]]]) -> Iterator[float]:
    left = iter(joules)
    for day in days:
        truth = sum(hour.discharged_uj for hour, _ in day) / 1e6
        yield abs(sum(islice(left, len(day))) - truth) / truth


def _hour(day: Day, first: int, number: int) -> Recorded:
    readings = day.readings[number * HOUR : (number + 1) * HOUR]
    key = first + number * HOUR
    return Recorded(0, readings, measured(readings), list(range(key, key + len(readings))))


def _training_view(day: Day, cores: int, room: float) -> Iterator[_Values]:
    """Yield the inputs of a linear fit for each reading.

    They are CPU use in %, clock in MHz, three load averages, brightness, CPU temperature, and the CPU
    temperature at a constant room temperature. The CPU warms by 4 °C per W within a minute. ``room``:
    room temperature in °C relative to the mean of all days.
    """
    busy = [reading.busy for reading in day.readings]
    loads = [_followed(busy, seconds) for seconds in (60, 300, 900)]
    heat = _followed(day.heat, 60)
    for at, reading in enumerate(day.readings):
        exact = 40 + 4 * heat[at]
        yield (
            100 * reading.busy / cores,
            1000 * reading.ghz,
            *(load[at] for load in loads),
            reading.brightness,
            float(round(exact + room)),
            exact,
        )


def _followed(values: Sequence[float], seconds: float) -> list[float]:
    """Return values, 5 s apart, after a low-pass filter with this time constant."""
    part = 1 - exp(-5 / seconds)
    return list(accumulate(values, lambda before, value: before + part * (value - before)))
