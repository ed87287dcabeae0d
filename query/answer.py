"""Run one report on one open database: its rows, or why there are none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from query.buckets import edges_of
from query.choice import AS_THEY_ARE, Choice, chosen, ordered, places_of, position
from query.columns import Column
from query.report import Report, Variant, function, sql_text
from query.steps import add_functions
from query.values import shown_span, shown_time
from query.window import History, Window, cut, history_of, window_of
from telemetry.errors import UserError

PAGE: Final = 2_000
"""Rows in a page of a report that is read in pages."""
_LEAST_TS: Final = -(2**63)

# The extent of the data, and whether the window holds any; roll-ups stand for dropped rows.
_HELD: Final = """
SELECT MIN(oldest), MAX(newest) FROM (
    SELECT (SELECT MIN(time) FROM system_sample) AS oldest, (SELECT MAX(time) FROM system_sample) AS newest
    UNION ALL
    SELECT MIN(bucket), MAX(bucket) FROM system_hour WHERE bucket < :raw_since
)"""
_INSIDE: Final = """
SELECT 1 FROM system_sample WHERE time >= :start AND time < :stop
UNION ALL
SELECT 1 FROM system_minute WHERE bucket >= :start AND bucket < min(:stop, :raw_since)
UNION ALL
SELECT 1 FROM system_hour WHERE bucket >= :start AND bucket < min(:stop, :raw_since)
LIMIT 1"""

_MISDATED: Final = "SELECT COUNT(*) FROM system_sample WHERE time IS NULL AND clock_time IS NOT NULL"

_INTERVAL: Final = "SELECT interval FROM system_sample WHERE ts = ?"
USUAL_INTERVAL: Final = 60.0
"""s between two samples, if the newest has no interval"""
OLD: Final = 10
"""Intervals after which a sample is too old to describe now"""


class Answer(NamedTuple):
    """Rows as they are read from the database, and the remarks on them."""

    columns: tuple[Column, ...]
    rows: Iterator[tuple[Any, ...]]
    remarks: list[str]
    """A line each: why there are no rows, or what the rows do not show. Complete once all rows were read."""


def ask(
    connection: sqlite3.Connection,
    report: Report,
    variant: Variant,
    parameters: Mapping[str, Any],
    choice: Choice = AS_THEY_ARE,
) -> Answer:
    """Run ``report`` in the form of ``variant``; rows are read lazily.

    ``parameters`` holds since, until, limit, now, database, bytes, room and retain; the other parameters
    that query/reports.py lists are found here. ``choice``: the rows and columns that the user wants. Raises
    UserError, also while rows are read, and UsageError if there is no such column.
    """
    add_functions(connection)
    history = history_of(connection)
    report = report._replace(window=variant.window or report.window)
    window = window_of(connection, report, history, parameters["since"], parameters["until"])
    bound = {**parameters, **variant.parameters, **window._asdict()}
    limit: int | None = parameters["limit"]
    moved = None
    sorts_all = choice.sorts and not (report.limit_first or report.limits_itself)
    if sorts_all:
        bound["limit"] = None
    elif report.limits_itself:
        bound["limit"], limit = limit, None
    elif limit is not None:
        bound["limit"] = limit + 1  # one extra row shows that there are more
    if report.sums:
        edges, moved = edges_of(connection, variant.by, window, report.sums, history)
        bound |= cut(window.start, window.stop, report.sums, history)._asdict()
        bound["edges"] = str(edges)  # the text of a list of integers is JSON

    found, ahead = _found(connection, report, bound)
    bound |= found
    sql = sql_text(variant.sql).replace("{{added}}", variant.adds)
    if report.in_pages:
        names, rows = _in_pages(connection, sql, bound)
    else:
        cursor = connection.execute(sql, bound)
        names, rows = _names(cursor), cursor
    known = {column.name: column for column in report.columns + variant.columns}
    # A newer view may have columns that are unknown here: they are shown without a unit.
    columns = tuple(known.get(name, Column(name, "", "", 3)) for name in names)
    places = places_of(choice.columns, columns) if choice.columns is not None else None
    sort = position(choice.sort, columns, "--sort") if choice.sort is not None else None

    first = next(rows, None)
    told: Iterator[tuple[Any, ...]] = chain([first], rows) if first else iter(())
    said = _note(connection, report, bound) if first else _why_nothing(connection, report, window, history)
    if ahead and not first:
        said, ahead = f"{said}: {ahead}", None
    age = _age(connection, window, parameters["now"]) if first and report.tells_age else None
    said_beside = (window.remark, moved, _misdated(connection, report, window), age, said, ahead)
    remarks = list(filter(None, said_beside))

    if sorts_all:
        told = ordered(told, sort, reverse=choice.reverse)
    # A user who gives a limit and no window expects that there are more.
    is_known = parameters["since"] is None and parameters["until"] is None and limit != report.limit
    told = _limited(told, limit, [] if is_known else remarks, report)
    if choice.sorts and not sorts_all:
        told = ordered(told, sort, reverse=choice.reverse)
    if places is not None:
        columns, told = chosen(columns, told, places)
    return Answer(columns, told, remarks)


def _limited(
    rows: Iterator[tuple[Any, ...]], limit: int | None, remarks: list[str], report: Report
) -> Iterator[tuple[Any, ...]]:
    """Yield at most ``limit`` rows, and add a remark if there are more."""
    if limit is not None and report.newest_last:
        held = list(islice(rows, limit + 1))
        rows = chain(held[-limit:], held[:-limit])
    yield from islice(rows, limit)
    if limit is not None and next(rows, None) is not None:
        remarks.append(f"there are more rows than the {limit} shown; --limit N shows more")


def _names(cursor: sqlite3.Cursor) -> list[str]:
    return [name for name, *_ in cursor.description]


def _in_pages(
    connection: sqlite3.Connection, sql: str, bound: dict[str, Any]
) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the names of the columns, and the rows.

    Each page is read completely, in its own transaction: a reader such as a pager may wait for hours, and a
    transaction that stays open makes the writer's WAL grow.
    """

    def read(after_time: float, after_ts: int, size: int) -> sqlite3.Cursor:
        return connection.execute(sql, bound | {"after_time": after_time, "after_ts": after_ts, "page": size})

    def rows() -> Iterator[tuple[Any, ...]]:
        left = bound["limit"]
        after = (bound["start"], _LEAST_TS)
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            cursor = read(*after, size)
            if _names(cursor) != names:
                raise UserError("the database was upgraded meanwhile; run it again")
            page = cursor.fetchall()
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            yield from page
            if len(page) < size:
                return
            after = (page[-1][time], page[-1][ts])
            left = None if left is None else left - size

    names = _names(read(0.0, 0, 0))
    time, ts = names.index("time"), names.index("ts")
    return names, rows()


