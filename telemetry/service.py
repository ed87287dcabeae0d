"""What every service needs: the stop signal and the log."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from types import FrameType, TracebackType
from typing import Self

from telemetry.command import without_surrogates


class StopSignal:
    """SIGTERM, SIGINT and SIGHUP as a flag and as a file to poll: a context manager for the main thread.

    SIGHUP means that the terminal or the session has ended. Under nohup it is ignored when the process
    starts, and stays ignored. A handler that only sets a flag does not wake a poller, so the signal also
    makes ``fileno()`` readable.
    """

    def __init__(self) -> None:
        self.requested = False
        self._signals = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._signals.append(signal.SIGHUP)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def wait(self, seconds: float) -> bool:
        """Wait for a signal; return whether one came."""
        select.select([self], [], [], seconds)
        return self.requested

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A signal that comes from now on must not interrupt the closing of a database: it is ignored.
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


class RateLimited:
    """A warning that may occur with every message: logged at once, then at most every ``every`` seconds."""

    def __init__(self, log: logging.Logger, every: float = 60.0) -> None:
        self._log = log
        self._every = every
        self._next = 0.0
        self._silent = 0
        self.count = 0

    def warning(self, text: str, now: float | None = None) -> None:
        """Log ``text``; only count it if the last line is younger than ``every`` s. ``now`` is monotonic."""
        now = time.monotonic() if now is None else now
        self.count += 1
        if now < self._next:
            self._silent += 1
            return
        more = f" (and {self._silent} more since the last such line)" if self._silent else ""
        self._log.warning("%s%s", text, more)
        self._next = now + self._every
        self._silent = 0


class _Formatter(logging.Formatter):
    """Formats records whatever bytes a file name in them has."""

    def format(self, record: logging.LogRecord) -> str:
        return without_surrogates(super().format(record))


class _JournalFormatter(_Formatter):
    """Lines with the priority that the journal reads (sd-daemon(3)): ``<4>text``."""

    PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in self.PRIORITIES if record.levelno >= level)
        return f"<{priority}>{super().format(record)}"


def start_log(program: str, verbose: bool) -> logging.Logger:
    """Return the log, on standard error: lines have a priority for the journal, else the program's name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JournalFormatter("%(message)s") if _to_journal() else _Formatter(f"{program}: %(message)s")
    )
    log = logging.getLogger(program)
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    return log


def _to_journal() -> bool:
    """Return whether standard error is the journal: the variable alone is inherited by terminals too."""
    try:
        stream = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"  # systemd.exec(5)
