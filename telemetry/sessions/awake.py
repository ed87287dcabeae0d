"""A current session while awake: a discharge, a charge or a rest."""

from __future__ import annotations

from typing import Any, NamedTuple

from telemetry.sessions.records import DISCHARGE, Percent, Row, Session
from telemetry.sessions.visits import Visits


class Item(NamedTuple):
    """A row with the state of the gauge at its end."""

    row: Row
    pct: float | None
    """The newest steady percentage"""
    level: float | None
    """The level at that time"""
    unexplained: float
    """Percent: sum of the steps that no power explains, since the last sleep or hole"""
    pack: str | None


class Awake:
    """Adds up the rows of one session."""

    def __init__(self, kind: str, first: Row) -> None:
        self.kind = kind
        self.start = first.start
        self.end = first.time
        self.awake_us = 0
        self.asleep_us = 0
        self.covered_us = 0
        self.discharged_uj = 0
        self.charged_uj = 0
        self.pct_from: float | None = None
        self.pct_to: float | None = None
        self.fallen = 0.0
        self.even: float | None = None
        """The percentage of the previous row, less the steps that no power explains"""
        self.unexplained = 0.0
        self.level_from: float | None = None
        self.level_to: float | None = None
        self.flips = 0
        self.pack: str | None = None
        self.nap_us = 0
        """Time asleep since its newest row; it is added to the session if the session continues"""
        self.visits = Visits()

    def add(self, item: Item, *, is_flip: bool = False) -> list[Percent]:
        """Add the next row; return the percents whose visits it ends."""
        row = item.row
        self.end = row.time
        self.awake_us += row.interval_us
        self.asleep_us += self.nap_us + round(row.dozed * 1e6)
        self.nap_us = 0
        self.covered_us += row.covered_us
        self.discharged_uj += row.discharged_uj
        self.charged_uj += row.charged_uj
        if self.pack is None:
            self.pack = item.pack
        if item.level is not None:
            self.level_from = item.level if self.level_from is None else self.level_from
            self.level_to = item.level
        if item.pct is not None:
            even = item.pct - item.unexplained
            self.fallen += 0.0 if self.even is None else self.even - even
            self.even = even
            self.pct_from = item.pct if self.pct_from is None else self.pct_from
            self.pct_to = item.pct
        return self._visited(item, is_flip=is_flip) if self.kind == DISCHARGE else []

    def nap(self, asleep_us: int) -> None:
        """Note a sleep, after which the session may continue."""
        self.nap_us += asleep_us
        self.even, self.unexplained = None, 0.0
        self.visits.interrupt()

    def closed(self) -> Session:
        """Return the session as it is now."""
        drawn = self.discharged_uj - self.charged_uj if self.covered_us else None
        return Session(
            self.kind,
            self.start,
            self.end,
            self.awake_us,
            self.asleep_us,
            self.covered_us,
            self.discharged_uj,
            self.charged_uj,
            drawn,
            None if drawn is None else "measured",
            self.pct_from,
            self.pct_to,
            None if self.pct_from is None else self.fallen,
            self.level_from,
            self.level_to,
            self.flips,
            self.pack,
            self.visits.all() if self.kind == DISCHARGE else (),
        )

    def state(self) -> dict[str, Any]:
        """Return the state in JSON types."""
        return {**vars(self), "visits": self.visits.state()}

    @classmethod
    def load(cls, state: dict[str, Any]) -> Awake:
        """Return the object that ``state`` was made from."""
        it = cls.__new__(cls)
        vars(it).update(state, visits=Visits.load(state["visits"]))
        return it

    def _visited(self, item: Item, *, is_flip: bool) -> list[Percent]:
        row = item.row
        if item.unexplained != self.unexplained:
            self.visits.interrupt()
            self.unexplained = item.unexplained
        if is_flip or row.covered_us < row.interval_us or not row.interval_us:
            self.visits.spoil()
        return self.visits.take(item.pct, row.discharged_uj - row.charged_uj)
