"""Power monitors among the chips of class/hwmon (Documentation/hwmon/sysfs-interface.rst).

A UPS HAT has an INA219 or INA226 between its battery and the board, so the chip is read as the battery. An
INA3221 measures three rails of a board, so it is a source and not a battery.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from sampler.pack import parse_pack
from sampler.supply import Supply
from sampler.sysfs import number, read_attribute
from telemetry.errors import UserError
from telemetry.sample import Battery, PowerSource

BATTERY_CHIPS: Final = ("ina219", "ina226")
RAIL_CHIP: Final = "ina3221"

_HWMON: Final = re.compile(r"hwmon[0-9]{1,6}")
_INPUTS: Final = ("in1_input", "curr1_input", "power1_input")
"""mV, mA, µW. On an INA219, in0 is the shunt and in1 is the bus. Power has no sign."""
_RAILS: Final = (1, 2, 3)
_INPUT_LABEL: Final = re.compile(r"(^|[^a-z])v?in($|[^a-z])")
"""VDD_IN, POM_5V_IN, VIN, 5V-IN"""
_LOOK_EVERY: Final = 60.0
"""s between two searches for a chip that was not found"""


class NoSuchChip(UserError):
    """The chip named by the user is missing or not unique; the text lists the existing chips."""


class Chip(NamedTuple):
    """One chip: its directory's name (``hwmon3``, which may change at each boot) and its own (``ina219``)."""

    directory: str
    name: str

    def __str__(self) -> str:
        return f"{self.directory} ({self.name})"


class Hwmon:
    """The chips under ``class/hwmon`` of ``sysfs``."""

    def __init__(self, sysfs: Path) -> None:
        self.root = sysfs / "class" / "hwmon"

    def chips(self) -> list[Chip]:
        """Return the chips that have a readable name."""
        try:
            directories = [entry.name for entry in self.root.iterdir() if _HWMON.fullmatch(entry.name)]
        except OSError:
            return []
        named = [Chip(directory, name) for directory in directories if (name := self._name(directory))]
        return sorted(named, key=lambda chip: int(chip.directory.removeprefix("hwmon")))

    def monitors(self) -> list[Chip]:
        """Return the chips that report a voltage and a current."""
        return [chip for chip in self.chips() if len(self.read(chip, _INPUTS[:2])) == 2]

    def is_there(self, chip: Chip) -> bool:
        """Return whether the chip's directory still belongs to that chip."""
        return self._name(chip.directory) == chip.name

    def one(self, wanted: str) -> Chip:
        """Return the one chip with that name or directory. Raises NoSuchChip if there is not exactly one."""
        there = self.chips()
        found = [chip for chip in there if wanted in chip]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(map(str, found or there)) or "there are none"
        how_many = f"{len(found)} chips" if found else "no chip"
        raise NoSuchChip(f"{how_many} {wanted!r} in {self.root}: {listed}")

    def read(self, chip: Chip, names: tuple[str, ...]) -> dict[str, str]:
        """Return the readable attributes among ``names``."""
        texts = {name: read_attribute(f"{self.root}/{chip.directory}/{name}") for name in names}
        return {name: text for name, text in texts.items() if text is not None}

    def _name(self, directory: str) -> str | None:
        name = read_attribute(f"{self.root}/{directory}/name")
        return name if name and name.isprintable() else None


