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
_MOST_EVIDENCE: Final = 12
"""Readings that count against others: a minute of them outweighs whatever was before."""


class DriverSigns:
    """The drivers known to follow the kernel's sign.

    ``file`` keeps them; None, or one that cannot be written: they are known in this run. ``keep`` false: what
    is in the file is known, and nothing is written.
    """

    def __init__(self, file: Path | None = None, *, keep: bool = True) -> None:
        self._file = file if keep else None
        self._evidence: dict[str, int] = dict.fromkeys(_load(file), 0)
        """Only of drivers that once gave a discharge as negative: how often that, less how often positive."""

    def follows_abi(self, driver: str) -> bool:
        """Return whether this driver gave a discharge as negative, and not more often as positive since."""
        return self._evidence.get(driver[:_LONGEST_KEY], -1) >= 0

    def learn(self, driver: str, sign: float) -> None:
        """Take the sign of one discharge (-1, 1; 0: nothing was seen), and keep what is new in it."""
        driver = driver[:_LONGEST_KEY]
        if sign == 0 or (sign > 0 and driver not in self._evidence):
            return
        known = self.follows_abi(driver)
        # An Android gauge whose status lags behind a charger shows one negative "discharge": more positive
        # ones than negative ones, and it is not believed after all.
        step = 1 if sign < 0 else -1
        score = self._evidence.pop(driver, -1) + step
        self._evidence[driver] = max(-_MOST_EVIDENCE, min(score, _MOST_EVIDENCE))
        while len(self._evidence) > _MOST_DRIVERS:
            del self._evidence[next(iter(self._evidence))]
        if self.follows_abi(driver) != known:
            self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        known = [driver for driver in self._evidence if self.follows_abi(driver)]
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            unfinished.write_text(json.dumps(known))
            unfinished.replace(self._file)
        except OSError:  # no room, no permission: it is known in this run
            with contextlib.suppress(OSError):
                unfinished.unlink()


def _load(file: Path | None) -> list[str]:
    """The drivers in the file, none of one that is missing or holds anything else."""
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
