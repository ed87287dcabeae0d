"""How much of the battery each program took: stored parts and newly computed parts, as rows of a report."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from query.energy_names import Names
from query.energy_parts import MOST_RAW, Row, Rows, completed, parts_of
from query.energy_samples import Span, hours
from query.learning import LITTLE, Learned, learned
from query.report import sql_text
from query.rollups import PROCESS
from query.sessions import asleep
from query.values import shown_time
from query.window import History, cut, history_of, moved_edges, outward
from telemetry.energy_model.cells import cell, modelled
from telemetry.energy_model.columns import IN_BRACKETS, OTHERS
from telemetry.energy_model.features import Reading, features
from telemetry.energy_model.learner import busiest
from telemetry.energy_model.sums import UNIT

ASLEEP: Final = "(asleep)"
_WITHOUT_CPU: Final = ("(idle)", "(screen)", "(unattributed)", ASLEEP)
CANNOT_SEE: Final = "GPU, disk and radios count with what ran meanwhile, or as (unattributed)"
IN_SLEEP: Final = "no sample in the window: only what was drawn asleep is known"
ON_MAINS: Final = "nothing was discharged in the window, so only CPU hours are known; --predict estimates W"
_TIME: Final = "SELECT time FROM system_sample WHERE ts = ?"

_Named = dict[str | None, Row]


def parts(connection: sqlite3.Connection, bound: Mapping[str, Any]) -> tuple[dict[str, str], str | None]:
    """Return the rows as JSON, and the remarks on them.

    ``bound``: start, stop, limit (programs; None: all), by and predict of the report.
    """
    start, stop = bound["start"], bound["stop"]
    samples, discharged, seconds, *extent = connection.execute(sql_text("blame_window"), bound).fetchone()
    asleep_uj, missing = _asleep(connection, bound, extent)
    listed: list[tuple[str | None, Row]] = [(ASLEEP, Row(asleep_uj, 0, 0))] if asleep_uj else []
    if not samples:  # a sleep may be longer than the window
        told = _lines(listed, _Totals(0, asleep_uj, 0.0, 0.0))
        return {"parts": json.dumps(told)}, IN_SLEEP if asleep_uj else None
    history, remarks = history_of(connection), []
    by = bound.get("by") or "name"
    known = learned(connection, stop)
    rows: Rows = {}
    if discharged:
        found, is_all = parts_of(connection, start, stop, history, known)
        rows = completed(found, discharged)
        if not is_all:
            until = f"up to {shown_time(history.energy_until)}" if history.energy_until else "for no hour yet"
            remarks.append(
                f"telemetry-writer has stored shares {until}: of later samples only the newest {MOST_RAW} "
                "are shared out, the rest is (unattributed)"
            )
    predicted = 0.0
    if bound.get("predict"):
        predicted, since = _predict(connection, Span(start, stop, MOST_RAW), known, rows)
        if since is not None or start < history.raw_since:
            since = history.raw_since if since is None else since
            remarks.append(f"the prediction is of the samples from {shown_time(since)} on")
    programs, beside = _named(Names(connection, by), rows)
    if not discharged:
        moved = _add_cpu_time(connection, bound, history, by, programs)
        remarks += [moved] if moved else []
    listed = [*_listed(programs, beside, bound["limit"]), *listed]
    remarks += [missing] if missing else []
    remarks.append(_said(known) if discharged or bound.get("predict") else ON_MAINS)
    told = _lines(listed, _Totals(discharged, asleep_uj, seconds, predicted))
    return {"parts": json.dumps(told)}, "; ".join(remarks)


class _Totals(NamedTuple):
    discharged_uj: int
    asleep_uj: int
    seconds: float
    """On battery"""
    predicted: float
    """s of predicted time"""


def _lines(listed: Sequence[tuple[str | None, Row]], of: _Totals) -> list[list[Any]]:
    """Return the cells of each row."""
    total = of.discharged_uj + of.asleep_uj
    cpu_us = sum(row.cpu_us for _, row in listed)
    taken = sum(row.uj for _, row in listed if row.cpu_us)
    lines: list[list[Any]] = []
    for name, row in listed:
        mean = taken / cpu_us * row.cpu_us if cpu_us else 0.0
        has_cpu = name not in _WITHOUT_CPU
        is_awake = total > 0 and name != ASLEEP
        lines.append(
            [
                name,
                row.uj / 3.6e9 if total else None,
                _pm_uj(row, of.discharged_uj) / 3.6e9 if is_awake else None,
                100 * row.uj / total if total else None,
                row.uj / 1e6 / of.seconds if is_awake and of.seconds else None,
                row.cpu_us / 3.6e9 if has_cpu else None,
                row.uj / mean if total and mean and has_cpu else None,
                row.predicted / of.predicted if of.predicted else None,
            ]
        )
    return lines


def _pm_uj(row: Row, discharged: int) -> int:
    """Return the ± of a row: its energy is at least 0 and at most what was discharged awake."""
    return min(row.pm_uj, max(row.uj, discharged - row.uj))


def _asleep(
    connection: sqlite3.Connection, bound: Mapping[str, Any], extent: Sequence[float | None]
) -> tuple[int, str | None]:
    """Return the µJ drawn asleep in the window, as in the report energy, and a remark on what is missing.

    ``extent``: of the samples, for an open window. If a clock was set back, they end after the newest one.
    """
    _, missing = asleep(connection, bound)
    asked = bound["since"], bound["until"]
    start, stop = (held if edge is None else edge for edge, held in zip(asked, extent, strict=True))
    if start is None or stop is None:  # an open window without samples
        return 0, missing
    (drawn,) = connection.execute("SELECT asleep_uj(?, ?)", (start, stop)).fetchone()
    return drawn or 0, missing


def _said(learned: Learned) -> str:
    if learned.model is None:
        return "too little was recorded on battery to learn from: all is (unattributed)"
    said = f"an estimate, learned from {learned.hours:.1f} h on battery; {CANNOT_SEE}"
    if learned.hours < LITTLE:
        said += "; little data: programs that were seldom seen share one rate"
    return said


def _predict(
    connection: sqlite3.Connection, span: Span, known: Learned, rows: Rows
) -> tuple[float, float | None]:
    """Add the model's prediction for the time on mains to the rows.

    Return the s predicted, and when the first sample was if older ones were not read: Unix s.
    """
    seconds, count, first = 0.0, 0, None
    if known.model is None:
        return seconds, None
    for hour in hours(connection, span):
        count += len(hour.readings)
        first = hour.keys[0] if first is None else first
        readings: list[Reading] = [it._replace(watts=0.0) for it in hour.readings if it.watts is None]
        columns = busiest(readings)
        weighed = cell(readings, [features(it, known.exponent, columns) for it in readings])
        seconds += weighed.seconds / UNIT
        for column, joules in modelled(weighed, known.model, known.idle).items():
            row = rows.get(column, Row(0, 0, 0))
            rows[column] = row._replace(predicted=row.predicted + joules)
    if count < span.most:
        return seconds, None
    return seconds, connection.execute(_TIME, (first,)).fetchone()[0]


def _named(names: Names, rows: Rows) -> tuple[_Named, Rows]:
    """Return the rows of programs by name, app or user, and the rows that are not programs."""
    programs: _Named = {}
    beside: Rows = {}
    for column, row in rows.items():
        if names.is_program(column):
            name = names.of(column)
            programs[name] = row.plus(programs[name]) if name in programs else row
        else:
            place = column if column < 0 else OTHERS
            beside[place] = row.plus(beside[place]) if place in beside else row
    return programs, beside


def named(names: Names, rows: Rows) -> list[tuple[str, Row]]:
    """Return rows with the names of programs, or with a name in brackets for what is not a program."""
    return [(name or "-", row) for name, row in _listed(*_named(names, rows), None)]


def _add_cpu_time(
    connection: sqlite3.Connection, bound: Mapping[str, Any], history: History, by: str, programs: _Named
) -> str | None:
    """Add the CPU time of the window, as in hotspots, because nothing was discharged.

    Return a remark if the window of processes is longer, because samples were dropped.
    """
    window = bound["start"], bound["stop"]
    found = outward(*window, PROCESS, history)
    values = {**cut(*found, PROCESS, history)._asdict(), "by": by, "limit": None}
    for name, hours_of, *_ in connection.execute(sql_text("hotspots"), values):
        row = programs.get(name or None, Row(0, 0, 0))
        programs[name or None] = row._replace(cpu_us=row.cpu_us + round(hours_of * 3.6e9))
    moved = moved_edges(window, found, history)
    return moved and f"CPU hours: {moved}"


def _listed(programs: _Named, beside: Rows, limit: int | None) -> list[tuple[str | None, Row]]:
    """Return the rows with their names: the programs by energy, then what is not a program."""
    order = sorted(programs, key=lambda name: (-programs[name].uj, -programs[name].cpu_us, name or ""))
    others = beside.get(OTHERS, Row(0, 0, 0))
    for name in order[limit:] if limit is not None else ():
        others = others.plus(programs[name])
    found = [(name, programs[name]) for name in order[:limit]]
    every = {**beside, OTHERS: others}
    if others == Row(0, 0, 0):
        del every[OTHERS]
    return [*found, *((text, every[column]) for column, text in IN_BRACKETS.items() if column in every)]
