"""One pass over all processes that fully reads only those that ran.

Of 330 processes, some thirty run within a second. A single-threaded process that was not on a CPU has used
no time, reaped no child and kept its name. Its /proc/PID/schedstat (time on a CPU in ns, time waiting for
one, times scheduled; Documentation/scheduler/sched-stats.rst) is then unchanged, and reading it costs a third
of reading /proc/PID/stat. It covers only the first thread, so stat is read for multi-threaded processes.

Descriptors are kept open, because opening costs more than reading. After a process ends, reading its
descriptor fails with ESRCH for ever, even when the pid is reused. When the limit of open descriptors is
reached, files are opened each time.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from sampler.process_stat import Stat, parse_stat

_LINE: Final = 2048
"""Bytes, more than stat can have: 52 fields of at most 20 bytes, and a name of at most 64."""
_NO_SCHEDSTAT: Final = b"0 0 0\n"
_MOST_KEPT: Final = 2048
"""Descriptors; each holds a page of kernel memory."""
_SPARE: Final = 256
"""Descriptors reserved for sockets and other uses."""


class Changes(NamedTuple):
    """What changed since the previous sweep."""

    ran: list[tuple[Stat | None, Stat]]
    """(before, now) of each process that may have used CPU; before is None for a new process."""
    gone: list[Stat]
    """The last seen state of each process that has ended."""


class _Known:
    """A process, and what the next sweep reads of it."""

    __slots__ = ("files", "said", "stat", "witness")

    def __init__(self, stat: Stat) -> None:
        self.stat = stat
        self.files: dict[str, int] = {}
        """The open descriptors. The first sweep keeps none, as most new processes end before the next."""
        self.witness: int | None = None
        """The descriptor that shows whether the process ran: schedstat if it has one thread, else stat."""
        self.said = b""
        """The last content of the witness."""


class Sweep:
    """The processes of ``procfs`` as they were at the last ``read``."""

    def __init__(self, procfs: Path, most_kept: int | None = None) -> None:
        """Keep at most ``most_kept`` descriptors; None: what this process's limit allows, at most 2,048."""
        self._root = str(procfs)
        self._room = _make_room() if most_kept is None else most_kept
        self._has_schedstat = _has_schedstat(self._root)
        self._listing = _Listing(self._root)
        # In order of start, so parents come before children: a child that dies during a sweep is found gone
        # at the sweep that sees its parent's reaped time grow, or at the one before, but never after.
        self._known: dict[int, _Known] = {}

    def find(self, pid: int) -> Stat | None:
        """Return the process that has this pid."""
        known = self._known.get(pid)
        return None if known is None else known.stat

    def stats(self) -> list[Stat]:
        """Return all processes."""
        return [known.stat for known in self._known.values()]

    def read(self) -> Changes:
        """Look at every process and return what changed; those that cannot be read are left out."""
        present = self._listing.read()
        ran: list[tuple[Stat | None, Stat]] = []
        gone: list[Stat] = []
        for pid, known in self._known.items():
            before = known.stat
            try:
                if pid in present:
                    said = None if known.witness is None else os.pread(known.witness, _LINE, 0)
                    # If its parent has ended, it was reparented, even if it did not run.
                    if said == known.said and before.parent in present:
                        continue
                    self._renew(known, said)
                    ran.append((before, known.stat))
            except (FileNotFoundError, ProcessLookupError):
                present.discard(pid)
            except OSError:  # for example, out of memory: the next sweep will find what it used
                continue
            if pid not in present:
                gone.append(before)
        for stat in gone:
            self._release(self._known.pop(stat.pid))
        # The pid of an ended process may already belong to a new one.
        born = self._meet(present.difference(self._known).union(stat.pid for stat in gone))
        present.update(stat.pid for stat in born)
        ran.extend((None, stat) for stat in born)
        return Changes(ran, gone)

    def resident(self, stat: Stat) -> int:
        """Return the pages that a process holds now: the kernel reclaims pages even from idle processes."""
        try:
            now = _parse(self._read_kept(self._known[stat.pid], "stat"), stat.pid)
        except OSError:
            return stat.rss
        return now.rss if now.start == stat.start else stat.rss

    def close(self) -> None:
        """Close all descriptors."""
        for known in self._known.values():
            self._release(known)

    def _renew(self, known: _Known, said: bytes | None) -> None:
        """Read ``known`` again; ``said``: content of its witness, None if it has none. Raises OSError."""
        pid, start = known.stat.pid, known.stat.start
        if said is None:
            said = self._read_kept(known, self._witness_of(known.stat))
        # The witness was read before stat, so what the process does in between shows at the next sweep.
        if self._witness_of(known.stat) == "stat":
            stat = _parse(said, pid)
        elif known.said:
            stat = _parse(self._read_kept(known, "stat"), pid)
        else:  # most processes that ran once do not run again soon: no second descriptor is kept for them
            stat = self._read_stat(pid)
        if stat.start != start:
            raise ProcessLookupError  # the pid belongs to another process
        known.stat, known.said = stat, said
        # If kernel.task_delayacct turns these statistics off, schedstat holds zeros for every process.
        known.witness = known.files.get(self._witness_of(stat)) if said != _NO_SCHEDSTAT else None

    def _witness_of(self, stat: Stat) -> str:
        return "schedstat" if self._has_schedstat and stat.threads == 1 else "stat"

    def _read_kept(self, known: _Known, name: str) -> bytes:
        file = known.files.get(name)
        if file is None:
            path = f"{self._root}/{known.stat.pid}/{name}"
            if self._room <= 0:
                return _read(path)
            try:
                file = _open(path)
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    self._room = 0
                raise
            known.files[name] = file
            self._room -= 1
        return os.pread(file, _LINE, 0)

    def _release(self, known: _Known) -> None:
        for file in known.files.values():
            os.close(file)
        self._room += len(known.files)
        known.files.clear()

    def _meet(self, pids: Iterable[int]) -> list[Stat]:
        """Start to track the processes with these pids, and return them."""
        met: list[Stat] = []
        for pid in pids:
            try:
                met.append(self._read_stat(pid))
            except OSError:
                continue
        met.sort(key=attrgetter("start", "pid"))
        self._known.update((stat.pid, _Known(stat)) for stat in met)
        return met

    def _read_stat(self, pid: int) -> Stat:
        return _parse(_read(f"{self._root}/{pid}/stat"), pid)


