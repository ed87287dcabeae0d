"""The state between two steps as JSON. It is read back exactly, or as None if it is damaged.

The value of a pair of columns is stored as [a, b, value]. A text is valid only for one schema version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from telemetry.energy_model.cells import Cell
from telemetry.energy_model.columns import ONE
from telemetry.energy_model.day import Taught
from telemetry.energy_model.fit import Model
from telemetry.energy_model.learner import Hour, Lesson
from telemetry.energy_model.sums import HourSums, Sums

_DAMAGED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class Quiet(NamedTuple):
    """The quietest moments of an hour."""

    bucket: int
    """Unix time of its start, s"""
    idle: float
    """W that the model does not explain"""
    busy: float
    """Busy cores in those moments"""
    blocks: int
    """Blocks in the hour"""


def quiet_of(bucket: int, hour: Hour, exponent: float) -> Quiet | None:
    """Return the quietest moments of an hour; None if it has none."""
    lesson = hour.lessons.get(exponent)
    if lesson is None or lesson.hour.idle is None:
        return None
    return Quiet(bucket, lesson.hour.idle, lesson.hour.quiet, lesson.hour.sums.get((ONE, ONE), 0))


def hour_text(hour: Hour) -> str:
    """Return an hour as JSON."""
    lessons = [
        [
            exponent,
            [lesson.hour.idle, lesson.hour.quiet, _listed(lesson.hour.sums)],
            [lesson.cell.seconds, [*lesson.cell.values.items()], [*lesson.cell.shares.items()]],
        ]
        for exponent, lesson in hour.lessons.items()
    ]
    return _text([lessons, _listed(hour.lag_sums), [*hour.cpu_us.items()]])


def read_hour(text: object) -> Hour | None:
    """Return the hour in ``text``, None if it is damaged."""
    try:
        lessons, lags, cpu = _loaded(text)
        found = {
            exponent + 0.0: Lesson(
                HourSums(_sums(sums), None if idle is None else idle + 0.0, quiet + 0.0),
                Cell(seconds + 0, _columns(values), _columns(shares)),
            )
            for exponent, (idle, quiet, sums), (seconds, values, shares) in lessons
        }
        return Hour(found, _sums(lags), _columns(cpu))
    except _DAMAGED:
        return None


def taught_text(taught: Taught) -> str:
    """Return what was learned from a day as JSON."""
    return _text(
        [[[exponent, _listed(sums)] for exponent, sums in taught.sums.items()], _listed(taught.lags)]
    )


def read_taught(text: object) -> Taught | None:
    """Return what was learned from the day in ``text``, None if it is damaged."""
    try:
        sums, lags = _loaded(text)
        return Taught({exponent + 0.0: _sums(listed) for exponent, listed in sums}, _sums(lags))
    except _DAMAGED:
        return None


def models_text(models: Mapping[float, Model]) -> str:
    """Return models by exponent as JSON, with each column's rate, deviation and covariance with AWAKE."""
    found = []
    for exponent, model in models.items():
        rates = [
            [column, rate, model.deviations.get(column), model.with_awake.get(column)]
            for column, rate in model.rates.items()
        ]
        found.append([exponent, model.common, model.blocks, model.squares, rates])
    return _text(found)


def read_models(text: object) -> dict[float, Model] | None:
    """Return the models in ``text``, None if it is damaged."""
    try:
        found = {}
        for exponent, common, blocks, squares, rates in _loaded(text):
            _add_up(
                [[common, blocks, squares], *([rate for rate in row if rate is not None] for row in rates)]
            )
            found[exponent + 0.0] = Model(
                {column: rate for column, rate, _, _ in rates},
                common,
                {column: deviation for column, _, deviation, _ in rates if deviation is not None},
                {column: with_awake for column, _, _, with_awake in rates if with_awake is not None},
                blocks,
                squares,
            )
    except _DAMAGED:
        return None
    return found


def quiet_text(quiet: Iterable[Quiet]) -> str:
    """Return the quietest moments of hours as JSON."""
    return _text(list(quiet))


def read_quiet(text: object) -> list[Quiet]:
    """Return the quietest moments in ``text``; an empty list if it is damaged."""
    try:
        hours = _loaded(text)
        _add_up(hours)
        return [Quiet(*hour) for hour in hours]
    except _DAMAGED:
        return []


def _loaded(text: object) -> Any:
    if not isinstance(text, str):
        raise TypeError("not a text")
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def _text(found: object) -> str:
    return json.dumps(found, separators=(",", ":"))


def _listed(sums: Mapping[tuple[int, int], int]) -> list[tuple[int, int, int]]:
    return [(a, b, value) for (a, b), value in sums.items()]


def _sums(listed: Any) -> Sums:
    _add_up(listed)
    return {(a, b): value for a, b, value in listed}


def _columns(listed: Any) -> dict[int, int]:
    _add_up(listed)
    return dict(listed)


def _is_known(value: object) -> bool:
    return value is not None


def _add_up(listed: Any) -> None:
    """Raise TypeError if any value is not a number: adding is the fastest check for thousands of values."""
    sum(map(sum, listed))
