"""The idle power of each of the last days, and the day since which it has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from query.buckets import edges
from query.learning import Learned
from telemetry import DAY, END_OF_TIME
from telemetry.energy_model import stored
from telemetry.energy_model.learner import idle_of

DAYS: Final = 14
"""The newest days, in which a shift is searched for"""
SHOWN: Final = 7
LEAST_DAYS: Final = 3
LEAST_SHIFT: Final = 0.25
"""W"""
_MEDIAN_OF: Final = 7
"""Days before a shift"""
_LEAST_BLOCKS: Final = 15
"""A day needs at least this many blocks of 12 samples on battery: 15 min at 5 s"""
_HOURS: Final = "SELECT quiet FROM energy_model WHERE day >= ? ORDER BY day"
_NOTHING: Final = 1e-9
"""W: a smaller difference is a rounding error"""


class Shift(NamedTuple):
    """A lasting change of idle power."""

    since: date
    """The first day with the new idle power"""
    watts: float
    """The change in W; negative: idle takes less"""
    before: float
    """W: the median of up to 7 days before it"""


def idle_by_day(
    connection: sqlite3.Connection, moment: float | None, found: Learned
) -> list[tuple[date, float]]:
    """Return the idle W of each local day up to ``moment`` (Unix s) with 15 min or more on battery.

    The list is empty if there are fewer than 3 such days. The idle power of an hour is computed with
    what was known when its day began.
    """
    if moment is None or not DAYS * DAY < moment < END_OF_TIME - 2 * DAY:
        return []
    since = int(moment) - (DAYS - 1) * DAY
    quiet = [*_open(found)]
    for (text,) in connection.execute(_HOURS, (since // DAY * DAY,)):
        quiet += stored.read_quiet(text)
    days = []
    for start, stop in pairwise(edges("day", since, int(moment) + 1)):
        of_day = [it for it in quiet if start <= it.bucket < min(stop, moment + 1)]
        if sum(it.blocks for it in of_day) >= _LEAST_BLOCKS:
            days.append((date.fromtimestamp(start), idle_of([(it.idle, it.busy) for it in of_day])))
    return days if len(days) >= LEAST_DAYS else []


def _open(found: Learned) -> Iterator[stored.Quiet]:
    for bucket, hour in found.open_hours.items():
        if quiet := stored.quiet_of(bucket, hour.learned, found.exponent):
            yield quiet


def shift_of(days: Sequence[tuple[date, float]]) -> Shift | None:
    """Return the first day since which idle power has shifted; None if there is none.

    From that day on, every day is at least 0.25 W above, or every day is at least 0.25 W below, the median of
    up to 7 days before the first of them. At least two days must come before it.
    """
    for at in range(LEAST_DAYS - 1, len(days)):
        before = median(idle for _, idle in days[max(0, at - _MEDIAN_OF) : at])
        steps = [idle - before for _, idle in days[at:]]
        least = LEAST_SHIFT - _NOTHING
        if min(steps) >= least or max(steps) <= -least:
            return Shift(days[at][0], median(steps), before)
    return None


def told(shift: Shift) -> str:
    """Return the line that reports a shift."""
    direction = "more" if shift.watts > 0 else "less"
    return (
        f"since {shift.since.isoformat()} idle takes {abs(shift.watts):.2f} W {direction} "
        f"than the {shift.before:.2f} W of the days before"
    )
