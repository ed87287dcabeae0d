"""The loads are right: samples, a year of roll-ups, a fed writer; and one small real run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest

from benchmarks import cost, reports, samples, writing
from benchmarks.database import DAY, ROLL_UPS, Span, _age
from query.reports import BY_NAME
from telemetry.sample import decode, encode
from writer import schema

FIRST = 20_000 * DAY
SPAN = Span("10 days", 2, 10)
TIMES = {"bucket", "first_start", "last_time", "drain_newest_ts"}


@pytest.fixture
def rolled_up() -> Iterator[sqlite3.Connection]:
    """Roll-ups of two days and of an hour of the third."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    schema.fresh(database)
    step = {"system_minute": 60, "process_day": DAY, "energy_day": DAY}
    for table in ROLL_UPS:
        columns = [(row[1], row[5]) for row in database.execute(f"PRAGMA table_info({table})")]
        end = FIRST + 2 * DAY + (0 if step.get(table) == DAY else 3600)
        for bucket in range(FIRST, end, step.get(table, 3600)):
            row = [bucket if name in TIMES else 1 for name, _ in columns]
            marks = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    database.execute(
        "UPDATE history SET minute_until = ?1 + 3600, hour_until = ?1 + 3600, day_until = ?1",
        (FIRST + 2 * DAY,),
    )
    yield database
    database.close()


def test_samples_are_valid_and_reproducible() -> None:
    made = list(samples.samples(1, 50, 1_800_000_000.0))
    assert [decode(encode(sample)) for sample in made] == made
    assert list(islice(samples.samples(20, 31, 1_800_000_000.0), 31)) == made[19:]
    assert [sample.seq for sample in made] == list(range(1, 51))
    assert all(b.ts - a.ts == 5 for a, b in pairwise(made))
    assert {len(sample.processes) for sample in made} <= {9, 10}
    assert {len(sample.cpu.cores) for sample in made} == {4}
    assert all(sample.battery and sample.battery.pct and sample.battery.pct > 10 for sample in made)


def test_lines_are_samples_of_identical_days() -> None:
    made = [decode(line) for line in samples.lines(17_278, 4, 1_800_000_000.0)]
    again = [decode(line) for line in samples.lines(34_558, 4, 1_800_000_000.0)]
    for one, other in zip(made, again, strict=True):
        assert (other.seq - one.seq, other.ts - one.ts) == (17_280, 86_400)
        assert one._replace(seq=0, ts=0, time=0.0) == other._replace(seq=0, ts=0, time=0.0)


def test_roll_ups_are_copied_into_the_past_and_the_newest_stay(rolled_up: sqlite3.Connection) -> None:
    before = {table: rolled_up.execute(f"SELECT * FROM {table}").fetchall() for table in ROLL_UPS}
    storage = _age(rolled_up, SPAN)
    for table, size in zip(ROLL_UPS, (60, 3600, 3600, 3600, DAY, 3600, DAY), strict=True):
        rows = rolled_up.execute(f"SELECT * FROM {table} ORDER BY bucket").fetchall()
        assert rows[-len(before[table]) :] == before[table]
        buckets = [row[0] for row in rows]
        assert buckets == list(range(FIRST - 8 * DAY, before[table][-1][0] + 1, size))
    moved = rolled_up.execute("SELECT first_start - bucket, last_time - bucket FROM system_hour").fetchall()
    assert set(moved) == {(0.0, 0.0)}
    assert rolled_up.execute("SELECT raw_since, day_until FROM history").fetchone() == (
        FIRST,
        FIRST + 2 * DAY,
    )
    assert storage.raw_sample > 0
    assert storage.rolled_up_year is not None
    assert storage.rolled_up_year > 0


def test_without_a_past_nothing_is_dropped(rolled_up: sqlite3.Connection) -> None:
    before = {table: rolled_up.execute(f"SELECT * FROM {table}").fetchall() for table in ROLL_UPS}
    _age(rolled_up, Span("2 days", 2, 2))
    assert before == {table: rolled_up.execute(f"SELECT * FROM {table}").fetchall() for table in ROLL_UPS}
    assert rolled_up.execute("SELECT raw_since FROM history").fetchone() == (0,)


def test_every_measured_report_exists() -> None:
    assert {report[0] for report in reports.REPORTS} == BY_NAME.keys() - {"export"} | {"at", "plot"}


@pytest.mark.slow
def test_a_writer_that_is_fed_writes_more_than_it_keeps() -> None:
    """It writes once into the WAL and later into the file, plus the index of the WAL."""
    files, all_ = writing.bytes_written(3, index=False), writing.bytes_written(3)
    assert 600 < files < all_ < 20_000


def test_an_import_is_timed() -> None:
    rate = writing.import_rate(50)
    assert 0 < rate.by_clock <= 1.2 * rate.by_cpu


@pytest.mark.slow
def test_a_round_measures_every_installed_program() -> None:
    found = cost.measure(30, 3)
    ours = [found.costs[name] for name in ("telemetry-sampler", "telemetry-writer", "psutil loop")]
    assert all(one and 0 < one.sample < 1000 and one.resident > one.proportional > 0 for one in ours)
    assert found.processes >= 30
    assert not list(Path("/dev/shm").glob(f"bench-{os.getpid()}-*"))


@pytest.mark.slow
def test_a_writer_catches_up_with_a_full_ring() -> None:
    found = writing.catch_up(1)
    assert found.ring == 8 << 20
    assert found.held > 3000
    assert found.rate.by_cpu > found.rate.by_clock / 1.2
