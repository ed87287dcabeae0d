"""How full a pack is, in percent of its current full capacity. Pure. docs/battery.md explains the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sampler.supply import Supply

LARGEST_LEVEL: Final = 10_000.0
"""Ah or Wh"""
MOST_PERCENT: Final = 101.0
"""A MAX17040 reports 101 when full (raspberrypi/linux#2906)."""


class Level(NamedTuple):
    """The charge of a pack and its capacity, both in Ah or both in Wh."""

    now: float
    full: float


class Percent(NamedTuple):
    """0 to 100, None where it is not available."""

    value: float | None
    doubt: str | None = None
    """Why a percentage was left out, in words."""
    of_design: bool = False
    """The driver's percentage is relative to the design capacity, so ``value`` was computed here."""


def level(now: float | None, full: float | None) -> Level | None:
    """Return the level, None if it is not plausible. ``full`` is not the design capacity: packs wear."""
    if now is None or full is None or now < 0 or not 0 < full <= LARGEST_LEVEL or now > LARGEST_LEVEL:
        return None
    return Level(now, full)


def percent_of(levels: Iterable[Level]) -> float:
    """Return Σnow ÷ Σfull in percent, at most 100: gauges exceed full (steamdeck-era-unknown-overfull)."""
    inside, fits = map(sum, zip(*levels, strict=True))
    return min(100.0 * inside / fits, 100.0)


def parse_percent(supply: Supply, *, of_design: bool = False) -> Percent:
    """Return how full the pack is. `capacity` is preferred: the maker's gauge and desktop panels show it.

    ``of_design``: this pack was seen to report a percentage of its design capacity.
    """
    capacity = supply.capacity
    charge, energy = level(supply.charge, supply.charge_full), level(supply.energy, supply.energy_full)
    if capacity is None:
        inside = charge or energy
        return Percent(None if inside is None else percent_of([inside]))
    if capacity > MOST_PERCENT or of_design:
        # The pack is larger than its design value (replaced-pack-capacity-111), or that value is wrong.
        for inside, design in ((charge, supply.charge_full_design), (energy, supply.energy_full_design)):
            if inside and design and abs(capacity - 100.0 * inside.now / design) <= 1.0:
                return Percent(percent_of([inside]), of_design=True)
    if capacity == 0 and all_zero(supply.charge_full, supply.energy_full):
        return Percent(None, "capacity and full capacity are 0: the gauge does not answer")
    if 0 <= capacity <= MOST_PERCENT:
        return Percent(min(capacity, 100.0))
    return Percent(None, f"capacity {capacity:.0f} is not a percentage")


def all_zero(*values: float | None) -> bool:
    """Return whether at least one of these was read, and all that were read are 0."""
    told = [value for value in values if value is not None]
    return bool(told) and not any(told)
