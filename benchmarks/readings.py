"""Reads a process's CPU time, memory and written bytes from the kernel.

Formats: proc_pid_stat(5), proc_pid_smaps(5), proc_pid_io(5).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from sampler.process_stat import parse_stat

PROC: Final = Path("/proc")
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")


class Memory(NamedTuple):
    """Bytes. In ``proportional``, a page that n processes share counts as 1 / n page."""

    resident: int
    proportional: int


def cpu_seconds(pid: int, procfs: Path = PROC) -> float:
    """Return the CPU time of a process and of its reaped children, s.

    utime and stime are in ticks of 10 ms, too coarse for a process that uses 1 ms per second. The process's
    CPU clock (clock_getcpuclockid(3)) has the same sum in ns; only the children's time is in ticks.
    """
    stat = parse_stat((procfs / str(pid) / "stat").read_bytes())
    if stat is None:
        raise ProcessLookupError(f"process {pid} is gone")
    try:
        own = time.clock_gettime(_clock_of(pid))
    except OSError:  # a sandbox without these clocks
        own = stat.used * _TICK
    return own + stat.reaped * _TICK


def _clock_of(pid: int) -> int:
    """Return the id of a process's CPU clock: CPUCLOCK_SCHED of the kernel's posix-timers.h."""
    return (~pid << 3) | 2


def memory(pid: int, procfs: Path = PROC) -> Memory:
    """Return the memory of a process in RAM."""
    found = counts((procfs / str(pid) / "smaps_rollup").read_text())
    return Memory(found["Rss"] * 1024, found["Pss"] * 1024)


def written_bytes(pid: int, procfs: Path = PROC) -> int:
    """Return the bytes that the kernel writes to a disk for a process, including pages not yet written."""
    found = counts((procfs / str(pid) / "io").read_text())
    return found["write_bytes"] - found["cancelled_write_bytes"]


def counts(text: str) -> dict[str, int]:
    """Return the integers in lines such as ``Rss:  1672 kB``, by name."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.isidentifier() and words and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def process_count(procfs: Path = PROC) -> int:
    """Return the number of processes."""
    return sum(entry.name.isdecimal() for entry in procfs.iterdir())
