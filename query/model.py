"""The learned machine in one screen, and how well it foretells hours that it did not learn from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from query.energy_samples import Hour, Names
from query.learning import LITTLE, Learned, learned
from telemetry.energy_model.cells import Cell, modelled
from telemetry.energy_model.columns import AWAKE, SCREEN, SCREEN_ON
from telemetry.energy_model.fit import Model, fit, solve
from telemetry.energy_model.interval import half_width
from telemetry.energy_model.learner import Lesson
from telemetry.energy_model.sums import UNIT, Sums, add, moments

_HELD_OUT: Final = 4
"""One in so many hours is held out, the newest"""
_LEAST_HOURS: Final = 4

_Item = tuple[str, float | None, float | None, str]
_Hours = Sequence[tuple[Hour, Lesson]]


def items(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and what to say beside them. ``bound``: stop and limit of the report."""
    names = Names()
    found = learned(connection, bound["stop"], names)
    if found.model is None:
        return {"items": "[]"}, None
    rows: list[_Item] = [("idle", found.idle, None, "W"), *_screen(found)]
    rows.append(("awake", found.model.rate(AWAKE), found.model.deviation(AWAKE), "W"))
    rows += _programs(found, found.model, names, bound["limit"])
    rows += [
        ("gauge: samples of delay", float(found.lag.delay), None, ""),
        ("gauge: samples averaged", float(found.lag.averaged), None, ""),
        (
            "frequency exponent" if found.is_decided else "frequency exponent, assumed",
            found.exponent,
            None,
            "",
        ),
        ("learned from", found.hours, None, "h"),
        *_errors(found.of_hours),
    ]
    said = "little data: programs of which little was seen share one rate" if found.hours < LITTLE else None
    return {"items": json.dumps(rows)}, said


def _screen(found: Learned) -> list[_Item]:
    model = found.model
    if model is None or SCREEN not in model.rates:
        return []
    watts = model.rate(SCREEN) + model.rate(SCREEN_ON)
    return [("screen at full brightness", watts, model.deviation(SCREEN) + model.deviation(SCREEN_ON), "W")]


def _programs(found: Learned, model: Model, names: Names, limit: int | None) -> list[_Item]:
    """Return J for a CPU second of each program, at the clock that it ran at; the busiest first."""
    cpu: dict[int, float] = {}
    cells: dict[int, list[float]] = {}
    for hour, lesson in found.of_hours:
        for reading in hour.readings:
            for program, cores in reading.programs.items():
                cpu[program] = cpu.get(program, 0.0) + cores * reading.seconds
        for column, units in lesson.cell.values.items():
            if column >= 0:
                total = cells.setdefault(column, [0.0, 0.0])
                total[0] += units / UNIT
                total[1] += lesson.cell.shares.get(column, 0) / UNIT
    order = sorted((it for it in cells if cpu.get(it)), key=lambda it: (-cpu[it], it))
    rows: list[_Item] = []
    for program in order[:limit]:
        value, share = cells[program]
        joules = model.rate(program) * value + model.rate(AWAKE) * share
        spread = half_width(joules, model.deviation(program) * value, model.blocks)
        rows.append((names.name(program) or "?", joules / cpu[program], spread / cpu[program], "J/s"))
    return rows


# --- hours that it did not learn from --------------------------------------------------------------


def _errors(of_hours: _Hours) -> list[_Item]:
    """Return the mean error on the energy of the newest hours, by what older ones taught and other rules."""
    if len(of_hours) < _LEAST_HOURS:
        return []
    held = max(1, len(of_hours) // _HELD_OUT)
    older, newer = of_hours[:-held], of_hours[-held:]
    rules: list[tuple[str, Callable[[Hour, Cell], float]]] = []
    if own := _by_model(older):
        rules.append(("error on held-out hours", own))
    rules += [
        ("of the mean power instead", _by_line(older, lambda _: ())),
        ("of a line in CPU use", _by_line(older, lambda it: (it[0],))),
        ("of a line in CPU use, clock, screen", _by_line(older, lambda it: it)),
    ]
    return [(name, 100 * fmean(_error(rule, *it) for it in newer), None, "%") for name, rule in rules]


def _error(rule: Callable[[Hour, Cell], float], hour: Hour, lesson: Lesson) -> float:
    measured = hour.discharged_uj / 1e6
    return abs(rule(hour, lesson.cell) - measured) / measured if measured else 0.0


def _by_model(older: _Hours) -> Callable[[Hour, Cell], float] | None:
    sums: Sums = {}
    for _, lesson in older:
        add(sums, lesson.hour.sums)
    model = fit(moments([sums]))
    if model is None:
        return None
    # The mean of what it does not explain: idle is less, where something draws power now and then.
    told = sum(sum(modelled(lesson.cell, model, 0.0).values()) for _, lesson in older)
    measured = sum(hour.discharged_uj for hour, _ in older) / 1e6
    base = (measured - told) / max(sum(lesson.cell.seconds for _, lesson in older) / UNIT, 1e-9)
    return lambda _, cell: sum(modelled(cell, model, base).values())


def _by_line(
    older: _Hours, pick: Callable[[tuple[float, ...]], tuple[float, ...]]
) -> Callable[[Hour, Cell], float]:
    """Return the rule of least squares over the samples of older hours, in what ``pick`` takes."""

    def rows(hour: Hour) -> list[tuple[float, float, tuple[float, ...]]]:
        return [
            (it.seconds, it.watts, (1.0, *pick((it.busy, it.ghz, it.brightness or 0.0))))
            for it in hour.readings
            if it.watts is not None
        ]

    samples = [row for hour, _ in older for row in rows(hour)]
    width = len(samples[0][2]) if samples else 1
    matrix = [[1e-9 * (a == b) for b in range(width)] for a in range(width)]
    vector = [0.0] * width
    for _, watts, x in samples:
        for a, value in enumerate(x):
            vector[a] += value * watts
            for b, other in enumerate(x):
                matrix[a][b] += value * other
    line = solve(matrix, vector)
    return lambda hour, _: sum(seconds * sum(map(float.__mul__, line, x)) for seconds, _, x in rows(hour))
