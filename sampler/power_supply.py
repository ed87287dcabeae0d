"""One power supply of the kernel: its attribute files, and what they say of a pack at one instant.

Files and units are those of the kernel's Documentation/ABI/testing/sysfs-class-power; where drivers stray
from it, the machine that showed it is named, and recorded under tests/data/power_supply. docs/battery.md
tells a user the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

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

_SOURCES: Final = ("Mains", "USB", "Wireless")
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
        return f"type is {kind!r}: a source, no battery" if (kind or "").startswith(_SOURCES) else None
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


# --- what it measures ------------------------------------------------------------------------------


class Level(NamedTuple):
    """What is in a pack and what fits in, both Ah or both Wh."""

    now: float
    full: float


class Pack(NamedTuple):
    """One pack at one instant; negative current and power: discharging."""

    name: str
    status: str | None
    voltage: float | None
    """V"""
    current: float | None
    """A"""
    power: float | None
    """W"""
    pct: float | None
    """0 to 100"""
    charge: Level | None = None
    """Ah"""
    energy: Level | None = None
    """Wh"""
    doubt: str | None = None
    """Why readings were left out, for a person; None where all that was readable was believed."""

    @property
    def silent(self) -> bool:
        """No number could be read, and none was refused: it may be an empty bay."""
        return self.doubt is None and all(
            value is None for value in (self.voltage, self.current, self.power, self.pct)
        )


# Wider than any machine, narrower than the registers of a gauge that is not calibrated (65.535 V and
# 11.7 A of gta04-bq27000-uncalibrated) or firmware's nonsense (upower's list: 0xFFFF, over 300 W).
_VOLTAGE_RANGE: Final = (1.0, 100.0)
_POWER_RANGE: Final = (-500.0, 500.0)
_CURRENT_RANGE: Final = (-500.0, 500.0)  # what the widest power is at the lowest voltage
_LARGEST_LEVEL: Final = 10_000.0

_SIGN: Final = {"Discharging": -1.0, "Charging": 1.0}
"""The ABI: current_now is negative for a discharging battery. ACPI gives no sign (dell-charge-discharging),
Android's gauges the opposite one (retroid-flip2-charging), axp20x changed in 2022: status is asked first."""


def number(attributes: Mapping[str, str], name: str) -> float | None:
    """Return a number as the driver gave it, None where there is none or another text."""
    text = attributes.get(name)
    return float(text) + 0.0 if text and _NUMBER.fullmatch(text) else None  # + 0.0: no negative zero


def first(attributes: Mapping[str, str], names: Iterable[str]) -> float | None:
    """Return the first of these that is a number, in the driver's unit."""
    return next((value for name in names if (value := number(attributes, name)) is not None), None)


def _base_unit(attributes: Mapping[str, str], names: Iterable[str]) -> float | None:
    """V, A, W, Ah or Wh: the ABI has all of these in millionths."""
    value = first(attributes, names)
    return None if value is None else value / 1e6


def parse_pack(name: str, attributes: Mapping[str, str]) -> Pack:
    """Return what a battery's attributes say. Pure; what is missing, unreadable or absurd is None."""
    status = attributes.get("status")
    if status is not None and not status.isprintable():
        status = None
    voltage, current, power = (_base_unit(attributes, names) for names in (VOLTAGE, CURRENT, POWER))
    capacity = number(attributes, "capacity")
    fill = (capacity,) if capacity is not None else (first(attributes, CHARGE), first(attributes, ENERGY))
    if _timed_out((voltage, current, power), fill):
        return Pack(
            name, status, None, None, None, None, doubt="all its readings are 0: no answer of the gauge"
        )

    charge = _level(attributes, CHARGE, "charge_full")
    energy = _level(attributes, ENERGY, "energy_full")
    pct, pct_doubt = _percent(capacity, charge or energy)
    doubt = _absurd(voltage, current, power)
    if doubt:
        # They come from one conversation with one gauge: where one is nonsense the others are no better.
        voltage = current = power = None
    voltage, current, power = _completed(voltage, current, power)
    if sign := _SIGN.get(status or ""):
        current, power = _signed(current, sign), _signed(power, sign)
    return Pack(name, status, voltage, current, power, pct, charge, energy, doubt or pct_doubt)


def _timed_out(electrical: Iterable[float | None], fill: Iterable[float | None]) -> bool:
    """A gauge that does not answer gives zeros for everything, its percent included: not an empty pack."""
    measured = [value for value in electrical if value is not None]
    return bool(measured) and not any(measured) and not any(fill)


def _level(attributes: Mapping[str, str], names: tuple[str, ...], full_name: str) -> Level | None:
    # Never the design value: a worn pack never gets there.
    now, full = _base_unit(attributes, names), _base_unit(attributes, (full_name,))
    if now is None or full is None or now < 0 or not 0 < full <= _LARGEST_LEVEL or now > _LARGEST_LEVEL:
        return None
    return Level(now, full)


def _percent(capacity: float | None, level: Level | None) -> tuple[float | None, str | None]:
    """Return percent and doubt. `capacity` comes first: it is what the maker's gauge and every panel say."""
    if capacity is None:
        return (None if level is None else percent_of([level])), None
    if 0 <= capacity <= 101:  # MAX17040 says 101 when full (raspberrypi/linux#2906)
        return min(capacity, 100.0), None
    return None, f"capacity {capacity:.0f} is no percent"


def percent_of(levels: Iterable[Level]) -> float:
    """Return Σnow ÷ Σfull in percent; gauges go past full (steamdeck-era-unknown-overfull)."""
    inside, fits = map(sum, zip(*levels, strict=True))
    return min(100.0 * inside / fits, 100.0)


def _absurd(voltage: float | None, current: float | None, power: float | None) -> str | None:
    product = None if voltage is None or current is None else voltage * current
    for value, (least, most), unit in (
        (voltage, _VOLTAGE_RANGE, "V"),
        (current, _CURRENT_RANGE, "A"),
        (power, _POWER_RANGE, "W"),
        (product, _POWER_RANGE, "W (voltage × current)"),
    ):
        if value is not None and not least <= value <= most:
            return f"{value:g} {unit} is outside what a machine can do ({least:g} to {most:g})"
    return None


def _completed(
    voltage: float | None, current: float | None, power: float | None
) -> tuple[float | None, float | None, float | None]:
    """Return the three, a missing current or power made from the other two."""
    # uConsole kernels gave power_now 0 whatever flowed (ak-rex/ClockworkPi-linux#8), bq27000 power_avg 0.
    if power is None or (power == 0 and current):
        power = None if voltage is None or current is None else voltage * current
    if current is None and power is not None and voltage is not None:
        current = power / voltage
    return voltage, current, power


def _signed(value: float | None, sign: float) -> float | None:
    return None if value is None else sign * abs(value) + 0.0  # + 0.0: no negative zero


def in_power_range(power: float) -> bool:
    """Whether a machine can draw or take so many watts."""
    return _POWER_RANGE[0] <= power <= _POWER_RANGE[1]
