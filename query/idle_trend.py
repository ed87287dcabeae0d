"""The idle power of each of the last days, and since when it is another one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from query.buckets import edges
from query.energy_samples import Hour, Span, hours
from query.learning import Learned
from telemetry import END_OF_TIME
from telemetry.energy_model.columns import AWAKE, KERNEL, ONE, OTHERS, SCREEN, SCREEN_ON
from telemetry.energy_model.features import Lag, blocks, features, stretches
from telemetry.energy_model.fit import Model
from telemetry.energy_model.learner import idle_of
from telemetry.energy_model.sums import hour_sums

DAYS: Final = 14
"""That are looked at"""
MOST_OF_A_DAY: Final = 2_160
"""Samples on battery of a day that are read, the newest: 3 h, every 5 s"""
SHOWN: Final = 7
LEAST_DAYS: Final = 3
LEAST_SHIFT: Final = 0.25
"""W"""
_MEDIAN_OF: Final = 7
"""Days before a shift"""
_LEAST_BLOCKS: Final = 15
"""Of a day: 15 min at 5 s"""
_DAY: Final = 86_400
_NOTHING: Final = 1e-9
"""W: less is an error of arithmetic"""


class Shift(NamedTuple):
    """Idle power is another one since a day."""

    since: date
    watts: float
    """More than before; negative: less"""
    before: float
    """W: the median of up to 7 days before it"""


def idle_by_day(
    connection: sqlite3.Connection, moment: float | None, found: Learned
) -> list[tuple[date, float]]:
    """Return the idle W of each local day up to ``moment`` (Unix s) that was long enough on battery.

    Nothing where there are fewer than 3. Programs share one rate: that is quick, and few run then.
    """
    if moment is None or found.model is None or not DAYS * _DAY < moment < END_OF_TIME - 2 * _DAY:
        return []
    rates = _rates(found.model)
    days = []
    for start, stop in pairwise(edges("day", int(moment) - (DAYS - 1) * _DAY, int(moment) + 1)):
        span = Span(start, min(stop, moment + 1), MOST_OF_A_DAY, battery=True)
        idle = _idle(list(hours(connection, span, None)), found.exponent, found.lag, rates)
        if idle is not None:
            days.append((date.fromtimestamp(start), idle))
    return days if len(days) >= LEAST_DAYS else []


def _rates(model: Model) -> dict[int, float]:
    """Return the W of each column where all programs are one."""
    rates = {column: model.rate(column) for column in (AWAKE, KERNEL, SCREEN, SCREEN_ON)}
    return {**rates, OTHERS: model.common}


def _idle(of_day: Sequence[Hour], exponent: float, lag: Lag, rates: Mapping[int, float]) -> float | None:
    found = []
    count = 0
    for hour in of_day:
        rows = [features(reading, exponent, frozenset()) for reading in hour.readings]
        made = [
            block
            for part in stretches(hour.readings)
            for block in blocks(hour.readings[part.start : part.stop], rows[part.start : part.stop], lag)
        ]
        sums = hour_sums(made, rates)
        count += sums.sums.get((ONE, ONE), 0)
        if sums.idle is not None:
            found.append((sums.idle, sums.quiet))
    return idle_of(found) if count >= _LEAST_BLOCKS else None


def shift_of(days: Sequence[tuple[date, float]]) -> Shift | None:
    """Return the first day since which each one is 0.25 W off the median of up to 7 days before it, one way.

    Two days before it or more. None where there is no such day.
    """
    for at in range(LEAST_DAYS - 1, len(days)):
        before = median(idle for _, idle in days[max(0, at - _MEDIAN_OF) : at])
        steps = [idle - before for _, idle in days[at:]]
        least = LEAST_SHIFT - _NOTHING
        if min(steps) >= least or max(steps) <= -least:
            return Shift(days[at][0], median(steps), before)
    return None


def told(shift: Shift) -> str:
    """Return the line that tells of a shift."""
    direction = "more" if shift.watts > 0 else "less"
    return (
        f"since {shift.since.isoformat()} idle takes {abs(shift.watts):.2f} W {direction} "
        f"than the {shift.before:.2f} W of the days before"
    )