def _found(
    connection: sqlite3.Connection, report: Report, bound: Mapping[str, Any]
) -> tuple[Mapping[str, Any], str | None]:
    """Return the parameters that the report's own function finds, and its remarks."""
    if report.finds is None:
        return {}, None
    found: tuple[Mapping[str, Any], str | None] = function(report.finds)(connection, bound)
    return found


# --- beside the rows -------------------------------------------------------------------------------


def _note(connection: sqlite3.Connection, report: Report, bound: Mapping[str, Any]) -> str | None:
    found = connection.execute(sql_text(report.note), bound).fetchone() if report.note else None
    return str(found[0]) if found else None


def _age(connection: sqlite3.Connection, window: Window, now: float | None) -> str | None:
    """For a report on now: the age of its newest sample, if more than a few samples are missing since."""
    if window.last is None or now is None:
        return None
    row = connection.execute(_INTERVAL, (window.newest,)).fetchone()
    interval = row[0] if row and isinstance(row[0], (int, float)) else USUAL_INTERVAL
    end = now if window.until is None else min(now, window.until)
    if end - window.last <= OLD * interval:
        return None
    how = "old" if end == now else "older than the end of the window"
    return f"the newest sample is {shown_span(end - window.last)} {how}: {shown_time(window.last)}"


def _misdated(connection: sqlite3.Connection, report: Report, window: Window) -> str | None:
    """For a report on all samples: how many it leaves out because a wrong clock dated them."""
    if window.since is not None or report.takes_at or report.vertical:
        return None
    (count,) = connection.execute(_MISDATED).fetchone()
    return f"{count} samples dated by a wrong clock are left out" if count else None


def _why_nothing(connection: sqlite3.Connection, report: Report, window: Window, history: History) -> str:
    bound = window._asdict() | {"raw_since": history.raw_since if report.sums else 0}
    oldest, newest = connection.execute(_HELD, bound).fetchone()
    if oldest is None:
        return "database is empty: is telemetry-writer running?"
    if connection.execute(_INSIDE, bound).fetchone():
        return f"{report.nothing}{_span(window.since, window.until)}"
    told = f"the database holds {shown_time(oldest)} to {shown_time(newest)}"
    return f"no sample{_span(window.since, window.until)}: {told}"


def _span(since: float | None, until: float | None) -> str:
    if since is not None:
        return f" between {shown_time(since)} and {'now' if until is None else shown_time(until)}"
    return "" if until is None else f" before {shown_time(until)}"
