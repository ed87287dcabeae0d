"""Two windows, or the samples of two values of a column, side by side: each mean with its difference.

What is read is bounded. Windows: roll-ups, with single samples at the ends. Values: the newest samples.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from query.pair import BY_WINDOW, TEXTS
from query.report import sql_text
from query.rollups import PROCESS, SYSTEM, RollUps
from query.spread import LEAST, TOO_LITTLE, Block, Difference, Mean, difference, mean
from query.values import shown_span, shown_time
from query.window import History, cut, history_of, outward
from telemetry import DAY, HOUR

_BLOCK: Final = 300
"""Size of the blocks that are averaged, s; hours are used for windows longer than 31 days"""
_SHORT: Final = 31 * DAY
"""For a window longer than this many s, programs are read by day"""
MOST: Final = 120_960
"""Samples that are read for values of a column: a week of them, every 5 s"""
MOST_LISTED: Final = 17_280
"""Programs are read from about this many samples. If there are more, roll-ups are read for windows, and every
second, third, … block for values."""
_MOST_VALUES: Final = 8
"""Values of a column that a remark lists"""

_Programs = dict[str | None, dict[int, float]]
"""µs of CPU by program and block"""


class _Stretch(NamedTuple):
    """Sums over the samples of one block."""

    block: int
    samples: int
    interval_us: float
    covered_us: float
    discharged_uj: float
    drain_us: float
    drain_energy_us: float
    battery_samples: int
    cpu_samples: int
    cpu_sum: float
    temp_samples: float
    temp_sum: float


class _Side(NamedTuple):
    """A or B."""

    stretches: list[_Stretch]
    programs: _Programs
    block: int
    """s of a block of ``stretches``"""
    program_block: int
    """s of a block of ``programs``"""
    every: int = 1
    """``programs`` holds every n-th block; this is n"""
    listed: list[_Stretch] | None = None
    """The stretches of the window of ``programs``, if it is longer than that of ``stretches``"""

    def seconds(self) -> dict[int, float]:
        """Return µs awake, for each block in ``programs``."""
        found: dict[int, float] = {}
        for it in self.stretches if self.listed is None else self.listed:
            block = it.block * self.block // self.program_block
            if block % self.every == 0:
                found[block] = found.get(block, 0.0) + it.interval_us
        return found

    def mean(self, weight: str, value: str, scale: float = 1.0) -> Mean | None:
        """Return the mean of one sum divided by another; blocks are weighted by the latter."""
        return mean(
            [
                Block(getattr(it, weight), scale * getattr(it, value) / getattr(it, weight))
                for it in self.stretches
                if getattr(it, weight) > 0
            ]
        )

    def hours(self, name: str) -> float:
        return sum(float(getattr(it, name)) for it in self.stretches) / 3.6e9


def items(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and the remarks on them. ``bound``: what query/pair.py found, by and limit."""
    by_window = bound["by"] == BY_WINDOW
    a, b, said = (_of_windows if by_window else _of_values)(connection, bound)
    if not (a.stretches or b.stretches):
        newest = bound["last"]
        return {"items": "[]"}, None if newest is None else f"{said}; the newest is of {shown_time(newest)}"
    rows = [*_of_system(a, b), *_of_programs(a, b, bound["limit"])]
    told = [said]
    if any(row[-1] == TOO_LITTLE for row in rows):
        block = shown_span(a.block)
        told.append(f"{TOO_LITTLE} to tell: fewer than {LEAST:.0f} independent blocks of {block}")
    return {"items": json.dumps(rows)}, "; ".join(told)


def _of_system(a: _Side, b: _Side) -> Iterable[list[Any]]:
    for item, unit, weight, value, scale in (
        ("power", "W", "drain_energy_us", "discharged_uj", 1.0),
        ("CPU", "%", "cpu_samples", "cpu_sum", 0.01),
        ("temperature", "°C", "temp_samples", "temp_sum", 1.0),
        ("Wh per hour", "Wh/h", "covered_us", "discharged_uj", 1.0),
    ):
        yield _row(item, unit, a.mean(weight, value, scale), b.mean(weight, value, scale))
    for item, name, told_by in (
        ("on battery", "drain_us", "battery_samples"),
        ("awake", "interval_us", "interval_us"),
    ):
        hours = [side.hours(name) if side.hours(told_by) else None for side in (a, b)]
        more = None if None in hours else (hours[1] or 0.0) - (hours[0] or 0.0)
        yield [item, "h", *hours, more, None, None]


def _of_programs(a: _Side, b: _Side, limit: int | None) -> Iterable[list[Any]]:
    """The programs with the most CPU time on both sides, as a share of the time awake."""
    awake = a.seconds(), b.seconds()
    shares: dict[str | None, float] = {}
    for side, seconds in zip((a, b), awake, strict=True):
        total = sum(seconds.values())
        for name, used in side.programs.items():
            shares[name] = shares.get(name, 0.0) + (sum(used.values()) / total if total else 0.0)
    for name in sorted(shares, key=lambda name: (-shares[name], name or ""))[:limit]:
        means = [
            _share(side.programs.get(name, {}), seconds) for side, seconds in zip((a, b), awake, strict=True)
        ]
        yield _row(name, "% core", *means)


