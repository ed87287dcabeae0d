"""The learned machine in one screen, and how well it foretells hours that it did not learn from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from query import idle_trend, what_if
from query.energy_samples import Names
from query.held_out import errors
from query.learning import LITTLE, Learned, learned
from telemetry.energy_model.columns import AWAKE, SCREEN
from telemetry.energy_model.fit import Model
from telemetry.energy_model.interval import half_width
from telemetry.energy_model.sums import UNIT

_Item = tuple[str, float | None, float | None, str]


def items(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and what to say beside them.

    ``bound``: stop, limit, newest, last and what_if (None: not asked) of the report.
    """
    names = Names()
    found = learned(connection, bound["stop"], names)
    if found.model is None:
        return {"items": "[]"}, None
    days = idle_trend.idle_by_day(connection, bound["last"], found)
    rows: list[_Item] = [("idle", found.idle, None, "W")]
    rows += [(f"idle on {day.isoformat()}", watts, None, "W") for day, watts in days[-idle_trend.SHOWN :]]
    rows += _screen(found)
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
        *errors(connection, found.of_hours),
    ]
    said = ["little data: programs of which little was seen share one rate"] if found.hours < LITTLE else []
    if shift := idle_trend.shift_of(days):
        said.append(idle_trend.told(shift))
    if bound.get("what_if") is not None:
        more, remark = what_if.rows(connection, bound, found)
        rows += more
        said += [remark] if remark else []
    return {"items": json.dumps(rows)}, "; ".join(said) or None


def _screen(found: Learned) -> list[_Item]:
    model = found.model
    if model is None or not model.is_learned(SCREEN):
        return []
    return [("screen at full brightness", *what_if.screen_watts(model, (0.0, 0.0), (1.0, 1.0)), "W")]


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
