"""How well the model predicts hours that it did not learn from, compared with simpler rules."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import mul
from statistics import fmean
from typing import Final, NamedTuple

from query.energy_samples import Recorded
from query.report import sql_text
from telemetry.energy_model.cells import modelled
from telemetry.energy_model.fit import fit, solve
from telemetry.energy_model.learner import Lesson
from telemetry.energy_model.sums import UNIT, Sums, add, moments

_HELD_OUT: Final = 4
"""One in this many hours is held out: the newest ones"""
_LEAST_HOURS: Final = 4
_LARGEST: Final = 1e6
"""A value of training_view beyond this is damaged, and counts as missing"""
_RIDGE: Final = 1e-6
"""This share of the samples is added to the diagonal, so that collinear columns share their weight."""

Hours = Sequence[tuple[Recorded, Lesson]]
_Row = tuple[float, ...]


class _Sample(NamedTuple):
    seconds: float
    watts: float
    x: _Row


def errors(
    connection: sqlite3.Connection, of_hours: Hours
) -> list[tuple[str, float | None, float | None, str]]:
    """Return the mean error on the energy of the newest hours, in %, of the model and of other rules.

    All learn from the older hours alone. Empty if there are few hours.
    """
    if len(of_hours) < _LEAST_HOURS:
        return []
    held = max(1, len(of_hours) // _HELD_OUT)
    older, newer = of_hours[:-held], of_hours[-held:]
    rules = [
        ("error on held-out hours", by_model(older, newer)),
        ("error of the mean power", by_line(older, newer, lambda _: {})),
        ("error of a line in CPU use", by_line(older, newer, _cpu_use)),
        (
            "error of a linear fit of training_view",
            by_line(older, newer, lambda it: _training(connection, it)),
        ),
    ]
    measured = [hour.discharged_uj / 1e6 for hour, _ in newer]
    return [
        (
            name,
            100 * fmean(abs(a - b) / b if b else 0.0 for a, b in zip(told, measured, strict=True)),
            None,
            "%",
        )
        for name, told in rules
        if told
    ]


def by_model(older: Hours, newer: Hours) -> list[float]:
    """Return the J of each newer hour by the model of the older ones."""
    sums: Sums = {}
    for _, lesson in older:
        add(sums, lesson.hour.sums)
    model = fit(moments([sums]))
    if model is None:
        return []
    # The mean of what it does not explain: idle power alone is less, if something draws power now and then.
    told = sum(sum(modelled(lesson.cell, model, 0.0).values()) for _, lesson in older)
    measured = sum(hour.discharged_uj for hour, _ in older) / 1e6
    base = (measured - told) / max(sum(lesson.cell.seconds for _, lesson in older) / UNIT, 1e-9)
    return [sum(modelled(lesson.cell, model, base).values()) for _, lesson in newer]


def _cpu_use(hour: Recorded) -> dict[int, tuple[float | None, ...]]:
    return {key: (it.busy,) for key, it in zip(hour.keys, hour.readings, strict=True)}


def _training(connection: sqlite3.Connection, hour: Recorded) -> dict[int, tuple[float | None, ...]]:
    rows = connection.execute(sql_text("training_rows"), (min(hour.keys), max(hour.keys)))
    return {ts: tuple(map(_number, values)) for ts, *values in rows}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) <= _LARGEST else None


def by_line(
    older: Hours, newer: Hours, columns: Callable[[Recorded], Mapping[int, tuple[float | None, ...]]]
) -> list[float]:
    """Return the J of each newer hour by least squares over the samples of the older ones.

    ``columns``: the values of each sample by its ts. They are standardised (mean 0, standard deviation 1); a
    missing value counts as the mean.
    """

    def rows(hour: Recorded) -> Iterator[tuple[float, float, tuple[float | None, ...]]]:
        known = columns(hour)
        for key, reading in zip(hour.keys, hour.readings, strict=True):
            if reading.watts is not None:
                yield reading.seconds, reading.watts, known.get(key, ())

    taught = [row for hour, _ in older for row in rows(hour)]
    width = max((len(values) for _, _, values in taught), default=0)
    scales = [_scale([values[at] for _, _, values in taught if len(values) > at]) for at in range(width)]

    def sample(row: tuple[float, float, tuple[float | None, ...]]) -> _Sample:
        seconds, watts, values = row
        missing = (None,) * (width - len(values))
        scaled = (
            0.0 if value is None or not spread else (value - mean) / spread
            for value, (mean, spread) in zip((*values, *missing), scales, strict=True)
        )
        return _Sample(seconds, watts, (1.0, *scaled))

    line = _least_squares([sample(row) for row in taught])
    return [
        sum(it.seconds * sum(map(mul, line, it.x)) for it in map(sample, rows(hour))) for hour, _ in newer
    ]


def _scale(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the mean and the standard deviation of the values that are known."""
    known = [value for value in values if value is not None]
    if not known:
        return 0.0, 0.0
    mean = fmean(known)
    return mean, fmean((value - mean) ** 2 for value in known) ** 0.5


def _least_squares(samples: Sequence[_Sample]) -> list[float]:
    width = len(samples[0].x) if samples else 1
    ridge = _RIDGE * max(len(samples), 1)
    matrix = [[ridge * (a == b) for b in range(width)] for a in range(width)]
    vector = [0.0] * width
    for _, watts, x in samples:
        for at, value in enumerate(x):
            vector[at] += value * watts
            row = matrix[at]
            for other, factor in enumerate(x):
                row[other] += value * factor
    return solve(matrix, vector)
