"""What the newest samples on battery teach of the machine: telemetry.energy_model, asked of the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from query.energy_samples import Hour, Names, Span, hours
from telemetry import END_OF_TIME
from telemetry.energy_model.features import EXPONENTS, WARM_UP, Lag, lag_of
from telemetry.energy_model.fit import Model, fit
from telemetry.energy_model.learner import Knowledge, Lesson, idle_of, learn, refit
from telemetry.energy_model.sums import Sums, add, moments

MOST: Final = 8_640
"""Samples on battery that the model rests on: 12 h, every 5 s"""
_WITHIN: Final = 28 * 86_400.0
LITTLE: Final = 2.0
"""h on battery below which little is known"""
_NEWEST: Final = "SELECT MAX(time) FROM system_sample WHERE time < ?"


class Learned(NamedTuple):
    """The machine as it was learned."""

    model: Model | None
    """None: nothing could be learned"""
    exponent: float
    is_decided: bool
    """The exponent was found, not assumed"""
    idle: float
    """W"""
    hours: float
    """On battery that it rests on"""
    lag: Lag
    of_hours: Sequence[tuple[Hour, Lesson]]
    """In the order of their time"""


def learned(connection: sqlite3.Connection, stop: float, names: Names) -> Learned:
    """Learn from the newest samples on battery before ``stop``; the newest hours decide the exponent."""
    (newest,) = connection.execute(_NEWEST, (min(stop, END_OF_TIME),)).fetchone()
    start = max(0.0, (newest or 0.0) - _WITHIN)
    found = list(hours(connection, Span(start, stop, MOST, battery=True), names))
    known = Knowledge()
    sums: dict[float, list[Sums]] = {exponent: [{}] for exponent in EXPONENTS}
    lags: Sums = {}
    lessons: list[tuple[Hour, dict[float, Lesson]]] = []
    for at in range(len(found) - 1, -1, -1):
        lead = found[at - 1].readings[-WARM_UP:] if at else []
        hour = learn([*lead, *found[at].readings], len(lead), known)
        add(lags, hour.lag_sums)
        for exponent, lesson in hour.lessons.items():
            add(sums[exponent][0], lesson.hour.sums)
        lessons.append((found[at], hour.lessons))
        if known.exponent is None:
            known = refit(sums, None)
        known = known._replace(models={}, lag_sums=lags)
    exponent = known.exponent_now
    of_hours = [(hour_of, by_exponent[exponent]) for hour_of, by_exponent in reversed(lessons)]
    return Learned(
        fit(moments([sums[exponent][0]])),
        exponent,
        known.exponent is not None,
        idle_of_hours([lesson for _, lesson in of_hours]),
        sum(reading.seconds for hour_of in found for reading in hour_of.readings) / 3600,
        lag_of(lags),
        of_hours,
    )


def idle_of_hours(lessons: Sequence[Lesson]) -> float:
    """Return the idle power of hours, W."""
    known = [(lesson.hour.idle, lesson.hour.quiet) for lesson in lessons]
    return idle_of([(idle, quiet) for idle, quiet in known if idle is not None])
