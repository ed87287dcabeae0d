"""``telemetry-query`` without a report: one screen, or with ``--line`` one line for a status bar.

``gather`` asks the reports and ``lines`` lays out what they found. What is not known is left out or ``-``.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from query import database
from query.access import opened, parameters_of
from query.answer import OLD, USUAL_INTERVAL
from query.asked import asked
from query.output import can_show, look
from query.report import sql_text
from query.values import figure, number_of, shown_span, text_of
from query.width import cut
from telemetry.command import printable
from telemetry.sessions.records import CHARGE, HOLE, SLEEP

WIDTH: Final = 53
"""Columns at most: a phone held upright, over SSH"""
MOST_LINES: Final = 15
SLOTS: Final = 48
"""Spans in which the last day is shown: half an hour each"""
_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
_MOST: Final = 3
_COMMIT: Final = 120.0
"""s that a stored sample may be late, because ``--line`` does not ask the writer to commit"""
_LEAST_SHARE: Final = 0.1
"""Share of a slot that charging or sleep must take to be marked"""
_WH: Final = " Wh"
_NONE: Final = "-"
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_DIGITS: Final = "0123456789"


class Facts(NamedTuple):
    """The figures of the overview; None: not known."""

    now: float
    """Unix s"""
    time: float | None = None
    """Of the newest sample, Unix s; None: there is none"""
    is_old: bool = False
    """The newest sample is too old to describe now."""
    pct: float | None = None
    status: str | None = None
    watts: float | None = None
    on_ac: bool | None = None
    hours: tuple[float | None, float | None, float | None] = (None, None, None)
    """h left, and its range"""
    to_full: float | None = None
    """h"""
    percents: Sequence[float | None] = ()
    """Percents of the last day, one for each slot"""
    marks: str = ""
    """+ charging, z asleep; one character for each slot"""
    awake_wh: float | None = None
    """Drawn since midnight"""
    asleep_wh: float | None = None
    programs: Sequence[tuple[str, float]] = ()
    """Name, and Wh or h of CPU time in the last day"""
    has_energy: bool = False
    """Whether the values of ``programs`` are Wh"""
    cpu: float | None = None
    """%"""
    temp: float | None = None
    """°C"""
    throttled: str | None = None
    """What holds the CPU back; empty: nothing"""
    lost: int = 0
    """Samples lost since midnight"""
    holes: int = 0
    """Spans since midnight in which nothing was recorded"""
    hole_s: float = 0.0
    """Length of these spans since midnight, s"""
    writer: bool | None = None
    """True: the writer answered; False: it receives no samples; None: no answer"""


def run(given: Mapping[str, Any], now: float) -> None:
    """Print the overview, or its line. Raises UserError."""
    brief: bool = given["line"]
    # A status bar runs --line often, and each commit wears the SD card: it asks for one only with --control.
    with opened(given, now, commit=bool(given["control"]) or not brief) as source:
        writer = None if source.committed is None else not source.committed.silent
        facts = gather(source.connection, source.parameters, writer, brief=brief)
    if brief:
        print(line(facts))
        return
    width = min(look({}, now).width or WIDTH, WIDTH)
    for row in lines(facts, width, ascii_only=not can_show(_BLOCKS, sys.stdout.encoding)):
        print(row)


# --- gathering -------------------------------------------------------------------------------------


def gather(
    connection: sqlite3.Connection, parameters: Mapping[str, Any], writer: bool | None, *, brief: bool
) -> Facts:
    """Return the facts at ``parameters["now"]``; if ``brief``, only those that the line needs.

    ``parameters`` are those of query.answer.ask. Raises UserError.
    """
    now: float = parameters["now"]

    def rows(name: str, since: float | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        return asked(connection, parameters, name, (since, None), limit).by_name

    newest = next(iter(rows("recent", limit=1)), None)
    if newest is None:
        return Facts(now, writer=writer)
    beside = connection.execute(_BESIDE, (newest["ts"],)).fetchone()
    facts = _now(now, newest, beside)._replace(writer=writer)
    if not facts.is_old:
        ahead = next(iter(rows("drain")), {})
        low_to_high = ("hours_left", "hours_left_low", "hours_left_high")
        left, low, high = (number_of(ahead.get(name)) for name in low_to_high)
        facts = facts._replace(hours=(left, low, high), to_full=number_of(ahead.get("hours_to_full")))
    if brief:
        return facts
    midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    energy = next(iter(rows("energy", since=midnight)), {})
    sessions = [_Span(it["kind"], it["start"], it["end"]) for it in rows("sessions", since=now - _DAY)]
    holes = [it for it in sessions if it.kind == HOLE and it.end > midnight]
    # The window begins at a whole hour: then the roll-up of that hour is read, and not its many process rows.
    day = (now - _DAY) // _HOUR * _HOUR
    programs = _programs(rows("blame", since=day, limit=_MOST), "wh")
    has_energy = bool(programs)
    if not has_energy:  # on mains, or too little is known
        programs = _programs(rows("hotspots", since=day, limit=_MOST), "cpu_h")
    (lost,) = connection.execute(_LOST, (midnight,)).fetchone()
    bound = {"start": now - _DAY, "stop": now, "slots": SLOTS}
    return facts._replace(
        percents=[number_of(pct) for _, pct in connection.execute(sql_text("overview_percents"), bound)],
        marks=_marks(sessions, now),
        awake_wh=number_of(energy.get("discharged_wh")),
        asleep_wh=number_of(energy.get("asleep_wh")),
        programs=programs,
        has_energy=has_energy,
        lost=lost,
        holes=len(holes),
        hole_s=sum(it.end - max(it.start, midnight) for it in holes),
    )


def _programs(rows: Sequence[Mapping[str, Any]], column: str) -> list[tuple[str, float]]:
    """Return the programs that took the most; names in brackets are not programs."""
    found = [(text_of(row["name"]) or "-", number_of(row[column])) for row in rows]
    return [(name, value) for name, value in found if value and not name.startswith("(")]


_BESIDE: Final = "SELECT interval, on_ac, cpu_temp, throttled FROM system_sample WHERE ts = ?"
_LOST: Final = "SELECT coalesce(SUM(last_seq - first_seq + 1), 0) FROM gap WHERE noticed >= ?"


def _now(now: float, sample: Mapping[str, Any], beside: tuple[Any, ...]) -> Facts:
    interval, on_ac, temp, throttled = beside
    moment = number_of(sample["time"])
    old = OLD * (number_of(interval) or USUAL_INTERVAL) + _COMMIT
    return Facts(
        now,
        time=moment,
        is_old=moment is None or now - moment > old,
        pct=number_of(sample["battery_pct"]),
        watts=number_of(sample["watts"]),
        on_ac=None if on_ac is None else bool(on_ac),
        cpu=number_of(sample["cpu_total"]),
        temp=number_of(temp),
        status=text_of(sample["status"]),
        throttled=text_of(throttled),
    )


class _Span(NamedTuple):
    """A session."""

    kind: str
    start: float
    end: float


def _marks(sessions: Sequence[_Span], now: float) -> str:
    """Return a mark for each slot of the last day."""
    slot = _DAY / SLOTS
    signs = []
    for number in range(SLOTS):
        start = now - _DAY + number * slot
        taken = {CHARGE: 0.0, SLEEP: 0.0}
        for it in sessions:
            if it.kind in taken:
                taken[it.kind] += max(0.0, min(it.end, start + slot) - max(it.start, start))
        kind = max(taken, key=lambda kind: taken[kind])
        signs.append(" " if taken[kind] < _LEAST_SHARE * slot else "+" if kind == CHARGE else "z")
    return "".join(signs)


# --- layout ----------------------------------------------------------------------------------------


def lines(facts: Facts, width: int = WIDTH, *, ascii_only: bool = False) -> list[str]:
    """Return the overview: at most MOST_LINES lines of at most ``width`` columns."""
    if facts.time is None:
        return [cut("no sample recorded: is telemetry-writer running?", width)]
    plain = []
    for line in (*_of_battery(facts, ascii_only), *_of_machine(facts), *_of_recording(facts)):
        text = printable(line)
        if ascii_only:
            text = text.replace("°", "").encode("ascii", "backslashreplace").decode()
        plain.append(cut(text, width).rstrip())
    return plain


def read(path: Path, now: float, writer: bool | None = None, *, brief: bool = False) -> Facts:
    """Return the facts of the database at ``path`` at ``now``, Unix s. Raises UserError."""
    with database.reading(path) as connection:
        return gather(connection, parameters_of(connection, path, now), writer, brief=brief)


def line(facts: Facts) -> str:
    """Return one short line for a status bar, in ASCII: ``82% 6.5W 6.2h(5.4-7.1)``."""
    left, low, high = facts.hours
    parts = [figure(facts.pct, "%", 0), figure(facts.watts if not facts.is_old else None, "W")]
    if left is not None:
        spread = f"({figure(low)}-{figure(high)})" if low is not None and high is not None else ""
        parts.append(f"{figure(left, 'h')}{spread}")
    elif facts.to_full is not None:
        parts.append(f"full in {figure(facts.to_full, 'h')}")
    elif not facts.is_old and facts.status == "Full":
        parts.append("full")
    elif not facts.is_old and facts.on_ac:
        parts.append("on mains")
    if facts.time is not None and facts.is_old:
        parts.append(f"{_age(facts).replace(' ', '')} old")
    return " ".join(filter(None, parts)) or "-"


def _of_battery(facts: Facts, ascii_only: bool) -> Iterator[str]:
    states = {"Discharging": "discharging", "Charging": "charging", "Not charging": "not charging"}
    status = states.get(facts.status or "", (facts.status or "").lower())
    mains = "on mains" if facts.on_ac and status != "charging" else ""
    has_battery = facts.pct is not None or facts.watts is not None or facts.status is not None
    told: tuple[str, ...] = (figure(facts.pct, " %", 0), status, figure(facts.watts, " W"), mains)
    if facts.is_old:
        told, mains = (figure(facts.pct, " %", 0) or "-", f"{_age(facts)} ago"), ""
    yield f"battery    {', '.join(filter(None, told if has_battery else ('-', mains)))}"
    yield from time_ahead(facts)
    known = [pct for pct in facts.percents if pct is not None]
    if known:
        yield f"last 24 h  {min(known):.0f} to {max(known):.0f} %   + charging   z asleep"
        yield "".join(_bar(pct, _DIGITS if ascii_only else _BLOCKS) for pct in facts.percents)
        if facts.marks.strip():
            yield facts.marks
    drawn = (("awake", facts.awake_wh), ("asleep", facts.asleep_wh))
    if has_battery and any(wh is not None for _, wh in drawn):
        yield f"today      {', '.join(f'{figure(wh, _WH, 2) or _NONE} {how}' for how, wh in drawn)}"


def time_ahead(facts: Facts) -> Iterator[str]:
    """Yield the line on the time left or the time to full, if it is known."""
    left, low, high = facts.hours
    if left is not None:
        spread = f" ({figure(low)} to {figure(high)})" if low is not None and high is not None else ""
        yield f"time left  {figure(left, ' h')}{spread}"
    elif facts.to_full is not None:
        yield f"full in    {figure(facts.to_full, ' h')}"


def _bar(pct: float | None, levels: str) -> str:
    if pct is None:
        return " "
    return levels[min(len(levels) - 1, max(0, int(pct / 100 * len(levels))))]


def _of_machine(facts: Facts) -> Iterator[str]:
    if not facts.is_old:
        yield _of_cpu(facts)
    what, unit = ("energy, estimated", _WH) if facts.has_energy else ("CPU time", " h")
    if facts.programs:
        yield f"programs   {what}, in 24 h"
    for name, value in facts.programs[:_MOST]:
        yield f"{figure(value, unit, 2):>9}  {name}"


def _of_cpu(facts: Facts) -> str:
    held = {None: "", "": "not throttled"}.get(facts.throttled, f"throttled: {facts.throttled}")
    told = (figure(facts.cpu, " %"), figure(facts.temp, " °C"), held)
    return f"CPU        {', '.join(filter(None, told)) or '-'}"


def _of_recording(facts: Facts) -> Iterator[str]:
    if facts.is_old:
        yield f"recording  no, newest sample {_age(facts)} old"
        answers = {None: "no answer from telemetry-writer", False: "telemetry-writer gets no samples"}
        if facts.writer in answers:
            yield f"           {answers[facts.writer]}"
        return
    yield f"recording  yes, newest sample {_age(facts)} old"
    holes = f"{_count(facts.holes, 'hole')} ({shown_span(facts.hole_s)})" if facts.holes else "no hole"
    yield f"           today: {holes}, {_count(facts.lost, 'sample')} lost"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _age(facts: Facts) -> str:
    return shown_span(max(0.0, facts.now - facts.time)) if facts.time is not None else "-"
