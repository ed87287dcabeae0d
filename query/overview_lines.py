"""The screen of the overview, and its line for a status bar: pure functions from Facts to text.

What is not known is left out or ``-``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from query.overview_facts import MOST_PROGRAMS, Facts
from query.values import figure, shown_span
from query.width import cut
from telemetry.command import printable

WIDTH: Final = 53
"""Columns at most: a phone held upright, over SSH"""

MOST_LINES: Final = 15

_WH: Final = " Wh"

_NONE: Final = "-"

BLOCKS: Final = "▁▂▃▄▅▆▇█"

_DIGITS: Final = "0123456789"


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
        yield "".join(_bar(pct, _DIGITS if ascii_only else BLOCKS) for pct in facts.percents)
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
    for name, value in facts.programs[:MOST_PROGRAMS]:
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
