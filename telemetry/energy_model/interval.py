"""The uncertainty of an energy: an interval that contains 90 % of the true values."""

from __future__ import annotations

from typing import Final

_SCALE: Final = 1.6
_FEW: Final = 120
"""With fewer blocks than this, the standard deviation is unreliable"""
_FLOOR: Final = 0.08
"""Part of the energy that stays uncertain however much evidence there is: the model is not exact"""


def half_width(energy: float, deviation: float, count: int) -> float:
    """Return half the width of the interval. ``deviation``: standard deviation; ``count``: blocks."""
    spread = (_SCALE * deviation) ** 2 * (1 + _FEW / max(count, 1))
    return float((spread + (_FLOOR * energy) ** 2) ** 0.5)
