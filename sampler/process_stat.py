"""One line of /proc/PID/stat (proc_pid_stat(5)): all that is wanted of a process is in it."""

from __future__ import annotations

from typing import Final, NamedTuple

_MOST: Final = 1 << 63


class Stat(NamedTuple):
    """What is taken of one line. Times are clock ticks."""

    pid: int
    start: int
    """Since boot: (pid, start) is a process's identity, as a pid is used again."""
    comm: bytes
    """The name, any bytes: the kernel cuts it to 15, but not its own threads'."""
    zombie: bool
    """It has ended and waits to be reaped (a zombie)."""
    parent: int
    """The pid of the process that will reap it; 0: none, or outside the pid namespace."""
    used: int
    """utime + stime"""
    reaped: int
    """cutime + cstime: the time of all children that it has waited for, and of their children."""
    threads: int
    rss: int
    """Pages."""


def parse_stat(line: bytes) -> Stat | None:
    """Return the fields of a line; None where it is malformed.

    The name in the second field may hold spaces, parentheses and newlines: it ends at the last ``)``.
    """
    opening, closing = line.find(b"("), line.rfind(b")")
    fields = line[closing + 2 :].split(b" ", 22)  # the thirty behind rss are not wanted
    try:
        stat = Stat(
            pid=int(line[:opening]),
            start=int(fields[19]),
            comm=line[opening + 1 : closing],
            zombie=fields[0] == b"Z",
            parent=int(fields[1]),
            used=int(fields[11]) + int(fields[12]),
            reaped=int(fields[13]) + int(fields[14]),
            threads=int(fields[17]),
            rss=int(fields[21]),
        )
    except (ValueError, IndexError):
        return None
    return stat if _is_sound(stat) else None


def _is_sound(stat: Stat) -> bool:
    """Whether the kernel can have printed all of it: counts of at most 63 bits."""
    _, start, _, _, parent, used, reaped, _, rss = stat
    return min(start, parent, used, reaped, rss) >= 0 and start < _MOST and 0 < stat.pid < _MOST
