"""The watchdog is fed by a running loop, and not by one that is stuck."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.processes import BATTERY, PATIENCE, System, stop

WATCHDOG = 2.0
"""s; a process feeds the watchdog every 0.5 s"""


class Manager:
    """The service manager's socket, which records notifications."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def close(self) -> None:
        self._socket.close()

    def next(self, patience: float) -> list[str]:
        """Return the lines of the next datagram; empty if none arrives."""
        self._socket.settimeout(patience)
        try:
            return self._socket.recv(4096).decode().split("\n")
        except TimeoutError:
            return []

    def wait_for(self, line: str) -> None:
        end = time.monotonic() + PATIENCE
        while line not in self.next(1.0):
            assert time.monotonic() < end, f"{line} did not come"

    def is_fed(self) -> bool:
        """Return whether a new watchdog notification arrives in time; a status is not one."""
        while self.next(0.001):
            pass
        end = time.monotonic() + WATCHDOG
        while (left := end - time.monotonic()) > 0:
            if "WATCHDOG=1" in self.next(left):
                return True
        return False


@pytest.fixture
def manager(system: System, tmp_path: Path) -> Iterator[Manager]:
    path = tmp_path / "notify"
    with closing(Manager(path)) as manager:
        system.environ |= {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}
        yield manager


@pytest.mark.slow
def test_a_sampler_with_an_interval_of_an_hour_is_alive(system: System, manager: Manager) -> None:
    sampler = system.start("sampler.main", "--interval", "3600")
    manager.wait_for("READY=1")
    for _ in range(4):
        assert manager.is_fed()
    assert stop(sampler)[0] == 0
    manager.wait_for("STOPPING=1")


def test_a_writer_without_samples_is_alive(system: System, manager: Manager) -> None:
    writer = system.writer()
    manager.wait_for("READY=1")
    for _ in range(4):
        assert manager.is_fed()
    assert stop(writer)[0] == 0
    manager.wait_for("STOPPING=1")


@pytest.mark.slow
def test_a_stopped_process_is_not_alive(system: System, manager: Manager) -> None:
    for start in (system.writer, system.sampler):
        process = start()
        manager.wait_for("READY=1")
        assert manager.is_fed()
        process.send_signal(signal.SIGSTOP)
        manager.next(0.2)
        assert not manager.is_fed()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_file_whose_open_blocks_does_not_stop_the_loop(
    system: System, manager: Manager, tmp_path: Path
) -> None:
    procfs = tmp_path / "proc"
    procfs.mkdir()
    for name in ("stat", "loadavg", "meminfo"):
        shutil.copy(f"/proc/{name}", procfs / name)
    system.start("sampler.main", "--interval", "1", "--sysfs", str(BATTERY), "--procfs", str(procfs))
    manager.wait_for("READY=1")
    assert manager.is_fed()
    os.mkfifo(tmp_path / "fifo")  # a plain open() would wait for a writer for ever
    (tmp_path / "fifo").replace(procfs / "loadavg")
    for _ in range(8):  # 4 s, twice the watchdog's time
        assert manager.is_fed()


@pytest.mark.slow
def test_a_sampler_whose_battery_hangs_is_alive(system: System, manager: Manager, tmp_path: Path) -> None:
    sysfs = tmp_path / "sys"
    shutil.copytree(BATTERY, sysfs)
    sampler = system.start("sampler.main", "--interval", "1", "--sysfs", str(sysfs))
    manager.wait_for("READY=1")
    (gauge,) = sysfs.glob("class/power_supply/*/voltage_now")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "fifo").replace(gauge)
    for _ in range(8):  # 4 s, twice the watchdog's time
        assert manager.is_fed()
    assert stop(sampler)[0] == 0


@pytest.mark.slow
def test_a_writer_with_a_locked_database_is_alive_and_reports_it(system: System, manager: Manager) -> None:
    system.writer("--commit-interval", "0")
    manager.wait_for("READY=1")
    system.sampler()
    with closing(sqlite3.connect(system.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        manager.wait_for(f"STATUS=cannot write {system.database}: database is locked")
        for _ in range(3):
            assert manager.is_fed()
        other.execute("COMMIT")
    manager.wait_for(f"STATUS=storing into {system.database}")
