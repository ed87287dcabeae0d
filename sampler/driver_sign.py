"""What drivers have shown of their sign: does a negative current mean a discharge, as the kernel has it?

One that has shown it is believed while it says "Charging" too. Kept in the runtime directory, so that a
sampler that starts while a charger is plugged in knows what the one before it saw; a reboot, and with it
another kernel, forgets it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

_MOST_DRIVERS: Final = 64
_LONGEST_KEY: Final = 512
_MOST_BYTES: Final = 1 << 17


class DriverSigns:
    """The drivers known to follow the kernel's sign.

    ``file`` keeps them; None, or one that cannot be written: they are known in this run. ``keep`` false: what
    is in the file is known, and nothing is written.
    """

    def __init__(self, file: Path | None = None, *, keep: bool = True) -> None:
        self._file = file if keep else None
        self._known = dict.fromkeys(_load(file))
        """In the order in which they were met: the oldest makes room."""

    def follows_abi(self, driver: str) -> bool:
        """Return whether this driver ever gave a discharge as negative."""
        return driver[:_LONGEST_KEY] in self._known

    def learn(self, driver: str, sign: float) -> None:
        """Note the sign of one discharge (-1 or 1; 0: none was seen), and save a new driver.

        Once is enough. A driver with the kernel's sign gives a positive one too, where its status lags behind
        the cable.
        """
        if sign >= 0 or self.follows_abi(driver):
            return
        self._known[driver[:_LONGEST_KEY]] = None
        while len(self._known) > _MOST_DRIVERS:
            del self._known[next(iter(self._known))]
        self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            unfinished.write_text(json.dumps(list(self._known)))
            unfinished.replace(self._file)
        except OSError:  # no room, no permission: it is known in this run
            with contextlib.suppress(OSError):
                unfinished.unlink()


def _load(file: Path | None) -> list[str]:
    """The drivers in the file; empty where it is missing or not readable as such."""
    if file is None:
        return []
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
        with open(descriptor, "rb") as opened:
            found = json.loads(opened.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(found, list):
        return []
    return [driver for driver in found if isinstance(driver, str) and len(driver) <= _LONGEST_KEY][
        -_MOST_DRIVERS:
    ]
