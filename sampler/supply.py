"""The record of one power supply of the kernel, parsed once, and whether it is a battery. Pure.

Files and units are those of the kernel's Documentation/ABI/testing/sysfs-class-power. Where drivers deviate
from it, the machine that showed it is named, and its recording is in tests/data/power_supply. docs/battery.md
explains the same rules to users.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sampler.sysfs import number

_MILLIONTHS: Final = (
    *("voltage_now", "voltage_avg", "current_now", "current_avg", "power_now", "power_avg"),
    *("charge_now", "charge_avg", "charge_full", "charge_full_design"),
    *("energy_now", "energy_avg", "energy_full", "energy_full_design"),
)
SCALES: Final[Mapping[str, float]] = {
    **dict.fromkeys(("present", "capacity", "cycle_count"), 1.0),
    **dict.fromkeys(_MILLIONTHS, 1e6),
}
"""The numeric attributes, and how many of the kernel's units make one unit of the record."""
NUMERIC: Final = SCALES.keys() - {"present"}
"""The attributes that a battery measures: a supply without any of them measures nothing."""
_TEXTS: Final = frozenset({"type", "scope", "online", "usb_type", "status"})


class Supply(NamedTuple):
    """The attributes of one supply. None: it was not read, cannot be read, or is not a number."""

    type: str | None = None
    scope: str | None = None
    present: float | None = None
    online: str | None = None
    usb_type: str | None = None
    status: str | None = None
    capacity: float | None = None
    """percent"""
    voltage_now: float | None = None
    """V"""
    voltage_avg: float | None = None
    current_now: float | None = None
    """A"""
    current_avg: float | None = None
    power_now: float | None = None
    """W"""
    power_avg: float | None = None
    charge_now: float | None = None
    """Ah"""
    charge_avg: float | None = None
    charge_full: float | None = None
    charge_full_design: float | None = None
    energy_now: float | None = None
    """Wh"""
    energy_avg: float | None = None
    energy_full: float | None = None
    energy_full_design: float | None = None
    cycle_count: float | None = None
    given: Mapping[str, str] = MappingProxyType({})
    """The texts of all attributes that were read, as the driver gave them."""
    refused: bool = False
    """A numeric attribute holds other text, or the status has characters that are not printable."""
    has_levels: bool = False
    """Whether the level and full capacity were read or tried."""

    # Each property prefers the present value. Only the iBook's PMU_battery has nothing but averages.

    @property
    def voltage(self) -> float | None:
        """V"""
        return self.voltage_avg if self.voltage_now is None else self.voltage_now

    @property
    def current(self) -> float | None:
        """A, with the driver's sign"""
        return self.current_avg if self.current_now is None else self.current_now

    @property
    def power(self) -> float | None:
        """W, with the driver's sign"""
        return self.power_avg if self.power_now is None else self.power_now

    @property
    def charge(self) -> float | None:
        """Ah"""
        return self.charge_avg if self.charge_now is None else self.charge_now

    @property
    def energy(self) -> float | None:
        """Wh"""
        return self.energy_avg if self.energy_now is None else self.energy_now

    def having(self, given: Mapping[str, str]) -> Supply:
        """Return the record with these attributes added. All attributes are parsed here."""
        fields: dict[str, Any] = {}
        refused = self.refused
        for name, text in given.items():
            if name in SCALES:
                value = number(text)
                fields[name] = None if value is None else value / SCALES[name]
                refused = refused or (value is None and name in NUMERIC)
            elif name in _TEXTS:
                printable = name != "status" or text.isprintable()
                fields[name] = text if printable else None
                refused = refused or not printable
        return self._replace(given={**self.given, **given}, refused=refused, **fields)


NOTHING: Final = Supply()
"""The record before anything was read."""

SOURCES: Final = ("Mains", "USB", "Wireless")
"""Types that feed the machine (prefixes: USB_PD etc. too). Their current is an input, with another sign."""


def refusal(supply: Supply, *, forced: bool) -> str | None:
    """Return why type, scope or presence exclude this supply as the machine's battery; None if they do not.

    A forced supply may have any type that is not a source: the user has said that it is the battery.
    """
    kind = supply.type
    # lime2: an empty bay with `present` 0 still reports 100 % and good health.
    if supply.present == 0:
        return "present is 0: the bay is empty"
    if forced:
        return f"type is {kind!r}: a source, not a battery" if (kind or "").startswith(SOURCES) else None
    # A headset that is "Discharging" at 3 % says nothing about the desktop (desktop-logitech-g935).
    if supply.scope == "Device":
        return "scope is Device: the battery of a peripheral"
    if kind not in {"Battery", "Unknown"}:
        return f"type is {kind!r}, not Battery" if kind else "its type cannot be read"
    return None


def no_gauge(supply: Supply) -> str | None:
    """Return why a supply of type Unknown is not a battery; None if it is one or has another type.

    The type of the iBook's PMU_battery_0 is Unknown, and so is that of some chargers.
    """
    if supply.type != "Unknown":
        return None
    if supply.online is not None or supply.usb_type is not None:
        return "type is Unknown, and it has the attributes of a source (online, usb_type)"
    if any(level is not None for level in (supply.charge, supply.energy, supply.capacity)):
        return None
    if supply.voltage is not None and supply.current is not None:
        return None
    return "type is Unknown, and it has no attributes of a battery (a level, or voltage and current)"
