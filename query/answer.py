"""One report, asked of one open database: its rows, or why there are none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from query.columns import Column
from query.reports import Report, Variant, sql_text
from query.values import shown_time

# Without :until the newest sample is that of the greatest ts, whatever the clock did; before a given time it
# is found by the index over time, and not by a walk back from today.
_NEWEST: Final = """
SELECT ts, time, coalesce(:since, time - :window) FROM (
    SELECT * FROM (SELECT ts, time FROM system_sample WHERE :until IS NULL ORDER BY ts DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT ts, time FROM system_sample WHERE time < :until ORDER BY time DESC, ts DESC LIMIT 1)
)"""


class Answer(NamedTuple):
    """Rows as they come out of the database, and what to say beside them."""

    columns: tuple[Column, ...]
    rows: Iterator[tuple[Any, ...]]
    remark: str | None
    """One line: why there is no row, or what the rows do not say."""


def ask(
    connection: sqlite3.Connection, report: Report, variant: Variant, parameters: Mapping[str, Any]
) -> Answer:
    """Run ``report`` as ``variant`` of it; rows are read as they are taken.

    ``parameters`` holds since, until, limit, now, database and bytes; newest and last are found here.
    """
    bound = {**parameters, **variant.parameters, "window": report.window}
    newest = connection.execute(_NEWEST, bound).fetchone()
    bound["newest"], bound["last"], since = newest or (None, None, bound["since"])
    if report.window is not None:
        bound["since"] = since
    cursor = connection.execute(sql_text(variant.sql), bound)
    first = cursor.fetchone()

    known = {column.name: column for column in report.columns + variant.columns}
    # A newer view may have columns that this does not know: they are shown, if without a unit.
    columns = tuple(known.get(name, Column(name, "", "", 3)) for name, *_ in cursor.description)
    if first is None:
        return Answer(columns, iter(()), _why_nothing(connection, report, bound))
    return Answer(columns, chain([first], cursor), _note(connection, report, bound))


def _note(connection: sqlite3.Connection, report: Report, bound: Mapping[str, Any]) -> str | None:
    found = connection.execute(sql_text(report.note), bound).fetchone() if report.note else None
    return str(found[0]) if found else None


def _why_nothing(connection: sqlite3.Connection, report: Report, bound: Mapping[str, Any]) -> str:
    if connection.execute("SELECT 1 FROM system_sample").fetchone() is None:
        return "database is empty: is telemetry-writer running?"
    span = _span(bound["since"], bound["until"])
    inside = "time >= coalesce(:since, -1e999) AND time < coalesce(:until, 1e999)"
    if connection.execute(f"SELECT 1 FROM system_sample WHERE {inside}", bound).fetchone():
        return f"{report.nothing}{span}"
    oldest, newest = connection.execute(
        "SELECT (SELECT MIN(time) FROM system_sample), (SELECT MAX(time) FROM system_sample)"
    ).fetchone()
    return f"no sample{span}: the database holds {shown_time(oldest)} to {shown_time(newest)}"


def _span(since: float | None, until: float | None) -> str:
    if since is not None:
        return f" between {shown_time(since)} and {'now' if until is None else shown_time(until)}"
    return "" if until is None else f" before {shown_time(until)}"
