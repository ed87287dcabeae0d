"""Reports the service's state to the service manager: sd_notify(3) with plain sockets.

Only the loop that does the work feeds the watchdog: a separate thread would keep feeding it for a loop that
is stuck. Without a service manager, everything here does nothing.
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
"""Watchdog notifications per timeout: three of them may be late or lost."""
_SEND_TIMEOUT = 1.0
"""s that sending may wait while the service manager's queue is full; what failed is sent again later"""


class Supervisor:
    """The service manager, which this process notifies when it is ready, alive and stopping."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Find the manager in ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_SEND_TIMEOUT)
        self.beat = _watchdog(environ) / _BEATS if self._address else math.inf
        """s after which a notification is due; infinite without a watchdog"""
        self._due = 0.0
        self._status = ""
        if self.beat < math.inf:
            faulthandler.enable()  # on the watchdog's SIGABRT, the log shows where the loop is stuck

    def ready(self, status: str) -> None:
        """Report that the work begins."""
        self._status = status
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self, status: str | None = None, now: float | None = None) -> None:
        """Report that the loop is alive, if due at ``now`` (monotonic, s), and a changed ``status``."""
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
        """Report that the service is stopping."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, text: str) -> bool:
        """Return whether the datagram was accepted. Does not raise if the manager is gone or busy."""
        if self._address is not None:
            with suppress(OSError):
                self._socket.sendto(without_surrogates(text).encode(), self._address)
                return True
        return False


def _address(given: str) -> bytes | None:
    """Return the address of a path or of a name in the abstract namespace (``@``), else None."""
    if given.startswith("@"):
        return b"\0" + os.fsencode(given[1:])
    return os.fsencode(given) if given.startswith("/") else None


def _watchdog(environ: Mapping[str, str]) -> float:
    """Return the watchdog's timeout, s; infinite if there is no watchdog for this process."""
    for_whom = environ.get("WATCHDOG_PID", "")
    if for_whom and for_whom != str(os.getpid()):  # the variables were inherited
        return math.inf
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) > 0 else math.inf
