"""Damaged databases are noticed, moved aside and copied into a new one."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from telemetry.errors import UserError
from tests.system.processes import System, stop, wait_until
from tests.writer.reading import catalogue, changing, is_whole, rows, value
from tests.writer.recovery.damaged import LOG, PAGE, asides, damage, wait_for_salvage
from tests.writer.samples import NOW, row_of, sample
from tests.writer.upgrade.originals import build, measured
from writer.file.aside import set_aside, was_left_unclean
from writer.file.result_codes import is_damage
from writer.recovery.guarded_store import GuardedStore
from writer.store import CannotWrite, Store


def test_a_clean_close_is_distinguished_from_a_kill(recorded: Path) -> None:
    assert not was_left_unclean(recorded)
    store = Store(recorded)
    store.append([sample(5000)], NOW)
    assert was_left_unclean(recorded)
    store.close()
    assert not was_left_unclean(recorded)


@pytest.mark.parametrize("page", [80, 700])
@pytest.mark.fast_cases(1)
def test_readable_rows_are_copied(recorded: Path, page: int) -> None:
    damage(recorded, "run", page=page)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
    assert is_whole(recorded)
    assert len(asides(recorded)) == 1
    # A page has 20 samples of the widest table, or the index entries of some hundred.
    copied = value(recorded, "SELECT COUNT(*) FROM system_sample")
    assert 2500 <= copied <= 3000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core") >= 2 * copied - 500
    assert value(recorded, "SELECT COUNT(DISTINCT seq) FROM system_sample") == copied


@pytest.mark.slow
def test_an_undamaged_database_is_copied_completely(recorded: Path) -> None:
    before = {
        table: rows(recorded, f"SELECT * FROM {table}") for table in ("run", "cpu_core", "process_sample")
    }
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
    for table, content in before.items():
        assert rows(recorded, f"SELECT * FROM {table}") == content
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000


@pytest.mark.slow
def test_tables_and_views_of_a_user_are_recreated(recorded: Path) -> None:
    with changing(recorded) as database:
        trigger = (
            "CREATE TRIGGER own_log AFTER INSERT ON system_sample BEGIN "
            "INSERT INTO own_note (text) VALUES (NEW.seq); END"
        )
        for sql in (
            "CREATE TABLE own_note (id INTEGER PRIMARY KEY, text TEXT)",
            "INSERT INTO own_note (text) VALUES ('first'), ('second')",
            "CREATE INDEX own_text ON own_note (text)",
            "CREATE INDEX own_volts ON system_sample (voltage)",
            "CREATE VIEW own_view AS SELECT ts, watts FROM training_view",
            "ALTER TABLE system_sample ADD COLUMN room TEXT",
            "UPDATE system_sample SET room = 'kitchen' WHERE seq = 7",
            trigger,
        ):
            database.execute(sql)
    before = {key: sql for key, sql in catalogue(recorded).items() if key[1].startswith("own_")}
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        assert rows(recorded, "SELECT text FROM own_note") == [
            ("first",),
            ("second",),
        ]  # and no trigger fired
        guarded.store.append([sample(5000)], NOW)
    assert {key: sql for key, sql in catalogue(recorded).items() if key[1].startswith("own_")} == before
    assert rows(recorded, "SELECT seq FROM system_sample WHERE room = 'kitchen'") == [(7,)]
    assert value(recorded, "SELECT COUNT(*) FROM own_note") == 3


@pytest.mark.slow
def test_objects_that_cannot_be_recreated_are_reported(
    recorded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with changing(recorded) as database:
        database.execute("CREATE VIEW own_view AS SELECT 1")
        database.execute("CREATE TABLE own_table (x CHECK (x > 0))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("INSERT INTO own_table VALUES (1), (-1), (2)")
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_master SET sql = 'CREATE VIEW own_view AS SELECT' WHERE name = 'own_view'"
        )
    with caplog.at_level(logging.WARNING), GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert rows(recorded, "SELECT x FROM own_table") == [(1,), (2,)]
    assert "view own_view: incomplete input" in caplog.text


@pytest.mark.slow
def test_a_lost_name_costs_no_row(recorded: Path) -> None:
    names = value(recorded, "SELECT COUNT(*) FROM process_name")
    assert names
    before = value(recorded, "SELECT COUNT(*) FROM process_sample")
    damage(recorded, "process_name", page=0)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
    assert value(recorded, "SELECT COUNT(*) FROM process_sample") == before
    assert value(recorded, "SELECT COUNT(*) FROM process_sample WHERE name IS NULL") == before


@pytest.mark.slow
def test_samples_replayed_during_the_copy_are_stored_once(recorded: Path) -> None:
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        guarded.step(lambda: True)
        while guarded._salvage is not None and guarded._salvage.is_alive():
            try:
                guarded.store.append([*row_of(2900, 3005), sample(1, "run-b", ts=NOW + 5 * 10)], NOW)
            except CannotWrite:  # the copy runs
                continue
        wait_for_salvage(guarded)
        guarded.store.append(row_of(2900, 3005), NOW)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3006
    assert value(recorded, "SELECT COUNT(*) FROM (SELECT DISTINCT run_id, seq FROM system_sample)") == 3006


def test_damage_at_an_append_moves_the_file_aside_and_keeps_the_batch(recorded: Path) -> None:
    size = recorded.stat().st_size
    with recorded.open("r+b") as file:  # all pages but the catalogue's
        file.seek(PAGE)
        file.write(b"\xa5" * (size - PAGE))
    with GuardedStore(recorded, LOG) as guarded:
        try:
            guarded.store.append([sample(3001)], NOW)
        except CannotWrite:
            guarded.store.append([sample(3001)], NOW)
        wait_for_salvage(guarded)
    assert is_whole(recorded)
    assert value(recorded, "SELECT MAX(seq) FROM system_sample") == 3001
    assert len(asides(recorded)) == 1


@pytest.mark.parametrize(
    "change", ["DELETE FROM history", "UPDATE history SET hour_until = 'x'", "UPDATE core_row SET ts = 'x'"]
)
def test_impossible_values_do_not_stop_the_writer(recorded: Path, change: str) -> None:
    """How far the roll-ups reach cannot be guessed, so without that the file counts as damaged."""
    with changing(recorded) as database:
        database.execute(
            f"{change} WHERE rowid = 1"
            if "core_row" not in change
            else f"{change} WHERE ts = (SELECT MAX(ts) FROM core_row) AND core = 0"
        )
    with GuardedStore(recorded, LOG) as guarded:
        for _ in range(2):
            with suppress(CannotWrite):
                guarded.store.append([sample(3001)], NOW)
    assert value(recorded, "SELECT MAX(seq) FROM system_sample") == 3001
    assert len(asides(recorded)) == ("history" in change)


def test_a_database_that_became_garbage_is_moved_aside(recorded: Path) -> None:
    garbage = b"garbage, not a database" * 1000
    recorded.write_bytes(garbage)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.append([sample(1)], NOW)
    (aside,) = asides(recorded)
    assert aside.read_bytes() == garbage
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 1


def test_a_file_that_was_never_a_telemetry_database_is_not_touched(path: Path) -> None:
    path.write_bytes(b"dear diary" * 1000)
    with pytest.raises(UserError, match="name another --db"):
        GuardedStore(path, LOG)
    assert path.read_bytes() == b"dear diary" * 1000


def test_a_torn_database_of_the_original_is_moved_aside(path: Path) -> None:
    build(path, measured(2000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    torn = path.read_bytes()
    with GuardedStore(path, LOG) as guarded:
        guarded.store.append([sample(1)], NOW)
    (aside,) = asides(path)
    assert aside.read_bytes() == torn
    assert value(path, "SELECT COUNT(*) FROM system_sample") == 1


def test_an_import_does_not_move_a_file_aside(recorded: Path) -> None:
    recorded.write_bytes(b"garbage" * 1000)
    with pytest.raises(UserError, match="is damaged"):
        Store(recorded)
    assert asides(recorded) == []


def test_temporary_errors_are_not_damage() -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert not is_damage(error)
    assert not is_damage(sqlite3.OperationalError("one that SQLite did not number"))


def test_the_wal_is_moved_with_its_database(recorded: Path) -> None:
    store = Store(recorded)
    store.append([sample(4000)], NOW)
    aside = set_aside(recorded, NOW)
    assert aside.name == "telemetry.db.corrupt.20270115T080000Z"
    assert was_left_unclean(aside)
    store.close()


@pytest.mark.slow
def test_a_killed_writer_checks_and_replaces_in_the_real_process(system: System) -> None:
    system.sampler()
    writer = system.writer("--commit-interval", "0")
    wait_until(lambda: system.stored() >= 2)
    stop(writer)  # so that the file has more than one page
    writer = system.writer("--commit-interval", "0")
    before = system.stored()
    wait_until(lambda: system.stored() > before)
    writer.kill()
    writer.communicate()
    # The catalogue stays readable but rows do not, so a start alone does not notice.
    with system.database.open("r+b") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(PAGE)
        file.write(b"\xa5" * max(0, size - PAGE))
    writer = system.writer("--commit-interval", "0")
    wait_until(lambda: asides(system.database))
    wait_until(lambda: system.stored() >= 3)
    writer.terminate()
    _, error = writer.communicate()
    assert "the database is damaged" in error
    assert "Traceback" not in error
    assert writer.returncode == 0


@pytest.mark.slow
def test_an_interrupted_copy_continues_at_the_next_start(recorded: Path) -> None:
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")  # stopped before anything was copied
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 0
    with GuardedStore(recorded, LOG) as guarded:
        wait_for_salvage(guarded)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert list(recorded.parent.glob("*.todo")) == []
    with GuardedStore(recorded, LOG) as guarded:
        guarded.step(lambda: True)
        assert guarded._salvage is None


def test_two_files_moved_aside_in_one_second_are_both_kept(recorded: Path) -> None:
    first = set_aside(recorded, NOW)
    recorded.write_bytes(b"the second")
    second = set_aside(recorded, NOW)
    assert first != second
    assert second.read_bytes() == b"the second"
    assert first.stat().st_size > 100_000


@pytest.mark.slow
def test_a_lost_run_row_duplicates_no_sample(recorded: Path) -> None:
    """The ring replays the samples with their run; the damaged file has only the run's number."""
    with changing(recorded) as database:
        database.execute("DELETE FROM run")
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        guarded.store.append(row_of(1001, 3000), NOW)
        wait_for_salvage(guarded)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert value(recorded, "SELECT COUNT(DISTINCT seq) FROM system_sample") == 3000
    assert value(recorded, "SELECT COUNT(*) FROM system_sample WHERE run_id IS NULL") == 0
    assert value(recorded, "SELECT MAX(ts - time) FROM system_sample") <= 0


