"""A process's full name, the app it belongs to and its user. Read once, when the process is first listed."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from sampler.cgroup import app_of
from sampler.process_stat import Stat
from sampler.sysfs import PAGE, read_start

_COMM_LENGTH: Final = 15
"""The kernel cuts a process's name to this many bytes (TASK_COMM_LEN less the terminating zero)."""
_NAME_LENGTH: Final = 255
_MOST_KNOWN: Final = 1024
"""The number of processes remembered: the newest ones"""
_MOST_USERS: Final = 256
_ASK_AGAIN: Final = 60.0
"""s after which a uid without a name is looked up again: a directory service may start late at boot."""


class Program(NamedTuple):
    """Facts that do not change while a process runs the same program."""

    name: str
    app: str | None
    """What it belongs to: see ``sampler.cgroup``."""
    user: str | None
    """The name of the effective user, or the uid if it has no name."""


class Programs:
    """The programs of the processes that were listed."""

    def __init__(
        self,
        procfs: Path,
        monotonic: Callable[[], float],
        name_of_user: Callable[[int], str | None] | None = None,
    ) -> None:
        self._procfs = procfs
        self._users = Users(monotonic, name_of_user or name_in_passwd)
        self._known: dict[tuple[int, int, bytes], Program] = {}

    def of(self, stat: Stat, *, is_settled: bool) -> Program:
        """Return the program of a process. Never raises.

        The result is remembered if ``is_settled``. A new process may not be in its control group yet: a
        desktop moves an app there after starting it.
        """
        key = stat.pid, stat.start, stat.comm  # exec changes the name
        program = self._known.get(key)
        if program is None:
            directory = f"{self._procfs}/{stat.pid}"
            program = Program(
                _name(stat.comm, directory),
                app_of(read_start(f"{directory}/cgroup", 4 * PAGE) or b""),
                self._users.owner(directory),
            )
            if is_settled:
                if len(self._known) >= _MOST_KNOWN:
                    del self._known[next(iter(self._known))]
                self._known[key] = program
        return program


class Users:
    """Names of users, each looked up once."""

    def __init__(self, monotonic: Callable[[], float], name_of: Callable[[int], str | None]) -> None:
        self._monotonic = monotonic
        self._name_of = name_of
        self._known: dict[int, tuple[str | None, float]] = {}
        """The name, and when it was looked up"""

    def owner(self, path: str) -> str | None:
        """Return the owner of ``path``; None where it does not exist."""
        try:
            # The directory belongs to the effective uid, even if the process is not dumpable (proc_pid(5)).
            uid = os.stat(path).st_uid  # noqa: PTH116 a Path costs more than the call
        except OSError:
            return None
        name, at = self._known.get(uid, (None, None))
        now = self._monotonic()
        if name is None and (at is None or now - at >= _ASK_AGAIN):
            if len(self._known) >= _MOST_USERS:
                self._known.clear()
            name = self._name_of(uid)
            self._known[uid] = name, now
        return name or str(uid)


def name_in_passwd(uid: int) -> str | None:
    """Return the user's name, None if it has none (getpwuid(3))."""
    try:
        return pwd.getpwuid(uid).pw_name or None
    except (KeyError, OSError):
        return None


def _name(comm: bytes, directory: str) -> str:
    """Return the name; if the kernel cut it, the full name."""
    if len(comm) == _COMM_LENGTH:  # a kernel thread's name may be longer, but is never cut
        comm = whole_name(comm, read_start(f"{directory}/cmdline", PAGE) or b"", _executable(directory))
    return comm.decode(errors="replace")[:_NAME_LENGTH]


def _executable(directory: str) -> bytes:
    try:
        return os.readlink(f"{directory}/exe".encode()).removesuffix(b" (deleted)")  # noqa: PTH115
    except OSError:  # the process belongs to another user
        return b""


def whole_name(name: bytes, command_line: bytes, executable: bytes = b"") -> bytes:
    """Return the full name that the kernel cut to ``name``, from /proc/PID/cmdline or exe; else ``name``.

    A program may overwrite its arguments with one text that has spaces, as Chromium does. The name then ends
    at the first space, unless the name itself has spaces. A script is the first or second argument of its
    interpreter, because a ``#!`` line passes at most one option (execve(2)). Pure.
    """
    program, _, rest = command_line.partition(b"\0")
    first_word = program.partition(b" ")[0]
    paths = [program, first_word] if rest.strip(b"\0") else [first_word, program]
    scripts = [argument for argument in rest.split(b"\0")[:2] if not argument.startswith(b"-")]
    for path in (*paths, *scripts, executable):
        base = path.rpartition(b"/")[2]
        if base.startswith(name):
            return base
    return name
