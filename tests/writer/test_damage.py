"""Damaged databases: noticed, set aside, copied over; and power cuts that leave a WAL cut anywhere."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from telemetry.errors import UserError
from tests.system.processes import System, stop, wait_until
from tests.writer.originals import build, measured
from tests.writer.reading import catalogue, changing, is_whole, rows, value
from tests.writer.recomputed import marks, recomputed, rolled_up
from tests.writer.samples import NOW, row_of, sample
from writer.aside import delete_all_but_newest, set_aside, todo_of, was_left_unclean
from writer.disk import Disk
from writer.inherited import inherit
from writer.keeper import Keeper
from writer.retention import Limits, Retention
from writer.salvage import Check, is_damage
from writer.store import CannotWrite, Store

LOG = logging.getLogger("test")
PAGE = 2048


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def recorded(path: Path) -> Path:
    """3,000 samples, closed cleanly."""
    with Store(path) as store:
        for first in range(1, 3001, 500):
            store.append(row_of(first, first + 499), NOW)
    return path


def damage(path: Path, table: str, *, page: int) -> None:
    """Overwrite one page of ``table``, counted from its first."""
    database = sqlite3.connect(path)
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    # Leaves of a table that was filled in order lie behind its root, among those of the others: the one
    # that is hit is some page of this file, and the tests below only ask that it is noticed.
    with path.open("r+b") as file:
        file.seek((root - 1 + page) * size)
        file.write(b"\xa5" * size)


def asides(path: Path) -> list[Path]:
    beside = ("-wal", "-shm", ".todo")
    return [found for found in path.parent.glob("*.corrupt.*") if not found.name.endswith(beside)]


def wait_for_salvage(keeper: Keeper) -> None:
    keeper.tend(lambda: True)
    assert keeper._salvage is not None
    keeper._salvage.join()


def test_a_sound_database_is_found_sound(recorded: Path) -> None:
    check = Check(recorded)
    check.run()
    assert check.found is None


@pytest.mark.parametrize("page", [60, 240, 500])
def test_a_damaged_page_is_found(recorded: Path, page: int) -> None:
    damage(recorded, "run", page=page)
    check = Check(recorded)
    check.run()
    assert check.found


def test_a_missing_file_is_no_damage(path: Path) -> None:
    check = Check(path)
    check.run()
    assert check.found is None


def test_a_clean_close_is_told_from_a_kill(recorded: Path) -> None:
    assert not was_left_unclean(recorded)
    store = Store(recorded)
    store.append([sample(5000)], NOW)
    assert was_left_unclean(recorded)
    store.close()
    assert not was_left_unclean(recorded)


@pytest.mark.parametrize("page", [60, 240, 500, 700])
def test_what_can_be_read_is_copied_over(recorded: Path, page: int) -> None:
    damage(recorded, "run", page=page)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
    assert is_whole(recorded)
    assert len(asides(recorded)) == 1
    # One page holds 20 samples of the widest table, or the index of some hundred.
    copied = value(recorded, "SELECT COUNT(*) FROM system_sample")
    assert 2500 <= copied <= 3000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core") >= 2 * copied - 500
    assert value(recorded, "SELECT COUNT(DISTINCT seq) FROM system_sample") == copied


def test_an_undamaged_database_is_copied_whole(recorded: Path) -> None:
    before = {
        table: rows(recorded, f"SELECT * FROM {table}") for table in ("run", "cpu_core", "process_sample")
    }
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
    for table, content in before.items():
        assert rows(recorded, f"SELECT * FROM {table}") == content
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000


def test_what_a_user_made_is_made_again(recorded: Path) -> None:
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
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
        assert rows(recorded, "SELECT text FROM own_note") == [("first",), ("second",)]  # and nothing fired
        keeper.store.append([sample(5000)], NOW)
    assert {key: sql for key, sql in catalogue(recorded).items() if key[1].startswith("own_")} == before
    assert rows(recorded, "SELECT seq FROM system_sample WHERE room = 'kitchen'") == [(7,)]
    assert value(recorded, "SELECT COUNT(*) FROM own_note") == 3


def test_what_cannot_be_made_again_is_said(recorded: Path, caplog: pytest.LogCaptureFixture) -> None:
    with changing(recorded) as database:
        database.execute("CREATE VIEW own_view AS SELECT 1")
        database.execute("CREATE TABLE own_table (x CHECK (x > 0))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("INSERT INTO own_table VALUES (1), (-1), (2)")
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_master SET sql = 'CREATE VIEW own_view AS SELECT' WHERE name = 'own_view'"
        )
    with caplog.at_level(logging.WARNING), Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert rows(recorded, "SELECT x FROM own_table") == [(1,), (2,)]
    assert "view own_view: incomplete input" in caplog.text


def test_a_name_that_is_lost_costs_no_row(recorded: Path) -> None:
    names = value(recorded, "SELECT COUNT(*) FROM process_name")
    assert names
    before = value(recorded, "SELECT COUNT(*) FROM process_sample")
    damage(recorded, "process_name", page=0)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
    assert value(recorded, "SELECT COUNT(*) FROM process_sample") == before
    assert value(recorded, "SELECT COUNT(*) FROM process_sample WHERE name IS NULL") == before


def test_what_the_ring_gives_again_meanwhile_is_there_once(recorded: Path) -> None:
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        keeper.tend(lambda: True)
        while keeper._salvage is not None and keeper._salvage.is_alive():
            try:
                keeper.store.append([*row_of(2900, 3005), sample(1, "run-b", ts=NOW + 5 * 10)], NOW)
            except CannotWrite:  # the copy's turn
                continue
        wait_for_salvage(keeper)
        keeper.store.append(row_of(2900, 3005), NOW)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3006
    assert value(recorded, "SELECT COUNT(*) FROM (SELECT DISTINCT run_id, seq FROM system_sample)") == 3006


def test_damage_at_an_append_sets_the_file_aside_and_keeps_the_batch(recorded: Path) -> None:
    size = recorded.stat().st_size
    with recorded.open("r+b") as file:  # all but the catalogue's page
        file.seek(PAGE)
        file.write(b"\xa5" * (size - PAGE))
    with Keeper(recorded, LOG) as keeper:
        try:
            keeper.store.append([sample(3001)], NOW)
        except CannotWrite:
            keeper.store.append([sample(3001)], NOW)
        wait_for_salvage(keeper)
    assert is_whole(recorded)
    assert value(recorded, "SELECT MAX(seq) FROM system_sample") == 3001
    assert len(asides(recorded)) == 1


# --- roll-ups and damage ---


def work_off(store: Store) -> None:
    while store.roll_up():
        pass


@pytest.mark.parametrize("page", [None, 60, 240, 500, 700])
@pytest.mark.parametrize("is_live", [True, False])
def test_what_is_copied_is_rolled_up(recorded: Path, page: int | None, is_live: bool) -> None:
    if page is not None:
        damage(recorded, "run", page=page)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        if is_live:  # what is copied comes late then
            keeper.store.append([sample(1, "live", ts=NOW + 20_000)], NOW)
            work_off(keeper.store)
        wait_for_salvage(keeper)
        work_off(keeper.store)
    assert rolled_up(recorded) == recomputed(recorded)
    assert value(recorded, "SELECT SUM(samples) FROM system_minute") > 2000


def test_a_table_whose_first_page_is_lost_takes_no_other_with_it(recorded: Path) -> None:
    """Nothing tells any more which pages were its own."""
    damage(recorded, "system_sample", page=0)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
        assert keeper.store.append([sample(1, "live", ts=NOW + 20_000)], NOW) == (1, 0)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 1
    assert value(recorded, "SELECT COUNT(*) FROM process_sample WHERE ts < ?", NOW + 20_000) == 6000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core WHERE ts < ?", NOW + 20_000) == 6000


def test_cores_and_processes_that_are_found_later_are_rolled_up_too(recorded: Path) -> None:
    damage(recorded, "core_row", page=0)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        keeper.store.append([sample(1, "live", ts=NOW + 20_000), *row_of(1, 50)], NOW)
        work_off(keeper.store)
        wait_for_salvage(keeper)
        work_off(keeper.store)
    assert rolled_up(recorded) == recomputed(recorded)


@pytest.mark.parametrize("stops", [0, 3])
def test_roll_ups_of_dropped_rows_are_taken_over(recorded: Path, stops: int) -> None:
    """Nothing else tells of them; a copy that is interrupted adds none twice."""
    day = 86400
    with Store(recorded) as store:
        many = [sample(3000 + seq, ts=NOW + 20_000 + 500 * seq) for seq in range(1, 1500)]
        store.append(many, NOW)
        work_off(store)
        retention = Retention(Limits(1 << 40, 3.0 * day), lambda: Disk(1 << 40, 1 << 41))
        while store.tend(retention.step):
            pass
        store.import_samples([sample(1, "imported", ts=NOW + 100)])
        before, since = rolled_up(recorded), marks(recorded)["raw_since"]
    assert since > NOW
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        (aside,) = asides(recorded)
        with closing(sqlite3.connect(aside)) as source, closing(sqlite3.connect(recorded)) as target:
            target.isolation_level = None
            copying = inherit(source, target, aside.name, since)
            for _ in range(stops):  # and killed
                next(copying)
        wait_for_salvage(keeper)
        work_off(keeper.store)
    assert rolled_up(recorded) == before
    assert marks(recorded)["raw_since"] == since
    assert rows(recorded, "SELECT * FROM setting") == []
    assert value(recorded, "SELECT last_seq FROM run JOIN dropped USING (run_id) WHERE run = 'run-a'") > 0


def test_of_copied_files_the_newest_two_are_kept(recorded: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        with Keeper(recorded, LOG) as keeper:
            keeper.store.replace("for the test")
            wait_for_salvage(keeper)
    assert len(asides(recorded)) == 2
    deleted = [it.getMessage() for it in caplog.records if it.getMessage().startswith("deleting ")]
    assert len(deleted) == 2
    assert deleted[0].endswith("it was copied, and the newest 2 are kept")
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000


def test_what_was_not_copied_yet_and_what_is_not_ours_is_not_deleted(recorded: Path) -> None:
    names = [f"telemetry.db.corrupt.2027011{number}T080000Z" for number in range(4)]
    for at, name in enumerate(names):
        recorded.with_name(name).touch()
        os.utime(recorded.with_name(name), (NOW + at, NOW + at))
    todo_of(recorded.with_name(names[0])).touch()
    mine = "telemetry.db.corrupt.20270110T080000Z.mine"
    recorded.with_name(mine).touch()
    delete_all_but_newest(recorded, LOG)
    assert sorted(path.name for path in asides(recorded)) == [names[0], mine, names[2], names[3]]


def test_a_file_that_was_ours_and_is_garbage_is_set_aside(recorded: Path) -> None:
    garbage = b"garbage, not a database" * 1000
    recorded.write_bytes(garbage)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.append([sample(1)], NOW)
    (aside,) = asides(recorded)
    assert aside.read_bytes() == garbage
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 1


def test_a_file_that_was_never_ours_is_not_touched(path: Path) -> None:
    path.write_bytes(b"dear diary" * 1000)
    with pytest.raises(UserError, match="name another --db"):
        Keeper(path, LOG)
    assert path.read_bytes() == b"dear diary" * 1000


def test_a_torn_database_of_the_original_is_set_aside(path: Path) -> None:
    build(path, measured(2000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    torn = path.read_bytes()
    with Keeper(path, LOG) as keeper:
        keeper.store.append([sample(1)], NOW)
    (aside,) = asides(path)
    assert aside.read_bytes() == torn
    assert value(path, "SELECT COUNT(*) FROM system_sample") == 1


def test_an_import_does_not_set_aside(recorded: Path) -> None:
    recorded.write_bytes(b"garbage" * 1000)
    with pytest.raises(UserError, match="is damaged"):
        Store(recorded)
    assert asides(recorded) == []


def test_not_now_is_no_damage() -> None:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert not is_damage(error)
    assert not is_damage(sqlite3.OperationalError("one that SQLite did not number"))


def test_the_wal_goes_with_its_database(recorded: Path) -> None:
    store = Store(recorded)
    store.append([sample(4000)], NOW)
    aside = set_aside(recorded, NOW)
    assert aside.name == "telemetry.db.corrupt.20270115T080000Z"
    assert was_left_unclean(aside)
    store.close()


def test_a_killed_writer_checks_and_replaces_in_the_real_process(system: System) -> None:
    system.sampler()
    writer = system.writer("--commit-interval", "0")
    wait_until(lambda: system.stored() >= 2)
    stop(writer)  # so that the file has more than its first page
    writer = system.writer("--commit-interval", "0")
    before = system.stored()
    wait_until(lambda: system.stored() > before)
    writer.kill()
    writer.communicate()
    # The catalogue stays readable, and rows are not: a start alone does not notice.
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


def test_a_copy_that_was_interrupted_goes_on_at_the_next_start(recorded: Path) -> None:
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")  # and stopped before anything was copied
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 0
    with Keeper(recorded, LOG) as keeper:
        wait_for_salvage(keeper)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert list(recorded.parent.glob("*.todo")) == []
    with Keeper(recorded, LOG) as keeper:
        keeper.tend(lambda: True)
        assert keeper._salvage is None


def test_two_files_of_one_second_are_both_kept(recorded: Path) -> None:
    first = set_aside(recorded, NOW)
    recorded.write_bytes(b"the second")
    second = set_aside(recorded, NOW)
    assert first != second
    assert second.read_bytes() == b"the second"
    assert first.stat().st_size > 100_000


def test_a_lost_run_row_makes_no_sample_twice(recorded: Path) -> None:
    """The ring gives the samples again under their run; the damaged file knows only its number."""
    with changing(recorded) as database:
        database.execute("DELETE FROM run")
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        keeper.store.append(row_of(1001, 3000), NOW)
        wait_for_salvage(keeper)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3000
    assert value(recorded, "SELECT COUNT(DISTINCT seq) FROM system_sample") == 3000
    assert value(recorded, "SELECT COUNT(*) FROM system_sample WHERE run_id IS NULL") == 0
    assert value(recorded, "SELECT MAX(ts - time) FROM system_sample") <= 0


def test_cores_and_processes_of_lost_samples_are_copied_all_the_same(recorded: Path) -> None:
    damage(recorded, "system_sample", page=0)
    with Keeper(recorded, LOG) as keeper:
        keeper.store.replace("for the test")
        wait_for_salvage(keeper)
    assert value(recorded, "SELECT COUNT(*) FROM process_sample") == 6000
    assert value(recorded, "SELECT COUNT(*) FROM cpu_core") == 6000


def test_a_directory_that_cannot_be_written_is_waited_for(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, now: float) -> Path:
        raise PermissionError(13, "Permission denied")

    with Keeper(recorded, LOG) as keeper:
        with monkeypatch.context() as patch:
            patch.setattr("writer.store.set_aside", refuse)
            with pytest.raises(CannotWrite, match="Permission denied"):
                keeper.store.replace("for the test")
        keeper.store.append([sample(3001)], NOW)
    assert value(recorded, "SELECT COUNT(*) FROM system_sample") == 3001


def test_a_database_that_was_moved_away_is_made_anew(recorded: Path, tmp_path: Path) -> None:
    with Store(recorded) as store:
        store.append([sample(3001)], NOW)
        for ending in ("", "-wal", "-shm"):
            moved = recorded.with_name(recorded.name + ending)
            if moved.exists():
                moved.rename(tmp_path / f"moved.db{ending}")
        store.append([sample(3002)], NOW)
    assert rows(recorded, "SELECT seq FROM system_sample") == [(3002,)]
    assert value(tmp_path / "moved.db", "SELECT COUNT(*) FROM system_sample") == 3001


# --- power cuts ---


class Cut(NamedTuple):
    """A copy of database and WAL, taken between two commits."""

    path: Path
    committed: int
    """Samples that were committed by then."""
    synced: int
    """Bytes of the WAL that were on the disk for sure: a checkpoint syncs it before it writes the file."""

    @property
    def wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")


def record_cuts(directory: Path, moments: random.Random, *, durable: bool) -> list[Cut]:
    live = directory / "telemetry.db"
    wal = directory / "telemetry.db-wal"
    cuts: list[Cut] = []
    committed, synced, generation = 0, 0, b""
    with Store(live) as store:
        store._database.execute("PRAGMA wal_autocheckpoint = 0")  # here by hand, to know when
        for index in range(60):
            count = moments.randint(1, 12)
            store.append(row_of(committed + 1, committed + count), NOW, durable=durable)
            committed += count
            content = wal.read_bytes()
            if content[16:24] != generation:  # the salts: the WAL began anew, and its header was synced
                generation, synced = content[16:24], 32
            if durable:
                synced = len(content)
            copy = directory / str(index)
            copy.mkdir()
            cuts.append(Cut(copy / "telemetry.db", committed, synced))
            shutil.copy(live, cuts[-1].path)
            cuts[-1].wal.write_bytes(content)
            if moments.random() < 0.2:
                store._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
                synced = len(content)
    return cuts


@pytest.mark.parametrize("durable", [False, True], ids=["NORMAL", "FULL"])
def test_a_power_cut_leaves_a_prefix_of_the_commits(tmp_path: Path, durable: bool) -> None:
    """The kernel may have written any part of what was not synced; under FULL nothing is missing."""
    moments = random.Random(12)
    missing = 0
    for path, committed, synced in record_cuts(tmp_path, moments, durable=durable):
        wal = path.with_name("telemetry.db-wal")
        with wal.open("r+b") as file:
            file.truncate(moments.randint(synced, max(synced, wal.stat().st_size)))
        assert is_whole(path)
        if value(path, "PRAGMA user_version") == 0:  # cut before the tables were made
            missing += committed
            continue
        seqs = [seq for (seq,) in rows(path, "SELECT seq FROM system_sample ORDER BY ts")]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) <= committed
        assert value(path, "SELECT COUNT(*) FROM cpu_core") == 2 * len(seqs)
        assert value(path, "SELECT COUNT(*) FROM process_sample") == 2 * len(seqs)
        with Store(path) as store:  # and the writer goes on from there
            store.append(row_of(len(seqs) + 1, committed + 1), NOW)
        assert value(path, "SELECT COUNT(*) FROM system_sample") == committed + 1
        missing += committed - len(seqs)
    assert (missing == 0) == durable
