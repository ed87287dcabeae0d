"""What reports sum up, and the writer's levels of roll-ups of it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

By = Literal["hour", "day", "week", "month"]
"""What the rows of a report may be of: see query/buckets.py."""


class Level(NamedTuple):
    """Roll-ups of one size of bucket."""

    size: int
    """s"""
    until: str
    """Which field of ``History`` says how far they reach."""
    since: str = "raw_since"
    """Which one says from where on they are there, if that is later than where raw rows are"""


class RollUps(NamedTuple):
    """The roll-ups of one kind of rows: ``sql/<name>_pieces.sql`` reads them."""

    name: str
    fine: Level
    coarse: Level | None = None
    """Where the fine ones are gone, these are there"""


_MINUTES: Final = Level(60, "minute_until", "minute_since")
_HOURS: Final = Level(3_600, "hour_until")
_DAYS: Final = Level(86_400, "day_until")

SYSTEM: Final = RollUps("system", _MINUTES, _HOURS)
CORE: Final = RollUps("core", _HOURS)
PROCESS: Final = RollUps("process", _HOURS._replace(since="process_hour_since"), _DAYS)
