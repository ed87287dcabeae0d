"""Asks for one report by its name. Screens, pages and pictures read the database this way."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from query.answer import Answer, ask
from query.report import variant_of
from query.reports import BY_NAME


class Asked(NamedTuple):
    """The answer of a report."""

    answer: Answer
    rows: list[tuple[Any, ...]]

    @property
    def by_name(self) -> list[dict[str, Any]]:
        """Return each row as a dictionary by column name."""
        names = [column.name for column in self.answer.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def asked(
    connection: sqlite3.Connection,
    parameters: Mapping[str, Any],
    name: str,
    window: tuple[float | None, float | None] = (None, None),
    limit: int | None = None,
    **options: Any,
) -> Asked:
    """Return the answer of the report ``name``, with all its rows. Raises UserError.

    ``parameters``: those of query.answer.ask without since, until and limit. ``window``: since and until in
    Unix s; None: no bound. ``options``: those of the report.
    """
    report = BY_NAME[name]
    bound = {**parameters, "since": window[0], "until": window[1], "limit": limit}
    answer = ask(connection, report, variant_of(report, options), bound)
    return Asked(answer, list(answer.rows))
