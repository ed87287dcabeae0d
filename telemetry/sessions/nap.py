"""A sleep or a hole: what the gauge reported before and after it, and what was drawn in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from telemetry.sessions.learned import Learned
from telemetry.sessions.records import HOLE, SLEEP, Known, Row, Session
from telemetry.steady import explained

_AGREES: float = 10.0
"""Percent by which the changes of level and of percentage of the same battery may differ"""


class Gauge(NamedTuple):
    """A gauge's readings of the battery."""

    pct: float | None = None
    level: float | None = None
    voltage: float | None = None
    drawn_uj: int = 0
    """Energy measured between the end of the sleep and this level"""

    def or_else(self, before: Gauge) -> Gauge:
        """Return these readings; missing ones are taken from ``before``."""
        return Gauge(
            before.pct if self.pct is None else self.pct,
            before.level if self.level is None else self.level,
            self.voltage or before.voltage,
        )


class Nap:
    """A time without rows, and the rows after it in which the gauge settles."""

    def __init__(self, kind: str | None, start: float, end: float, asleep: float, before: Gauge) -> None:
        """``kind``: sleep, hole, or None for the start of a recording, which is not a session.

        ``start``, ``end``: Unix time, s; ``asleep``: s.
        """
        self.kind = kind
        self.start = start
        self.end = end
        self.asleep_us = round(asleep * 1e6)
        self.before = before
        self.rows: list[Row] = []
        self.awake = 0.0
        """s that the rows after it cover"""

    def add(self, row: Row, seconds: float) -> None:
        """Add a row after it."""
        self.rows.append(row)
        self.awake += seconds

    def after(self, known: Known) -> Gauge:
        """Return the gauge's readings after it: the first ones that are consistent with all later ones."""
        full = known.full
        _, pct = _settled([(row, row.pct) for row in self.rows], known, 1.0)
        at, level = _settled([(row, row.level) for row in self.rows], known, 100.0 / full if full else None)
        drawn = sum(row.discharged_uj - row.charged_uj for row in self.rows if at and row.time <= at.time)
        voltage = next((row.voltage for row in self.rows if row.voltage), None)
        return Gauge(pct, level, voltage, drawn)

    def closed(self, after: Gauge, known: Known, learned: Learned | None) -> Session | None:
        """Return the session; None at the start of a recording, which is not a session."""
        if self.kind is None:
            return None
        before = self.before
        fallen = None if before.pct is None or after.pct is None else before.pct - after.pct
        drawn, source = _drawn(before, after, known, learned)
        is_sleep = self.kind == SLEEP
        return Session(
            kind=SLEEP if is_sleep else HOLE,
            start=self.start,
            end=self.end,
            awake_us=0 if is_sleep else None,
            asleep_us=self.asleep_us if is_sleep else None,
            covered_us=0,
            discharged_uj=0,
            charged_uj=0,
            drawn_uj=drawn,
            wh_from=source,
            pct_from=before.pct,
            pct_to=after.pct,
            pct_fallen=fallen,
            level_from=before.level,
            level_to=after.level,
            flips=0,
            pack=known.pack,
        )

    def state(self) -> dict[str, Any]:
        """Return the state in JSON types."""
        return dict(vars(self))

    @classmethod
    def load(cls, state: dict[str, Any]) -> Nap:
        """Return the object that ``state`` was made from."""
        it = cls.__new__(cls)
        rows = [Row(*row) for row in state["rows"]]
        vars(it).update(state, before=Gauge(*state["before"]), rows=rows)
        return it


def _settled(
    readings: Sequence[tuple[Row, float | None]], known: Known, percents: float | None
) -> tuple[Row, float] | tuple[None, None]:
    """Return the first reading that is consistent with all later ones; one unit is ``percents`` percent."""
    found = [(row, value) for row, value in readings if value is not None]
    if percents is None:
        return found[-1] if found else (None, None)
    for at, (row, value) in enumerate(found):
        if all(
            explained(
                (later - value) * percents, then.time - row.time, then.watts, known.full_wh(then.voltage)
            )
            for then, later in found[at + 1 :]
        ):
            return row, value
    return None, None


def _drawn(
    before: Gauge, after: Gauge, known: Known, learned: Learned | None
) -> tuple[int | None, str | None]:
    """Return the µJ drawn between two readings (negative: charged), and how they were found."""
    by_level = _by_level(before, after, known)
    if by_level is not None:
        return by_level, "level"
    if before.pct is None or after.pct is None:
        return None, None
    full = known.full_wh(after.voltage or before.voltage)
    if learned and (learned.is_enough or full is None):
        return round(learned.between(before.pct, after.pct)), "learned"
    if full is None:
        return None, None
    return round((before.pct - after.pct) / 100 * full * 3.6e9), "nominal"


def _by_level(before: Gauge, after: Gauge, known: Known) -> int | None:
    """Return the µJ by the battery's level; None if that is unknown or contradicts the percentage."""
    if before.level is None or after.level is None:
        return None
    fallen = before.level - after.level
    if before.pct is not None and after.pct is not None and known.full:
        by_pct = before.pct - after.pct
        if abs(100 * fallen / known.full - by_pct) > _AGREES:
            return None
    volts = 1.0
    if known.unit == "Ah" and before.voltage and after.voltage:
        volts = (before.voltage + after.voltage) / 2
    elif known.unit != "Wh":
        return None
    return round(fallen * volts * 3.6e9) - after.drawn_uj
