"""What happened at one moment: ``gather`` asks the database; query/moment_lines.py lays out what it found.

A sample covers the time since the one before it. So the sample of a moment is the first one after it, if its
interval reaches back that far.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from math import inf, nextafter
from typing import Any, Final, NamedTuple

from query.answer import OLD, USUAL_INTERVAL
from query.asked import asked
from query.report import sql_text
from query.values import number_of, shown_span, shown_time, text_of
from query.window import history_of
from telemetry import END_OF_TIME
from telemetry.errors import UserError

AROUND: Final = 600.0
"""s before and after the moment in which events are listed"""
_BEFORE: Final = 3
"""Samples that are shown on each side of the moment"""
_PROGRAMS: Final = 5
_MOST_EVENTS: Final = 200

Row = dict[str, Any]


class Event(NamedTuple):
    """A change at a moment."""

    time: float
    """Unix s: the first sample that shows it; for a hole, its start"""
    what: str


class Moment(NamedTuple):
    """What is known about a moment."""

    time: float
    """Unix s"""
    sample: Row | None
    """The sample that covers it; None: nothing was recorded then"""
    hole: Row | None
    """The row of the report gaps that contains the moment"""
    around: Sequence[Row]
    cores: Sequence[float | None]
    """%, by number"""
    processes: Sequence[Row]
    """Rows of the report top"""
    events: Sequence[Event]


def gather(connection: sqlite3.Connection, parameters: Mapping[str, Any], moment: float) -> Moment:
    """Return what the database holds about ``moment``, Unix s.

    ``parameters`` are those of query.answer.ask without since, until, limit. Raises UserError if nothing is
    known about it.
    """

    def rows(name: str, since: float, until: float, limit: int | None = None) -> list[Row]:
        return asked(connection, parameters, name, (since, until), limit).by_name

    bound = {"at": moment, "before": 2 * _BEFORE + 1, "after": _BEFORE + 1, "last": END_OF_TIME}
    around = _samples(connection, "moment", bound)
    window = (moment - AROUND, moment + AROUND)
    gaps = rows("gaps", *window)
    hole = next((row for row in gaps if row["start"] < moment < row["end"]), None)
    sample = _telling(around, moment)
    if sample is None and hole is None:
        raise UserError(_unknown(connection, around, moment))
    changes = _samples(connection, "moment_changes", {"start": window[0], "stop": window[1]})
    events = [*_of_gaps(gaps), *_of_changes(changes)]
    nearest = sorted(events, key=lambda event: abs(event.time - moment))[:_MOST_EVENTS]
    cores: list[float | None] = []
    processes: list[Row] = []
    if sample is not None:
        found = connection.execute("SELECT usage FROM cpu_core WHERE ts = ? ORDER BY core", (sample["ts"],))
        cores = [number_of(usage) for (usage,) in found]
        processes = rows("top", sample["time"], nextafter(sample["time"], inf), _PROGRAMS)
    return Moment(moment, sample, hole, _nearest(around, sample, moment), cores, processes, sorted(nearest))


def _samples(connection: sqlite3.Connection, sql: str, bound: Mapping[str, Any]) -> list[Row]:
    cursor = connection.execute(sql_text(sql), bound)
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _telling(around: Sequence[Row], moment: float) -> Row | None:
    """Return the sample whose interval contains the moment, or else the one before it if that is not old."""
    for row in around:
        if row["time"] >= moment:
            if row["time"] - (number_of(row["interval"]) or 0.0) <= moment:
                return row
            break
    before = [row for row in around if row["time"] < moment]
    if before and moment - before[-1]["time"] <= OLD * (number_of(before[-1]["interval"]) or USUAL_INTERVAL):
        return before[-1]
    return None


def _nearest(around: Sequence[Row], sample: Row | None, moment: float) -> list[Row]:
    """Return the samples to show: the same number on each side of the moment, and the one that covers it."""
    middle = around.index(sample) if sample else sum(row["time"] < moment for row in around)
    return list(around[max(0, middle - _BEFORE) : middle + _BEFORE + (sample is not None)])


def _unknown(connection: sqlite3.Connection, around: Sequence[Row], moment: float) -> str:
    """Return why nothing is known about the moment."""
    history = history_of(connection)
    if moment < history.raw_since:
        return (
            f"at: single samples are kept from {shown_time(float(history.raw_since))} on; for older times "
            "only minutes and hours are kept: see energy, hotspots and cores with --since and --until"
        )
    if not around:
        return "at: database is empty: is telemetry-writer running?"
    near = min(around, key=lambda row: abs(row["time"] - moment))["time"]
    how = "before" if near < moment else "after"
    return (
        f"at: nothing was recorded at {shown_time(moment)}; the nearest sample is "
        f"{shown_span(abs(near - moment))} {how} it: {shown_time(near)}"
    )


def _of_gaps(gaps: Sequence[Row]) -> Iterator[Event]:
    for row in gaps:
        lost = f", {row['samples_lost']} samples" if row["samples_lost"] else ""
        yield Event(row["start"], f"{row['cause']} for {shown_span(row['seconds'])}{lost}")


_SUPPLIES: Final = {0: "unplugged", 1: "plugged in"}


def _of_changes(changes: Sequence[Row]) -> Iterator[Event]:
    for row in changes:
        told = []
        if row["starts"]:
            told.append("the sampler started")
        if row["on_ac"] is not None:
            told.append(_SUPPLIES.get(row["on_ac"], "a supply changed"))
        if (status := text_of(row["status"])) is not None:
            told.append(f"battery: {status.lower()}")
        if (throttled := text_of(row["throttled"])) is not None:
            told.append(f"throttled: {throttled}" if throttled else "no longer throttled")
        if (governor := text_of(row["governor"])) is not None:
            told.append(f"governor {governor}")
        if (brightness := number_of(row["brightness"])) is not None:
            told.append(f"brightness {brightness:.0f} %")
        if (radios := text_of(row["radios"])) is not None:
            told.append(f"radios on: {radios or 'none'}")
        yield Event(row["time"], ", ".join(told))
