"""Which drivers have shown that a negative current means a discharge, as the kernel's ABI requires.

The sign of such a driver is believed even while its status is "Charging". The list is kept in the runtime
directory, so that a sampler that starts while a charger is plugged in knows what earlier samplers saw. A
reboot, which may bring another kernel, clears it.
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

    They are saved in ``file``. If it is None or cannot be written, they are known during this run only. If
    ``keep`` is false, the file is read but not written.
    """

    def __init__(self, file: Path | None = None, *, keep: bool = True) -> None:
        self._file = file if keep else None
        self._known = dict.fromkeys(_load(file))
        """Oldest first: the oldest is dropped to make room."""

    def follows_abi(self, driver: str) -> bool:
        """Return whether this driver ever reported a discharge as negative."""
        return driver[:_LONGEST_KEY] in self._known

    def learn(self, driver: str, sign: float) -> None:
        """Note the sign of one discharge (-1 or 1; 0: none was seen), and save a new driver.

        One negative sign is enough. A driver with the kernel's sign may also report a positive current while
        "Discharging", because its status lags behind the cable.
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
        except OSError:  # no space or no permission: the driver is known during this run only
            with contextlib.suppress(OSError):
                unfinished.unlink()


def _load(file: Path | None) -> list[str]:
    """Return the drivers in the file; empty if it is missing or malformed."""
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
