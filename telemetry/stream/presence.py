"""Staying in a runtime directory that others may clean up: a logout without lingering, a cleaner of /tmp."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from telemetry.errors import TakenOver, UserError

LOOK_AGAIN = 10.0
"""s at most between two looks at the directory"""


class Renewable(Protocol):
    """What a service has in its runtime directory: the ring, a socket with its lock."""

    def renew(self) -> bool:
        """Make it anew where it was removed; return whether that was needed.

        Raises TakenOver where another process has it now, UserError where it cannot be made now.
        """


class Presence:
    """Makes anew what was removed, and says so in one line. What cannot be made is tried at each look."""

    def __init__(
        self,
        directory: Path | None,
        log: logging.Logger,
        *,
        make: Callable[[], object] = lambda: None,
        what: str = "",
    ) -> None:
        """``make`` makes ``directory`` (None: there is none), and raises UserError where it cannot.

        ``what`` is said of what was made anew.
        """
        self._directory = directory
        self._make = make
        self._log = log
        self._what = what
        self._trouble = False
        self._known = self._identity()

    def keep(self, parts: Sequence[Renewable]) -> None:
        """Look at the directory and at each part.

        Raises TakenOver where another process has one of the parts now.
        """
        place = self._directory or "the place of a socket"
        try:
            if is_new := self._identity() != self._known:
                self._make()  # also where somebody else made it: its owner is checked
            renewed = [part.renew() for part in parts]
        except TakenOver:
            raise
        except UserError as error:
            if not self._trouble:
                self._log.warning(
                    "cannot make anew what was removed from %s: %s; going on, and trying again", place, error
                )
            self._trouble = True
            return
        if any(renewed) or is_new:
            self._log.warning("what was removed from %s is made anew%s", place, self._what)
        self._known = self._identity()
        self._trouble = False

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._directory.stat() if self._directory else None
        except OSError:
            return None
        return found and (found.st_dev, found.st_ino)
