"""The processes that used the most CPU, from one sweep over /proc/PID/stat.

One read of stat a process gives all that is needed (proc_pid_stat(5)): 3 ms for 330 processes, where
psutil's process_iter with name, CPU and memory takes 25. psutil gives the full names of the few chosen.
A process is (pid, start): a pid that is used again is another process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from heapq import nlargest
from pathlib import Path
from typing import NamedTuple

import psutil

from telemetry.sample import Process

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_COMM_LENGTH = 15
"""The kernel cuts a process's name to so many bytes (TASK_COMM_LEN less the zero)."""
_NAME_LENGTH = 255


class Stat(NamedTuple):
    """What this sensor takes of one /proc/PID/stat."""

    pid: int
    comm: bytes
    ticks: int
    """utime + stime"""
    start: int
    """Ticks since boot."""
    rss: int
    """Pages."""


class ProcessSensor:
    """The top ``count`` processes by CPU since the read before."""

    def __init__(
        self, procfs: Path, count: int, monotonic: Callable[[], float], boottime: Callable[[], float]
    ):
        self._procfs = procfs
        self._count = count
        self._monotonic = monotonic
        self._boottime = boottime
        self._before: dict[tuple[int, int], int] = {}
        self._read_at = 0.0
        self._born_after = 0
        self._names: dict[tuple[int, int], str] = {}
        psutil.PROCFS_PATH = str(procfs)
        self._memory = read_memory_total(procfs)

    def read(self) -> tuple[Process, ...]:
        """Return the processes that used the most CPU since the read before, most first.

        Empty at the first read, and where ``count`` is 0.
        """
        if self._count == 0:
            return ()
        swept_at = int(self._boottime() * _TICKS_A_SECOND)
        stats = sweep(self._procfs)
        now = self._monotonic()
        elapsed = now - self._read_at
        used = [(self._ticks_used(stat), stat.rss, stat) for stat in stats]
        chosen = (
            nlargest(self._count, used, key=lambda item: item[:2]) if self._before and elapsed > 0 else []
        )
        self._before = {(stat.pid, stat.start): stat.ticks for stat in stats}
        self._read_at, self._born_after = now, swept_at
        names = {(stat.pid, stat.start): self._full_name(stat) for _, _, stat in chosen}
        self._names = names
        return tuple(
            Process(
                pid=stat.pid,
                start=stat.start,
                name=names[stat.pid, stat.start],
                cpu=round(ticks / _TICKS_A_SECOND / elapsed * 100.0, 2),
                mem=round(rss * _PAGE / self._memory * 100.0, 3),
            )
            for ticks, rss, stat in chosen
        )

    def _ticks_used(self, stat: Stat) -> int:
        """The ticks since the read before: of a process born since then, all of its life."""
        before = self._before.get((stat.pid, stat.start))
        if before is not None:
            return max(stat.ticks - before, 0)
        return stat.ticks if stat.start >= self._born_after else 0

    def _full_name(self, stat: Stat) -> str:
        """The name, whole where the kernel cut it: psutil finds the rest in the command line."""
        if len(stat.comm) < _COMM_LENGTH:
            return stat.comm.decode(errors="replace")
        known = self._names.get((stat.pid, stat.start))
        if known is not None:
            return known
        try:
            name = psutil.Process(stat.pid).name()
        except psutil.Error:  # it ended just now
            return stat.comm.decode(errors="replace")
        # psutil keeps bytes that are no UTF-8 as lone surrogates, which no database takes.
        return name.encode(errors="surrogateescape").decode(errors="replace")[:_NAME_LENGTH]


def read_memory_total(procfs: Path) -> float:
    """Return the bytes of RAM; infinity, so that every share of it is 0, where they are not told."""
    try:
        label, kibibytes, *_ = (procfs / "meminfo").read_text(errors="replace").split(maxsplit=2)
        return int(kibibytes) * 1024.0 if label == "MemTotal:" else math.inf
    except (OSError, ValueError):
        return math.inf


def sweep(procfs: Path) -> list[Stat]:
    """Return the stat of every process that can be read; those that end meanwhile are left out."""
    stats: list[Stat] = []
    root = str(procfs)
    try:
        entries = os.listdir(root)  # noqa: PTH208 names are enough; iterdir makes a Path of each
    except OSError:
        return stats
    for entry in entries:
        if not entry.isdecimal():
            continue
        try:
            with open(f"{root}/{entry}/stat", "rb", buffering=0) as file:
                stat = parse_stat(file.read(4096))
        except OSError:
            continue
        if stat is not None:
            stats.append(stat)
    return stats


def parse_stat(line: bytes) -> Stat | None:
    """Return the fields of one /proc/PID/stat; None where it is no such line.

    The name in the second field may hold spaces, parentheses and newlines: it ends at the last ``)``.
    """
    opening, closing = line.find(b"("), line.rfind(b")")
    fields = line[closing + 2 :].split()
    try:
        return Stat(
            pid=int(line[:opening]),
            comm=line[opening + 1 : closing],
            ticks=int(fields[11]) + int(fields[12]),
            start=int(fields[19]),
            rss=int(fields[21]),
        )
    except (ValueError, IndexError):
        return None
