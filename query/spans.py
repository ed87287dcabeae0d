"""A window cut into spans: raw rows at its ragged ends, roll-ups between.

Pure. The writer's table ``history`` says how far each level of roll-ups reaches; what is newer is read raw.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple


class History(NamedTuple):
    """The one row of the table of that name, Unix time in s. All zeros: nothing is rolled up yet."""

    minute_until: int = 0
    hour_until: int = 0
    day_until: int = 0
    raw_since: int = 0
    """Raw rows of a time before this may have been dropped: the roll-ups speak for it."""


class Level(NamedTuple):
    """Roll-ups of one size of bucket."""

    size: int
    """s"""
    until: str
    """Which field of ``History`` says how far they reach."""


class Source(NamedTuple):
    """What a report sums up: ``sql/<name>_pieces.sql`` reads it."""

    name: str
    fine: Level
    coarse: Level | None = None


_MINUTES: Final = Level(60, "minute_until")
_HOURS: Final = Level(3_600, "hour_until")
_DAYS: Final = Level(86_400, "day_until")

SYSTEM: Final = Source("system", _MINUTES, _HOURS)
CORE: Final = Source("core", _HOURS)
PROCESS: Final = Source("process", _HOURS, _DAYS)


class Spans(NamedTuple):
    """A window and its cuts, in rising order; between each two of them lies one span, which may be empty.

    Raw rows are read from ``start`` to ``fine_start`` and from ``fine_stop`` to ``stop``, fine roll-ups from
    there to the coarse ones, and those between. Each span holds its start and not its end.
    """

    start: float
    fine_start: float
    coarse_start: float
    coarse_stop: float
    fine_stop: float
    stop: float


def outward(start: float, stop: float, source: Source, history: History) -> tuple[float, float]:
    """Return the window; where raw rows may be gone, with its edges moved out to those of a bucket."""
    size = source.fine.size
    if start < history.raw_since:
        start = max(_floor(start, size), 0.0)
    if stop < history.raw_since:
        stop = _ceiling(stop, size)
    return start, stop


def cut(start: float, stop: float, source: Source, history: History) -> Spans:
    """Return the spans of the window ``start`` <= time < ``stop``; ``outward`` comes first."""
    fine = _whole_buckets(start, stop, source.fine, history)
    coarse = _whole_buckets(*fine, source.coarse, history) if source.coarse else (fine[0], fine[0])
    return Spans(start, fine[0], coarse[0], coarse[1], fine[1], max(start, stop))


def _whole_buckets(start: float, stop: float, level: Level, history: History) -> tuple[float, float]:
    """The rolled-up buckets that lie whole in a window; where there is none, an empty span at its start."""
    first = _ceiling(start, level.size)
    last = _floor(min(stop, getattr(history, level.until)), level.size)
    return (first, last) if first < last else (start, start)


def _floor(moment: float, size: int) -> float:
    return moment if moment == inf else moment // size * size


def _ceiling(moment: float, size: int) -> float:
    return moment if moment == inf else -(-moment // size) * size
