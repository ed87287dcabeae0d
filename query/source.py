"""One window of the database, read by name of a report: the source of pages and pictures."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from query.answer import Answer, ask
from query.charts.pictures import Span
from query.report import variant_of
from query.reports import BY_NAME
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


class Asked(NamedTuple):
    """The answer of a report."""

    answer: Answer
    rows: list[tuple[Any, ...]]

    @property
    def by_name(self) -> list[dict[str, Any]]:
        """Return the rows by column."""
        names = [column.name for column in self.answer.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


class Source:
    """A window of a database in a read transaction; answers are cached."""

    def __init__(
        self, connection: sqlite3.Connection, parameters: Mapping[str, Any], window: tuple[float, float]
    ) -> None:
        """``parameters`` are those of query.answer.ask; ``window`` is Unix s, as of ``held``."""
        self.connection = connection
        self.window = window
        self._parameters = parameters

    def ask(self, name: str, limit: int | None = None, **options: Any) -> Asked:
        """Return the answer of a report on the window, with a limit and its options. Raises UserError."""
        report = BY_NAME[name]
        bound = {**self._parameters, "since": self.window[0], "until": self.window[1], "limit": limit}
        answer = ask(self.connection, report, variant_of(report, options), bound)
        return Asked(answer, list(answer.rows))

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
