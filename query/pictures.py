"""All pictures: they turn the answers of reports into drawings. Pages and plots share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from query.charts.pictures import (
    Bar,
    Columns,
    Curve,
    Curves,
    Head,
    Heat,
    Line,
    Panel,
    Picture,
    Rows,
    Timeline,
)
from query.core_steps import core_steps
from query.energy_days import energy_by
from query.rollups import By
from query.series import points
from query.source import Source
from query.values import number_of, shown_time
from telemetry import DAY
from telemetry.sessions.records import DISCHARGE, HOLE, SLEEP

SHORTEST_NIGHT: Final = 3_600.0
"""Shortest sleep that is drawn, s"""
_MOST_BARS: Final = 62
"""Most days that are shown side by side; a longer time is shown by weeks, then months"""
_MOST_PROGRAMS: Final = 6
"""Programs that are distinguished in a stack of bars"""
_MOST_CURVES: Final = 12
"""Discharges that are laid over each other"""
_OTHERS: Final = "(others)"
_LEAST_FALL: Final = 10.0
"""% that a discharge must fall to be drawn"""

_WATTS: Final = Line("watts", lambda it: it.watts, lambda it: it.watts_min, lambda it: it.watts_max)
_PERCENT: Final = Line("percent", lambda it: it.pct_max, lambda it: it.pct_min, lambda it: it.pct_max)
_CPU: Final = Line("cpu", lambda it: it.cpu, lambda it: it.cpu, lambda it: it.cpu_max)
_TEMP: Final = Line("temp", lambda it: it.temp_max, lambda it: it.temp_min, lambda it: it.temp_max)
_POWER: Final = Panel("Power, W; negative: out of the battery", [_WATTS])


def battery(source: Source) -> Picture | None:
    """Return charge and power over time; None: no battery was seen."""
    known = [point.pct_min for point in source.points if point.pct_min is not None]
    if not known and not any(point.watts is not None for point in source.points):
        return None
    about = f"From {min(known):.0f} to {max(known):.0f} %. " if known else ""
    about += "The band holds every sample. The strip below shows charge, discharge, sleep and holes."
    head = Head("battery-chart", "Charge and power of the battery over time", about)
    panels = [Panel("Charge of the battery, %", [_PERCENT], (0.0, 100.0)), _POWER]
    return Timeline(head, source.window, source.points, panels, source.spans)


def power(source: Source) -> Picture | None:
    """Return power over time; None: none was measured."""
    if not any(point.watts is not None for point in source.points):
        return None
    head = Head("power-chart", "Power of the battery over time", "The band holds every sample.")
    return Timeline(head, source.window, source.points, [_POWER], source.spans)


def cpu(source: Source) -> Picture:
    """Return CPU use and, if known, temperature over time."""
    panels = [Panel("CPU, % of all cores", [_CPU], (0.0, 100.0))]
    if any(point.temp_max is not None for point in source.points):
        panels.append(Panel("Temperature of the CPU, °C", [_TEMP]))
    head = Head("cpu-chart", "CPU and temperature over time", "The band reaches up to the highest sample.")
    holes = [it for it in source.spans if it.kind == HOLE]
    return Timeline(head, source.window, source.points, panels, holes)


def cores(source: Source) -> Picture | None:
    """Return the use of each core over time as shades; None: no core was recorded."""
    found = core_steps(source.connection, *source.window)
    if not found.cells:
        return None
    head = Head("cores-chart", "CPU use of each core over time", "The darker, the busier.")
    names = [str(core) for core in found.cells]
    return Heat(head, "% of each core", found.edges, names, list(found.cells.values()))


def energy(source: Source) -> Columns:
    """Return what was drawn, by day or by more, awake and asleep."""
    by = _by(source.window)
    bars = [
        Bar(
            _date(it["start"], by),
            [("awake", it["discharged_wh"] or 0.0), ("asleep", it["asleep_wh"] or 0.0)],
        )
        for it in source.ask("energy", by=by).by_name
    ]
    about = f"{len(bars)} bars, {sum(bar.total for bar in bars):.1f} Wh in all."
    return Columns(Head("energy-chart", f"Energy out of the battery by {by}", about), f"Wh a {by}", bars)


def programs(source: Source) -> Picture | None:
    """Return what each program took, by day or by more; None: nothing was discharged."""
    by = _by(source.window)
    found = energy_by(source.connection, by, source.window)
    totals: dict[str, float] = {}
    for _, parts in found:
        for name, wh in parts.items():
            totals[name] = totals.get(name, 0.0) + wh
    if not any(totals.values()):
        return None
    found_names = (name for name in totals if totals[name] > 0 and name != _OTHERS)
    names = sorted(found_names, key=lambda name: -totals[name])[:_MOST_PROGRAMS]
    bars = []
    for start, parts in found:
        stack = [(name, parts.get(name, 0.0)) for name in names]
        rest = sum(wh for name, wh in parts.items() if name not in names)
        bars.append(Bar(_date(start, by), [*stack, (_OTHERS, rest)]))
    about = f"{len(bars)} bars, of the programs that took most."
    title = f"Energy by program and {by}"
    head = Head("programs-by-day-chart", title, about, "An estimate: the report blame has its ±.")
    return Columns(head, f"Wh a {by}, estimated", bars)


def programs_in_all(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the rows of the report blame."""
    bars = [
        Bar(name, [("other" if name.startswith("(") else "program", wh)], number_of(it["pm"]))
        for it in rows
        if (wh := number_of(it["wh"])) is not None and (name := str(it["name"] or "-"))
    ]
    about = "An estimate. Nine in ten true values lie within the whiskers."
    return Rows(Head("programs-chart", "Energy by program", about), "Wh", bars)


