"""The screen of ``telemetry-query at``: pure functions from a Moment to lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from query.columns import BATTERY_PCT, CPU_FREQ, CPU_TEMP, CPU_TOTAL, TIME, Column
from query.moment import AROUND, Moment, Row
from query.render import Look, rendered
from query.reports import BY_NAME
from query.values import cell, figure, number_of, shown_span, shown_time, text_of
from query.width import cut
from telemetry.command import printable

_EVENTS: Final = 6
"""Those that are shown: the nearest"""
_OF_PROGRAMS: Final = tuple(
    column for column in BY_NAME["top"].columns if column.name in ("name", "cpu", "mem", "app")
)
_SAMPLES: Final = (
    TIME,
    BATTERY_PCT._replace(name="battery", unit="%"),
    Column("power", "W", "", 2),
    CPU_TOTAL._replace(name="cpu", unit="%"),
    CPU_FREQ._replace(name="freq", unit="MHz"),
    CPU_TEMP._replace(name="temp", unit="°C"),
    Column("at", "", "", kind="text"),
)
_KEYS: Final = ("time", "battery_pct", "power", "cpu_total", "cpu_freq", "cpu_temp")


def lines(moment: Moment, shown: Look) -> Iterator[str]:
    """Yield what people see of it; where ``shown`` has a width, no line is longer."""
    for line in _all_lines(moment, shown):
        text = line if "\x1b" in line else printable(line)
        yield text if shown.width is None or "\x1b" in line else cut(text, shown.width)


def _all_lines(moment: Moment, shown: Look) -> Iterator[str]:
    yield shown_time(moment.time)
    if moment.hole:
        span = (cell(moment.hole[name], TIME, moment.time) for name in ("start", "end"))
        yield f"no record   {moment.hole['cause']}, {' to '.join(span)}"
    if moment.sample:
        yield from _state(moment.sample, moment.cores)
    samples = [(*(row[key] for key in _KEYS), "<" if row == moment.sample else "") for row in moment.around]
    yield from _table(_SAMPLES, samples, shown._replace(now=moment.time))
    if moment.processes:
        columns = [
            column for column in BY_NAME["top"].columns if column.name in ("name", "cpu", "mem", "app")
        ]
        rows = [tuple(row[column.name] for column in columns) for row in moment.processes]
        yield from _table(columns, rows, shown)
    yield f"events within {shown_span(AROUND)}" if moment.events else f"no event within {shown_span(AROUND)}"
    near = sorted(moment.events, key=lambda event: abs(event.time - moment.time))[:_EVENTS]
    for event in sorted(near):
        yield f"{cell(event.time, TIME, moment.time)}  {event.what}"
    if len(moment.events) > _EVENTS:
        yield f"and {len(moment.events) - _EVENTS} more: see --format json"


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Any]], shown: Look) -> Iterator[str]:
    yield from "".join(rendered(columns, rows, "table", shown)).splitlines()


def _state(sample: Row, cores: Sequence[float | None]) -> Iterator[str]:
    power = number_of(sample["power"])
    flow = "" if not power else " in" if power > 0 else " out"
    supply = {0: "no mains", 1: "mains"}.get(sample["on_ac"], "")
    battery = (
        figure(number_of(sample["battery_pct"]), " %", 0),
        (text_of(sample["status"]) or "").lower(),
        f"{figure(None if power is None else abs(power), ' W', 2)}{flow}",
        supply,
    )
    yield f"battery     {_listed(battery)}"
    throttled = text_of(sample["throttled"])
    held = {None: "", "": "not throttled"}.get(throttled, f"throttled: {throttled}")
    cpu = (
        figure(number_of(sample["cpu_total"]), " %"),
        figure(number_of(sample["cpu_freq"]), " MHz", 0),
        figure(number_of(sample["cpu_temp"]), " °C"),
        held,
    )
    yield f"CPU         {_listed(cpu)}"
    if cores:
        yield f"cores       {' '.join(figure(usage, '', 0) or '-' for usage in cores)} %"
    governor, radios = text_of(sample["governor"]), text_of(sample["radios"])
    rest = (
        f"governor {governor}" if governor else "",
        figure(number_of(sample["load1"]), " load", 2),
        figure(number_of(sample["brightness"]), " % bright", 0),
        f"radios {radios}" if radios else "",
    )
    if any(rest):
        yield f"machine     {_listed(rest)}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(filter(None, parts)) or "-"
