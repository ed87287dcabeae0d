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
from typing import Final, NamedTuple

_MOST_DRIVERS: Final = 64
_LONGEST_KEY: Final = 512
_MOST_BYTES: Final = 1 << 17
_MOST_EVIDENCE: Final = 12
"""Readings that count against others: a minute of them outweighs whatever was before."""


class _Seen(NamedTuple):
    balance: int
    """Negative discharges less positive ones."""
    negative: bool
    """Whether there ever was a negative one."""


class DriverSigns:
    """The drivers known to follow the kernel's sign.

    ``file`` keeps them; None, or one that cannot be written: they are known in this run. ``keep`` false: what
    is in the file is known, and nothing is written.
    """

    def __init__(self, file: Path | None = None, *, keep: bool = True) -> None:
        self._file = file if keep else None
        self._seen: dict[str, _Seen] = {driver: _Seen(0, negative=True) for driver in _load(file)}

    def follows_abi(self, driver: str) -> bool:
        """Return whether this driver gave a discharge as negative, and not more often as positive."""
        seen = self._seen.get(driver[:_LONGEST_KEY])
        return seen is not None and seen.negative and seen.balance >= 0

    def learn(self, driver: str, sign: float) -> None:
        """Take the sign of one discharge (-1, 1; 0: nothing was seen), and keep what is new in it."""
        if sign == 0:
            return
        driver = driver[:_LONGEST_KEY]
        known = self.follows_abi(driver)
        # An Android gauge whose status lags behind the cable gives one negative "discharge" among many
        # positive ones: it would make the whole charge that follows a discharge.
        before = self._seen.pop(driver, _Seen(0, negative=False))
        balance = before.balance + (1 if sign < 0 else -1)
        balance = max(-_MOST_EVIDENCE, min(balance, _MOST_EVIDENCE))
        self._seen[driver] = _Seen(balance, negative=before.negative or sign < 0)
        while len(self._seen) > _MOST_DRIVERS:
            del self._seen[next(iter(self._seen))]
        if self.follows_abi(driver) != known:
            self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        known = [driver for driver in self._seen if self.follows_abi(driver)]
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
