"""The processes that used the most CPU, and how much of the CPU time all of them account for."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress
from heapq import nlargest
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from sampler.accounting import Debt, Use, settle
from sampler.process_stat import Stat
from sampler.sweep import Sweep
from telemetry.sample import Process

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_COMM_LENGTH: Final = 15
"""The kernel cuts a process's name to so many bytes (TASK_COMM_LEN less the zero)."""
_NAME_LENGTH: Final = 255


class Processes(NamedTuple):
    """One reading."""

    top: tuple[Process, ...]
    """Those that used the most CPU, with what they reaped, most first."""
    owned: float | None
    """Percent of one core that all processes used, with what they reaped; None where that is not known."""


class ProcessSensor:
    """The top ``count`` processes by CPU since the read before."""

    def __init__(
        self, procfs: Path, count: int, monotonic: Callable[[], float], boottime: Callable[[], float]
    ):
        self._count = count
        self._monotonic = monotonic
        self._boottime = boottime
        self._sweep = Sweep(procfs)
        self._owed: list[Debt] = []
        self._read_at: float | None = None
        self._born_after = 0
        self._names: dict[tuple[int, int, bytes], str] = {}
        """Of the last read's top."""
        psutil.PROCFS_PATH = str(procfs)
        self._memory = read_memory_total(procfs)

    def read(self) -> Processes:
        """Return what was used since the read before.

        Nothing at the first read, which has nothing to count from, and where ``count`` is 0.
        """
        if self._count == 0:
            return Processes((), None)
        # A fork in progress at the last listing may have begun in the tick before it.
        born_after, self._born_after = self._born_after, int(self._boottime() * _TICKS_A_SECOND) - 1
        changes = self._sweep.read()
        used, self._owed = settle(changes, self._sweep.find, self._owed, born_after)
        now, before = self._monotonic(), self._read_at
        self._read_at = now
        if before is None or now <= before:
            return Processes((), None)
        ticks = (now - before) * _TICKS_A_SECOND
        used = _bounded(used, int(ticks * (os.cpu_count() or 1)))
        top = self._choose(used)
        self._names = {_program(use.stat): self._full_name(use.stat) for use in top}
        return Processes(
            top=tuple(self._process(use, ticks) for use in top),
            owned=sum(use.own + use.children for use in used) / ticks * 100.0,
        )

    def close(self) -> None:
        """Let go of the descriptors that are kept."""
        self._sweep.close()

    def _choose(self, used: list[Use]) -> list[Use]:
        """Return the top: by CPU, and where that is equal by memory; those that did not run fill it up."""
        active = [use for use in used if use.own or use.children]
        if len(active) < self._count:
            others = {use.stat.pid for use in active}
            idle = [stat for stat in self._sweep.stats() if stat.pid not in others]
            largest = nlargest(self._count - len(active), idle, key=lambda stat: stat.rss)
            now = [stat._replace(rss=self._sweep.resident(stat)) for stat in largest]
            active.extend(Use(stat, 0, 0) for stat in now)
        return nlargest(self._count, active, key=lambda use: (use.own + use.children, use.stat.rss))

    def _process(self, use: Use, ticks: float) -> Process:
        stat = use.stat
        return Process(
            pid=stat.pid,
            start=stat.start,
            name=self._names[_program(stat)],
            cpu=round(use.own / ticks * 100.0, 2),
            mem=round(stat.rss * _PAGE / self._memory * 100.0, 3),
            children=round(use.children / ticks * 100.0, 2),
        )

    def _full_name(self, stat: Stat) -> str:
        """The name, whole where the kernel cut it: psutil finds the rest in the command line."""
        known = self._names.get(_program(stat))
        if known is not None:
            return known
        name = stat.comm
        if len(name) == _COMM_LENGTH:  # a kernel thread's is longer, and whole
            with suppress(psutil.Error):  # it ended just now
                whole = os.fsencode(psutil.Process(stat.pid).name())
                name = whole if whole.startswith(name) else name
        return name.decode(errors="replace")[:_NAME_LENGTH]


def _program(stat: Stat) -> tuple[int, int, bytes]:
    """The process while it has this name: exec gives it another."""
    return stat.pid, stat.start, stat.comm


def _bounded(used: list[Use], most: int) -> list[Use]:
    """Return ``used`` with no more ``children`` than the cores had ticks.

    What is over was used before: by a child that had been hidden, hidepid of proc(5).
    """
    return [use if use.children <= most else use._replace(children=most) for use in used]


def read_memory_total(procfs: Path) -> float:
    """Return the bytes of RAM; infinity, so that every share of it is 0, where they are not told."""
    try:
        label, kibibytes, *_ = (procfs / "meminfo").read_text(errors="replace").split(maxsplit=2)
        return int(kibibytes) * 1024.0 if label == "MemTotal:" else math.inf
    except (OSError, ValueError):
        return math.inf
