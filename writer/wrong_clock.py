"""Samples that were dated by a wrong clock, found by the order in which they were recorded.

A Raspberry Pi without a clock chip boots in 1970 until NTP answers; a dead chip or a typing error may set
2120. Within a run, the intervals of the samples show how time really passed, and samples of a later run
cannot be older. Only errors of more than a day count: an hour does not harm reports.

``judge`` is pure. ``review`` applies it to a database: in a row with a wrong date, the clock's reading is
kept in ``clock_time``, and ``time`` becomes NULL, which no window, rate or age includes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from telemetry import DAY, FIRST_RECORDING
from writer.file.transaction import transaction
from writer.rollups.rebuild import lower_marks, rebuild
from writer.rows import delete_samples

_TOO_LONG: Final = 30 * DAY
"""s; for a segment of this length, a step of the clock alone does not prove a wrong date"""
_MOST_RUNS: Final = 20
"""The number of newest runs that are judged together"""
_BATCH: Final = 500
"""Most rows that one transaction marks"""


class Segment(NamedTuple):
    """Samples of one run between two steps of its clock."""

    run_id: int
    first_seq: int
    last_seq: int
    start: float
    """The clock's reading at the first of them, Unix time, s"""
    end: float
    """The clock's reading at the last of them"""

    @property
    def length(self) -> float:
        """The seconds that the segment covers."""
        return self.end - self.start


def judge(segments: Sequence[Segment]) -> set[Segment]:
    """Return the segments that were dated by a wrong clock; they are given in order of recording. Pure.

    The newest segment is never wrong: nothing later contradicts it yet. An older segment is wrong if it lies

    - before 2020, and another one does not;
    - more than a day before both earlier and later segments that fit together and in sum last longer;
    - more than a day after a later segment, if an earlier segment fits that one, or if the clock was set back
      within the run.
    """
    if not segments:
        return set()
    newest = segments[-1]
    dated = [segment for segment in segments if segment.end >= FIRST_RECORDING]
    wrong = {it for it in segments[:-1] if it.end < FIRST_RECORDING} if dated else set()
    wrong |= {
        it for at, it in enumerate(dated) if it is not newest and _is_below(dated[:at], it, dated[at + 1 :])
    }
    if newest.end < FIRST_RECORDING:
        return wrong
    floor, floor_run = newest.start, newest.run_id
    believed = [segment for segment in dated[:-1] if segment not in wrong]
    for index, segment in reversed(list(enumerate(believed))):
        if segment.start <= floor + DAY:
            floor, floor_run = min(floor, segment.start), segment.run_id
            continue
        was_set_back = segment.run_id == floor_run and segment.length < _TOO_LONG
        if was_set_back or any(earlier.end <= floor + DAY for earlier in believed[:index]):
            wrong.add(segment)
    return wrong


def _is_below(earlier: Sequence[Segment], segment: Segment, later: Sequence[Segment]) -> bool:
    above = [it for it in earlier if it.end > segment.end + DAY]
    if not above:
        return False
    last = max(it.end for it in above)
    above += [it for it in later if it.start >= last - DAY]
    return len(above) > 1 and above[-1] in later and segment.length < sum(it.length for it in above)


# --- in a database ---------------------------------------------------------------------------------


def count_misdated(database: sqlite3.Connection) -> int:
    """Return how many rows were dated by a wrong clock."""
    (count,) = database.execute("SELECT COUNT(*) FROM system_sample WHERE time IS NULL").fetchone()
    return int(count)


def review(database: sqlite3.Connection) -> Iterator[int]:
    """Judge the newest runs again and mark or restore rows; yield the count of each transaction.

    The roll-ups of the affected hours are recomputed. Raises sqlite3.Error.
    """
    live = database.execute(
        "SELECT run_id FROM run WHERE NOT imported ORDER BY run_id DESC LIMIT ?", (_MOST_RUNS,)
    ).fetchall()
    imported = database.execute(
        "SELECT DISTINCT run_id FROM clock_step JOIN run USING (run_id) WHERE imported"
    ).fetchall()
    for runs in (
        live[::-1],
        *([run] for run in imported),
    ):  # the order in which imported runs were recorded is unknown, so each is judged alone
        segments = list(_segments(database, runs))
        wrong = judge(segments)
        for segment in segments:
            yield from _set(database, segment, is_wrong=segment in wrong)
    lower_marks(database)


def _segments(database: sqlite3.Connection, runs: Sequence[tuple[int]]) -> Iterator[Segment]:
    for (run_id,) in runs:
        steps = database.execute("SELECT seq FROM clock_step WHERE run_id = ? ORDER BY seq", (run_id,))
        edges = [0, *(seq for (seq,) in steps), 1 << 62]
        for first, end in pairwise(edges):
            ends = [_edge(database, run_id, first, end, order) for order in ("ASC", "DESC")]
            if ends[0] and ends[1]:
                (first_seq, start), (last_seq, last) = ends[0], ends[1]
                yield Segment(run_id, first_seq, last_seq, start, max(start, last))


def _edge(
    database: sqlite3.Connection, run_id: int, first: int, end: int, order: str
) -> tuple[int, float] | None:
    row: tuple[int, float] | None = database.execute(
        "SELECT seq, coalesce(clock_time, time) FROM system_sample "
        f"WHERE run_id = ? AND seq >= ? AND seq < ? ORDER BY seq {order} LIMIT 1",
        (run_id, first, end),
    ).fetchone()
    return row if row and isinstance(row[1], float) else None


def _set(database: sqlite3.Connection, segment: Segment, *, is_wrong: bool) -> Iterator[int]:
    """Mark or restore the rows of a segment, a batch at a time."""
    change, state = (
        ("clock_time = time, time = NULL", "time IS NOT NULL")
        if is_wrong
        else ("time = clock_time, clock_time = NULL", "time IS NULL")
    )
    find = (
        "SELECT ts, coalesce(clock_time, time) FROM system_sample "
        f"WHERE run_id = ? AND seq BETWEEN ? AND ? AND {state} ORDER BY seq LIMIT {_BATCH}"
    )
    while rows := database.execute(find, (segment.run_id, segment.first_seq, segment.last_seq)).fetchall():
        with transaction(database):
            database.executemany(f"UPDATE system_sample SET {change} WHERE ts = ?", [(ts,) for ts, _ in rows])
            rebuild(database, {said for _, said in rows})
        yield len(rows)


def drop_misdated(database: sqlite3.Connection) -> int:
    """Delete a batch of misdated samples with their cores, processes and packs; return how many."""
    rows = database.execute(
        f"SELECT ts FROM system_sample WHERE time IS NULL AND clock_time IS NOT NULL LIMIT {_BATCH}"
    ).fetchall()
    with transaction(database):
        delete_samples(database, [ts for (ts,) in rows])
    return len(rows)
