"""Clock ticks of /proc: how much a counter can gain in an interval, and which gains are not believed."""

from __future__ import annotations

import os
from typing import Final

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")

_JITTER_SHARE: Final = 1.5
_JITTER_TICKS: Final = 2
"""Counter and clock are not read at the same instant, and a busy machine may delay the reader in between. So
a gain of up to 1.5 times the possible ticks, plus two, is taken as the most that was possible."""


def advanced(gain: int) -> int | None:
    """Return ``gain`` in ticks, at least 0; None if the counter stepped back: it restarted or is damaged."""
    return max(gain, 0) if gain >= -_JITTER_TICKS else None


def believed(gain: int | None, most: int) -> int | None:
    """Return ``gain``, limited to ``most``, the ticks that the cores had; None if it is not believed.

    A kernel bug or a damaged line can show a gain that is larger than the CPU time there was.
    """
    if gain is None or gain > most * _JITTER_SHARE + _JITTER_TICKS:
        return None
    return min(gain, most)
