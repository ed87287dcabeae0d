"""Rows while awake that wait until it is decided to which session they belong."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from telemetry.sessions.awake import Item
from telemetry.sessions.records import Row

_COUNTS: Final = 120.0
"""s awake after which a new direction counts"""

_UNDECIDED: Final = 600.0
"""s awake after which a session begins even if the direction keeps changing"""

MOST_HELD: Final = 1000
"""Most rows that wait for a decision"""


class Run(NamedTuple):
    """Successive rows of one direction."""

    direction: str
    awake: float
    """s"""
    items: list[Item]


class Undecided:
    """The newest rows, in a direction that does not count yet, and the runs before them without a session."""

    def __init__(self) -> None:
        self.direction: str | None = None
        """The direction of the newest run; None: no row waits"""
        self._items: list[Item] = []
        self._awake = 0.0
        self.lead: list[Run] = []
        """Earlier runs, while no session has begun"""

    def add(self, direction: str, item: Item, seconds: float) -> None:
        """Add a row, which covers ``seconds`` awake, to the newest run, whose direction is ``direction``."""
        self.direction = direction
        self._items.append(item)
        self._awake += seconds

    @property
    def counts(self) -> bool:
        """Whether the newest run is long enough to begin a session."""
        return self._awake >= _COUNTS or len(self._items) >= MOST_HELD

    @property
    def is_due(self) -> bool:
        """Whether a session must begin, although the direction keeps changing."""
        awake = sum(run.awake for run in self.lead) + self._awake
        held = sum(len(run.items) for run in self.lead) + len(self._items)
        return awake >= _UNDECIDED or held >= MOST_HELD

    def take_run(self) -> Run | None:
        """Return the newest run, which is then no longer here; None: no row waits in it."""
        if self.direction is None or not self._items:
            return None
        run = Run(self.direction, self._awake, self._items)
        self._items, self._awake, self.direction = [], 0.0, None
        return run

    def take_all(self) -> list[Run]:
        """Return all runs, which are then no longer here."""
        newest = self.take_run()
        runs, self.lead = self.lead, []
        return [*runs, newest] if newest else runs

    def state(self) -> dict[str, Any]:
        """Return the state in JSON types."""
        return {
            "direction": self.direction,
            "run": self._items,
            "run_awake": self._awake,
            "lead": self.lead,
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> Undecided:
        """Return the object with ``state``, which was read from JSON."""
        it = cls()
        it.direction = state["direction"]
        it._items, it._awake = list(map(_item, state["run"])), state["run_awake"]
        it.lead = [
            Run(direction, awake, list(map(_item, items))) for direction, awake, items in state["lead"]
        ]
        return it


def _item(state: list[Any]) -> Item:
    row, *gauge = state
    return Item(Row(*row), *gauge)
