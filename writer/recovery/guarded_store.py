"""The store with protection against damage: if its file is damaged, the writer logs that and continues."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from writer.file.aside import not_copied_yet, was_left_unclean
from writer.recovery.checks import Checks
from writer.recovery.salvage import Salvage
from writer.store import Store


class GuardedStore:
    """Keeps ``store`` sound: if the last writer was not stopped cleanly, a check runs in the background.

    A damaged file is set aside as ``<name>.corrupt.<time>``, a fresh one is started, and the readable rows of
    the old one are copied over in the background.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        """Open the store. Raises UserError like Store."""
        self._log = log
        self._path = path
        self._damaged = not_copied_yet(Path(os.path.realpath(path)))
        self._salvage: Salvage | None = None
        self._checks = Checks(path, log)
        is_unclean = was_left_unclean(path)
        self.store = Store(path, on_damage=self._note_damage, announce=log.info)
        if is_unclean:
            log.info("%s was not closed cleanly: checking it in the background", path)
            self._checks.want_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._checks.stop()
        if self._salvage:
            self._salvage.stop()
        self.store.close()

    def step(self, has_caught_up: Callable[[], bool]) -> None:
        """Handle the result of a check; copy from damaged files once all live samples have been stored.

        The copy must wait, because the ring replays its samples in order, and copied rows would come in
        between.
        """
        if found := self._checks.step(self.store, time.time()):
            self.store.replace(found)
        is_copying = self._salvage is not None and self._salvage.is_alive()
        self.store.has_own_reader = is_copying or self._checks.is_busy
        if self._damaged and not is_copying and has_caught_up():
            self._salvage = Salvage(self._damaged, self._path, self._log)
            self._damaged = []
            self._salvage.start()

    def check(self) -> None:
        """Check all tables as soon as possible, because a report found damage."""
        if not self._checks.is_busy:
            self._log.warning("a report found damage in %s: checking it in the background", self._path)
            self.check_all()

    def check_all(self) -> None:
        """Check all tables as soon as possible."""
        self._checks.want_all()

    def _note_damage(self, damaged: Path, why: str) -> None:
        self._checks.stop()
        self._checks = Checks(self._path, self._log)  # the previous object checked the old file
        self._log.error(
            "the database is damaged (%s): it was moved to %s, a fresh one is started, and all readable "
            "rows are copied over",
            why,
            damaged,
        )
        self._damaged = [*self._damaged, damaged]