class _Listing:
    """The pids of a procfs, listed again only after new pids were assigned."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._loadavg = f"{root}/loadavg" if _is_kernels(root) else None
        self._recent: tuple[bytes, bytes] = b"", b""
        """The last assigned pid, at each of the previous two reads."""
        self._pids: set[int] = set()

    def read(self) -> set[int]:
        """Return the pids, and 0, which stands for "no parent". The caller removes pids it finds gone."""
        last = self._last_pid()
        # A fork takes its pid a little before it appears in the listing: one more listing finds it.
        if not last or self._recent != (last, last):
            try:
                entries = os.listdir(self._root)  # noqa: PTH208 names are enough; iterdir makes a Path of each
            except OSError:  # for example, out of memory: ended processes are noticed when they are read
                return set(self._pids)
            self._pids = {0, *(int(entry) for entry in entries if entry.isdecimal())}
        self._recent = self._recent[1], last
        return self._pids

    def _last_pid(self) -> bytes:
        """Return the fifth field of loadavg (proc_loadavg(5)), empty if it cannot be read."""
        try:
            return b"" if self._loadavg is None else _read(self._loadavg).split()[4]
        except (OSError, IndexError):
            return b""


def _is_kernels(root: str) -> bool:
    """Return whether loadavg is from the same procfs: lxcfs mounts a file of its own over it."""
    try:
        return os.stat(f"{root}/loadavg").st_dev == os.stat(root).st_dev  # noqa: PTH116
    except OSError:
        return False


def _has_schedstat(root: str) -> bool:
    """Return whether the kernel keeps these statistics (CONFIG_SCHED_INFO): this process must have some."""
    try:
        return _read(f"{root}/self/schedstat") not in {b"", _NO_SCHEDSTAT}
    except OSError:
        return False


def _make_room() -> int:
    """Raise the limit of open files if possible, and return how many descriptors can be kept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_KEPT
    wanted = _MOST_KEPT + _SPARE if hard == resource.RLIM_INFINITY else min(_MOST_KEPT + _SPARE, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox may refuse it; fewer are then kept
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(soft - _SPARE, _MOST_KEPT), 0)


def _parse(line: bytes, pid: int) -> Stat:
    stat = parse_stat(line)
    if stat is None or stat.pid != pid:
        raise FileNotFoundError  # the line does not describe this process
    return stat


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)


def _read(path: str) -> bytes:
    file = _open(path)
    try:
        return os.read(file, _LINE)
    finally:
        os.close(file)
