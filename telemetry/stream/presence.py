"""Recreates files that a logout without lingering or a /tmp cleaner removed from the runtime directory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from telemetry.errors import TakenOver, UserError

LOOK_AGAIN = 10.0
"""s: the longest time between two checks of the directory"""


class Renewable(Protocol):
    """A file that a service has in its runtime directory: the ring, or a socket with its lock."""

    def renew(self) -> bool:
        """Recreate it if it was removed; return whether that was needed.

        Raises TakenOver if another process has it now, UserError if it cannot be created now.
        """


class Presence:
    """Recreates removed files, and logs that in one line. If a file cannot be created, it retries later."""

    def __init__(
        self,
        directory: Path | None,
        log: logging.Logger,
        *,
        make: Callable[[], object] = lambda: None,
        what: str = "",
    ) -> None:
        """``make`` creates ``directory`` (None: there is none), or raises UserError.

        ``what`` is added to the log line about what was recreated.
        """
        self._directory = directory
        self._make = make
        self._log = log
        self._what = what
        self._trouble = False
        self._known = self._identity()

    def keep(self, parts: Sequence[Renewable]) -> None:
        """Check the directory and each part.

        Raises TakenOver if another process has one of the parts now.
        """
        place = self._directory or "the place of a socket"
        try:
            if is_new := self._identity() != self._known:
                self._make()  # called even if the directory exists: it checks the owner
            renewed = [part.renew() for part in parts]
        except TakenOver:
            raise
        except UserError as error:
            if not self._trouble:
                self._log.warning(
                    "cannot recreate what was removed from %s: %s; will try again", place, error
                )
            self._trouble = True
            return
        if any(renewed) or is_new:
            self._log.warning("recreated what was removed from %s%s", place, self._what)
        self._known = self._identity()
        self._trouble = False

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._directory.stat() if self._directory else None
        except OSError:
            return None
        return found and (found.st_dev, found.st_ino)
