"""What the kernel tells of a process: its CPU time, its memory, what it wrote.

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
    """Bytes. ``proportional`` counts a page that n processes share as a page / n."""

    resident: int
    proportional: int


def cpu_seconds(pid: int, procfs: Path = PROC) -> float:
    """Return the CPU time of a process and of the children that it has reaped, s.

    utime and stime are told in ticks of 10 ms, too coarse for a process that uses a tenth of that a second.
    The clock of the process (clock_getcpuclockid(3)) tells the same sum in ns; only the children's is in
    ticks.
    """
    stat = parse_stat((procfs / str(pid) / "stat").read_bytes())
    if stat is None:
        raise ProcessLookupError(f"process {pid} is gone")
    try:
        own = time.clock_gettime(_clock_of(pid))
    except OSError:  # a sandbox that does not have these clocks
        own = stat.used * _TICK
    return own + stat.reaped * _TICK


def _clock_of(pid: int) -> int:
    """Return the id of a process's CPU clock: CPUCLOCK_SCHED of the kernel's posix-timers.h."""
    return (~pid << 3) | 2


def memory(pid: int, procfs: Path = PROC) -> Memory:
    """Return what a process holds in RAM."""
    found = counts((procfs / str(pid) / "smaps_rollup").read_text())
    return Memory(found["Rss"] * 1024, found["Pss"] * 1024)


def written_bytes(pid: int, procfs: Path = PROC) -> int:
    """Return the bytes that a process made the kernel write to a disk, once each page is clean again."""
    found = counts((procfs / str(pid) / "io").read_text())
    return found["write_bytes"] - found["cancelled_write_bytes"]


def counts(text: str) -> dict[str, int]:
    """Return the whole numbers of lines such as ``Rss:  1672 kB``, by their names."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.isidentifier() and words and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def process_count(procfs: Path = PROC) -> int:
    """Return how many processes there are."""
    return sum(entry.name.isdecimal() for entry in procfs.iterdir())
