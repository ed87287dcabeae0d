"""What was learned about the machine, and how well that predicts hours that were not used for learning."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from query import idle_trend, what_if
from query.energy_names import Names
from query.energy_samples import Recorded
from query.held_out import errors
from query.learning import LITTLE, learned, of_samples
from telemetry.energy_model.cells import deviation_of
from telemetry.energy_model.columns import AWAKE, SCREEN
from telemetry.energy_model.fit import Model
from telemetry.energy_model.interval import half_width
from telemetry.energy_model.learner import Hour, Knowledge
from telemetry.energy_model.sums import UNIT

_Item = tuple[str, float | None, float | None, str]


def items(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and the remarks on them.

    ``bound``: stop, limit, newest, last and what_if of the report. None: the option was not given.
    """
    known = learned(connection, bound["stop"])
    model = known.model
    if model is None:
        return {"items": "[]"}, None
    only = Knowledge({known.exponent: model}, known.exponent, known.known.lag_sums)
    newest = of_samples(connection, bound["stop"], only)
    days = idle_trend.idle_by_day(connection, bound["last"], known)
    rows: list[_Item] = [("idle", known.idle, None, "W")]
    rows += [(f"idle on {day.isoformat()}", watts, None, "W") for day, watts in days[-idle_trend.SHOWN :]]
    rows += _screen(model)
    awake = model.rate(AWAKE)
    rows.append(("awake", awake, half_width(awake, model.deviation(AWAKE), model.blocks), "W"))
    rows += _programs(Names(connection, "name"), model, _used(newest, known.exponent), bound["limit"])
    is_assumed = known.known.exponent is None
    rows += [
        ("gauge: samples of delay", float(known.lag.delay), None, ""),
        ("gauge: samples averaged", float(known.lag.averaged), None, ""),
        ("frequency exponent, assumed" if is_assumed else "frequency exponent", known.exponent, None, ""),
        ("learned from", known.hours, None, "h"),
        *errors(connection, [(hour, taught.lessons[known.exponent]) for hour, taught in newest]),
    ]
    said = ["little data: programs that were seldom seen share one rate"] if known.hours < LITTLE else []
    if shift := idle_trend.shift_of(days):
        said.append(idle_trend.told(shift))
    if bound.get("what_if") is not None:
        more, remark = what_if.rows(connection, bound, model, [hour for hour, _ in newest])
        rows += more
        said += [remark] if remark else []
    return {"items": json.dumps(rows)}, "; ".join(said) or None


def _screen(model: Model) -> list[_Item]:
    if not model.is_learned(SCREEN):
        return []
    return [("screen at full brightness", *what_if.screen_watts(model, (0.0, 0.0), (1.0, 1.0)), "W")]


class _Used(NamedTuple):
    """Sums for a program over the newest hours on battery."""

    cpu: float
    """CPU time, s"""
    value: float
    """CPU time × frequency^exponent, s"""
    awake: float
    """Its share of the column AWAKE, s"""


def _used(newest: Sequence[tuple[Recorded, Hour]], exponent: float) -> dict[int, _Used]:
    found: dict[int, _Used] = {}
    for _, hour in newest:
        of_hour = hour.lessons[exponent].cell
        for column, cpu_us in hour.cpu_us.items():
            if column >= 0:
                was = found.get(column, _Used(0.0, 0.0, 0.0))
                found[column] = _Used(
                    was.cpu + cpu_us / 1e6,
                    was.value + of_hour.values.get(column, 0) / UNIT,
                    was.awake + of_hour.shares.get(column, 0) / UNIT,
                )
    return found


def _programs(names: Names, model: Model, used: Mapping[int, _Used], limit: int | None) -> list[_Item]:
    """Return J for a CPU second of each program at its mean CPU clock, the busiest program first."""
    by_name: dict[str | None, list[int]] = {}
    for program in sorted(used, key=lambda it: (-used[it].cpu, it)):
        if used[program].cpu:
            by_name.setdefault(names.of(program), []).append(program)
    rows: list[_Item] = []
    for name, programs in [*by_name.items()][:limit]:
        seconds = sum(used[it].cpu for it in programs)
        joules = sum(model.rate(it) * used[it].value + model.rate(AWAKE) * used[it].awake for it in programs)
        deviation = sum(deviation_of(model, it, used[it].value, used[it].awake) for it in programs)
        spread = half_width(joules, deviation, model.blocks)
        rows.append((name or "?", joules / seconds, spread / seconds, "J/s"))
    return rows
