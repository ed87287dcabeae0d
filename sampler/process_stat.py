"""One line of /proc/PID/stat (proc_pid_stat(5)), which has all that a sweep needs of a process."""

from __future__ import annotations

from typing import Final, NamedTuple

_MOST: Final = 1 << 63


class Stat(NamedTuple):
    """The fields that are used. Times are clock ticks."""

    pid: int
    start: int
    """Since boot. (pid, start) identifies a process, because pids are reused."""
    comm: bytes
    """The name, any bytes. The kernel cuts it to 15 bytes, except for its own threads."""
    zombie: bool
    """It has ended and waits to be reaped (a zombie)."""
    parent: int
    """The pid of the process that will reap it; 0: none, or outside the pid namespace."""
    used: int
    """utime + stime"""
    reaped: int
    """cutime + cstime: the time of all children that it has waited for, and of those they waited for."""
    threads: int
    rss: int
    """Pages."""


def parse_stat(line: bytes) -> Stat | None:
    """Return the fields of a line; None where it is malformed.

    The name in the second field may hold spaces, parentheses and newlines: it ends at the last ``)``.
    """
    opening, closing = line.find(b"("), line.rfind(b")")
    fields = line[closing + 2 :].split(b" ", 22)  # the thirty fields after rss are not used
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
    """Return whether the kernel can have printed these values: counts of at most 63 bits."""
    _, start, _, _, parent, used, reaped, _, rss = stat
    return min(start, parent, used, reaped, rss) >= 0 and start < _MOST and 0 < stat.pid < _MOST
