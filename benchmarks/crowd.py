"""Processes that fill a machine: nine in ten sleep, one in ten wakes each second and does a little."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

_ACTIVE_SHARE: Final = 10
"""Of 330 processes of a desktop some thirty run within a second: one in so many."""
_WORK: Final = 0.0005
"""s of CPU a second of an active one"""


@contextmanager
def crowd(size: int) -> Iterator[list[int]]:
    """Have ``size`` more processes and give their pids; they are gone at the end.

    They are forks of this process, which share its memory: a thousand take little of it.
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
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
        with open("/proc/self/comm", "w", encoding="ascii") as comm:
            comm.write(f"crowd-{number}")
        if number % _ACTIVE_SHARE:
            while True:
                signal.pause()
        time.sleep(number % 97 / 97)  # not all in the same moment
        while True:
            end = time.process_time() + _WORK
            while time.process_time() < end:
                pass
            time.sleep(1.0)
    finally:
        os._exit(1)
