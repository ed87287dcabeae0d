"""CPU use of each core in equal steps of time, as pictures show it."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from query.report import sql_text
from query.values import number_of
from query.window import history_of
from telemetry import HOUR

STEPS: Final = 240
_SIZES: Final = (15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
"""s of a step"""
_LONGEST_RAW: Final = 86_400.0
"""Longest window that is read from single rows, s; a longer one is read from hours"""


class CoreSteps(NamedTuple):
    """Use of each core."""

    edges: list[float]
    """Unix s: the start of each step, and the end of the last one"""
    cells: dict[int, list[float | None]]
    """By core, then by step: mean, %. None: nothing was recorded"""


def core_steps(connection: sqlite3.Connection, start: float, stop: float) -> CoreSteps:
    """Return the steps of ``start`` <= time < ``stop``, Unix s: 240 or fewer, of whole hours if that is long.

    Hours are read from roll-ups where possible, and the newest ones from rows.
    """
    size = next((size for size in _SIZES if (stop - start) / size <= STEPS), _SIZES[-1])
    while (stop - start) / size > STEPS:
        size *= 2
    history = history_of(connection)
    until = 0.0
    if stop - start > _LONGEST_RAW or start < history.raw_since:
        size = max(size, HOUR)
        until = float(history.hour_until)
    first = int(start // size) * size
    count = int(-(-(stop - first) // size))
    cells: dict[int, list[float | None]] = {}
    bound = {"first": first, "stop": stop, "size": size, "until": until}
    for core, step, usage in connection.execute(sql_text("core_steps"), bound):
        if isinstance(core, int) and 0 <= step < count:
            cells.setdefault(core, [None] * count)[step] = number_of(usage)
    edges = [float(first + number * size) for number in range(count + 1)]
    return CoreSteps(edges, dict(sorted(cells.items())))