class HwmonBattery:
    """A battery measured by an INA219 or similar chip: voltage, current and power, no percent, no status.

    ``wanted`` is a chip's name or directory; None means the only INA219 or INA226, if there is exactly one.
    ``reverse``: this board reports a discharge as positive. Raises NoSuchChip, at construction only.
    """

    def __init__(
        self,
        sysfs: Path,
        wanted: str | None = None,
        *,
        reverse: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._look_due = float("-inf")
        self._hwmon = Hwmon(sysfs)
        self._wanted = wanted
        self._sign = -1.0 if reverse else 1.0
        self._chip = self._hwmon.one(wanted) if wanted else None

    def read(self) -> Battery | None:
        """Return the reading, None if the chip is not there now. Never raises."""
        if self._chip is not None and not self._hwmon.is_there(self._chip):
            self._chip, self._look_due = None, float("-inf")
        if self._chip is None and self._monotonic() >= self._look_due:
            self._chip, self._look_due = self._look(), self._monotonic() + _LOOK_EVERY
        if self._chip is None:
            return None
        return parse_monitor(self._chip.name, self._hwmon.read(self._chip, _INPUTS), self._sign)

    def explain(self) -> list[str]:
        """Return a line that says why no chip was chosen; an empty list if one was."""
        if self._look() is not None:
            return []
        there = self._hwmon.chips()
        kin = [chip for chip in there if chip.name in BATTERY_CHIPS]
        if self._wanted or kin:
            listed = ", ".join(map(str, there))
            return [
                f"battery: not exactly one {self._wanted or 'power monitor'} in {self._hwmon.root}: {listed}"
            ]
        chips = ", ".join(chip.name for chip in there) or "no chip"
        return [f"battery: no {' or '.join(BATTERY_CHIPS)} in {self._hwmon.root}: {chips}"]

    def _look(self) -> Chip | None:
        wanted = [self._wanted] if self._wanted else BATTERY_CHIPS
        found = [chip for chip in self._hwmon.chips() if any(name in chip for name in wanted)]
        return found[0] if len(found) == 1 else None


def parse_monitor(name: str, given: Mapping[str, str], sign: float = 1.0) -> Battery:
    """Return a power monitor's reading, by the rules of a pack; ``sign`` -1 inverts its current. Pure."""
    volts, amps, watts = (number(given.get(attribute)) for attribute in _INPUTS)
    supply = Supply(
        voltage_now=None if volts is None else volts / 1e3,
        current_now=None if amps is None else amps * sign / 1e3 + 0.0,
        # The chip reports power without a sign; only a current other than 0 shows its direction.
        power_now=None
        if watts is None or amps is None or (watts and not amps)
        else abs(watts) / 1e6 * (-1 if amps * sign < 0 else 1),
        given=given,
        refused=any(number(text) is None for text in given.values()),
    )
    pack = parse_pack(name, supply, follows_abi=True)  # the user sets the sign
    method = "power1_input" if pack.method == "power_now" else pack.method
    return pack._replace(method=method).as_battery()


class RailSource:
    """The INA3221 rail that feeds the board: the chip's only rail, or the one labelled as the input."""

    def __init__(self, sysfs: Path, wanted: str = RAIL_CHIP) -> None:
        """``wanted`` is the chip's name or directory; a suffix ``:2`` means rail 2. Raises NoSuchChip."""
        name, _, rail = wanted.partition(":")
        self._hwmon = Hwmon(sysfs)
        self._chip = self._hwmon.one(name)
        told = self._hwmon.read(self._chip, tuple(f"curr{n}_input" for n in _RAILS))
        labels = self._hwmon.read(self._chip, tuple(f"in{n}_label" for n in _RAILS))
        rails = {str(n): labels.get(f"in{n}_label", "no label") for n in _RAILS if f"curr{n}_input" in told}
        chosen = choose_rail(rails, rail if ":" in wanted else None)
        if chosen is None:
            choices = ", ".join(f"{name}:{n} ({label})" for n, label in rails.items())
            raise NoSuchChip(f"which rail of {self._chip}? {choices or 'it reports no current'}")
        self._rail = chosen

    def read(self) -> PowerSource | None:
        """Return the rail's reading, None if it cannot be read. Never raises."""
        if not self._hwmon.is_there(self._chip):
            return None
        given = self._hwmon.read(self._chip, (f"in{self._rail}_input", f"curr{self._rail}_input"))
        battery = parse_monitor(
            self._chip.name, {key.replace(self._rail, "1", 1): text for key, text in given.items()}
        )
        if battery.power is None:
            return None
        # A board only draws power: a negative current means that the shunt is wired the other way round.
        return PowerSource(
            f"{self._chip.name}:{self._rail}",
            abs(battery.power),
            battery.voltage,
            None if battery.current is None else abs(battery.current),
        )


def choose_rail(rails: Mapping[str, str], wanted: str | None) -> str | None:
    """Return the number of the rail in ``rails`` (number: label) that feeds the board. Pure.

    It is the wanted rail, else the only rail labelled as an input, else the only rail. None if none of these.
    """
    if wanted is not None:
        return wanted if wanted in rails else None
    candidates = [n for n, label in rails.items() if _INPUT_LABEL.search(label.lower())] or list(rails)
    return candidates[0] if len(candidates) == 1 else None
