"""The processes that used the most CPU, and the CPU time that all processes account for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from heapq import nlargest
from pathlib import Path
from typing import Final, NamedTuple

from sampler.accounting import Debt, Use, bounded, settle
from sampler.cpu import read_busy_ticks
from sampler.programs import Programs
from sampler.sweep import Sweep
from sampler.sysfs import read_whole
from sampler.ticks import TICKS_A_SECOND
from telemetry.sample import Process

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MEMORY_TOTAL: Final = re.compile(rb"^MemTotal:[ \t]*([0-9]{1,15}) kB[ \t]*$", re.MULTILINE)


class Processes(NamedTuple):
    """One reading."""

    top: tuple[Process, ...]
    """The busiest processes, their reaped children included, the busiest first."""
    owned: float | None
    """CPU use of all processes and their reaped children, percent of one core; None if unknown."""


class ProcessSensor:
    """The top ``count`` processes by CPU use since the previous read."""

    def __init__(
        self, procfs: Path, count: int, monotonic: Callable[[], float], boottime: Callable[[], float]
    ):
        self._procfs = procfs
        self._count = count
        self._monotonic = monotonic
        self._boottime = boottime
        self._sweep = Sweep(procfs)
        self._owed: list[Debt] = []
        self._read_at: float | None = None
        self._born_after = 0
        self._programs = Programs(procfs, monotonic)
        self._cores = count_cores(procfs)
        self._memory: int | None = None

    def read(self) -> Processes:
        """Return what was used since the previous read.

        The result is empty at the first read, and always if ``count`` is 0.
        """
        if self._count == 0:
            return Processes((), None)
        # A fork in progress at the last listing may have begun in the tick before it.
        born_after, self._born_after = self._born_after, int(self._boottime() * TICKS_A_SECOND) - 1
        changes = self._sweep.read()
        used, self._owed = settle(changes, self._sweep.find, self._owed, born_after)
        now, before = self._monotonic(), self._read_at
        self._read_at = now
        if before is None or now <= before:
            return Processes((), None)
        ticks = (now - before) * TICKS_A_SECOND
        used = self._bounded(used, ticks)
        top = self._choose(used)
        self._memory = self._memory or read_memory_total(self._procfs)
        return Processes(
            top=tuple(self._process(use, ticks, born_after) for use in top),
            owned=_owned(used, ticks) if self._sweep.stats() else None,
        )

    def close(self) -> None:
        """Close the descriptors that are kept open."""
        self._sweep.close()

    def _bounded(self, used: list[Use], ticks: float) -> list[Use]:
        """Return ``used``, limited to what the cores can have provided; ``ticks`` is for one core."""
        within = bounded(used, int(ticks * self._cores))
        if within != used:  # cores may have come online since they were counted
            self._cores = count_cores(self._procfs)
            within = bounded(used, int(ticks * self._cores))
        return within

    def _choose(self, used: list[Use]) -> list[Use]:
        """Return the top: by CPU, then by memory; processes that did not run fill the remaining places.

        A process whose use is unknown is left out.
        """
        active = [use for use in used if use.own is not None and _together(use)]
        if len(active) < self._count:
            placed = {use.stat.pid for use in used if use.own is None or _together(use)}
            idle = [stat for stat in self._sweep.stats() if stat.pid not in placed]
            largest = nlargest(self._count - len(active), idle, key=lambda stat: stat.rss)
            children = {use.stat.pid: use.children for use in used}
            for stat in largest:
                now = stat._replace(rss=self._sweep.resident(stat))
                active.append(Use(now, 0, children.get(stat.pid, 0)))
        return nlargest(self._count, active, key=lambda use: (_together(use), use.stat.rss))

    def _process(self, use: Use, ticks: float, born_after: int) -> Process:
        stat = use.stat
        program = self._programs.of(stat, is_settled=stat.start < born_after)
        return Process(
            pid=stat.pid,
            start=stat.start,
            name=program.name,
            cpu=round((use.own or 0) / ticks * 100.0, 2),
            mem=memory_share(stat.rss, self._memory),
            children=None if use.children is None else round(use.children / ticks * 100.0, 2),
            app=program.app,
            user=program.user,
        )


def _together(use: Use) -> int:
    return (use.own or 0) + (use.children or 0)


def _owned(used: list[Use], ticks: float) -> float | None:
    """Return the use of all of them, percent of one core; None if one of them is unknown."""
    if any(use.own is None or use.children is None for use in used):
        return None
    return sum(map(_together, used)) / ticks * 100.0


def count_cores(procfs: Path) -> int:
    """Return how many cores are online, from the same procfs as the processes."""
    return len(read_busy_ticks(procfs / "stat")) or os.cpu_count() or 1


def memory_share(pages: int, memory: int | None) -> float | None:
    """Return ``pages`` in percent of ``memory`` (bytes), None if unknown or above 100. Pure."""
    if memory is None or pages * _PAGE > memory:
        return None
    return round(pages * _PAGE / memory * 100.0, 3)


def read_memory_total(procfs: Path) -> int | None:
    """Return the bytes of RAM; None if they are hidden (subset=pid, proc(5)) or 0."""
    told = _MEMORY_TOTAL.search(read_whole(f"{procfs}/meminfo"))
    return int(told[1]) * 1024 or None if told else None
