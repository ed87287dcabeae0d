"""Which program took how much of the battery: telemetry.energy_model, asked of the database.

It reads a bounded part of it: what the model learns from, and the samples of the window.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from query.energy_samples import Hour, Names, Span, hours
from query.learning import LITTLE, Learned, learned
from query.sessions import asleep
from query.values import shown_time
from telemetry.energy_model.cells import UNATTRIBUTED, Part, cell, divide, modelled
from telemetry.energy_model.columns import IDLE, KERNEL, OTHERS, SCREEN
from telemetry.energy_model.features import Reading, features
from telemetry.energy_model.learner import busiest

MOST_SHARED: Final = 17_280
"""Samples of the window that are shared out: a day of them, every 5 s"""
_IN_BRACKETS: Final = {
    IDLE: "(idle)",
    SCREEN: "(screen)",
    KERNEL: "(kernel)",
    OTHERS: "(others)",
    UNATTRIBUTED: "(unattributed)",
}
ASLEEP: Final = "(asleep)"
_WITHOUT_CPU: Final = ("(idle)", "(screen)", "(unattributed)", ASLEEP)
CANNOT_SEE: Final = "GPU, disk and radios count with what ran meanwhile, or as (unattributed)"
ON_MAINS: Final = (
    "nothing was discharged in the window, so that only CPU hours are known; --predict estimates W"
)


class _Row(NamedTuple):
    """What one line tells; energy in µJ, CPU time in s."""

    uj: int
    pm_uj: int
    cpu: float
    predicted: float = 0.0
    """J"""

    def plus(self, other: _Row) -> _Row:
        """Return the sum of both."""
        return _Row(
            self.uj + other.uj,
            self.pm_uj + other.pm_uj,
            self.cpu + other.cpu,
            self.predicted + other.predicted,
        )


def parts(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and what to say beside them.

    ``bound``: start, stop, limit (programs; None: all) and predict of the report.
    """
    names = Names(bound.get("by") or "name")
    stop = min(bound["stop"], 1e15)
    span = Span(bound["start"], stop, MOST_SHARED + 1, battery=False)
    window = list(hours(connection, span, names))
    count = sum(len(hour.readings) for hour in window)
    if not count:
        return {"parts": "[]"}, None
    known = learned(connection, stop, names)
    is_cut = count > MOST_SHARED
    discharged = sum(hour.discharged_uj for hour in window)
    rows, seconds = _rows(window, known, is_on_battery=discharged > 0)
    predicted_seconds = _predict(window, known, rows) if bound.get("predict") else 0.0
    listed = _listed(rows, names, bound["limit"])
    first = window[0].first - window[0].readings[0].seconds
    start = first if is_cut or bound["since"] is None else bound["since"]
    asleep_uj, missing = _asleep(connection, bound, start)
    if asleep_uj:
        listed.append((ASLEEP, _Row(asleep_uj, 0, 0.0)))
    total = discharged + asleep_uj
    cpu = sum(row.cpu for name, row in listed)
    joules = sum(row.uj for name, row in listed if row.cpu) / 1e6
    found = []
    for name, row in listed:
        mean = joules / cpu * row.cpu if cpu else 0.0
        has_cpu = name not in _WITHOUT_CPU
        is_known = total > 0
        found.append(
            [
                name,
                row.uj / 3.6e9 if is_known else None,
                _pm_uj(row, discharged) / 3.6e9 if is_known and name != ASLEEP else None,
                100 * row.uj / total if is_known else None,
                row.uj / 1e6 / seconds if is_known and seconds and name != ASLEEP else None,
                row.cpu / 3600 if has_cpu else None,
                row.uj / 1e6 / mean if is_known and mean and has_cpu else None,
                row.predicted / predicted_seconds if predicted_seconds else None,
            ]
        )
    remarks = [missing] if missing else []
    if is_cut:
        remarks.append(
            f"the window begins at {shown_time(window[0].first)}: at most {MOST_SHARED} samples are shared"
        )
    remarks.append(_said(known) if discharged or bound.get("predict") else ON_MAINS)
    return {"parts": json.dumps(found)}, "; ".join(remarks)


