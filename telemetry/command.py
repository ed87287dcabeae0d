"""Being a command: its arguments, its exit status, and the one place where exceptions become text.

Light on purpose: `telemetry-query` is over in 50 ms.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from telemetry.errors import UsageError, UserError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ArgumentParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print a usage of lines and exit; takes no abbreviations."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **settings})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def run(program: str, main: Callable[[], int]) -> int:
    """Run ``main`` and return the exit status: 0 done, 1 failed, 2 wrong usage. No traceback for a user."""
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()  # what fails now can be said; at exit Python could only complain
    except UserError as error:
        say(program, str(error))
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        forget_output()
        return 130  # 128 + SIGINT, as a shell has it
    except BrokenPipeError:  # the reader has what it wanted (| head)
        forget_output()
        return 0
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        forget_output()
        say(program, f"cannot write standard output: {error.strerror}")
        return 1
    return status


def say(program: str, text: str) -> None:
    """Print a line for the user on standard error, if there is one: print would take standard output."""
    if sys.stderr is not None:
        print(printable(f"{program}: {text}"), file=sys.stderr)


def forget_output() -> None:
    """Let what could not be written go nowhere: Python would try again, and complain, at exit."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError):  # none, or one that is no file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)


def printable(text: str) -> str:
    """Return ``text`` with each character that is not one to look at (ESC, newline, bidi marks) escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