def sleep(source: Source) -> Columns:
    """Return the power of each sleep of an hour and more in which the battery was not charged."""
    bars = [
        Bar(_date(it["start"]), [("asleep", watts)])
        for it in source.ask("sessions", kind=SLEEP).by_name
        if (watts := number_of(it["watts"])) is not None
        and (it["asleep_s"] or 0.0) >= SHORTEST_NIGHT
        and it["wh"] >= 0  # while it charged, the battery does not show what the machine drew
    ]
    head = Head("sleep-chart", "Power asleep", f"Sleeps of an hour and more: {len(bars)}.")
    return Columns(head, "W asleep, of sleeps of an hour and more", bars)


def health(source: Source) -> Columns:
    """Return the health of the battery by month."""
    bars = [
        Bar(f"{datetime.fromtimestamp(it['start']):%b %Y}", [("health", pct)])
        for it in source.ask("health", by="month").by_name
        if (pct := number_of(it["health_pct"])) is not None
    ]
    head = Head("health-chart", "Health of the battery", "A full charge, of what it was when new.")
    return Columns(head, "Full charge, % of the design", bars)


def discharges(source: Source) -> Picture | None:
    """Return the newest discharges laid over each other; None: there is none of 10 % and more."""
    spans = [
        (it["start"], it["end"])
        for it in source.ask("sessions", kind=DISCHARGE).by_name
        if (number_of(it["pct_from"]) or 0.0) - (number_of(it["pct_to"]) or 0.0) >= _LEAST_FALL
    ]
    curves = []
    for start, stop in spans[-_MOST_CURVES:]:
        places = [
            ((point.middle - start) / 3_600, point.pct_min)
            for point in points(source.connection, start, stop + 1)
            if point.pct_min is not None
        ]
        if places:
            curves.append(Curve(shown_time(start)[:16], places))
    if not curves:
        return None
    head = Head(
        "discharges-chart", "Discharges over each other", f"Discharges of 10 % and more: {len(curves)}."
    )
    return Curves(head, "h from its start", "Charge of the battery, %", curves, (0.0, 100.0))


def _by(window: tuple[float, float]) -> By:
    days = (window[1] - window[0]) / DAY
    return "day" if days <= _MOST_BARS else "week" if days <= 7 * _MOST_BARS else "month"


def _date(moment: float, by: By = "day") -> str:
    local = datetime.fromtimestamp(moment)
    return f"{local:%b %Y}" if by == "month" else f"{local:%b} {local.day}"
