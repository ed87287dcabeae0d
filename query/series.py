"""The figures over time that pictures draw, in about as many steps as a picture has pixels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from query.report import sql_text
from query.rollups import SYSTEM
from query.values import number_of
from query.window import cut, history_of, outward

STEPS: Final = 480
"""Steps in a picture: two pixels each, or one on a phone"""
_SIZES: Final = (5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
"""Sizes of a step, s. Steps of a minute or an hour and more are whole roll-ups."""
_HOLE: Final = 60.0
"""A line is broken after this many s without a sample"""


class Point(NamedTuple):
    """One step of time; None: not known."""

    first: float
    """Unix s at which its earliest sample began"""
    last: float
    """Unix s of its newest sample"""
    watts: float | None
    """Mean; negative: out of the battery"""
    watts_min: float | None
    watts_max: float | None
    pct_min: float | None
    pct_max: float | None
    cpu: float | None
    """%, mean of the cores and of the step"""
    cpu_max: float | None
    temp_min: float | None
    """°C"""
    temp_max: float | None

    @property
    def middle(self) -> float:
        """Return the Unix s at which it is drawn."""
        return (self.first + self.last) / 2


def points(connection: sqlite3.Connection, start: float, stop: float, steps: int = STEPS) -> list[Point]:
    """Return the steps of ``start`` <= time < ``stop``, Unix s, in their order: ``steps`` or fewer.

    Each sample is in one of them, so that no peak is lost. Roll-ups are read where possible.
    """
    history = history_of(connection)
    start, stop = outward(start, stop, SYSTEM, history)
    size = next((size for size in _SIZES if (stop - start) / size <= steps), _SIZES[-1])
    while (stop - start) / size > steps:
        size *= 2
    if start < history.raw_since:
        size = max(size, 60)
    if start < history.minute_since:
        size = max(size, 3_600)
    first = int(start) // size * size + size
    bound = {
        "edges": json.dumps(list(range(first, min(int(stop), first + size * (steps + 1)), size))),
        **cut(start, stop, SYSTEM, history)._asdict(),
    }
    rows = connection.execute(sql_text("points"), bound)
    return [Point(*map(number_of, row)) for row in rows]  # type: ignore[arg-type]


def stretches(found: Sequence[Point], size: float = _HOLE) -> Iterator[Sequence[Point]]:
    """Yield runs of points without a hole between them."""
    begin = 0
    for at, (before, after) in enumerate(pairwise(found), 1):
        if after.first - before.last > size:
            yield found[begin:at]
            begin = at
    if begin < len(found):
        yield found[begin:]
