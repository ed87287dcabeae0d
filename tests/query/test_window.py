"""Raw rows at both ends with roll-ups in between give exactly the same as raw rows alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from itertools import pairwise
from math import inf, nextafter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import writer.rollups.steps
from query.answer import ask
from query.render import rendered
from query.report import Report, Variant, variant_of
from query.reports import REPORTS
from query.rollups import CORE, PROCESS, SYSTEM, RollUps
from query.window import JITTER, History, cut, outward
from tests.query.recordings import NOON, Recording
from tests.query.rollups import drop, roll_up
from tests.query.zones import ZONES, zone

DAY = 86_400
SOURCES = [SYSTEM, CORE, PROCESS]

# --- the cuts --------------------------------------------------------------------------------------

edges = st.integers(-4 * DAY, 4 * DAY).map(lambda offset: NOON + offset)
moments = st.one_of(
    edges.map(lambda edge: edge // 60 * 60),
    edges.map(lambda edge: edge // 3_600 * 3_600),
    edges.map(lambda edge: edge // DAY * DAY),
    edges.map(lambda edge: nextafter(edge // 3_600 * 3_600, inf)),
    edges.map(lambda edge: nextafter(edge // 60 * 60, 0)),
    st.floats(NOON - 4 * DAY, NOON + 4 * DAY),
)


@st.composite
def histories(draw: st.DrawFn, *, dropped: bool = False) -> History:
    minute = int(draw(moments)) // 60 * 60
    hour = (minute - draw(st.sampled_from([0, 0, 0, 3_600, DAY]))) // 3_600 * 3_600
    day = (hour - draw(st.sampled_from([0, 0, 0, DAY]))) // DAY * DAY
    raw = day - draw(st.integers(0, 3)) * DAY if dropped else 0
    return History(minute, hour, day, raw)


@given(moments, moments | st.just(inf), st.sampled_from(SOURCES), histories())
def test_a_window_is_cut_at_whole_buckets_that_are_rolled_up(
    start: float, stop: float, source: RollUps, history: History
) -> None:
    spans = cut(start, stop, source, history)
    assert spans.start == start
    assert spans.stop == max(start, stop)
    assert all(before <= after for before, after in pairwise(spans))
    for level, first, last in [
        (source.fine, spans.fine_start, spans.fine_stop),
        (source.coarse, spans.coarse_start, spans.coarse_stop),
    ]:
        if first == last:
            continue
        assert level
        assert first % level.size == last % level.size == 0
        assert last <= getattr(history, level.until)
        # As much as possible: one more bucket at either end would be outside the window or not rolled up.
        outer = (start, stop) if level is source.fine else (spans.fine_start, spans.fine_stop)
        assert first - level.size < outer[0]
        assert last + level.size > min(outer[1], getattr(history, level.until))


@given(moments, moments, st.sampled_from(SOURCES))
def test_without_roll_ups_only_raw_rows_are_read(start: float, stop: float, source: RollUps) -> None:
    spans = cut(start, stop, source, History())
    assert spans.fine_start == spans.fine_stop == spans.coarse_start == spans.coarse_stop == start


@given(moments, moments, st.sampled_from(SOURCES), histories(dropped=True))
def test_an_edge_moves_only_if_its_raw_rows_were_dropped(
    start: float, stop: float, source: RollUps, history: History
) -> None:
    moved = outward(start, stop, source, history)
    for before, after, way in zip((start, stop), moved, (-1, 1), strict=True):
        if before >= history.raw_since:
            assert after == before
        else:
            assert after % source.fine.size == 0
            assert 0 <= (after - before) * way < source.fine.size
            assert after <= history.raw_since


# --- the same answer -------------------------------------------------------------------------------


readings = st.fixed_dictionaries(
    {},
    optional={
        "interval": st.none() | st.floats(0.001, 3_600) | st.just(5.0),
        "energy_uj": st.integers(-(10**9), 10**9) | st.just(0),
        "current": st.floats(-3, 3),
        "status": st.sampled_from(["Discharging", "Charging", "Full"]),
        "battery_pct": st.integers(0, 100).map(float),
        "cpu_total": st.floats(0, 100),
        "cores": st.lists(st.none() | st.floats(0, 100), max_size=3),
        "processes": st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c", None]),
                st.none() | st.floats(0, 400),
                st.none() | st.floats(0, 100),
                st.none() | st.floats(0, 100),
            ),
            max_size=3,
        ),
        "skip": st.integers(0, 3),
    },
)
steps = st.one_of(
    st.just(5.0), st.floats(0.1, 90), st.floats(60, 7_200), st.floats(3_600, 2 * DAY), st.floats(-DAY, 0)
)
recorded = st.lists(st.tuples(steps | moments, readings), min_size=1, max_size=25)

BY = ["total", "hour", "day", "week", "month"]
ADDING_UP = [
    (report, arguments)
    for report in REPORTS
    if report.sums
    for arguments in ([{"by": by} for by in BY] if report.name == "energy" else [{}])
]
OF_HISTORY = {"rolled_up_until", "raw_since", "days_fit"}
"""Columns of status that describe the roll-ups themselves."""


@contextmanager
def database_of(rows: list[tuple[float, dict[str, Any]]]) -> Iterator[sqlite3.Connection]:
    """Make a database. A step is the seconds since the previous sample or, if large, the time itself."""
    with Recording(Path(":memory:")) as recording:
        recording.run()
        time = NOON
        for step, columns in rows:
            time = step if step > 10 * DAY else time + step
            numbered = [(pid, *rest) for pid, rest in enumerate(columns.get("processes", ()))]
            recording.sample(time, **columns | {"processes": numbered})
        yield recording.database


@contextmanager
def copy_of(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    database.commit()
    with closing(sqlite3.connect(":memory:")) as copy:
        database.backup(copy)
        yield copy


def answer(
    database: sqlite3.Connection,
    report: Report,
    variant: Variant,
    window: tuple[float | None, float | None],
    *,
    without: Set[str],
) -> str:
    """Return what ``--format json`` prints, without some columns."""
    other = dict.fromkeys(("limit", "now", "database", "bytes", "room", "retain"))
    columns, rows, _ = ask(
        database, report, variant, other | dict(zip(("since", "until"), window, strict=True))
    )
    kept = [index for index, column in enumerate(columns) if column.name not in without]
    return "".join(
        rendered([columns[index] for index in kept], ([row[index] for index in kept] for row in rows), "json")
    )


def windows(times: list[float]) -> st.SearchStrategy[tuple[float | None, float | None]]:
    edge = st.none() | moments | st.sampled_from(times)
    return st.tuples(edge, edge).filter(lambda window: None in window or window[0] < window[1])


@given(recorded, histories(), st.sampled_from(ZONES), st.data())
def test_the_answer_is_the_same_with_and_without_roll_ups(
    rows: list[tuple[float, dict[str, Any]]], history: History, place: str, data: st.DataObject
) -> None:
    with database_of(rows) as raw, copy_of(raw) as rolled_up, zone(place):
        roll_up(rolled_up, history)
        times = [time for (time,) in raw.execute("SELECT time FROM system_sample ORDER BY ts")]
        window = data.draw(windows(times))
        for report, arguments in ADDING_UP:
            variant = variant_of(report, arguments)
            expected = answer(raw, report, variant, window, without=OF_HISTORY)
            assert answer(rolled_up, report, variant, window, without=OF_HISTORY) == expected


@given(recorded, st.data())
def test_the_roll_ups_of_the_writer_give_the_same(
    rows: list[tuple[float, dict[str, Any]]], data: st.DataObject
) -> None:
    with database_of(rows) as raw, copy_of(raw) as rolled_up:
        rolled_up.isolation_level = None
        while writer.rollups.steps.in_background(rolled_up):
            pass
        times = [time for (time,) in raw.execute("SELECT time FROM system_sample ORDER BY ts")]
        window = data.draw(windows(times))
        for report, arguments in ADDING_UP:
            variant = variant_of(report, arguments)
            expected = answer(raw, report, variant, window, without=OF_HISTORY)
            assert answer(rolled_up, report, variant, window, without=OF_HISTORY) == expected


OF_ROWS = {
    *OF_HISTORY,
    *("pct_per_hour", "hours_left"),
    *("usage",),
    *("oldest", "newest", "newest_age_s", "last_gap", "last_gap_cause", "on_ac", "throttled"),
}
"""Columns from single rows, which may have been dropped."""


@given(recorded, histories(dropped=True), st.sampled_from([0, DAY]), st.data())
@pytest.mark.slow
def test_if_rows_were_dropped_the_answer_is_that_of_whole_buckets(
    rows: list[tuple[float, dict[str, Any]]], history: History, kept: int, data: st.DataObject
) -> None:
    with database_of(rows) as raw, copy_of(raw) as dropped:
        roll_up(dropped, history)
        drop(dropped, history.raw_since - kept)
        times = [time for (time,) in raw.execute("SELECT time FROM system_sample ORDER BY ts")]
        since, until = data.draw(windows(times))
        for report, arguments in ADDING_UP:
            window = _whole(report, times, since, until, history)
            if window is None:
                continue
            variant = variant_of(report, arguments)
            expected = answer(raw, report, variant, window, without=OF_ROWS)
            found = answer(dropped, report, variant, (since, until), without=OF_ROWS)
            # The writer stores energy by program before it drops rows. These roll-ups have none.
            assert _total(found) == _total(expected) if report.name == "blame" else found == expected


def _total(text: str) -> int:
    """Return the µJ of all rows."""
    return sum(round(3.6e9 * (row["wh"] or 0)) for row in json.loads(text))


def _whole(
    report: Report, times: list[float], since: float | None, until: float | None, history: History
) -> tuple[float | None, float | None] | None:
    """Return the window, widened to whole buckets; None if a row that it depends on may have been dropped."""
    size = 60 if report.sums is SYSTEM else 3_600
    if until is not None and until < history.raw_since:
        until = -(-until // size) * size
    if report.window is not None and until is None and times[-1] < history.raw_since:
        return None
    if report.window is not None and since is None:
        last = times[-1] if until is None else max((time for time in times if time < until), default=None)
        if last is not None:
            since = last - report.window + JITTER
    if since is not None and since < history.raw_since:
        since = since // size * size
    return since, until