@pytest.mark.slow
def test_cores_and_processes_of_lost_samples_are_copied_too(recorded: Path) -> None:
    damage(recorded, "system_sample", page=0)
    with GuardedStore(recorded, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
    assert value(recorded, "SELECT COUNT(*) FROM process_sample") == 6000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core") == 6000


def test_it_waits_for_a_directory_that_cannot_be_written(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, now: float) -> Path:
        raise PermissionError(13, "Permission denied")

    with GuardedStore(recorded, LOG) as guarded:
        with monkeypatch.context() as patch:
            patch.setattr("writer.store.set_aside", refuse)
            with pytest.raises(CannotWrite, match="Permission denied"):
                guarded.store.replace("for the test")
        guarded.store.append([sample(3001)], NOW)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3001


def test_a_database_that_was_moved_away_is_recreated(recorded: Path, tmp_path: Path) -> None:
    with Store(recorded) as store:
        store.append([sample(3001)], NOW)
        for ending in ("", "-wal", "-shm"):
            moved = recorded.with_name(recorded.name + ending)
            if moved.exists():
                moved.rename(tmp_path / f"moved.db{ending}")
        store.append([sample(3002)], NOW)
    assert rows(recorded, "SELECT seq FROM system_sample") == [(3002,)]
    assert value(tmp_path / "moved.db", "SELECT COUNT(*) FROM system_sample") == 3001
