"""If there are too many raw rows, they are dropped in whole days, oldest first; their roll-ups stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telemetry.errors import UsageError
from telemetry.stream.joiner import Gap
from tests.writer.reading import changing, insert_without_run, reading, rows, value
from tests.writer.rollups.recomputed import marks, rolled_up
from tests.writer.samples import NOW, sample
from tests.writer.upgrade.originals import build, measured
from tests.writer.working import ROOMY, drop
from writer.file.disk import Disk
from writer.limits import Limits, note_limits
from writer.main import parser
from writer.rollups.retention import Retention
from writer.rollups.trusted_time import trusted_time
from writer.store import Store

DAY = 86400
MIDNIGHT = NOW - NOW % DAY
LARGE = Limits(1 << 40)
TABLES = ("system_sample", "cpu_core", "process_sample")


def fill(store: Store, days: int, *, each: int = 100, first_day: int = 0, run: str = "run-a") -> None:
    """Store ``each`` samples a day, evenly spread, and one at the start of the next day; roll up."""
    step = DAY // each
    first = first_day * each + 1
    seqs = range(first, first + days * each + 1)
    store.append([sample(seq, run, ts=MIDNIGHT + (seq - 1) * step) for seq in seqs], NOW)
    while store.roll_up():
        pass


def per_day(path: Path) -> list[tuple[int, int]]:
    return [
        (int(day), count)
        for day, count in rows(
            path,
            f"SELECT CAST(time AS INTEGER) / {DAY} - {MIDNIGHT // DAY} AS day, COUNT(*) FROM system_sample "
            "GROUP BY day ORDER BY day",
        )
    ]


def used(store: Store) -> int:
    with reading(store.path) as database:
        page, count, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
    return int(page * (count - free))


def assert_no_orphans(path: Path) -> None:
    for table in ("cpu_core", "process_sample", "battery_pack"):
        assert (
            value(path, f"SELECT COUNT(*) FROM {table} WHERE ts NOT IN (SELECT ts FROM system_sample)") == 0
        )


# --- by size ---


def test_the_oldest_days_are_dropped_first_and_their_roll_ups_stay(store: Store) -> None:
    fill(store, 10, each=400)
    before = rolled_up(store.path)
    limit = used(store) * 6 // 10
    done = drop(store, Retention(Limits(limit), lambda: ROOMY))
    assert set(done) <= {"--max-size", "free pages"}
    assert used(store) <= limit
    kept = per_day(store.path)
    assert 0 < len(kept) < 9
    assert kept[0][1] == 400, "days are dropped as a whole"
    assert marks(store.path)["raw_since"] == MIDNIGHT + kept[0][0] * DAY
    assert rolled_up(store.path) == before
    assert_no_orphans(store.path)


def test_only_rolled_up_rows_are_dropped(store: Store) -> None:
    fill(store, 3)
    with changing(store.path) as database:
        database.execute("UPDATE history SET day_until = ?", (MIDNIGHT + DAY,))
    retention = Retention(Limits(1), lambda: ROOMY)
    drop(store, retention)
    assert [day for day, _ in per_day(store.path)] == [1, 2, 3]
    assert retention.is_stuck
    assert marks(store.path)["raw_since"] == MIDNIGHT + DAY


@pytest.mark.slow
def test_a_reader_never_takes_part_of_a_day_for_the_whole_day(store: Store) -> None:
    """After every step, the days from raw_since on have all their rows."""
    fill(store, 5, each=720)
    retention = Retention(Limits(1), lambda: ROOMY)
    steps = 0
    while store.apply(retention.step):
        steps += 1
        since = marks(store.path)["raw_since"]
        whole = [count for day, count in per_day(store.path) if MIDNIGHT + day * DAY >= since]
        assert whole == [720] * (len(whole) - 1) + [1]
        assert since <= marks(store.path)["day_until"]
    assert steps > 5


def test_late_rows_of_a_dropped_day_are_rolled_up_and_may_be_dropped(store: Store) -> None:
    fill(store, 3)
    drop(store, Retention(Limits(1), lambda: ROOMY))
    samples = value(store.path, "SELECT SUM(samples) FROM system_hour")
    store.append([sample(1, "run-b", ts=MIDNIGHT + 100)], NOW)
    assert value(store.path, "SELECT SUM(samples) FROM system_hour") == samples + 1
    store.append([sample(302)], NOW)  # the newest row stays, because the stream continues after it
    drop(store, Retention(Limits(1), lambda: ROOMY))
    assert (
        per_day(store.path) == [(3, 1)] or value(store.path, "SELECT MIN(time) FROM system_sample") > MIDNIGHT
    )


def test_the_newest_row_is_kept_whatever_its_clock_says(store: Store) -> None:
    fill(store, 3)
    store.append([sample(302, ts=100)], NOW)
    drop(store, Retention(Limits(1), lambda: ROOMY))
    assert store.position == ("run-a", 302)


def test_a_clock_that_once_was_a_year_ahead_does_not_make_today_an_old_day(store: Store) -> None:
    fill(store, 3)
    store.append([sample(302, ts=MIDNIGHT + 3 * DAY + 5)._replace(time=MIDNIGHT + 400.0 * DAY)], NOW)
    store.append([sample(303, ts=MIDNIGHT + 3 * DAY + 10)], NOW)
    while store.roll_up():
        pass
    assert marks(store.path)["day_until"] > MIDNIGHT + 300 * DAY
    drop(store, Retention(Limits(1), lambda: ROOMY))
    assert per_day(store.path) == [(3, 2), (400, 1)]
    assert marks(store.path)["raw_since"] == MIDNIGHT + 3 * DAY


def test_dropped_samples_are_not_a_gap(store: Store) -> None:
    """The ring replays the run from its middle on."""
    fill(store, 3)
    drop(store, Retention(Limits(1), lambda: ROOMY))
    store.append([Gap("run-a", 1, 300), Gap("run-a", 290, 305)], NOW)
    assert rows(store.path, "SELECT first_seq, last_seq FROM gap") == [(302, 305)]


def test_dropped_samples_are_not_stored_again(store: Store) -> None:
    """A second import of an old file would count twice in the roll-ups."""
    fill(store, 3)
    old = [sample(seq, ts=MIDNIGHT + (seq - 1) * 864) for seq in range(1, 302)]
    drop(store, Retention(Limits(1), lambda: ROOMY))
    before = rolled_up(store.path)
    assert store.import_samples(old) == (0, 301)
    assert rolled_up(store.path) == before
    assert store.import_samples([sample(1, "run-c", ts=MIDNIGHT + 5)]) == (1, 0)


def test_gaps_of_dropped_samples_are_removed_and_runs_stay(store: Store) -> None:
    fill(store, 2)
    with changing(store.path) as database:
        database.execute("INSERT INTO gap VALUES (1, 50, 60, ?), (1, 500, 600, ?)", (NOW, NOW))
    drop(store, Retention(Limits(1), lambda: ROOMY))
    assert rows(store.path, "SELECT first_seq FROM gap") == [(500,)]
    assert rows(store.path, "SELECT run, last_seq FROM run JOIN dropped USING (run_id)") == [("run-a", 200)]


@pytest.mark.slow
def test_cores_and_processes_of_lost_samples_are_dropped_with_the_oldest(store: Store) -> None:
    """They were copied from a damaged database and have no sample."""
    fill(store, 4, each=720)
    sampled = MIDNIGHT + 2 * DAY
    with changing(store.path) as database:
        database.execute("DELETE FROM system_sample WHERE time < ?", (sampled,))
        database.execute(
            "DELETE FROM system_sample WHERE ts BETWEEN ? AND ?", (sampled + 9000, sampled + 9999)
        )
    orphans = "SELECT COUNT(*) FROM {} WHERE ts NOT IN (SELECT ts FROM system_sample)"
    counts = [value(store.path, orphans.format(table)) for table in ("cpu_core", "process_sample")]
    assert min(counts) > 2 * 1440
    kept_tables = ("system_hour", "core_hour", "process_day")  # the other tables are folded at this size
    before = {name: rolled_up(store.path)[name] for name in kept_tables}
    # They stay while there is room.
    assert drop(store, Retention(LARGE, lambda: ROOMY)) == []
    # One step drops a few of them, all of one day; samples are dropped after the last of them.
    retention = Retention(Limits(1), lambda: ROOMY)
    while store.apply(retention.step) != "--max-size":
        pass
    assert 0 < counts[0] - value(store.path, orphans.format("cpu_core")) <= 2 * 100
    assert marks(store.path)["raw_since"] == MIDNIGHT + DAY
    limit = used(store) * 95 // 100
    drop(store, Retention(Limits(limit), lambda: ROOMY))
    assert used(store) <= limit
    assert value(store.path, "SELECT MIN(ts) FROM cpu_core") >= sampled
    assert value(store.path, "SELECT MIN(ts) FROM system_sample") == sampled
    drop(store, Retention(Limits(1), lambda: ROOMY))
    assert_no_orphans(store.path)
    assert {name: rolled_up(store.path)[name] for name in kept_tables} == before


# --- by disk space ---


@pytest.mark.slow
def test_on_a_full_disk_days_are_dropped_until_there_is_room(store: Store) -> None:
    fill(store, 17, each=400)
    size = store.path.stat().st_size
    short = size // 6

    def disk() -> Disk:
        return Disk((256 << 20) - short + (size - store.path.stat().st_size), 1 << 30)

    done = drop(store, Retention(LARGE, disk))
    assert "the free space of the disk" in done
    assert "free pages" in done
    assert disk().free >= 256 << 20
    assert len(per_day(store.path)) > 3


@pytest.mark.slow
def test_a_file_that_cannot_shrink_loses_no_more_than_it_needs(tmp_path: Path) -> None:
    """An upgraded database has no auto_vacuum: dropping rows would not free disk space."""
    path = tmp_path / "telemetry.db"
    build(path, measured(3000))
    with Store(path) as store:
        assert value(path, "PRAGMA auto_vacuum") == 0
        fill(store, 20, each=400)
        with changing(path) as database:  # large rows, because rows are dropped until 16 MiB are free
            database.execute("ALTER TABLE system_sample ADD COLUMN own_note BLOB")
            database.execute("UPDATE system_sample SET own_note = ZEROBLOB(4000)")
        drop(store, Retention(LARGE, lambda: Disk(0, 1 << 40)))
        free = value(path, "PRAGMA freelist_count") * value(path, "PRAGMA page_size")
        assert 16 << 20 <= free < 20 << 20
        assert len(per_day(path)) > 5


@pytest.mark.slow
def test_free_pages_are_returned_if_there_are_many(store: Store) -> None:
    fill(store, 10, each=400)
    size = store.path.stat().st_size
    retention = Retention(Limits(size // 2), lambda: ROOMY)
    drop(store, retention)
    store.empty_wal()
    assert store.path.stat().st_size <= size // 2


def test_the_last_week_is_kept_if_other_files_fill_the_disk(store: Store) -> None:
    fill(store, 10)
    drop(store, Retention(LARGE, lambda: Disk(0, 1 << 40)))
    assert [day for day, _ in per_day(store.path)] == [3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("is_default", [True, False])
@pytest.mark.parametrize("room", [True, False])
@pytest.mark.fast_cases(2)
def test_inherited_rows_are_dropped_only_for_a_given_size(store: Store, is_default: bool, room: bool) -> None:
    """Once, 67,390 of 300,000 old samples were silently dropped within 70 s of an upgrade, to free space."""
    store.import_samples([sample(seq, "imported", ts=MIDNIGHT - 9 * DAY + seq) for seq in range(1, 100)])
    with changing(store.path) as database:
        database.execute("INSERT INTO system_sample (ts, time) VALUES (?, ?)", (MIDNIGHT - DAY,) * 2)
    fill(store, 10)
    retention = Retention(
        Limits(1, is_default=is_default) if room else LARGE, lambda: ROOMY if room else Disk(0, 9)
    )
    drop(store, retention)
    kept = [day for day, _ in per_day(store.path)]
    assert kept == ([] if room and not is_default else [-9, -1]) + (
        [10] if room else [3, 4, 5, 6, 7, 8, 9, 10]
    )


@pytest.mark.slow
def test_the_logged_reason_has_its_figures(store: Store) -> None:
    fill(store, 10)
    retention = Retention(Limits(1, is_default=True), lambda: ROOMY)
    drop(store, retention)
    assert re.fullmatch("it has [0-9.]+ MiB, and --max-size is 0 MiB, the default", retention.reason)
    assert value(store.path, "SELECT value FROM setting WHERE name = 'dropped_for'") == retention.reason
    fill(store, 10, first_day=20)
    retention = Retention(LARGE, lambda: Disk(100 << 20, 1 << 30))
    drop(store, retention)
    assert retention.reason == "the disk has 100 MiB free, and 256 MiB are kept free"


# --- by age ---


@pytest.mark.slow
def test_rows_are_dropped_by_age_but_those_of_imports_and_of_the_original(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        fill(store, 10)
        store.import_samples([sample(seq, "imported", ts=MIDNIGHT + seq * 3600 + 7) for seq in range(1, 24)])
        with changing(path) as database:
            database.execute("INSERT INTO system_sample (ts, time) VALUES (?, ?)", (MIDNIGHT + 9,) * 2)
        # The import removed sessions: recomputing them needs the rows of all later days.
        while store.roll_up():
            pass
        done = drop(store, Retention(Limits(1 << 40, 3.0 * DAY), lambda: ROOMY))
        assert set(done) == {"--retain"}
        assert per_day(path)[0] == (0, 24)
        assert [day for day, _ in per_day(path)][1:] == [7, 8, 9, 10]
        assert marks(path)["raw_since"] == MIDNIGHT + 7 * DAY
        # They are dropped by size, too.
        drop(store, Retention(Limits(1), lambda: ROOMY))
        assert per_day(path) == [(10, 1)]


@pytest.mark.slow
def test_more_rows_than_one_step_reads(store: Store) -> None:
    fill(store, 10)
    insert_without_run(store.path, [MIDNIGHT + at for at in range(12_000) if at % (DAY // 100)])
    drop(store, Retention(Limits(1 << 40, 3.0 * DAY), lambda: ROOMY))
    assert [day for day, _ in per_day(store.path)] == [0, 7, 8, 9, 10]


def test_without_an_age_nothing_is_too_old(store: Store) -> None:
    fill(store, 10)
    assert drop(store, Retention(LARGE, lambda: ROOMY)) == []


def test_a_clock_that_jumps_ahead_drops_nothing_for_a_day(store: Store) -> None:
    """Age counts from the row before, because dropped rows do not come back when the clock does."""
    fill(store, 3)
    last = MIDNIGHT + 3 * DAY

    def trusted() -> float:
        with reading(store.path) as database:
            return trusted_time(database) or 0.0

    assert trusted() == last + 0.25
    store.append([sample(1, "later", ts=last + 400 * DAY)], NOW)
    assert trusted() == last + 0.25
    store.append([sample(seq, "later", ts=last + 400 * DAY + seq * 3600) for seq in range(2, 24)], NOW)
    while store.roll_up():
        pass
    assert drop(store, Retention(Limits(1 << 40, 30.0 * DAY), lambda: ROOMY)) == []
    store.append([sample(seq, "later", ts=last + 400 * DAY + seq * 3600) for seq in range(24, 27)], NOW)
    assert trusted() == last + 400 * DAY + 26 * 3600 + 0.25
    assert drop(store, Retention(Limits(1 << 40, 30.0 * DAY), lambda: ROOMY)) != []


def test_a_machine_that_runs_an_hour_a_week_is_bounded_too(store: Store) -> None:
    for week in range(10):
        ts = MIDNIGHT + week * 7 * DAY
        store.append([sample(week * 100 + at, ts=ts + at * 36) for at in range(1, 100)], NOW)
    while store.roll_up():
        pass
    drop(store, Retention(Limits(1 << 40, 15.0 * DAY), lambda: ROOMY))
    assert [day // 7 for day, _ in per_day(store.path)] == [6, 7, 8, 9]


def test_an_empty_database_has_nothing_to_drop(store: Store) -> None:
    assert drop(store, Retention(Limits(1, 1.0), lambda: Disk(0, 1 << 40))) in ([], ["free pages"])
    store.append([sample(1)], NOW)
    with changing(store.path) as database:
        database.execute("UPDATE system_sample SET time = NULL")
        assert trusted_time(database) is None


# --- the options ---


def test_reports_find_the_limits(store: Store) -> None:
    free = {"least_free": 256 << 20, "least_free_percent": 5}
    store.apply(lambda database: note_limits(database, Limits(1 << 30, 90.0 * DAY)))
    assert dict(rows(store.path, "SELECT * FROM setting")) == {
        "max_size": 1 << 30,
        "retain": 90 * DAY,
        **free,
    }
    store.apply(lambda database: note_limits(database, Limits(1 << 20)))
    assert dict(rows(store.path, "SELECT * FROM setting")) == {"max_size": 1 << 20, **free}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 << 30),
        ("500M", 500_000_000),
        ("2GiB", 2 << 30),
        ("20000000", 20_000_000),
        ("1.5g", 1_500_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parser().parse_args(["--max-size", text]).max_size == size
    assert parser().parse_args([]).max_size == 4 << 30


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("12w", 84), ("2y", 730)])
def test_ages(text: str, days: int) -> None:
    assert parser().parse_args(["--retain", text]).retain == days * DAY
    assert parser().parse_args([]).retain is None


@pytest.mark.parametrize(
    "arguments",
    ["--max-size 900k", "--max-size lots", "--max-size -4G", "--retain 0d", "--retain 90", "--retain d"],
)
def test_absurd_limits_are_refused(arguments: str) -> None:
    with pytest.raises(UsageError, match=r"is no|is less than|expected one"):
        parser().parse_args(arguments.split())
