"""The time left, for programs that follow the stream. It is read from the database from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from query.overview_facts import Facts, read
from query.overview_lines import time_ahead
from telemetry.errors import UserError
from telemetry.sample import Battery

_ASK_EVERY: Final = 60.0
"""s between two reads of the database"""


class Ahead:
    """The time left, read once a minute and whenever the status of the battery changes.

    If this user may not read the database, the time left is not known.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._next = 0.0
        self._status: str | None = None
        self._found = Facts(0.0)

    def facts(self, battery: Battery | None) -> Facts | None:
        """Return what was read; None: nothing is known for the battery's current status."""
        if battery is None:
            return None
        now = self._clock()
        if now >= self._next or now < self._next - _ASK_EVERY or battery.status != self._status:
            self._next, self._status = now + _ASK_EVERY, battery.status
            try:
                self._found = read(self._path, now, brief=True)
            except UserError:
                self._found = Facts(now)
        return self._found if self._found.status == battery.status else None

    def lines(self, battery: Battery | None) -> Iterator[str]:
        """Yield the line on the time left, if it is known."""
        if facts := self.facts(battery):
            yield from time_ahead(facts)
