"""Reading one power supply of the kernel: which attribute files are read, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sampler.percent import MOST_PERCENT
from sampler.supply import NOTHING, NUMERIC, Supply, refusal
from sampler.sysfs import number, read_attribute

_IDENTITY: Final = (("type",), ("scope",), ("present",))
_SOURCE_LOOK: Final = (("online",), ("usb_type",))
_MEASURED: Final = (
    *(("status",), ("capacity",)),
    *((f"{quantity}_now", f"{quantity}_avg") for quantity in ("voltage", "current", "power")),
)
_LEVELS: Final = (
    *(("charge_now", "charge_avg"), ("charge_full",)),
    *(("energy_now", "energy_avg"), ("energy_full",)),
)
_WEAR: Final = tuple((name,) for name in ("charge_full_design", "energy_full_design", "cycle_count"))


def read_supply(directory: Path, *, forced: bool) -> Supply:
    """Return the attributes that show whether this is a battery, and its measurements if it may be one.

    The rest of a supply that is not a battery is not read: a mouse's gauge answers over its radio, and an
    adapter's `online` runs firmware. Levels are read only if the percentage needs them.
    """
    supply = _read(directory, _IDENTITY, NOTHING)
    if refusal(supply, forced=forced):
        return supply
    measured = (*_SOURCE_LOOK, *_MEASURED) if supply.type == "Unknown" else _MEASURED
    supply = _read(directory, measured, supply)
    if supply.capacity is None or supply.capacity == 0:
        return read_levels(directory, supply)
    if supply.capacity > MOST_PERCENT:  # it may be relative to the design capacity
        return read_wear(directory, read_levels(directory, supply))
    return supply


def read_levels(directory: Path, supply: Supply) -> Supply:
    """Return the record with the pack's level and its full capacity added."""
    if supply.has_levels:
        return supply
    return _read(directory, _LEVELS, supply)._replace(has_levels=True)


def read_level(directory: Path, supply: Supply, name: str) -> Supply:
    """Return the record with the pack's level added, from the attribute ``name``."""
    return supply if supply.has_levels else _read(directory, ((name,),), supply)


def read_wear(directory: Path, supply: Supply) -> Supply:
    """Return the record with the attributes of the pack's wear added."""
    return _read(directory, _WEAR, supply)


def has_numbers(directory: Path) -> bool:
    """Return whether the driver has any numeric attribute, readable or not.

    The charger chip bq24190 calls itself a battery and has a status, but measures nothing.
    """
    try:
        return any(entry.name in NUMERIC for entry in directory.iterdir())
    except OSError:
        return False


def read_driver(directory: Path) -> str:
    """Return what identifies a driver and pack: the driver's name, maker and model; "" if all are missing."""
    try:
        driver = (directory / "device" / "driver").readlink().name
    except OSError:
        driver = ""
    texts = [read_attribute(f"{directory}/{name}") or "" for name in ("manufacturer", "model_name")]
    return "|".join([driver, *texts]).strip("|")


def _read(directory: Path, quantities: Iterable[tuple[str, ...]], supply: Supply) -> Supply:
    given = {}
    for preference in quantities:
        for name in preference:
            text = read_attribute(f"{directory}/{name}")
            if text is not None:
                given[name] = text
                if len(preference) > 1 and number(text) is not None:
                    break  # each file costs a bus transfer: the average is not read if there is a value
    return supply.having(given)
