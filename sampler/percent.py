"""How full a pack is, in percent of its present capacity. Pure. docs/battery.md explains the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sampler.supply import Supply

LARGEST_LEVEL: Final = 10_000.0
"""Ah or Wh"""
MOST_PERCENT: Final = 101.0
"""MAX17040 says 101 when full (raspberrypi/linux#2906)."""


class Level(NamedTuple):
    """The charge of a pack and its capacity, both in Ah or both in Wh."""

    now: float
    full: float


class Percent(NamedTuple):
    """0 to 100, None where it is not available."""

    value: float | None
    doubt: str | None = None
    """Why a percent was left out, in words."""
    of_design: bool = False
    """The driver's percent is of the design capacity, so this one is not the driver's."""


def level(now: float | None, full: float | None) -> Level | None:
    """Return the level, None where it is not plausible. Not of the design: a worn pack never reaches that."""
    if now is None or full is None or now < 0 or not 0 < full <= LARGEST_LEVEL or now > LARGEST_LEVEL:
        return None
    return Level(now, full)


def percent_of(levels: Iterable[Level]) -> float:
    """Return Σnow ÷ Σfull in percent; gauges go past full (steamdeck-era-unknown-overfull)."""
    inside, fits = map(sum, zip(*levels, strict=True))
    return min(100.0 * inside / fits, 100.0)


def parse_percent(supply: Supply, *, of_design: bool = False) -> Percent:
    """Return how full the pack is. `capacity` comes first: the maker's gauge and every desktop panel show it.

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
    return Percent(None, f"capacity {capacity:.0f} is not a percentage")


def is_nought(*values: float | None) -> bool:
    """Whether at least one of these was read, and all that were read are 0."""
    told = [value for value in values if value is not None]
    return bool(told) and not any(told)
