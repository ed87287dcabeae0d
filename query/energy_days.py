"""Energy by program for each hour, day, week or month: the same parts that the report blame sums."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

from query.blame import named
from query.buckets import edges_of
from query.energy_names import Names
from query.energy_parts import completed, parts_of
from query.learning import learned
from query.report import sql_text
from query.rollups import SYSTEM, By
from query.window import Window, cut, history_of, outward


def energy_by(
    connection: sqlite3.Connection, by: By, window: tuple[float, float]
) -> list[tuple[float, dict[str, float]]]:
    """Return when each bucket of the window begins, Unix s, and the Wh of each program in it.

    What is not a program is in brackets, as in the report blame. The parts of a bucket sum to what was
    discharged in it.
    """
    history = history_of(connection)
    known = learned(connection, window[1])
    names = Names(connection, "name")
    window = outward(*window, SYSTEM, history)
    whole = Window(*window, None, None, *window, None)
    inner, _ = edges_of(connection, by, whole, SYSTEM, history)
    found = []
    for start, stop in pairwise([window[0], *inner, window[1]]):
        bound = {**cut(start, stop, SYSTEM, history)._asdict(), "edges": "[]"}
        discharged = connection.execute(sql_text("blame_window"), bound).fetchone()[1]
        wh: dict[str, float] = {}
        if discharged:
            parts, _ = parts_of(connection, start, stop, history, known)
            wh = {name: row.uj / 3.6e9 for name, row in named(names, completed(parts, discharged))}
        found.append((start, wh))
    return found
