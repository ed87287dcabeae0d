"""Builds a tree like /proc, and the lines in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HZ = os.sysconf("SC_CLK_TCK")


def line(
    pid: int,
    comm: bytes = b"p",
    *,
    parent: int = 0,
    utime: int = 0,
    stime: int = 0,
    cutime: int = 0,
    cstime: int = 0,
    threads: int = 1,
    start: int = 0,
    rss: int = 0,
) -> bytes:
    """Return a /proc/PID/stat line of Linux 6, with fields numbered from 3 as in proc_pid_stat(5)."""
    told = {
        4: parent,
        14: utime,
        15: stime,
        16: cutime,
        17: cstime,
        20: threads,
        22: start,
        24: rss,
        25: 2**64 - 1,
    }
    fields = " ".join(str(told.get(number, 0)) for number in range(4, 53))
    return b"%d (%s) S %s\n" % (pid, comm, fields.encode())


class Tree:
    """Processes, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 100.0
        (root / "meminfo").write_text("MemTotal:  4096 kB\nMemFree: 0 kB\n")
        (root / "not-a-process").mkdir()

    def process(
        self,
        pid: int,
        comm: bytes = b"p",
        *,
        parent: int = 0,
        used: float = 0,
        reaped: float = 0,
        born: float = 0,
        threads: int = 1,
        rss: int = 0,
    ) -> None:
        """Add or change a process; times in seconds."""
        directory = self.root / str(pid)
        directory.mkdir(exist_ok=True)
        stat = line(
            pid,
            comm,
            parent=parent,
            utime=int(used * HZ),
            cutime=int(reaped * HZ),
            start=int(born * HZ),
            threads=threads,
            rss=rss,
        )
        (directory / "stat").write_bytes(stat)

    def end(self, pid: int) -> None:
        shutil.rmtree(self.root / str(pid))