def _pm_uj(row: _Row, discharged: int) -> int:
    """Return the ± of a row, which took no less than nothing and no more than what was discharged awake."""
    return min(row.pm_uj, max(row.uj, discharged - row.uj))


def _asleep(connection: sqlite3.Connection, bound: Mapping[str, Any], start: float) -> tuple[int, str | None]:
    """Return the µJ drawn asleep in the window, as the report energy has them, and what is missing."""
    _, missing = asleep(connection, bound)
    stop = bound["until"] if bound["until"] is not None else bound["last"]
    (drawn,) = connection.execute("SELECT asleep_uj(?, ?)", (start, stop)).fetchone()
    return drawn or 0, missing


def _said(learned: Learned) -> str:
    if learned.model is None:
        return "too little was recorded on battery to learn from: all is (unattributed)"
    said = f"an estimate, learned from {learned.hours:.1f} h on battery; {CANNOT_SEE}"
    if learned.hours < LITTLE:
        said += "; little data: programs of which little was seen share one rate"
    return said


def _rows(window: Sequence[Hour], learned: Learned, *, is_on_battery: bool) -> tuple[dict[int, _Row], float]:
    """Return what each column took, and the s on battery. On mains it is CPU time alone."""
    rows: dict[int, _Row] = {}
    seconds = 0.0
    for hour in window:
        readings = hour.readings
        if not is_on_battery:
            readings = [reading._replace(watts=0.0) for reading in readings]
        columns = busiest(readings)
        counted = cell(readings, [features(reading, 0.0, columns) for reading in readings])
        divided: dict[int, Part] = {}
        if is_on_battery:
            seconds += counted.seconds / 1e5
            weighed = cell(readings, [features(it, learned.exponent, columns) for it in readings])
            divided = divide(weighed, hour.discharged_uj, learned.model, learned.idle)
        for column in {*divided, *counted.shares}:
            part = divided.get(column, Part(0, 0))
            row = _Row(part.uj, part.pm_uj, counted.values[column] / 1e5 if column in counted.shares else 0.0)
            rows[column] = row.plus(rows[column]) if column in rows else row
    return rows, seconds


def _predict(window: Sequence[Hour], learned: Learned, rows: dict[int, _Row]) -> float:
    """Add to the rows what the model predicts for the time on mains; return the s of it."""
    seconds = 0.0
    if learned.model is None:
        return seconds
    for hour in window:
        readings: list[Reading] = [it._replace(watts=0.0) for it in hour.readings if it.watts is None]
        columns = busiest(readings)
        weighed = cell(readings, [features(it, learned.exponent, columns) for it in readings])
        seconds += weighed.seconds / 1e5
        for column, joules in modelled(weighed, learned.model, learned.idle).items():
            row = rows.get(column, _Row(0, 0, 0.0))
            rows[column] = row._replace(predicted=row.predicted + joules)
    return seconds


def _listed(rows: Mapping[int, _Row], names: Names, limit: int | None) -> list[tuple[str | None, _Row]]:
    """Return the rows with their names: the programs by energy, then what is not a program."""
    programs: dict[str | None, _Row] = {
        names.name(column): row for column, row in rows.items() if column >= 0
    }
    order = sorted(programs, key=lambda name: (-programs[name].uj, -programs[name].cpu, name or ""))
    others = rows.get(OTHERS, _Row(0, 0, 0.0))
    for name in order[limit:] if limit is not None else ():
        others = others.plus(programs[name])
    found = [(name, programs[name]) for name in order[:limit]]
    beside = {**rows, OTHERS: others}
    return [*found, *((text, beside[column]) for column, text in _IN_BRACKETS.items() if column in beside)]
