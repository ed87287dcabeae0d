"""How sure an energy is: nine in ten true values lie within it."""

from __future__ import annotations

from typing import Final

_SCALE: Final = 1.6
_FEW: Final = 120
"""Blocks below which the standard deviation tells too little"""
_FLOOR: Final = 0.08
"""Part of the energy that stays unsure, whatever the evidence: the model is not the machine"""


def half_width(energy: float, deviation: float, count: int) -> float:
    """Return what an energy may be off by. ``deviation``: its standard deviation; ``count``: blocks."""
    spread = (_SCALE * deviation) ** 2 * (1 + _FEW / max(count, 1))
    return float((spread + (_FLOOR * energy) ** 2) ** 0.5)
