"""Every published sample is stored exactly once, whichever process dies.

The real processes run at the shortest interval, and a separate subscriber records what was published. Seeds
are fixed. The default run kills each process a few times, the slow run a hundred times.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.needs import mount_tmpfs, unmount
from tests.system.processes import BATTERY, System, stop, wait_until
from tests.system.recorder import Recorder, rows_differ, stored
from tests.writer.samples import sample
from writer.store import CannotWrite, Store

Process = subprocess.Popen[str]


def settle(system: System, recorder: Recorder) -> None:
    """Wait until everything published so far is stored, and compare both."""
    published = recorder.samples

    def all_there() -> bool:
        # It asks for a commit.
        return system.stored() >= len(published) and published.keys() <= set(stored(system.database))

    wait_until(all_there)
    in_database = stored(system.database)
    assert len(in_database) == len(set(in_database))
    wait_until(lambda: set(in_database) <= recorder.samples.keys())
    assert not recorder.twice
    assert not recorder.gaps
    assert rows_differ(system.database, published) == []
    (status,) = system.query("status")
    assert (status["gaps"], status["samples_lost"]) == (0, 0)


def kill(process: Process) -> None:
    process.kill()
    process.communicate()


KILLS = [pytest.param(4, id="4"), pytest.param(100, id="100", marks=pytest.mark.slow)]


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("victims", ["both", "writer", "sampler"])
@pytest.mark.fast_cases(1)
def test_sigkill_at_random_moments(system: System, victims: str, kills: int) -> None:
    moments = random.Random(f"{victims} {kills}")
    with Recorder(system) as recorder:
        sampler, writer = system.sampler(), system.writer()
        for _ in range(kills):
            # A sampler that is killed within a second of its start has published nothing.
            time.sleep(moments.uniform(0.0, 2.0 if victims != "writer" else 1.2))
            if victims in {"writer", "both"}:
                kill(writer)
            if victims in {"sampler", "both"}:
                kill(sampler)
                sampler = system.sampler()
            if victims in {"writer", "both"}:
                writer = system.writer()
        wait_until(lambda: len(recorder.samples) > kills / 4)
        settle(system, recorder)


@pytest.mark.parametrize("first", ["writer", "sampler"])
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_either_may_start_first(system: System, first: str) -> None:
    with Recorder(system) as recorder:
        if first == "sampler":
            system.sampler()
            wait_until(lambda: len(recorder.samples) >= 3)
            system.writer()
        else:
            system.writer()
            wait_until((system.runtime / "writer").exists)
            system.sampler()
            wait_until(lambda: len(recorder.samples) >= 2)
        settle(system, recorder)


@pytest.mark.slow
def test_the_writer_may_start_long_after_the_sampler(system: System) -> None:
    with Recorder(system) as recorder:
        system.sampler()
        wait_until(lambda: len(recorder.samples) >= 30, patience=90)
        system.writer()
        settle(system, recorder)


@pytest.mark.slow
def test_a_stopped_writer_misses_nothing_and_costs_the_sampler_no_time(system: System) -> None:
    with Recorder(system) as recorder:
        system.sampler()
        writer = system.writer()
        wait_until(lambda: len(recorder.samples) >= 1)
        writer.send_signal(signal.SIGSTOP)
        seen = len(recorder.samples)
        wait_until(lambda: len(recorder.samples) >= seen + 4)
        writer.send_signal(signal.SIGCONT)
        settle(system, recorder)
        late = [abs(sample.interval - 1.0) for sample in recorder.samples.values()]
        assert sorted(late)[len(late) // 2] < 0.1  # the median, because machines are shared


@pytest.mark.slow
def test_a_deleted_socket_is_recreated_by_the_service(system: System) -> None:
    with Recorder(system) as recorder:
        system.sampler()
        system.writer()
        wait_until(lambda: len(recorder.samples) >= 1)
        for name in ("samples", "replay", "writer"):
            (system.runtime / name).unlink()
        seen = len(recorder.samples)
        wait_until(lambda: len(recorder.samples) >= seen + 3, patience=60)
        wait_until((system.runtime / "writer").exists, patience=90)
        settle(system, recorder)


@pytest.mark.slow
def test_it_waits_for_a_locked_database(system: System) -> None:
    _locked(system, seconds=3.0)


@pytest.mark.slow
def test_it_waits_for_a_database_locked_for_half_a_minute(system: System) -> None:
    _locked(system, seconds=30.0)


def _locked(system: System, seconds: float) -> None:
    with Recorder(system) as recorder:
        system.sampler()
        writer = system.writer("--commit-interval", "0")
        wait_until(lambda: system.stored() >= 1)
        other = sqlite3.connect(system.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
        other.close()
        seen = len(recorder.samples)
        wait_until(lambda: len(recorder.samples) > seen)
        settle(system, recorder)
        status, error = stop(writer)
        assert status == 0
        assert error.count("cannot write") == 1
        assert error.count("can be written again") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A tmpfs of 2 MiB, mounted at a directory of the test. It needs root."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount_tmpfs(directory, "size=2m")
    return directory


@pytest.fixture
def on_small_disk(system: System, small_disk: Path) -> Iterator[System]:
    """The system with its database on the small disk, which is unmounted after both processes have ended."""
    system.database = small_disk / "telemetry.db"
    system.environ["TELEMETRY_DB"] = str(system.database)
    yield system
    system.__exit__()
    unmount(small_disk)


@pytest.mark.slow
def test_it_waits_for_space_on_a_full_disk(on_small_disk: System, small_disk: Path) -> None:
    """The disk is full during some samples and then has space again: nothing is lost."""
    system, filler = on_small_disk, small_disk / "filler"
    with Recorder(system) as recorder:
        system.sampler()
        writer = system.writer("--commit-interval", "0")
        wait_until(lambda: system.stored() >= 1)
        _fill(filler)
        seen = len(recorder.samples)
        wait_until(lambda: len(recorder.samples) >= seen + 4)
        assert writer.poll() is None
        filler.unlink()
        settle(system, recorder)
        status, error = stop(writer)
    assert status == 0
    assert error.count("cannot write") == 1
    assert error.count("can be written again") == 1
    assert "Traceback" not in error
    with closing(sqlite3.connect(system.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


def test_a_full_disk_at_a_checkpoint_loses_nothing(small_disk: Path) -> None:
    """The WAL fits, but the file cannot grow: checkpoints fail, later commits too; at last both succeed."""
    path, filler = small_disk / "telemetry.db", small_disk / "filler"
    try:
        with Store(path) as store:
            store._database.execute("PRAGMA wal_autocheckpoint = 8")
            seq = 0

            def append() -> None:
                store.append([sample(index) for index in range(seq + 1, seq + 31)], noticed=0.0)

            for _ in range(5):
                append()
                seq += 30
            _fill(filler)
            with pytest.raises(CannotWrite, match="full"):  # noqa: PT012 either may fail first
                while True:
                    append()
                    seq += 30
            filler.unlink()
            append()
            seq += 30
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("SELECT COUNT(*), MAX(seq) FROM system_sample").fetchone() == (seq, seq)
    finally:
        unmount(small_disk)


@pytest.mark.slow
def test_a_read_only_file_system_is_reported(on_small_disk: System, small_disk: Path) -> None:
    """The writer cannot fix it and exits: systemd restarts it later, and the ring keeps the samples."""
    system = on_small_disk
    writer = system.writer()
    wait_until((system.runtime / "writer").exists)
    stop(writer)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with Recorder(system) as recorder:
        system.sampler()
        ran = system.run("writer.main")
        assert ran.returncode == 1
        assert "Read-only file system" in ran.stderr
        assert ran.stderr.count("\n") == 1
        wait_until(lambda: len(recorder.samples) >= 2)
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        system.writer()
        settle(system, recorder)


def test_while_the_battery_runs_out_every_sample_is_committed(system: System, tmp_path: Path) -> None:
    """Users want to see the end of a discharge, and then the power fails."""
    tree = tmp_path / "low"
    shutil.copytree(BATTERY, tree)
    (tree / "class" / "power_supply" / "BAT0" / "capacity").write_text("9\n")
    with Recorder(system) as recorder:
        system.start("sampler.main", "--interval", "1", "--sysfs", str(tree))
        system.writer("--commit-interval", "3600")
        wait_until(lambda: len(recorder.samples) >= 2)
        wait_until(lambda: len(stored(system.database)) >= 2)  # read the file without asking for a commit
