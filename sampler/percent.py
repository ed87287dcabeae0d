"""How full a pack is, in percent of what fits in today. Pure. docs/battery.md tells a user the same rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sampler.supply import Supply

LARGEST_LEVEL: Final = 10_000.0
"""Ah or Wh"""
MOST_PERCENT: Final = 101.0
"""MAX17040 says 101 when full (raspberrypi/linux#2906)."""


class Level(NamedTuple):
    """What is in a pack and what fits in, both Ah or both Wh."""

    now: float
    full: float


class Percent(NamedTuple):
    """0 to 100, None where it is not available."""

    value: float | None
    doubt: str | None = None
    """Why a percent was left out, for a person."""
    of_design: bool = False
    """The driver's percent is one of the design, and this is none of the driver's."""


def level(now: float | None, full: float | None) -> Level | None:
    """Return the level, None where it cannot be one. Never of the design: a worn pack never gets there."""
    if now is None or full is None or now < 0 or not 0 < full <= LARGEST_LEVEL or now > LARGEST_LEVEL:
        return None
    return Level(now, full)


def percent_of(levels: Iterable[Level]) -> float:
    """Return Σnow ÷ Σfull in percent; gauges go past full (steamdeck-era-unknown-overfull)."""
    inside, fits = map(sum, zip(*levels, strict=True))
    return min(100.0 * inside / fits, 100.0)


def parse_percent(supply: Supply, *, of_design: bool = False) -> Percent:
    """Return how full the pack is. `capacity` comes first: it is what the maker's gauge and every panel say.

    ``of_design``: this pack was seen to give a percent of what it was designed to hold.
    """
    capacity = supply.capacity
    charge, energy = level(supply.charge, supply.charge_full), level(supply.energy, supply.energy_full)
    if capacity is None:
        inside = charge or energy
        return Percent(None if inside is None else percent_of([inside]))
    if capacity > MOST_PERCENT or of_design:
        # A pack that is larger than the design (replaced-pack-capacity-111), or a design value that is wrong.
        for inside, design in ((charge, supply.charge_full_design), (energy, supply.energy_full_design)):
            if inside and design and abs(capacity - 100.0 * inside.now / design) <= 1.0:
                return Percent(percent_of([inside]), of_design=True)
    if capacity == 0 and is_nought(supply.charge_full, supply.energy_full):
        return Percent(None, "capacity is 0, and so is what fits in: no answer of the gauge")
    if 0 <= capacity <= MOST_PERCENT:
        return Percent(min(capacity, 100.0))
    return Percent(None, f"capacity {capacity:.0f} is no percent")


def is_nought(*values: float | None) -> bool:
    """Whether one of these was told, and each that was is 0."""
    told = [value for value in values if value is not None]
    return bool(told) and not any(told)