def _share(used: Mapping[int, float], awake: Mapping[int, float]) -> Mean | None:
    """Return the mean use of a core, %, from µs of CPU and µs awake by block."""
    return mean([Block(us, 100 * used.get(at, 0.0) / us) for at, us in awake.items() if us > 0])


def _row(item: str | None, unit: str, a: Mean | None, b: Mean | None) -> list[Any]:
    found: Difference | None = difference(a, b)
    values = [side and side.value for side in (a, b)]
    return [item, unit, *values, *(found or (None, None, None))]


# --- what is read ------------------------------------------------------------------------------------


def _of_windows(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[_Side, _Side, str]:
    history = history_of(connection)
    spans = [(bound["a_from"], bound["a_to"]), (bound["b_from"], bound["b_to"])]
    oldest = min(start for start, _ in spans)
    is_long = max(stop - start for start, stop in spans) > _SHORT
    of, block = SYSTEM._replace(coarse=None), _BLOCK
    if is_long or oldest < history.minute_since:
        of, block = SYSTEM, HOUR
    windows = [outward(*span, of, history) for span in spans]
    stretches = [_stretches(connection, window, of, block, history) for window in windows]
    said = [
        f"{name} is {_shown(window)}{'' if held else ' (no sample)'}"
        for name, window, held in zip("AB", windows, stretches, strict=True)
    ]
    if max(start for start, _ in spans) < min(stop for _, stop in spans):
        said.append("they overlap")

    programs, program_block = PROCESS._replace(coarse=None), HOUR
    if is_long or oldest < history.process_hour_since:
        programs, program_block = PROCESS, DAY
    count = sum(it.samples for side in stretches for it in side)
    known = history
    if count <= MOST_LISTED and oldest >= history.raw_since:
        program_block, known = block, History()  # as if nothing was rolled up: from samples alone
    sides = []
    for name, window, held in zip("AB", windows, stretches, strict=True):
        # Where samples were dropped, processes are known by the hour or day: so must be the time awake.
        moved = outward(*window, programs, history)
        listed = None
        if moved != window:
            listed = _stretches(connection, moved, of, block, history)
            said.append(f"programs of {name} are those of {_shown(moved)}")
        bounds = cut(*moved, programs, known)._asdict() | {"block": program_block}
        found, _ = _by_program(connection.execute(sql_text("compare_window_programs"), bounds))
        sides.append(_Side(held, found, block, program_block, listed=listed))
    return sides[0], sides[1], ", ".join(said)


def _stretches(
    connection: sqlite3.Connection, window: tuple[float, float], of: RollUps, block: int, history: History
) -> list[_Stretch]:
    bounds = cut(*window, of, history)._asdict() | {"block": block}
    return [_Stretch(*row) for row in connection.execute(sql_text("compare_windows"), bounds)]


def _shown(window: tuple[float, float]) -> str:
    return f"{shown_time(window[0])} to {shown_time(window[1])}"


def _of_values(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[_Side, _Side, str]:
    by: str = bound["by"]
    parameters = {**bound, "most": MOST, "block": _BLOCK, "every": 1}

    def ask(name: str) -> sqlite3.Cursor:
        return connection.execute(sql_text(name).replace("{{by}}", by), parameters)

    stretches: tuple[list[_Stretch], list[_Stretch]] = ([], [])
    for side, *row in ask("compare_values"):
        stretches[side].append(_Stretch(*row))
    count = sum(it.samples for side in stretches for it in side)
    every = parameters["every"] = max(1, -(-count // MOST_LISTED))
    programs = _by_program(ask("compare_value_programs"))
    sides = [_Side(*it, _BLOCK, _BLOCK, every) for it in zip(stretches, programs, strict=True)]
    said = [f"A is {by} {bound['a']}, B is {by} {bound['b']}"]
    for side, name in zip(sides, "ab", strict=True):
        if not side.stretches:
            said.append(f"no sample has {by} {bound[name]}{_values_there(ask, by)}")
    if every > 1:
        said.append(f"programs are those of 1 in {every} blocks of {shown_span(_BLOCK)}")
    oldest = ask("compare_oldest").fetchone()
    if oldest:
        said.append(f"the newest {MOST} samples were read, from {shown_time(oldest[0])} on")
    a, b = sides
    return a, b, "; ".join(said)


def _values_there(ask: Any, by: str) -> str:
    """Return the existing values of a column, if they are few."""
    found = [str(value) for (value,) in ask("compare_values_there")]
    if by in TEXTS and 0 < len(found) <= _MOST_VALUES:
        return f" (there are: {', '.join(value or 'the empty text' for value in found)})"
    return ""


def _by_program(rows: Iterable[Sequence[Any]]) -> tuple[_Programs, _Programs]:
    """Return µs of CPU by program and block, of each side."""
    found: tuple[_Programs, _Programs] = ({}, {})
    for side, name, block, used in rows:
        found[side].setdefault(name if isinstance(name, str) else None, {})[block] = used
    return found
