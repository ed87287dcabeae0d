"""What is on the page: each section asks reports and draws what they say."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple

from query import access, overview
from query.answer import Answer, ask
from query.charts import draw
from query.charts.draw import Bar, Head, Line, Panel, Span
from query.page.html import Section, document, figure, paragraph, preformatted, table, write
from query.report import variant_of
from query.reports import BY_NAME
from query.series import Point, points
from query.values import shown_time
from telemetry import END_OF_TIME
from telemetry.errors import UserError
from telemetry.sessions.records import HOLE, SLEEP

_PROGRAMS: Final = 12
_BUSIEST: Final = 20
"""Programs in the table of CPU time"""
_SHORTEST_NIGHT: Final = 3_600.0
"""s of a sleep that is drawn"""

_WATTS: Final = Line("watts", lambda it: it.watts, lambda it: it.watts_min, lambda it: it.watts_max)
_PERCENT: Final = Line("percent", lambda it: it.pct_max, lambda it: it.pct_min, lambda it: it.pct_max)
_CPU: Final = Line("cpu", lambda it: it.cpu, lambda it: it.cpu, lambda it: it.cpu_max)
_TEMP: Final = Line("temp", lambda it: it.temp_max, lambda it: it.temp_min, lambda it: it.temp_max)

_KINDS: Final = (
    ("discharge", "discharge"),
    ("charge", "charge"),
    ("sleep", "asleep"),
    ("hole", "not recorded"),
)
_EXTENT: Final = """
SELECT MIN(oldest), MAX(newest) FROM (
    SELECT MIN(time) AS oldest, MAX(time) AS newest FROM system_sample WHERE time >= 0 AND time < :end
    UNION ALL
    SELECT MIN(bucket), MAX(bucket) FROM system_hour
)"""


class Asked(NamedTuple):
    """What a report answered."""

    answer: Answer
    rows: list[tuple[Any, ...]]

    @property
    def by_name(self) -> list[dict[str, Any]]:
        """Return the rows by column."""
        names = [column.name for column in self.answer.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class Page(NamedTuple):
    """What the sections are made of."""

    ask: Callable[..., Asked]
    """A report by name, with limit and its options, in the window"""
    window: tuple[float, float]
    """Unix s"""
    points: Sequence[Point]
    spans: Sequence[Span]
    """The sessions"""


def run(given: Mapping[str, Any], now: float) -> None:
    """Write the page that was asked for, and say so. Raises UserError."""
    window = access.window(given, now)
    with access.opened(given, now) as source:
        text = made(source.connection, source.parameters, window["since"] or 0.0, window["until"])
    out: Path = given["out"]
    if str(out) == "-":
        sys.stdout.write(text)
        return
    write(text, out)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def made(
    connection: sqlite3.Connection, parameters: Mapping[str, Any], since: float, until: float | None
) -> str:
    """Return the page on ``since`` <= time < ``until``, Unix s, None: up to the newest sample.

    ``parameters`` are those of query.answer.ask. Raises UserError.
    """
    oldest, newest = connection.execute(_EXTENT, {"end": END_OF_TIME}).fetchone()
    if newest is None:
        raise UserError("page: database is empty: is telemetry-writer running?")
    stop = newest + 1 if until is None else min(until, newest + 1)
    window = (max(since, oldest), stop)
    if window[0] >= stop:
        told = f"the database holds {shown_time(oldest)} to {shown_time(newest)}"
        raise UserError(f"page: no sample in that window: {told}")

    def asked(name: str, limit: int | None = None, **options: Any) -> Asked:
        report = BY_NAME[name]
        bound = {**parameters, "since": window[0], "until": stop, "limit": limit}
        answer = ask(connection, report, variant_of(report, options), bound)
        return Asked(answer, list(answer.rows))

    spans = [Span(it["kind"], it["start"], it["end"]) for it in asked("sessions").by_name]
    page = Page(asked, window, points(connection, *window), spans)
    facts = overview.gather(connection, parameters, None, brief=False)
    now = Section("now", "Now", preformatted(list(overview.lines(facts))))
    return document(window, [now, *(section(page) for section in _SECTIONS)])


def _battery(page: Page) -> Section:
    known = [point.pct_min for point in page.points if point.pct_min is not None]
    if not known and not any(point.watts is not None for point in page.points):
        return Section("battery", "Battery", paragraph("No battery was seen."))
    about = f"From {min(known):.0f} to {max(known):.0f} %. " if known else ""
    about += "The band holds every sample. The strip below tells charge, discharge, sleep and holes."
    panels = [
        Panel("Charge of the battery, %", [_PERCENT], (0.0, 100.0)),
        Panel("Power, W; negative: out of the battery", [_WATTS]),
    ]
    head = Head("battery-chart", "Charge and power of the battery over time", about)
    chart = draw.over_time(head, page.window, page.points, panels, page.spans)
    return Section("battery", "Battery", figure(chart, _KINDS))


def _energy(page: Page) -> Section:
    asked = page.ask("energy", by="day")
    bars = [
        Bar(_day(it["start"]), [("awake", it["discharged_wh"] or 0.0), ("asleep", it["asleep_wh"] or 0.0)])
        for it in asked.by_name
    ]
    total = sum(value for bar in bars for _, value in bar.parts)
    head = Head(
        "energy-chart", "Energy out of the battery by day", f"{len(bars)} days, {total:.1f} Wh in all."
    )
    chart = draw.columns(head, "Wh a day", bars) if bars else ""
    key = (("awake", "awake"), ("asleep", "asleep"))
    return Section("energy", "Energy by day", figure(chart, key) + table(*asked, "Energy by day"))


def _programs(page: Page) -> Section:
    asked = page.ask("blame", _PROGRAMS)
    bars = [
        Bar(name, [("other" if name.startswith("(") else "program", it["wh"])], it["pm"])
        for it in asked.by_name
        if _is_number(it["wh"]) and (name := str(it["name"] or "-"))
    ]
    about = "An estimate. Nine in ten true values lie within the whiskers."
    head = Head("programs-chart", "Energy by program", about)
    chart = draw.rows(head, "Wh", bars) if bars else ""
    return Section("programs", "Energy by program", figure(chart) + table(*asked, "Energy by program"))


def _sleep(page: Page) -> Section:
    asked = page.ask("sessions", kind=SLEEP)
    if not asked.rows:
        return Section("sleep", "Sleep", paragraph("No sleep was seen."))
    bars = [
        Bar(_day(it["start"]), [("asleep", it["watts"])])
        for it in asked.by_name
        if _is_number(it["watts"]) and (it["asleep_s"] or 0.0) >= _SHORTEST_NIGHT
    ]
    head = Head("sleep-chart", "Power asleep", f"{len(bars)} sleeps of an hour and more.")
    chart = draw.columns(head, "W asleep, of sleeps of an hour and more", bars) if bars else ""
    return Section("sleep", "Sleep", figure(chart) + table(*asked, "Sleeps"))


def _sessions(page: Page) -> Section:
    asked = page.ask("sessions")
    return Section("sessions", "Sessions", table(*asked, "Discharges, charges, rests, sleeps, holes"))


def _health(page: Page) -> Section:
    asked = page.ask("health", by="month")
    bars = [
        Bar(f"{datetime.fromtimestamp(it['start']):%b %Y}", [("health", it["health_pct"])])
        for it in asked.by_name
        if _is_number(it["health_pct"])
    ]
    head = Head("health-chart", "Health of the battery", "A full charge, of what it was when new.")
    chart = draw.columns(head, "Full charge, % of the design", bars) if bars else ""
    return Section("health", "Health", figure(chart) + table(*asked, "Health by month"))


def _cpu(page: Page) -> Section:
    panels = [Panel("CPU, % of all cores", [_CPU], (0.0, 100.0))]
    if any(point.temp_max is not None for point in page.points):
        panels.append(Panel("Temperature of the CPU, °C", [_TEMP]))
    head = Head("cpu-chart", "CPU and temperature over time", "The band reaches up to the highest sample.")
    holes = [it for it in page.spans if it.kind == HOLE]
    chart = draw.over_time(head, page.window, page.points, panels, holes)
    asked = page.ask("hotspots")
    shown = table(asked.answer, asked.rows[:_BUSIEST], "Programs by CPU time")
    return Section("cpu", "CPU", figure(chart) + shown)


def _gaps(page: Page) -> Section:
    asked = page.ask("gaps")
    none = paragraph("The recording has no hole.")
    told = table(*asked, "When nothing was recorded, and why") if asked.rows else none
    return Section("gaps", "Not recorded", told)


_SECTIONS: Final = (_battery, _energy, _programs, _sleep, _sessions, _health, _cpu, _gaps)


def _day(moment: float) -> str:
    local = datetime.fromtimestamp(moment)
    return f"{local:%b} {local.day}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)
