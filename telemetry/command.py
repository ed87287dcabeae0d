"""What every command needs: arguments, exit status, and the one place where exceptions become text.

It imports little on purpose: `telemetry-query` takes only 50 ms.
"""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from telemetry.errors import UsageError, UserError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LEAST_OPEN_FILES = 32
"""Files that a command must be able to open after its start. The writer needs 24 for its sockets and
database; ZeroMQ ends the process with SIGABRT if it cannot open one."""

MOST_OPEN_FILES = 65536
"""The limit of open files that a service asks for: more than its peers can use up"""


class ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print usage lines and exit. Does not accept abbreviations."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def seconds(least: float, most: float) -> Callable[[str], float]:
    """Return the type of an argument: s from ``least`` to ``most``. It raises argparse.ArgumentTypeError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number of seconds from {least:g} to {most:g}"
            )
        return value

    return parse


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return the type of an argument: a whole number, at most 999,999,999, as ``seconds``."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return value

    return parse


def run(program: str, main: Callable[[], int]) -> int:
    """Run ``main`` and return the exit status: 0 done, 1 failed, 2 wrong usage. Users see no traceback."""
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()  # a failure here can be explained; at exit Python would only complain
    except UserError as error:
        say(program, str(error))
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        forget_output()
        return 130  # 128 + SIGINT, as in a shell
    except BrokenPipeError:  # the reader has all it wanted (| head)
        forget_output()
        return 0
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            say(program, f"{error.strerror}: raise the limit (ulimit -n 1024; LimitNOFILE= in a unit)")
            return 1
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        forget_output()
        say(program, f"cannot write standard output: {error.strerror}")
        return 1
    return status


def check_open_files(least: int = LEAST_OPEN_FILES) -> None:
    """Raise UserError if this process may open fewer than ``least`` more files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        is_open = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # one is this directory itself
    except OSError:  # no more files can be opened, or there is no /proc
        is_open = 3
    if limit != resource.RLIM_INFINITY and limit < is_open + least:
        raise UserError(
            f"only {limit} files may be open at a time, and {is_open + least} are needed: "
            "raise the limit (ulimit -n 1024; LimitNOFILE= in a unit)"
        )


def take_all_open_files() -> None:
    """Raise the soft limit of open files to the hard limit, for a process that others connect to.

    Each connection takes a file, and ZeroMQ ends the process if it cannot accept one on an ``ipc://`` socket.
    At the usual soft limit of 1024, one client could cause that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def say(program: str, text: str) -> None:
    """Print a line for the user on standard error, if it is open (else print would use standard output).

    On a terminal, long lines are broken between words.
    """
    if sys.stderr is None:
        return
    line = printable(f"{program}: {text}")
    with suppress(OSError, ValueError):  # not a terminal
        line = "\n".join(folded(line, os.get_terminal_size(sys.stderr.fileno()).columns))
    print(line, file=sys.stderr)


def folded(text: str, columns: int) -> list[str]:
    """Return ``text`` in lines of at most ``columns`` characters, except for longer words; 0: in one line."""
    lines: list[str] = []
    for word in text.split(" "):
        if not lines or (columns and len(lines[-1]) + 1 + len(word) > columns):
            lines.append(f"  {word}" if lines else word)
        else:
            lines[-1] += f" {word}"
    return lines


def forget_output() -> None:
    """Discard what could not be written: otherwise Python would try again at exit, and complain."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError):  # there is no standard output, or it is not a file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)


def printable(text: str) -> str:
    """Return ``text`` with each character that is not printable (ESC, newline, bidi marks) escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def without_surrogates(text: str) -> str:
    """Return ``text`` with U+FFFD for each byte that was not UTF-8 (PEP 383), so that it can be encoded."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)
