"""Clock ticks of /proc: how much a counter can gain in an interval, and which gain is no reading."""

from __future__ import annotations

import os
from typing import Final

TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")

_JITTER_SHARE: Final = 1.5
_JITTER_TICKS: Final = 2
"""Counter and clock are not read at the same instant, and a busy machine may hold the reader up in between:
up to half more than was possible, and two ticks, is a reading at the limit."""


def advanced(gain: int) -> int | None:
    """Return the ticks of ``gain``; None where the counter stepped back: it began anew or is damaged."""
    return max(gain, 0) if gain >= -_JITTER_TICKS else None


def believed(gain: int | None, most: int) -> int | None:
    """Return the ticks of ``gain``, at most ``most``, what the cores had; None where it is no reading.

    A kernel bug or a damaged line makes a gain that no CPU time is behind.
    """
    if gain is None or gain > most * _JITTER_SHARE + _JITTER_TICKS:
        return None
    return min(gain, most)
