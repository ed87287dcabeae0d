"""The sections of the page: each one runs reports and draws their answers."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from query import access, pictures
from query.charts.draw import drawn
from query.output import replacing
from query.overview_facts import gather
from query.overview_lines import lines
from query.page.html import Section, document, figure, paragraph, preformatted, table, table_of_lines
from query.source import Source, held
from telemetry.sessions.records import SLEEP

_PROGRAMS: Final = 12
_BUSIEST: Final = 20
"""Programs in the table of CPU time"""

_KINDS: Final = (
    ("discharge", "discharge"),
    ("charge", "charge"),
    ("sleep", "asleep"),
    ("hole", "not recorded"),
)


def run(given: Mapping[str, Any], now: float) -> None:
    """Write the page that was asked for, and report it. Raises UserError."""
    window = access.window(given, now)
    with access.opened(given, now) as opened:
        text = made(opened.connection, opened.parameters, window["since"] or 0.0, window["until"])
    out: Path = given["out"]
    if str(out) == "-":
        sys.stdout.write(text)
        return
    with replacing(out) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def made(
    connection: sqlite3.Connection, parameters: Mapping[str, Any], since: float, until: float | None
) -> str:
    """Return the page on ``since`` <= time < ``until``, Unix s, None: up to the newest sample.

    ``parameters`` are those of query.answer.ask. Raises UserError.
    """
    source = Source(connection, parameters, held(connection, since, until, "page"))
    facts = gather(connection, parameters, None, brief=False)
    now = Section("now", "Now", preformatted(list(lines(facts)), "Overview"))
    return document(source.window, [now, *(section(source) for section in _SECTIONS)])


def _battery(source: Source) -> Section:
    shown = pictures.battery(source)
    inside = figure(drawn(shown), _KINDS) if shown else paragraph("No battery was seen.")
    return Section("battery", "Battery", inside)


def _time_left(source: Source) -> Section:
    shown = pictures.discharges(source)
    key = (("newest", "the newest"), ("older", "those before"))
    asked = source.ask("drain")
    told = figure(drawn(shown), key) if shown else ""
    return Section("time-left", "Time left", told + table_of_lines(*asked, "How fast it drains"))


def _energy(source: Source) -> Section:
    key = (("awake", "awake"), ("asleep", "asleep"))
    shown = figure(drawn(pictures.energy(source)), key)
    asked = source.ask("energy", by="day")
    return Section("energy", "Energy by day", shown + table(*asked, "Energy by day"))


def _programs(source: Source) -> Section:
    asked = source.ask("blame", _PROGRAMS)
    shown = figure(drawn(pictures.programs_in_all(asked.by_name)))
    return Section("programs", "Energy by program", shown + table(*asked, "Energy by program"))


def _sleep(source: Source) -> Section:
    asked = source.ask("sessions", kind=SLEEP)
    if not asked.rows:
        return Section("sleep", "Sleep", paragraph("No sleep was seen."))
    shown = figure(drawn(pictures.sleep(source)))
    return Section("sleep", "Sleep", shown + table(*asked, "Sleeps"))


def _sessions(source: Source) -> Section:
    asked = source.ask("sessions")
    return Section("sessions", "Sessions", table(*asked, "Discharges, charges, rests, sleeps, holes"))


def _health(source: Source) -> Section:
    asked = source.ask("health", by="month")
    shown = figure(drawn(pictures.health(source)))
    return Section("health", "Health", shown + table(*asked, "Health by month"))


def _cpu(source: Source) -> Section:
    asked = source.ask("hotspots")
    shown = table(asked.answer, asked.rows[:_BUSIEST], "Programs by CPU time")
    return Section("cpu", "CPU", figure(drawn(pictures.cpu(source))) + shown)


def _gaps(source: Source) -> Section:
    asked = source.ask("gaps")
    none = paragraph("The recording has no hole.")
    told = table(*asked, "When nothing was recorded, and why") if asked.rows else none
    return Section("gaps", "Not recorded", told)


_SECTIONS: Final = (_battery, _time_left, _energy, _programs, _sleep, _sessions, _health, _cpu, _gaps)
