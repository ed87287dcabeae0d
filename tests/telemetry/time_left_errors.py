"""The errors of time_left and of three simpler methods, on simulated machines with a known truth.

``python -m tests.telemetry.time_left_errors`` rewrites the tables of docs/how-long.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from random import Random
from statistics import fmean, linear_regression, median
from typing import Final, NamedTuple

from telemetry.sessions.visits import Visits
from telemetry.time_left import Discharge, Past, TimeLeft, time_left
from tests.telemetry.machines import CURVES, STEP, Minute, discharge, history, machine
from tests.telemetry.traces import PHONE_FULL, PI_FULL, phone, pi

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "how-long.md"
AT: Final = (80, 50, 20)
"""Percents at which the methods are compared"""
OTHERS: Final = {
    "10-minute mean, nominal energy": "ten_minutes",
    "mean of the whole discharge, nominal energy": "whole",
    "slope of the percent": "slope",
}
HOURS: Final = STEP / 3600


class Asked(NamedTuple):
    """The predictions of the methods at one moment, h, and the true time."""

    truth: float
    new: TimeLeft
    ten_minutes: float
    whole: float
    slope: float


def past(earlier: Iterable[tuple[Sequence[Minute], bool]]) -> Past:
    """Return what was learned from these discharges."""
    visits: dict[int, tuple[int, int]] = {}
    died_at, hourly = [], []
    energy = hours = 0.0
    for minutes, went_off in earlier:
        course = Visits()
        for minute in minutes:
            course.take(minute.percent, round(minute.watts * STEP * 1e6))
        for percent, drawn, count in course.all():
            before = visits.get(percent, (0, 0))
            if count:
                visits[percent] = before[0] + drawn, before[1] + count
        died_at += [minutes[-1].percent] if went_off else []
        energy += sum(minute.watts for minute in minutes) * HOURS
        hours += len(minutes) * HOURS
        hourly += [fmean(it.watts for it in minutes[at : at + 60]) for at in range(0, len(minutes) - 59, 60)]
    if not hourly:
        return Past(visits, died_at)
    mean = energy / hours
    return Past(visits, died_at, mean, sqrt(fmean((it / mean - 1) ** 2 for it in hourly)), hours)


def now(minutes: Sequence[Minute], full: float | None, voltage: float | None = None) -> Discharge:
    """Return the state of the discharge after these minutes."""
    course = Visits()
    for minute in minutes:
        course.take(minute.percent, round(minute.watts * STEP * 1e6))
    last = [minute.watts for minute in minutes[-10:]]
    own = fmean(minute.watts for minute in minutes)
    return Discharge(
        minutes[-1].percent,
        fmean(last),
        len(last) * STEP,
        own,
        len(minutes) * HOURS,
        course.drawn_uj / 3.6e9,
        course.is_visit,
        full,
        voltage,
    )


def ask(full: float, earlier: Past, minutes: Sequence[Minute], at: int, to: int = 0) -> Asked:
    """Ask all methods after ``at`` minutes how long it takes to percent ``to``, at which ``minutes`` end.

    ``full``: Wh of a full battery, as reported by the driver.
    """
    so_far = minutes[:at]
    current = now(so_far, full)
    found = time_left(current, earlier)
    assert found is not None
    nominal = full * (current.percent - to) / 100
    return Asked(
        (len(minutes) - at) * HOURS,
        found,
        nominal / current.watts,
        nominal / current.own_watts,
        _slope(so_far) * (current.percent - to) / current.percent,
    )


def _slope(minutes: Sequence[Minute]) -> float:
    """Predict from the least-squares line of the percent over an hour or 3 %, as an earlier drain did."""
    percent = minutes[-1].percent
    back = next((n for n in range(1, 60) if minutes[max(0, len(minutes) - n)].percent >= percent + 3), 60)
    recent = [it.percent for it in minutes[-back:]]
    slope = linear_regression(range(len(recent)), recent).slope if len(recent) > 1 else 0.0
    return percent / -slope * HOURS if slope < 0 else float("inf")


def asked(seed: int, machines: int, earlier: int, minutes: float = 15.0) -> dict[int, list[Asked]]:
    """Ask at each percent of AT, for so many machines of each curve with so many earlier discharges.

    ``minutes``: mean length of an activity.
    """
    rng = Random(seed)
    found: dict[int, list[Asked]] = {at: [] for at in AT}
    for curve in CURVES:
        for _ in range(machines):
            of = machine(rng, curve, minutes)
            known = past(history(rng, of, earlier))
            course = discharge(rng, of)
            for at in AT:
                reached = next(n for n, minute in enumerate(course, 1) if minute.percent <= at)
                moment = min(reached + rng.randrange(5), len(course) - 1)
                found[at].append(ask(of.full, known, course, moment))
    return found


def error(asked: Iterable[Asked], method: str) -> float:
    """Return the median error, %."""
    return 100 * median(abs(_said(it, method) / it.truth - 1) for it in asked)


def _said(asked: Asked, method: str) -> float:
    return asked.new.hours if method == "new" else float(getattr(asked, method))


def inside(asked: Sequence[Asked]) -> float:
    """Return the share of cases whose true time was in the range, %."""
    return 100 * fmean(it.new.low <= it.truth <= it.new.high for it in asked)


def widest(asked: Sequence[Asked], method: str) -> float:
    """Return the error that nine in ten do not exceed, %."""
    errors = sorted(abs(_said(it, method) / it.truth - 1) for it in asked)
    return 100 * errors[int(0.9 * len(errors))]


# --- the tables of the document ---

SEED: Final = 13
MACHINES: Final = 60


def table(found: Mapping[int, Sequence[Asked]]) -> str:
    """Return median errors and, in brackets, what nine in ten do not exceed."""
    lines = ["| method | at 80 % | at 50 % | at 20 % |", "|---|---|---|---|"]
    for name, method in {**OTHERS, "`hours_left`": "new"}.items():
        cells = [f"{error(found[at], method):.0f} ({widest(found[at], method):.0f})" for at in AT]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    cells = [f"{inside(found[at]):.0f}" for at in AT]
    lines.append(f"| truth inside the range, % of cases | {' | '.join(cells)} |")
    return "\n".join(lines)


TRACES: Final = {
    "the Raspberry Pi, one earlier run of it learned": (75, 50, 20, 10),
    "the phone, to 78 %, nothing learned": (95, 90, 85, 80),
}


def traced(name: str) -> list[tuple[int, Asked]]:
    """Return the predictions at each percent of a recorded discharge."""
    course = pi() if "Pi" in name else phone()
    known, full, to = past([(course, True)]), PI_FULL, 0
    if "phone" in name:
        known, full, to = Past({}, [78]), PHONE_FULL, 78
    found = []
    for at in TRACES[name]:
        minute = next(n for n, it in enumerate(course, 1) if it.percent <= at)
        own = past([(course[:minute], False)])._replace(died_at=known.died_at)
        found.append((at, ask(full, known if to == 0 else own, course, minute, to)))
    return found


def table_of_trace(name: str) -> str:
    """Return the errors at each percent, %."""
    found = traced(name)
    lines = [f"| method | {' | '.join(f'at {at} %' for at, _ in found)} |", f"|---|{'---|' * len(found)}"]
    for said, method in {**OTHERS, "`hours_left`": "new"}.items():
        errors = [f"{100 * (_said(it, method) / it.truth - 1):+.0f}" for _, it in found]
        lines.append(f"| {said} | {' | '.join(errors)} |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Return each table by the name that marks it in the document."""
    return {
        f"{earlier} earlier, {minutes} min": table(asked(SEED, MACHINES, earlier, minutes))
        for earlier, minutes in ((20, 15), (20, 60), (3, 15), (0, 15))
    } | {name: table_of_trace(name) for name in TRACES}


def rewritten(text: str, tables: Mapping[str, str]) -> str:
    """Return the document with these tables in it."""
    for name, rows in tables.items():
        mark = f"<!-- errors: {name} -->\n"
        pattern = re.compile(re.escape(mark) + r"(\|[^\n]*\n)*")
        text = pattern.sub(lambda _, mark=mark, rows=rows: f"{mark}{rows}\n", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8"), tables()), encoding="utf-8")
    sys.exit(0)
