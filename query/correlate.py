"""How the CPU use of each program correlates with the power, over blocks of samples on battery.

    slope = Σ (x - x̄)(y - ȳ) / Σ (x - x̄)²,    r = the same sum / √(Σ (x - x̄)² Σ (y - ȳ)²)
    standard error = √(Σ e² / (n - 2) / Σ (x - x̄)² × (1 + c) / (1 - c)),    c = r₁(x) r₁(e)

with x the busy cores, y the watts, e what the line leaves over and r₁ the lag-1 autocorrelation (Bartlett
1935).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from math import sqrt
from statistics import fmean, median
from typing import Any, Final, NamedTuple

from query.energy_names import Names
from query.energy_samples import Span, hours
from query.process_reports import NO_PROCESS
from query.spread import WIDTH, alike
from query.values import shown_time
from telemetry.energy_model.features import (
    BLOCK,
    Block,
    Reading,
    blocks,
    features,
    lag_of,
    lag_sums,
    stretches,
)

MOST: Final = 17_280
"""Samples on battery that are read: a day of them, every 5 s"""
LEAST: Final = 30
"""With fewer blocks of 12 samples, nothing is reported: half an hour, at 5 s"""
LEAST_LISTED: Final = 10
"""A program that was listed in fewer blocks is not reported"""
ALL: Final = "(all CPU)"
_LEAST_POWER, _MOST_POWER = 0.1, 4.0
"""A block is left out if its power is outside this range, times the median: the gauge misread"""
_TIME: Final = "SELECT time FROM system_sample WHERE ts = ?"
BESIDE: Final = "a correlation is not a cause: a slope includes what ran at the same time; see blame"


class Line(NamedTuple):
    """A line through points."""

    r: float
    slope: float
    half_width: float


def programs(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and the remarks on them. ``bound``: start, stop and rows of the report."""
    if bound.get("rows"):
        return {}, None
    names = Names(connection, "name")
    span = Span(bound["start"], min(bound["stop"], 1e15), MOST + 1, battery=True)
    of_hours = list(hours(connection, span))
    readings = [reading for hour in of_hours for reading in hour.readings]
    made = _blocks(readings)
    told = []
    if len(readings) > MOST:
        (first,) = connection.execute(_TIME, (of_hours[0].keys[0],)).fetchone()
        told.append(f"the newest {MOST} samples on battery were read, from {shown_time(first)} on")
    if not made:
        return {"programs": "[]"}, None
    watts = [block.power for block in made]
    lines: list[tuple[str, Line, float, int]] = []
    of_programs = [_by_name(block, names) for block in made]
    used = set(chain.from_iterable(of_programs))
    for name in used if len(made) >= LEAST else ():
        cores = [of_block.get(name, 0.0) for of_block in of_programs]
        listed = sum(1 for it in cores if it)
        line = line_through(cores, watts) if listed >= LEAST_LISTED else None
        if line:
            lines.append((name, line, 100 * fmean(cores), listed))
    lines.sort(key=lambda it: (-abs(it[1].r), it[0]))
    busy = [block.busy for block in made]
    whole = line_through(busy, watts) if len(made) >= LEAST else None
    rows: list[list[Any]] = [[ALL, *(whole or (None, None, None)), 100 * fmean(busy), len(made)]]
    rows += [[name or None, *line, *rest] for name, line, *rest in lines]
    if len(made) < LEAST:
        told.append(f"too little to tell: {len(made)} of {LEAST} blocks of {BLOCK} samples on battery")
    else:
        told.append(BESIDE)
    if not used:
        told.append(NO_PROCESS)
    return {"programs": json.dumps(rows)}, "; ".join(told)


def _by_name(block: Block, names: Names) -> dict[str, float]:
    """Return the busy cores of each program; a program that two users run has two numbers."""
    found: dict[str, float] = {}
    for column, cores in block.values.items():
        if names.is_program(column):
            name = names.of(column) or ""
            found[name] = found.get(name, 0.0) + cores
    return found


def line_through(x: Sequence[float], y: Sequence[float]) -> Line | None:
    """Return the line through points in the order of their time; None: x or y is constant."""
    middle_x, middle_y = fmean(x), fmean(y)
    off_x = [it - middle_x for it in x]
    off_y = [it - middle_y for it in y]
    xx, yy = (sum(it * it for it in off) for off in (off_x, off_y))
    if not (xx > 0 and yy > 0):
        return None
    xy = sum(a * b for a, b in zip(off_x, off_y, strict=True))
    slope = xy / xx
    left = [b - slope * a for a, b in zip(off_x, off_y, strict=True)]
    squares = sum(it * it for it in left)
    count = len(x)
    common = alike(off_x, count) * alike(left, count)
    error = sqrt(squares / (count - 2) / xx * (1 + common) / (1 - common))
    return Line(xy / sqrt(xx * yy), slope, WIDTH * error)


def _blocks(readings: Sequence[Reading]) -> list[Block]:
    """Return means over 12 samples each, with CPU use shifted by the gauge's lag."""
    powers = [reading.watts for reading in readings if reading.watts is not None]
    if not powers:
        return []
    typical = median(powers)
    parts = [readings[part.start : part.stop] for part in stretches(readings)]
    products: dict[tuple[int, int], int] = {}
    for part in parts:
        for key, value in lag_sums(part, 0.0, typical).items():
            products[key] = products.get(key, 0) + value
    lag = lag_of(products)
    made = [block for part in parts for block in blocks(part, [features(it, 0.0, None) for it in part], lag)]
    return [block for block in made if _LEAST_POWER * typical <= block.power <= _MOST_POWER * typical]
