"""The figures of the overview, gathered from the reports. What is not known is None."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from query import database
from query.access import parameters_of
from query.answer import OLD, USUAL_INTERVAL
from query.asked import asked
from query.report import sql_text
from query.values import number_of, text_of
from telemetry import DAY, HOUR
from telemetry.sessions.records import CHARGE, HOLE, SLEEP

SLOTS: Final = 48
"""Spans in which the last day is shown: half an hour each"""

MOST_PROGRAMS: Final = 3

_COMMIT: Final = 120.0
"""s that a stored sample may be late, because ``--line`` does not ask the writer to commit"""

_LEAST_SHARE: Final = 0.1
"""Share of a slot that charging or sleep must take to be marked"""


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
    sessions = [_Span(it["kind"], it["start"], it["end"]) for it in rows("sessions", since=now - DAY)]
    holes = [it for it in sessions if it.kind == HOLE and it.end > midnight]
    # The window begins at a whole hour: then the roll-up of that hour is read, and not its many process rows.
    day = (now - DAY) // HOUR * HOUR
    programs = _programs(rows("blame", since=day, limit=MOST_PROGRAMS), "wh")
    has_energy = bool(programs)
    if not has_energy:  # on mains, or too little is known
        programs = _programs(rows("hotspots", since=day, limit=MOST_PROGRAMS), "cpu_h")
    (lost,) = connection.execute(_LOST, (midnight,)).fetchone()
    bound = {"start": now - DAY, "stop": now, "slots": SLOTS}
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
    slot = DAY / SLOTS
    signs = []
    for number in range(SLOTS):
        start = now - DAY + number * slot
        taken = {CHARGE: 0.0, SLEEP: 0.0}
        for it in sessions:
            if it.kind in taken:
                taken[it.kind] += max(0.0, min(it.end, start + slot) - max(it.start, start))
        kind = max(taken, key=lambda kind: taken[kind])
        signs.append(" " if taken[kind] < _LEAST_SHARE * slot else "+" if kind == CHARGE else "z")
    return "".join(signs)


def read(path: Path, now: float, writer: bool | None = None, *, brief: bool = False) -> Facts:
    """Return the facts of the database at ``path`` at ``now``, Unix s. Raises UserError."""
    with database.reading(path) as connection:
        return gather(connection, parameters_of(connection, path, now), writer, brief=brief)
