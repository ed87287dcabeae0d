"""``telemetry-query live`` on a terminal: the alternate screen, keys, resizing, Ctrl-Z."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.needs import open_terminal
from tests.system.processes import PATIENCE, System
from tests.telemetry.streams import Station

ENTER: Final = "\x1b[?1049h"
LEAVE: Final = "\x1b[?1049l"


class Terminal:
    """A terminal that runs a shell, and its output."""

    def __init__(self, system: System) -> None:
        self._ours, theirs = open_terminal()
        self.resize(24, 80)
        # The first terminal that a session leader opens becomes its controlling terminal: Ctrl-Z works.
        shell = f"PS1='prompt> ' exec bash --norc --noprofile --noediting -i <>{os.ttyname(theirs)} >&0 2>&0"
        self._shell = subprocess.Popen(
            ["bash", "-c", shell],
            env={**system.environ, "TERM": "xterm", "PYTHON": sys.executable},
            start_new_session=True,
        )
        os.close(theirs)
        self.printed = ""

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._ours)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: str) -> None:
        self.printed = ""
        os.write(self._ours, text.encode())

    def read(self, station: Station, wanted: str) -> str:
        """Wait until it has printed ``wanted`` since the last ``type``; return everything printed so far."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(wanted, self.printed, re.DOTALL):
            assert time.monotonic() < deadline, self.printed
            station.serve(0.01)
            if select.select([self._ours], [], [], 0.05)[0]:
                self.printed += os.read(self._ours, 65536).decode("utf-8", "replace")
        return self.printed

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)


@pytest.fixture
def terminal(system: System) -> Iterator[Terminal]:
    terminal = Terminal(system)
    yield terminal
    terminal.close()


def test_it_uses_the_alternate_screen(system: System, terminal: Terminal) -> None:
    with Station(system.runtime, "run") as station:
        terminal.read(station, "prompt> ")
        terminal.type('"$PYTHON" -m query.main live\n')
        terminal.read(station, re.escape(ENTER) + ".*Waiting for the sampler")
        station.publish()
        shown = terminal.read(station, "sample 1.*q ends this")
        assert shown.count(ENTER) == 1
        assert "\x1b[2J" not in shown
        assert not terminal.echoes()

        terminal.printed = ""
        terminal.resize(8, 30)
        narrow = terminal.read(station, "q ends this").replace("\x1b[K", "").split("\x1b[H")[-1]
        assert all(len(line) <= 30 for line in narrow.replace("\x1b[J", "").split("\r\n"))
        assert narrow.count("\r\n") < 8

        terminal.type("\x1a")
        terminal.read(station, re.escape(LEAVE) + ".*Stopped.*prompt> ")
        terminal.type("fg\n")
        terminal.read(station, re.escape(ENTER) + ".*q ends this")
        assert not terminal.echoes()

        terminal.type("q")
        terminal.read(station, re.escape(LEAVE) + ".*prompt> ")
        terminal.type("echo status=$?\n")
        terminal.read(station, "status=0")


def test_ctrl_c_restores_the_terminal(system: System, terminal: Terminal) -> None:
    with Station(system.runtime, "run") as station:
        terminal.read(station, "prompt> ")
        terminal.type('"$PYTHON" -m query.main live; stty -a\n')
        terminal.read(station, "Waiting for the sampler")
        terminal.type("\x03")
        terminal.read(station, re.escape(LEAVE) + ".*(?<!-)icanon.*(?<!-)echo .*prompt> ")
