"""Closes a day: learns from it, and finally divides the energy of each of its hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from telemetry.energy_model.cells import Cell, Part, divide
from telemetry.energy_model.learner import Hour, Knowledge, idle_of, refit
from telemetry.energy_model.sums import Sums, add


class OpenHour(NamedTuple):
    """An hour of a day that is not closed."""

    discharged_uj: int
    learned: Hour


class Taught(NamedTuple):
    """What was learned from a day."""

    sums: Mapping[float, Sums]
    """By exponent"""
    lags: Sums


class Closed(NamedTuple):
    """A day that is closed."""

    knowledge: Knowledge
    idle: float
    """W of the machine at rest"""
    parts: list[dict[int, Part]]
    """For each hour: its parts by column"""
    taught: Taught


def close(
    hours: Sequence[OpenHour], past: Sequence[Taught], exponent: float | None, idle_before: float = 0.0
) -> Closed:
    """Learn from a day, and then divide the energy of its hours with what is known.

    ``past``: the earlier days on battery that still count. ``exponent``: None if it is not decided yet.
    ``idle_before``: idle power of the previous day, W.
    """
    taught = taught_by([hour.learned for hour in hours])
    known = knowledge([*past, taught], exponent)
    idle = idle_of_hours([hour.learned for hour in hours], known.exponent_now, idle_before)
    return Closed(known, idle, [divided(hour, known, idle) for hour in hours], taught)


def taught_by(hours: Sequence[Hour]) -> Taught:
    """Add up what was learned from the hours of one day."""
    sums: dict[float, Sums] = {}
    lags: Sums = {}
    for hour in hours:
        add(lags, hour.lag_sums)
        for exponent, lesson in hour.lessons.items():
            add(sums.setdefault(exponent, {}), lesson.hour.sums)
    return Taught(sums, lags)


def knowledge(days: Sequence[Taught], exponent: float | None) -> Knowledge:
    """Return what is known after ``days``."""
    lags: Sums = {}
    by_exponent: dict[float, list[Sums]] = {}
    for day in days:
        add(lags, day.lags)
        for each, sums in day.sums.items():
            by_exponent.setdefault(each, []).append(sums)
    return refit(by_exponent, exponent)._replace(lag_sums=lags)


def idle_of_hours(hours: Sequence[Hour], exponent: float, before: float) -> float:
    """Return the idle power of hours, W; ``before`` if none of them was long enough to show it."""
    found = [hour.lessons[exponent].hour for hour in hours if exponent in hour.lessons]
    told = [(hour.idle, hour.quiet) for hour in found if hour.idle is not None]
    return idle_of(told) if told else before


def divided(hour: OpenHour, known: Knowledge, idle: float) -> dict[int, Part]:
    """Divide the energy of an hour among the columns, with what is known."""
    exponent = known.exponent_now
    lesson = hour.learned.lessons.get(exponent)
    model = known.models.get(exponent) if lesson else None
    return divide(lesson.cell if lesson else Cell(0, {}, {}), hour.discharged_uj, model, idle)
