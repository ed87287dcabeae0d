"""One power supply of the kernel: its attribute files, and whether it is a battery.

Files and units are those of the kernel's Documentation/ABI/testing/sysfs-class-power; where drivers stray
from it, the machine that showed it is named, and recorded under tests/data/power_supply. docs/battery.md
tells a user the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute

# --- reading ---------------------------------------------------------------------------------------

# Each quantity in the order of preference. Only PMU_battery of the iBook has nothing but averages.
VOLTAGE: Final = ("voltage_now", "voltage_avg")
CURRENT: Final = ("current_now", "current_avg")
POWER: Final = ("power_now", "power_avg")
CHARGE: Final = ("charge_now", "charge_avg")
ENERGY: Final = ("energy_now", "energy_avg")

_IDENTITY: Final = (("type",), ("scope",), ("present",))
_SOURCE_LOOK: Final = (("online",), ("usb_type",))
_MEASURED: Final = (("status",), ("capacity",), VOLTAGE, CURRENT, POWER)
_LEVELS: Final = (CHARGE, ("charge_full",), ENERGY, ("energy_full",))
_WEAR: Final = tuple(
    (name,)
    for name in ("charge_full", "charge_full_design", "energy_full", "energy_full_design", "cycle_count")
)
NUMERIC: Final = frozenset(
    name for names in (("capacity",), VOLTAGE, CURRENT, POWER, *_LEVELS, *_WEAR) for name in names
)
"""Attributes that hold a number, or are refused."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")
"""The kernel prints integers; 40 digits is far past any of them and far inside a float."""


def read_supply(directory: Path, *, forced: bool) -> dict[str, str]:
    """Return the readable attributes that tell whether this is a battery, and then what it measures.

    Stops where the answer is no: the gauge of a mouse answers over its radio, and an adapter's `online`
    runs firmware. Levels are read only where there is no percent (see ``read_levels``).
    """
    attributes = _read(directory, _IDENTITY)
    if refusal(attributes, forced=forced):
        return attributes
    if attributes.get("type") == "Unknown":
        attributes |= _read(directory, _SOURCE_LOOK)
    attributes |= _read(directory, _MEASURED)
    if number(attributes, "capacity") is None:
        attributes |= read_levels(directory)
    return attributes


def read_levels(directory: Path) -> dict[str, str]:
    """Return the readable attributes of what is in the pack and what fits in."""
    return _read(directory, _LEVELS)


def read_wear(directory: Path) -> dict[str, str]:
    """Return the readable attributes of how worn the pack is."""
    return _read(directory, _WEAR)


def has_numbers(directory: Path) -> bool:
    """Return whether the driver offers numbers at all, readable or not.

    The charger chip bq24190 calls itself a battery, with a status, and measures nothing.
    """
    try:
        return any(entry.name in NUMERIC for entry in directory.iterdir())
    except OSError:
        return False


def read_driver(directory: Path) -> str:
    """Return what tells one driver and pack from another: the driver's name, maker and model; "" for none."""
    try:
        driver = (directory / "device" / "driver").readlink().name
    except OSError:
        driver = ""
    texts = [read_attribute(f"{directory}/{name}") or "" for name in ("manufacturer", "model_name")]
    return "|".join([driver, *texts]).strip("|")


def _read(directory: Path, quantities: Iterable[tuple[str, ...]]) -> dict[str, str]:
    attributes = {}
    for preference in quantities:
        for name in preference:
            text = read_attribute(f"{directory}/{name}")
            if text is not None:
                attributes[name] = text
                if _NUMBER.fullmatch(text):
                    break  # each file costs the gauge a bus transfer: an average is not read beside a value
    return attributes


# --- is it a battery? ------------------------------------------------------------------------------

SOURCES: Final = ("Mains", "USB", "Wireless")
"""Types of what feeds the machine (USB_PD and the like too): their current is input, its sign another."""


def refusal(attributes: Mapping[str, str], *, forced: bool) -> str | None:
    """Say why a supply of this type, scope and presence is no battery of this machine; None where it may be.

    A forced supply is taken at its user's word, of any type that is not a source.
    """
    kind, scope = attributes.get("type"), attributes.get("scope")
    # lime2: an empty bay with `present` 0 still says 100 % and good health.
    if number(attributes, "present") == 0:
        return "present is 0: there is no pack in it"
    if forced:
        return f"type is {kind!r}: a source, no battery" if (kind or "").startswith(SOURCES) else None
    # A headset at 3 % "Discharging" is no reason to think that the desktop is (desktop-logitech-g935).
    if scope == "Device":
        return "scope is Device: the battery of a peripheral"
    if kind not in {"Battery", "Unknown"}:
        return f"type is {kind!r}, not Battery" if kind else "its type cannot be read"
    return None


def no_gauge(attributes: Mapping[str, str]) -> str | None:
    """Say why a supply of type Unknown is no battery; None where it is one, or is of another type.

    The iBook's PMU_battery_0 says Unknown, and so do some chargers.
    """
    if attributes.get("type") != "Unknown":
        return None
    if attributes.keys() & {name for (name,) in _SOURCE_LOOK}:
        return "type is Unknown, and it has the attributes of a source (online, usb_type)"
    if any(first(attributes, names) is not None for names in (CHARGE, ENERGY, ("capacity",))):
        return None
    if first(attributes, VOLTAGE) is not None and first(attributes, CURRENT) is not None:
        return None
    return "type is Unknown, and it has no attributes of a battery (a level, or voltage and current)"


# --- numbers ---------------------------------------------------------------------------------------


def number(attributes: Mapping[str, str], name: str) -> float | None:
    """Return a number as the driver gave it, None where there is none or another text."""
    text = attributes.get(name)
    return float(text) + 0.0 if text and _NUMBER.fullmatch(text) else None  # + 0.0: no negative zero


def first(attributes: Mapping[str, str], names: Iterable[str]) -> float | None:
    """Return the first of these that is a number, in the driver's unit."""
    return next((value for name in names if (value := number(attributes, name)) is not None), None)
