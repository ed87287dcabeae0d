"""Samples dated by a wrong clock: which ones are found, and their effect on reports and roll-ups."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import DAY
from telemetry.sample import Sample
from tests.writer.samples import sample
from writer.mending import drop_misdated, settle_clock
from writer.store import Store
from writer.wrong_clock import Segment, count_misdated, judge

NOW = 1_800_000_000.0
YEAR = 365 * DAY


def recorded(*parts: tuple[int, float, float]) -> list[Segment]:
    """Return samples from segments (run, start, length), each with a hundred samples."""
    return [
        Segment(run, 100 * index + 1, 100 * index + 100, start, start + length)
        for index, (run, start, length) in enumerate(parts)
    ]


STORIES: dict[str, tuple[list[tuple[int, float, float]], set[int]]] = {
    "nothing": ([], set()),
    "one clock": ([(1, NOW, 9e6)], set()),
    "2120 for five seconds": ([(1, NOW, 600), (1, NOW + 94 * YEAR, 5), (1, NOW + 605, 60)], {1}),
    "2120 at the very start": ([(1, NOW + 94 * YEAR, 5), (1, NOW, 60)], {0}),
    "2120 until now": ([(1, NOW, 600), (1, NOW + 94 * YEAR, 5)], set()),
    "2120 until the sampler was restarted": (
        [(1, NOW, 600), (1, NOW + 94 * YEAR, 50), (2, NOW + 700, 10)],
        {1},
    ),
    "a run in 2120 between two": ([(1, NOW, 600), (2, NOW + 94 * YEAR, 9e6), (3, NOW + 700, 10)], {1}),
    "runs in 2120 and 2121 between two": (
        [(1, NOW, 600), (2, NOW + 94 * YEAR, 50), (3, NOW + 95 * YEAR, 50), (4, NOW + 700, 10)],
        {1, 2},
    ),
    "1970 until NTP": ([(1, 5.0, 30), (1, NOW, 60)], {0}),
    "1970 in a run of its own": ([(1, NOW, 600), (2, 5.0, 0), (3, NOW + 900, 60)], {1}),
    "1970 and no network yet": ([(1, NOW, 600), (2, 5.0, 3600)], set()),
    "1970 for ever": ([(1, 5.0, 3600), (2, 5.0, 3600)], set()),
    "a dead chip says 2021 until NTP": (
        [(1, NOW, 9e6), (2, NOW - 5 * YEAR, 30), (2, NOW + 9.1e6, 60)],
        {1},
    ),
    "a dead chip says 2021 for now": ([(1, NOW, 9e6), (2, NOW - 5 * YEAR, 30)], set()),
    "set to 2021 by a slip and back": (
        [(1, NOW, 9e5), (1, NOW - 5 * YEAR, 300), (1, NOW + 9e5 + 300, 60)],
        {1},
    ),
    "an hour back": ([(1, NOW, 7200), (1, NOW + 3600, 60)], set()),
    "off for a month": ([(1, NOW, 7200), (2, NOW + 30 * DAY, 60)], set()),
    "a year ahead for months, then right": (
        [(1, NOW, 600), (2, NOW + YEAR, 90 * DAY), (2, NOW + 90 * DAY, 60)],
        {1},
    ),
    "two slips to 2120, and right between": (
        [(1, NOW + 94 * YEAR, 5), (1, NOW, 9e5), (1, NOW + 94 * YEAR, 5)],
        {0},
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_each_clock_scenario(story: str) -> None:
    parts, wrong = STORIES[story]
    segments = recorded(*parts)
    assert judge(segments) == {segments[index] for index in wrong}


PARTS = st.tuples(
    st.integers(1, 4),
    st.sampled_from([0.0, NOW - YEAR, NOW, NOW + YEAR]) | st.floats(0, NOW + 94 * YEAR),
    st.floats(0, 400 * DAY),
)


@given(st.lists(PARTS, max_size=8).map(lambda parts: sorted(parts, key=lambda part: part[0])))
def test_the_newest_clock_is_believed_and_never_all_samples_are_rejected(
    parts: list[tuple[int, float, float]],
) -> None:
    segments = recorded(*parts)
    wrong = judge(segments)
    assert wrong <= set(segments)
    assert not segments or segments[-1] not in wrong


@given(st.lists(st.tuples(st.floats(0, 30 * DAY), st.floats(0, 30 * DAY)), min_size=1, max_size=8))
def test_a_clock_that_only_moves_forward_normally_is_never_wrong(parts: list[tuple[float, float]]) -> None:
    start, story = NOW, []
    for number, (pause, length) in enumerate(parts):
        start += pause
        story.append((number // 2, start, length))
        start += length
    assert judge(recorded(*story)) == set()


@given(
    st.lists(st.floats(3600, 30 * DAY), min_size=2, max_size=6),
    st.data(),
    st.sampled_from([94 * YEAR, 2 * YEAR, -NOW]),
)
def test_one_wrong_sample_between_right_ones_is_found(
    lengths: list[float], data: st.DataObject, by: float
) -> None:
    start, story = NOW, []
    for number, length in enumerate(lengths):
        story.append((number // 2, start, length))
        start += length
    at = data.draw(st.integers(1, len(story) - 1))
    run, when, _ = story[at]
    story.insert(at, (run, when + by, 60.0))
    segments = recorded(*story)
    assert judge(segments) == {segments[at]}


# --- in a database ---------------------------------------------------------------------------------


def samples_at(*times: float, run: str = "run-a", first: int = 1) -> list[Sample]:
    """Return samples of one run at the given times of its clock."""
    return [sample(first + index, run)._replace(ts=int(time), time=time) for index, time in enumerate(times)]


def steady(start: float, count: int) -> list[float]:
    return [start + 5.0 * index for index in range(count)]


def dated(store: Store) -> list[float]:
    rows = store.apply(lambda db: db.execute("SELECT time FROM system_sample ORDER BY ts").fetchall())
    return [time for (time,) in rows or []]


SLIP = [*steady(NOW, 100), *steady(NOW + 94 * YEAR, 3), *steady(NOW + 515, 60)]
STORED: dict[str, list[Sample]] = {
    "2120 in a run": samples_at(*SLIP),
    "1970 until NTP": samples_at(*steady(1000.0, 3), *steady(NOW, 60)),
    "2120 between runs": [
        *samples_at(*steady(NOW, 100)),
        *samples_at(*steady(NOW + 94 * YEAR, 3), run="run-b"),
        *samples_at(*steady(NOW + 520, 60), run="run-c"),
    ],
    "1970 between runs": [
        *samples_at(*steady(NOW, 100)),
        *samples_at(5.0, run="run-b"),
        *samples_at(*steady(NOW + 520, 60), run="run-c"),
    ],
    "2120 across lost samples": [
        *samples_at(*steady(NOW, 100)),
        *samples_at(*steady(NOW + 94 * YEAR, 3), first=110),
        *samples_at(*steady(NOW + 600, 60), first=120),
    ],
}


@pytest.mark.parametrize("story", STORED)
@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.fast_cases(4)
def test_misdated_rows_are_left_out_of_the_roll_ups(tmp_path: Path, story: str, batch: int) -> None:
    samples = STORED[story]
    right = [it.time for it in samples if abs(it.time - NOW) < DAY]
    with Store(tmp_path / "telemetry.db") as store, Store(tmp_path / "right.db") as other:
        for first in range(0, len(samples), batch):
            store.append(samples[first : first + batch], NOW)
            if batch == 7:
                settle_clock(store)
        settle_clock(store)
        other.append([it for it in samples if it.time in right], NOW)
        settle_clock(other)
        assert [time for time in dated(store) if time is not None] == right
        assert store.apply(count_misdated) == len(samples) - len(right)
        assert store.apply(rolled_up) == other.apply(rolled_up)


def test_a_wrong_verdict_is_reverted(store: Store) -> None:
    store.append(samples_at(*steady(NOW, 100), *steady(NOW - 5 * YEAR, 50)), NOW)
    settle_clock(store)
    store.append(samples_at(*steady(NOW + 750, 9), first=151), NOW)
    settle_clock(store)
    assert dated(store) == [*steady(NOW, 100), *[None] * 50, *steady(NOW + 750, 9)]


def test_the_store_finds_misdated_rows_of_an_earlier_version(tmp_path: Path) -> None:
    samples = samples_at(*SLIP)
    for part in (samples[:50], samples[50:101], samples[101:103], samples[103:104], samples[104:]):
        with Store(tmp_path / "telemetry.db") as store:
            store.append(part, NOW)
    with Store(tmp_path / "telemetry.db") as store:
        settle_clock(store)
        assert store.apply(count_misdated) == 3


def test_imported_samples_are_judged_by_their_own_run(store: Store) -> None:
    store.append(samples_at(*steady(NOW + YEAR, 9)), NOW)
    store.import_samples(samples_at(*steady(NOW - 9 * YEAR, 9), run="old"))
    store.import_samples(samples_at(5.0, *steady(NOW, 9), run="run-b"))
    settle_clock(store)
    assert store.apply(count_misdated) == 1


def test_misdated_rows_are_dropped_on_request_and_nothing_else(store: Store) -> None:
    store.append(samples_at(*SLIP), NOW)
    settle_clock(store)
    before = store.apply(rolled_up)
    assert drop_misdated(store) == 3
    assert drop_misdated(store) == 0
    assert store.apply(count_misdated) == 0
    assert dated(store) == [*steady(NOW, 100), *steady(NOW + 515, 60)]
    assert store.apply(rolled_up) == before


def rolled_up(database: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    tables = ("history", "system_minute", "system_hour", "core_hour", "process_hour", "process_day")
    found = []
    for table in tables:
        skipped = "drain_newest_ts"  # ids: misdated samples also have some
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != skipped]
        found.append(database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2").fetchall())
    return found
