"""Telling the service manager how it goes: sd_notify(3) in plain sockets.

The watchdog is fed by the loop that does the work, and by nothing beside it: a thread of its own would go on
feeding it for a loop that is stuck. Without a service manager everything here does nothing.
"""

from __future__ import annotations

import faulthandler
import math
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from telemetry.command import without_surrogates

_BEATS = 4
"""Signs of life in the time that the watchdog allows for one: three may come late or be lost."""
_SEND_TIMEOUT = 1.0
"""s that a full queue of the service manager may hold up a sign; the next one makes up for it"""


class Supervisor:
    """The service manager as this process sees it: is told of readiness, life and the end."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Find the manager in ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_SEND_TIMEOUT)
        self.beat = _watchdog(environ) / _BEATS if self._address else math.inf
        """s after which a sign of life is due; infinite where nobody waits for one"""
        self._due = 0.0
        self._status = ""
        if self.beat < math.inf:
            faulthandler.enable()  # the watchdog's SIGABRT leaves in the log where the loop is stuck

    def ready(self, status: str) -> None:
        """Say that the work begins."""
        self._status = status
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self, status: str | None = None, now: float | None = None) -> None:
        """Say that the loop turned, if that is due at ``now`` (monotonic), and a ``status`` that is new."""
        now = time.monotonic() if now is None else now
        fields = []
        if now >= self._due and self.beat < math.inf:
            fields.append("WATCHDOG=1")
        if status is not None and status != self._status:
            fields.append(f"STATUS={status}")
        if fields and self._send("\n".join(fields)):
            self._due = now + self.beat
            self._status = self._status if status is None else status

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _send(self, text: str) -> bool:
        """Return whether the datagram was taken: a manager that is gone or busy does not make it fail."""
        if self._address is not None:
            with suppress(OSError):
                self._socket.sendto(without_surrogates(text).encode(), self._address)
                return True
        return False


def _address(given: str) -> bytes | None:
    """Return the address of a path or of a name in the abstract namespace (``@``), None for any other."""
    if given.startswith("@"):
        return b"\0" + os.fsencode(given[1:])
    return os.fsencode(given) if given.startswith("/") else None


def _watchdog(environ: Mapping[str, str]) -> float:
    """Return the seconds after which the manager gives this process up; infinite where it does not."""
    for_whom = environ.get("WATCHDOG_PID", "")
    if for_whom and for_whom != str(os.getpid()):  # the variables were inherited
        return math.inf
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else math.inf
