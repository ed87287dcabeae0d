"""The screen of ``telemetry-query at``: pure functions from a Moment to lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from query.columns import BATTERY_PCT, CPU_FREQ, CPU_TEMP, CPU_TOTAL, TIME, Column
from query.moment import AROUND, Moment, Row
from query.render import Look, rendered
from query.reports import BY_NAME
from query.values import cell, figure, number_of, shown_time, text_of
from query.width import cut, display_width
from telemetry.command import printable

_EVENTS: Final = 6
"""Number of events shown: the nearest ones"""
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


class _Line(NamedTuple):
    """A line of parts; if they are too long, it continues on the next line between parts."""

    key: str
    parts: Sequence[str]
    between: str = ", "


def lines(moment: Moment, shown: Look) -> Iterator[str]:
    """Yield the lines of its screen; if ``shown`` has a width, no line is longer."""

    def fitted(told: Iterable[_Line]) -> Iterator[str]:
        for line in told:
            yield from _fitted(line, shown.width)

    yield from fitted(_head(moment))
    samples = [(*(row[key] for key in _KEYS), "<" if row == moment.sample else "") for row in moment.around]
    yield from _table(_SAMPLES, samples, shown._replace(now=moment.time))
    if moment.processes:
        rows = [tuple(row[column.name] for column in _OF_PROGRAMS) for row in moment.processes]
        yield from _table(_OF_PROGRAMS, rows, shown)
    yield from fitted(_events(moment))


def _fitted(line: _Line, width: int | None) -> Iterator[str]:
    """Yield one or two lines; the rest is cut."""
    parts = [printable(part) for part in line.parts if part] or ["-"]
    first, count = f"{line.key}{parts[0]}", 1
    while count < len(parts) and (
        width is None or display_width(f"{first}{line.between}{parts[count]},") <= width
    ):
        first += line.between + parts[count]
        count += 1
    rest = line.between.join(parts[count:])
    yield _cut(f"{first}{line.between.rstrip()}" if rest else first, width)
    if rest:
        yield _cut(" " * len(line.key) + rest, width)


def _cut(text: str, width: int | None) -> str:
    return text if width is None else cut(text, width)


def _head(moment: Moment) -> Iterator[_Line]:
    yield _Line("", [shown_time(moment.time)])
    if moment.hole:
        span = (cell(moment.hole[name], TIME, moment.time) for name in ("start", "end"))
        yield _Line("no record   ", [str(moment.hole["cause"]), " to ".join(span)])
    if moment.sample:
        yield from _state(moment.sample, moment.cores)


def _events(moment: Moment) -> Iterator[_Line]:
    yield _Line("", [f"{'events' if moment.events else 'no event'} within {AROUND / 60:.0f} min"])
    near = sorted(moment.events, key=lambda event: abs(event.time - moment.time))[:_EVENTS]
    for event in sorted(near):
        yield _Line(f"{cell(event.time, TIME, moment.time)}  ", event.what.split(", "))
    if len(moment.events) > _EVENTS:
        yield _Line("", [f"and {len(moment.events) - _EVENTS} more: see --format json"])


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Any]], shown: Look) -> Iterator[str]:
    yield from "".join(rendered(columns, rows, "table", shown)).splitlines()


def _state(sample: Row, cores: Sequence[float | None]) -> Iterator[_Line]:
    power = number_of(sample["power"])
    flow = "" if not power else " in" if power > 0 else " out"
    supply = {0: "no mains", 1: "mains"}.get(sample["on_ac"], "")
    battery = (
        figure(number_of(sample["battery_pct"]), " %", 0),
        (text_of(sample["status"]) or "").lower(),
        f"{figure(None if power is None else abs(power), ' W', 2)}{flow}",
        supply,
    )
    yield _Line("battery     ", battery)
    throttled = text_of(sample["throttled"])
    held = {None: "", "": "not throttled"}.get(throttled, f"throttled: {throttled}")
    cpu = (
        figure(number_of(sample["cpu_total"]), " %"),
        figure(number_of(sample["cpu_freq"]), " MHz", 0),
        figure(number_of(sample["cpu_temp"]), " °C"),
        held,
    )
    yield _Line("CPU         ", cpu)
    if cores:
        yield _Line("cores       ", [*(figure(usage, "", 0) or "-" for usage in cores), "%"], " ")
    governor, radios = text_of(sample["governor"]), text_of(sample["radios"])
    rest = (
        f"governor {governor}" if governor else "",
        f"load {load}" if (load := figure(number_of(sample["load1"]), "", 2)) else "",
        f"screen {brightness}" if (brightness := figure(number_of(sample["brightness"]), " %", 0)) else "",
        f"radios {radios}" if radios else "",
    )
    if any(rest):
        yield _Line("machine     ", rest)
