"""One pass over all processes, which reads only those that ran.

Of 330 processes some thirty run within a second. A process of one thread that was not on a CPU has used
nothing, reaped nobody and is called what it was called: its /proc/PID/schedstat (time on a CPU in ns, time
waiting for one, times scheduled; Documentation/scheduler/sched-stats.rst) says what it said, and costs a
third of /proc/PID/stat. It speaks of the first thread alone, so of a process of several stat is read.

Descriptors are kept, as opening costs more than reading. That of a process which is gone says ESRCH for ever,
also when its pid belongs to another. Where no more can be kept, files are opened each time.
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
"""Bytes, more than stat can have: 52 fields of at most 20, and a name of at most 64."""
_NO_SCHEDSTAT: Final = b"0 0 0\n"
_MOST_KEPT: Final = 2048
"""Descriptors; each holds a page of kernel memory."""
_SPARE: Final = 256
"""Descriptors that are left to sockets and all else."""


class Changes(NamedTuple):
    """What a sweep found to be other than at the one before it."""

    ran: list[tuple[Stat | None, Stat]]
    """Then and now of each process that may have used CPU; None for one that was not seen before."""
    gone: list[Stat]
    """The last that was seen of each process that is no more."""


class _Known:
    """A process, and what is read of it at the next sweep."""

    __slots__ = ("files", "said", "stat", "witness")

    def __init__(self, stat: Stat) -> None:
        self.stat = stat
        self.files: dict[str, int] = {}
        """The descriptors that are kept: none from the first sweep, which most do not outlive by one."""
        self.witness: int | None = None
        """The one that tells whether the process ran: schedstat of one with one thread, else stat."""
        self.said = b""
        """What the witness said last."""


class Sweep:
    """The processes of ``procfs`` as they were at the last ``read``."""

    def __init__(self, procfs: Path, most_kept: int | None = None) -> None:
        """Keep at most ``most_kept`` descriptors; None: as many as this process may have, within reason."""
        self._root = str(procfs)
        self._room = _make_room() if most_kept is None else most_kept
        self._has_schedstat = _has_schedstat(self._root)
        self._listing = _Listing(self._root)
        # In order of start, so parents before children: a child that dies during a sweep is found gone at the
        # sweep that finds its parent to have reaped it, or at the one before, and never after.
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
                    # Who lost its parent has another one now, though it did not run.
                    if said == known.said and before.parent in present:
                        continue
                    self._renew(known, said)
                    ran.append((before, known.stat))
            except (FileNotFoundError, ProcessLookupError):
                present.discard(pid)
            except OSError:  # out of memory, say: what it used is found at the next sweep
                continue
            if pid not in present:
                gone.append(before)
        for stat in gone:
            self._release(self._known.pop(stat.pid))
        # The pid of one that is gone may already be another's.
        born = self._meet(present.difference(self._known).union(stat.pid for stat in gone))
        present.update(stat.pid for stat in born)
        ran.extend((None, stat) for stat in born)
        return Changes(ran, gone)

    def resident(self, stat: Stat) -> int:
        """Return the pages that a process holds now: they are taken from those that do not run, too."""
        try:
            now = _parse(self._read_kept(self._known[stat.pid], "stat"), stat.pid)
        except OSError:
            return stat.rss
        return now.rss if now.start == stat.start else stat.rss

    def close(self) -> None:
        """Let go of all descriptors."""
        for known in self._known.values():
            self._release(known)

    def _renew(self, known: _Known, said: bytes | None) -> None:
        """Read ``known`` again, of which its witness ``said`` so; None: it has none yet. Raises OSError."""
        pid, start = known.stat.pid, known.stat.start
        if said is None:
            said = self._read_kept(known, self._witness_of(known.stat))
        # The witness was read before stat: what the process does in between shows at the next sweep.
        if self._witness_of(known.stat) == "stat":
            stat = _parse(said, pid)
        elif known.said:
            stat = _parse(self._read_kept(known, "stat"), pid)
        else:  # most that ran once do not run again soon: no second descriptor for them
            stat = self._read_stat(pid)
        if stat.start != start:
            raise ProcessLookupError  # the pid is another's
        known.stat, known.said = stat, said
        # Without these statistics, which kernel.task_delayacct may end, it says so of every process.
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
        """Make the processes known that are not, and return them."""
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
    """The pids of a procfs, listed anew only after some were given out."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._loadavg = f"{root}/loadavg" if _is_kernels(root) else None
        self._recent: tuple[bytes, bytes] = b"", b""
        """The last pid given out, as told at the two reads before."""
        self._pids: set[int] = set()

    def read(self) -> set[int]:
        """Return the pids; the caller takes out those that it finds gone. With them 0, the parent of none."""
        last = self._last_pid()
        # A fork takes its pid first and can be listed a little later: one more listing finds it.
        if not last or self._recent != (last, last):
            try:
                entries = os.listdir(self._root)  # noqa: PTH208 names are enough; iterdir makes a Path of each
            except OSError:  # out of memory, say: those that are gone are found so when they are read
                return set(self._pids)
            self._pids = {0, *(int(entry) for entry in entries if entry.isdecimal())}
        self._recent = self._recent[1], last
        return self._pids

    def _last_pid(self) -> bytes:
        """Return the fifth field of loadavg (proc_loadavg(5)), nothing where it is not told."""
        try:
            return b"" if self._loadavg is None else _read(self._loadavg).split()[4]
        except (OSError, IndexError):
            return b""


def _is_kernels(root: str) -> bool:
    """Whether loadavg is of the same procfs: lxcfs mounts one of its own making over it."""
    try:
        return os.stat(f"{root}/loadavg").st_dev == os.stat(root).st_dev  # noqa: PTH116
    except OSError:
        return False


def _has_schedstat(root: str) -> bool:
    """Whether the kernel keeps these statistics (CONFIG_SCHED_INFO): it would of this process, which runs."""
    try:
        return _read(f"{root}/self/schedstat") not in {b"", _NO_SCHEDSTAT}
    except OSError:
        return False


def _make_room() -> int:
    """Raise the limit of open files, where it may be raised, and return how many can be kept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_KEPT
    wanted = _MOST_KEPT + _SPARE if hard == resource.RLIM_INFINITY else min(_MOST_KEPT + _SPARE, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox may refuse it: then fewer are kept
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(soft - _SPARE, _MOST_KEPT), 0)


def _parse(line: bytes, pid: int) -> Stat:
    stat = parse_stat(line)
    if stat is None or stat.pid != pid:
        raise FileNotFoundError  # there is no such process in it
    return stat


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)


def _read(path: str) -> bytes:
    file = _open(path)
    try:
        return os.read(file, _LINE)
    finally:
        os.close(file)
