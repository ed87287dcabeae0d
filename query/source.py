"""One window of the database, read by name of a report: the source of pages and pictures."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from query.asked import Asked, asked
from query.charts.pictures import Span
from query.series import Point, points
from query.values import shown_time
from telemetry import END_OF_TIME
from telemetry.errors import UserError

_EXTENT: Final = """
SELECT MIN(oldest), MAX(newest) FROM (
    SELECT MIN(time) AS oldest, MAX(time) AS newest FROM system_sample WHERE time >= 0 AND time < :end
    UNION ALL
    SELECT MIN(bucket), MAX(bucket) FROM system_hour
)"""


class Source:
    """A window of a database in a read transaction; answers are cached."""

    def __init__(
        self, connection: sqlite3.Connection, parameters: Mapping[str, Any], window: tuple[float, float]
    ) -> None:
        """``parameters`` are those of query.answer.ask; ``window`` is Unix s, as of ``held``."""
        self.connection = connection
        self.window = window
        self._parameters = parameters
        self._answers: dict[tuple[Any, ...], Asked] = {}

    def ask(self, name: str, limit: int | None = None, **options: Any) -> Asked:
        """Return the answer of a report on the window, with a limit and its options. Raises UserError."""
        key = (name, limit, *sorted(options.items()))
        if key not in self._answers:
            found = asked(self.connection, self._parameters, name, self.window, limit, **options)
            self._answers[key] = found
        return self._answers[key]

    @cached_property
    def points(self) -> Sequence[Point]:
        """The steps of the window."""
        return points(self.connection, *self.window)

    @cached_property
    def spans(self) -> Sequence[Span]:
        """The sessions that overlap it."""
        return [Span(it["kind"], it["start"], it["end"]) for it in self.ask("sessions").by_name]


def held(connection: sqlite3.Connection, since: float, until: float | None, what: str) -> tuple[float, float]:
    """Return the part of ``since`` <= time < ``until``, Unix s, that the database holds.

    ``until`` None: up to the newest sample. Raises UserError if it holds none; ``what`` begins its text.
    """
    oldest, newest = connection.execute(_EXTENT, {"end": END_OF_TIME}).fetchone()
    if newest is None:
        raise UserError(f"{what}: database is empty: is telemetry-writer running?")
    stop = newest + 1 if until is None else min(until, newest + 1)
    window = (max(since, oldest), stop)
    if window[0] >= stop:
        told = f"the database holds {shown_time(oldest)} to {shown_time(newest)}"
        raise UserError(f"{what}: no sample in that window: {told}")
    return window
