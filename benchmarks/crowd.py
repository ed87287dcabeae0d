"""Fills a machine with processes: nine in ten sleep, one in ten wakes up each second and does little."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

_ACTIVE_SHARE: Final = 10
"""One process in this many is active: about thirty of 330 on a desktop run within a second."""
_WORK: Final = 0.0005
"""s of CPU per second of an active process"""


@contextmanager
def crowd(size: int) -> Iterator[list[int]]:
    """Start ``size`` processes and yield their pids; they end with the block.

    They are forks that share this process's memory, so a thousand of them take little.
    """
    pids: list[int] = []
    try:
        for number in range(size):
            pid = os.fork()
            if pid == 0:
                _live(number)
            pids.append(pid)
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def _live(number: int) -> NoReturn:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
        with open("/proc/self/comm", "w", encoding="ascii") as comm:
            comm.write(f"crowd-{number}")
        if number % _ACTIVE_SHARE:
            while True:
                signal.pause()
        time.sleep(number % 97 / 97)  # not all at the same moment
        while True:
            end = time.process_time() + _WORK
            while time.process_time() < end:
                pass
            time.sleep(1.0)
    finally:
        os._exit(1)
