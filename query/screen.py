"""The alternate screen of a terminal: the former content comes back, and keys are read unbuffered.

Escape sequences are those of xterm (ctlseqs, "Alternate Screen Buffer"), which every terminal in use knows.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"


class Screen:
    """The alternate screen of the terminal on standard output; a context manager of the main thread.

    Where standard input is a terminal too, keys are read from it without Enter. Ctrl-Z gives the terminal
    back, and ``fg`` takes it again.
    """

    def __init__(self) -> None:
        self._keys = _keyboard()
        self._settings: list[Any] | None = None
        self._shown: list[str] = []

    def keyboard(self) -> list[Self]:
        """Return what to poll for keys: this object, or nothing."""
        return [] if self._keys is None else [self]

    @property
    def size(self) -> os.terminal_size:
        """Return its current columns and lines, whatever COLUMNS and LINES were at the start."""
        return os.get_terminal_size(sys.stdout.fileno())

    def fileno(self) -> int:
        """Return the descriptor that keys come from; -1: none."""
        return -1 if self._keys is None else self._keys

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        with suppress(OSError):  # the terminal may be gone
            self._give_back()

    def show(self, lines: list[str]) -> None:
        """Show lines of text from the top and clear the rest. Lines that do not fit wrap."""
        self._shown = lines
        sys.stdout.write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW)
        sys.stdout.flush()

    def key(self) -> str:
        """Return the keys that were pressed; empty: none, or the terminal is closed."""
        if self._keys is None:
            return ""
        try:
            if not select.select([self._keys], [], [], 0)[0]:
                return ""
            pressed = os.read(self._keys, 100)
        except OSError:  # the terminal has gone
            pressed = b""
        if not pressed:
            self._keys = None
        return pressed.decode("ascii", "replace")

    def _take(self) -> None:
        if self._keys is not None:
            self._settings = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        sys.stdout.write(_ENTER)
        self.show(self._shown)

    def _give_back(self) -> None:
        try:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
        finally:
            if self._keys is not None and self._settings is not None:
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._settings)

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # continues here after fg
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()


def _keyboard() -> int | None:
    """Return the descriptor of standard input, if that is a terminal that this process may read."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    keys = sys.stdin.fileno()
    try:
        return keys if os.tcgetpgrp(keys) == os.getpgrp() else None
    except OSError:  # a terminal that controls another session
        return None
