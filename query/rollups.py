"""The kinds of rows that reports sum, and the writer's levels of roll-ups of them."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

By = Literal["hour", "day", "week", "month"]
"""The spans that rows of a report can stand for: see query/buckets.py."""


class Level(NamedTuple):
    """Roll-ups of one size of bucket."""

    size: int
    """s"""
    until: str
    """Field of ``History``: the time up to which they exist"""
    since: str = "raw_since"
    """Field of ``History``: the time from which they exist; ``raw_since``: they were never folded"""


class RollUps(NamedTuple):
    """The roll-ups of one kind of rows: ``sql/<name>_pieces.sql`` reads them."""

    name: str
    fine: Level
    coarse: Level | None = None
    """Used if the fine ones were folded"""


_MINUTES: Final = Level(60, "minute_until", "minute_since")
_HOURS: Final = Level(3_600, "hour_until")
_DAYS: Final = Level(86_400, "day_until")

SYSTEM: Final = RollUps("system", _MINUTES, _HOURS)
CORE: Final = RollUps("core", _HOURS)
PROCESS: Final = RollUps("process", _HOURS._replace(since="process_hour_since"), _DAYS)
