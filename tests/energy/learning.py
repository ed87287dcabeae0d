"""Runs the method on samples of a known machine, hour by hour like the writer, and other rules too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from telemetry.energy_model.day import OpenHour, Taught, close
from telemetry.energy_model.features import WARM_UP, Reading
from telemetry.energy_model.learner import Knowledge, Lesson, learn
from tests.energy.machines import NUMBER, Day

HOUR = 720
"""Samples"""
NAMES = {number: name for name, number in NUMBER.items()}


class Result(NamedTuple):
    """J by program so far."""

    told: dict[str, float]
    """J by the method; parts that are not programs have the name of their column"""
    half_widths: dict[str, float]
    truth: dict[str, float]
    by_share: dict[str, float]
    """J if all power is divided by CPU share"""
    by_kepler: dict[str, float]
    """J as in Kepler 0.10 and later: power × busy ratio, divided by CPU share"""
    discharged: float
    knowledge: Knowledge
    lessons: list[dict[float, Lesson]]
    """For each hour of the day, by exponent"""


def study(days: Iterable[Day], cores: int) -> Iterator[Result]:
    """Learn day by day, divide each day by what is known at its end, and yield the sums after each day."""
    told: dict[str, float] = {}
    half_widths: dict[str, float] = {}
    truth: dict[str, float] = {}
    share: dict[str, float] = {}
    kepler: dict[str, float] = {}
    discharged = 0
    known = Knowledge()
    past: list[Taught] = []
    lead: Sequence[Reading] = ()
    for day in days:
        hours = []
        for start in range(0, len(day.readings), HOUR):
            own = day.readings[start : start + HOUR]
            hours.append(OpenHour(measured(own), learn([*lead, *own], len(lead), known)))
            lead = own[-WARM_UP:]
        closed = close(hours, past, known.exponent)
        past = [*past, closed.taught]
        known = closed.knowledge
        for hour, parts in zip(hours, closed.parts, strict=True):
            assert sum(part.uj for part in parts.values()) == hour.discharged_uj
            discharged += hour.discharged_uj
            for column, part in parts.items():
                name = NAMES.get(column, str(column))
                told[name] = told.get(name, 0.0) + part.uj / 1e6
                half_widths[name] = half_widths.get(name, 0.0) + part.pm_uj / 1e6
        for name, joules in day.truth.items():
            truth[name] = truth.get(name, 0.0) + joules
        _by_other_rules(day.readings, cores, share, kepler)
        lessons = [hour.learned.lessons for hour in hours]
        yield Result(told, half_widths, truth, share, kepler, discharged / 1e6, known, lessons)


def measured(readings: Iterable[Reading]) -> int:
    """Return the discharged energy in µJ."""
    return sum(round(each.watts * each.seconds * 1e6) for each in readings if each.watts is not None)


def _by_other_rules(
    readings: Iterable[Reading], cores: int, share: dict[str, float], kepler: dict[str, float]
) -> None:
    for reading in readings:
        if reading.watts is None or reading.busy <= 0:
            continue
        joules = reading.watts * reading.seconds
        for program, load in reading.programs.items():
            name = NAMES[program]
            part = joules * load / reading.busy
            share[name] = share.get(name, 0.0) + part
            kepler[name] = kepler.get(name, 0.0) + part * min(1.0, reading.busy / cores)


class Errors(NamedTuple):
    """The errors of one machine, relative to the truth or to the discharge."""

    programs: list[float]
    """For programs above 5 % of the discharge"""
    false_blame: float
    """Energy wrongly attributed to programs below 1 % of the discharge"""


def errors(told: dict[str, float], result: Result) -> Errors:
    """Compare the result of a rule with the truth."""
    truth = result.truth
    innocent = [name for name in NUMBER if truth.get(name, 0.0) < 0.01 * result.discharged]
    return Errors(
        [abs(told.get(name, 0.0) - truth[name]) / truth[name] for name in large(result)],
        sum(max(0.0, told.get(name, 0.0) - truth.get(name, 0.0)) for name in innocent) / result.discharged,
    )


def large(result: Result) -> list[str]:
    """Return the programs above 5 % of the discharge."""
    return [name for name in NUMBER if result.truth.get(name, 0.0) > 0.05 * result.discharged]
