"""What is known about the machine: the days that the writer closed, and the open day."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from query.energy_samples import Recorded, Span, hours
from telemetry.energy_model import stored
from telemetry.energy_model.day import OpenHour, idle_of_hours, knowledge, taught_by
from telemetry.energy_model.features import WARM_UP, Lag, Reading, lag_of
from telemetry.energy_model.fit import Model
from telemetry.energy_model.learner import MOST_DAYS, Hour, Knowledge, learn
from telemetry.energy_model.sums import UNIT

MOST: Final = 8_640
"""Samples on battery to learn from if the writer has stored little yet: 12 h at 5 s"""
LITTLE: Final = 2.0
"""h on battery; with fewer, reports say ``little data``"""
_DAYS: Final = "SELECT exponent, idle, battery_us, taught FROM energy_model ORDER BY day DESC LIMIT ?"
_OPEN: Final = """
SELECT bucket, coalesce((SELECT discharged_uj FROM system_hour AS s WHERE s.bucket = l.bucket), 0), lesson
FROM energy_lesson AS l ORDER BY bucket"""


class Learned(NamedTuple):
    """What was learned about the machine."""

    known: Knowledge
    idle: float
    """W"""
    hours: float
    """h on battery that it was learned from"""
    open_hours: Mapping[int, OpenHour]
    """The hours of the open day, by the Unix time of their start, s"""

    @property
    def exponent(self) -> float:
        return self.known.exponent_now

    @property
    def model(self) -> Model | None:
        """None: nothing could be learned."""
        return self.known.models.get(self.exponent)

    @property
    def lag(self) -> Lag:
        return lag_of(self.known.lag_sums)


def learned(connection: sqlite3.Connection, stop: float) -> Learned:
    """Return what the writer has learned and stored.

    If that covers less than 2 h on battery, the newest samples on battery before ``stop`` (Unix s) are used
    instead, if they cover more: they include the hour that is not over.
    """
    rows = connection.execute(_DAYS, (MOST_DAYS - 1,)).fetchall()
    days = [taught for *_, text in reversed(rows) if (taught := stored.read_taught(text))]
    found = {
        bucket: OpenHour(discharged, lesson)
        for bucket, discharged, text in connection.execute(_OPEN)
        if (lesson := stored.read_hour(text))
    }
    lessons = [hour.learned for hour in found.values()]
    known = knowledge([*days, taught_by(lessons)], rows[0][0] if rows else None)
    idle = idle_of_hours(lessons, known.exponent_now, rows[0][1] if rows else 0.0)
    seconds = sum(row[2] for row in rows) / 1e6 + _seconds(lessons, known)
    of_tables = Learned(known, idle, seconds / 3600, found)
    if known.models and of_tables.hours >= LITTLE:
        return of_tables
    lessons = [hour for _, hour in of_samples(connection, stop, Knowledge())]
    known = knowledge([taught_by(lessons)], None)
    idle = idle_of_hours(lessons, known.exponent_now, 0.0)
    of_newest = Learned(known, idle, _seconds(lessons, known) / 3600, found)
    return of_newest if not of_tables.known.models or of_newest.hours > of_tables.hours else of_tables


def of_samples(connection: sqlite3.Connection, stop: float, known: Knowledge) -> list[tuple[Recorded, Hour]]:
    """Return what the newest samples on battery before ``stop`` teach, in the order of their time."""
    found: list[tuple[Recorded, Hour]] = []
    lead: Sequence[Reading] = ()
    for hour in hours(connection, Span(0.0, stop, MOST, battery=True)):
        found.append((hour, learn([*lead, *hour.readings], len(lead), known)))
        lead = hour.readings[-WARM_UP:]
    return found


def _seconds(taught: Sequence[Hour], known: Knowledge) -> float:
    lessons = [hour.lessons.get(known.exponent_now) for hour in taught]
    return sum(lesson.cell.seconds for lesson in lessons if lesson) / UNIT
