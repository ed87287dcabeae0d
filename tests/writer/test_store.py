"""Appending: identities, runs, one transaction per batch, and failures."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.stream.joiner import Gap
from tests.writer.reading import changing, is_whole, rows, stored, value
from tests.writer.samples import NOW, row_of, sample
from writer.ingest import Item
from writer.store import CannotWrite, Store

# --- identity ---


def test_a_sample_is_stored_once(store: Store) -> None:
    assert store.append([sample(1), sample(1), sample(2, ts=NOW)], NOW) == (2, 1)
    other = sample(1)._replace(host="elsewhere", ts=NOW + 77)
    assert store.append([other, sample(1, "run-b")], NOW) == (1, 1)
    assert store.import_samples([sample(1), sample(2), sample(1, "run-b")]) == (0, 3)
    assert [(run, seq) for run, seq, _ in stored(store)] == [("run-a", 1), ("run-a", 2), ("run-b", 1)]
    for table in ("cpu_core", "process_sample"):
        assert value(store.path, f"SELECT COUNT(DISTINCT ts) FROM {table}") == 3


def test_a_known_sample_uses_no_second(store: Store) -> None:
    store.append([sample(1, ts=NOW)], NOW)
    store.append([sample(1, ts=NOW + 500)], NOW)
    store.append([sample(2, ts=NOW + 1)], NOW)
    assert [ts for *_, ts in stored(store)] == [NOW, NOW + 1]


# --- runs ---


def runs(store: Store) -> list[tuple[object, ...]]:
    return rows(store.path, "SELECT run, host, boot_id, first_ts, started, version FROM run ORDER BY run_id")


def test_a_run_is_stored_with_its_first_row(store: Store) -> None:
    first = sample(3)._replace(time=NOW + 15.25, interval=5.0)
    store.append([first, sample(4)], NOW)
    store.append([sample(1, "run-b", ts=NOW + 100)], NOW)
    assert runs(store) == [
        ("run-a", "pi4", first.boot_id, NOW + 15, NOW + 10.25, 1),
        ("run-b", "pi4", first.boot_id, NOW + 100, NOW + 95.25, 1),
    ]


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
@pytest.mark.parametrize("reopen", [True, False], ids=["after a restart", "at once"])
def test_a_run_known_by_a_gap_gets_its_host_later(tmp_path: Path, together: bool, reopen: bool) -> None:
    """The joiner yields a gap together with the sample after it."""
    path = tmp_path / "telemetry.db"
    gap, behind = Gap("run-a", 1, 5), sample(6)
    store = Store(path)
    if together:
        store.append([gap, behind], NOW)
    else:
        store.append([gap], NOW + 0.5)
        assert runs(store) == [("run-a", "", "", 0, NOW + 0.5, 1)]
        if reopen:
            store.close()
            store = Store(path)
        store.append([behind], NOW)
    assert runs(store) == [("run-a", "pi4", behind.boot_id, NOW + 30, NOW + 25.25, 1)]
    store.append([Gap("run-a", 7, 8), sample(9)], NOW)
    assert runs(store) == [("run-a", "pi4", behind.boot_id, NOW + 30, NOW + 25.25, 1)]
    store.close()


def test_a_run_of_another_host_in_a_later_batch_changes_nothing(store: Store) -> None:
    store.append([sample(1)], NOW)
    before = runs(store)
    store.append([sample(1, "run-b")], NOW)
    store.append([sample(2)._replace(host="other", boot_id="other")], NOW)
    assert runs(store)[:1] == before


# --- position ---


def test_the_position_is_the_newest_stored_sample(store: Store) -> None:
    assert [store.position] == [None]
    store.append([Gap("run-a", 1, 5)], NOW)
    assert [store.position] == [None]
    store.append(row_of(6, 8), NOW)
    assert store.position == ("run-a", 8)
    store.append([sample(1, "run-b", ts=NOW - 3600)], NOW)
    assert store.position == ("run-b", 1)
    store.import_samples([sample(1, "old", ts=NOW - 7200)])
    assert store.position == ("run-b", 1)


# --- transactions ---


def test_a_reader_sees_all_of_a_batch_or_nothing(store: Store) -> None:
    store.append([sample(1)], NOW)
    seen: list[int] = []
    batch: list[Item] = [*row_of(2, 4), Gap("run-a", 5, 9), *row_of(10, 12)]

    def watched() -> Iterator[Item]:
        for item in batch:
            seen.append(value(store.path, "SELECT COUNT(*) FROM system_sample"))
            seen.append(value(store.path, "SELECT COUNT(*) FROM gap") + 1)
            yield item

    store.append(watched(), NOW)
    assert set(seen) == {1}
    assert value(store.path, "SELECT COUNT(*) FROM system_sample") == 7
    assert value(store.path, "SELECT COUNT(*) FROM gap") == 1


def test_a_batch_is_one_commit(store: Store) -> None:
    statements: list[str] = []
    store._database.set_trace_callback(statements.append)
    store.append([*row_of(1, 50), Gap("run-a", 51, 60), *row_of(61, 99)], NOW)
    assert statements.count("COMMIT") == 1
    assert [text for text in statements if text.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_batch_uses_synchronous_full_and_others_normal(
    store: Store, durable: bool, level: int
) -> None:
    for before in (not durable, durable):
        store.append([sample(1)], NOW, durable=before)
        store.append([sample(2)], NOW, durable=durable)
        assert store._database.execute("PRAGMA synchronous").fetchone() == (level,)


def test_an_exception_from_the_source_rolls_back(store: Store) -> None:
    def failing() -> Iterator[Item]:
        yield sample(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.append(failing(), NOW)
    assert stored(store) == []
    assert store.append([sample(1)], NOW) == (1, 0)


# --- write errors ---


@pytest.mark.parametrize("at", ["system_sample", "process_row", "run"])
def test_after_a_failed_batch_the_next_one_is_stored_correctly(store: Store, at: str) -> None:
    """Nothing of the failed batch is remembered: no key, no run, no gap."""
    condition = {
        "system_sample": "NEW.seq = 3",
        "process_row": "NEW.ts > 2000000000",
        "run": "NEW.run = 'b'",
    }
    store.append([sample(1)], NOW)
    with changing(store.path) as database:
        database.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {at} WHEN {condition[at]} "
            "BEGIN SELECT RAISE(ABORT, 'not today'); END"
        )
    before = [rows(store.path, f"SELECT * FROM {table}") for table in ("system_sample", "run", "gap")]
    batch: list[Item] = [
        Gap("run-a", 2, 2),
        Gap("c", 1, 2),
        sample(5, "c"),
        sample(7, ts=2_000_000_001),
        sample(1, "b", ts=2_000_000_002),
        sample(3, ts=2_000_000_003),
    ]
    with pytest.raises(CannotWrite, match="not today"):
        store.append(batch, NOW)
    assert [rows(store.path, f"SELECT * FROM {table}") for table in ("system_sample", "run", "gap")] == before
    with changing(store.path) as database:
        database.execute("DROP TRIGGER refuse")
    # Other runs come first: a remembered run_id would now belong to another run.
    assert store.append([sample(1, "d", ts=NOW + 7), sample(2, "e")], NOW) == (2, 0)
    assert store.append(batch, NOW) == (4, 0)
    assert stored(store) == [
        ("run-a", 1, NOW + 5),
        ("d", 1, NOW + 7),
        ("e", 2, NOW + 10),
        ("c", 5, NOW + 25),
        ("run-a", 7, 2_000_000_001),
        ("b", 1, 2_000_000_002),
        ("run-a", 3, 2_000_000_003),
    ]
    assert rows(
        store.path, "SELECT run, first_seq, last_seq FROM gap JOIN run USING (run_id) ORDER BY 1"
    ) == [
        ("c", 1, 2),
        ("run-a", 2, 2),
    ]
    assert is_whole(store.path)


def test_a_failed_import_frees_its_seconds(store: Store) -> None:
    store.append([sample(1, ts=NOW)], NOW)
    with changing(store.path) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON system_sample WHEN NEW.seq = 9 "
            "BEGIN SELECT RAISE(ABORT, 'not today'); END"
        )
    with pytest.raises(CannotWrite):
        store.import_samples([sample(seq, ts=NOW) for seq in (2, 3, 9)])
    store.import_samples([sample(4, ts=NOW)])
    assert stored(store) == [("run-a", 1, NOW), ("run-a", 4, NOW + 1)]


def test_rows_inserted_by_another_program_are_skipped(store: Store) -> None:
    store.append([sample(1, ts=NOW)], NOW)
    with changing(store.path) as other:
        other.execute("INSERT INTO system_sample (ts, time) VALUES (?1, ?1)", (NOW + 50,))
    with pytest.raises(CannotWrite, match="UNIQUE"):
        store.append([sample(2, ts=NOW + 50)], NOW)
    assert store.append([sample(2, ts=NOW + 50)], NOW) == (1, 0), "it is not refused for ever"
    assert value(store.path, "SELECT ts FROM system_sample WHERE seq = 2") == NOW + 51


def test_a_locked_database_is_a_temporary_error(store: Store) -> None:
    store.append([sample(1)], NOW)
    store._database.execute("PRAGMA busy_timeout = 20")
    with changing(store.path) as other:
        other.execute("BEGIN IMMEDIATE")
        for durable in (True, False):
            with pytest.raises(CannotWrite, match="locked"):
                store.append([sample(2)], NOW, durable=durable)
        with pytest.raises(CannotWrite, match="locked"):
            store.import_samples([sample(2)])
        assert value(store.path, "SELECT COUNT(*) FROM system_sample") == 1
        other.execute("ROLLBACK")
    assert store.append([sample(2)], NOW) == (1, 0)
    assert store.position == ("run-a", 2)


def test_a_reader_does_not_block_the_writer(store: Store) -> None:
    store.append([sample(1)], NOW)
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    assert len(reader.execute("SELECT * FROM system_sample").fetchall()) == 1
    store.append([sample(2)], NOW, durable=True)
    assert len(reader.execute("SELECT * FROM system_sample").fetchall()) == 1
    reader.close()


@pytest.mark.parametrize("index", ["system_sample_identity", "system_sample_time"])
@pytest.mark.parametrize("is_open", [True, False])
def test_an_index_that_a_user_dropped_is_recreated(tmp_path: Path, index: str, is_open: bool) -> None:
    """Without the first index the writer could not store anything, and a restart did not help."""
    path = tmp_path / "telemetry.db"
    with Store(path) as store:
        store.append(row_of(1, 5), NOW)
        if is_open:
            drop_index(path, index)
            assert store.append(row_of(4, 9), NOW) == (4, 2)
            assert store.take_remade_indexes() == [index]
    if not is_open:
        drop_index(path, index)
        with Store(path) as store:
            assert store.append(row_of(4, 9), NOW) == (4, 2)
            assert store.take_remade_indexes() == [index]
            assert store.take_remade_indexes() == []
    assert value(path, f"SELECT COUNT(*) FROM sqlite_master WHERE name = '{index}'") == 1


def drop_index(path: Path, index: str) -> None:
    with changing(path) as database:
        database.execute(f"DROP INDEX {index}")
