"""The battery sensor: finds the machine's batteries among its power supplies and makes one reading of them.

What one supply says is ``sampler.power_supply``'s business; which of them count, and what several packs
come to, is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from sampler.power_supply import (
    Level,
    Pack,
    in_power_range,
    no_gauge,
    number,
    parse_pack,
    percent_of,
    read_levels,
    read_supply,
    refusal,
)
from telemetry.errors import UserError
from telemetry.sample import Battery

AUTO: Final = "auto"
NONE: Final = "none"


class BatterySensor(Protocol):
    """Whatever can tell the state of the battery."""

    def read(self) -> Battery | None:
        """Return the battery now, None where the machine has none."""


class NoSuchSupply(UserError):
    """The power supply that was asked for by name is not there; the text lists those that are."""


class PowerSupplySensor:
    """The batteries under ``class/power_supply`` of ``sysfs``.

    ``choice`` is "auto" (all batteries of the machine), "none", or the name of one supply. Every read looks
    anew, so packs may come and go. Raises NoSuchSupply, at construction only.
    """

    def __init__(self, sysfs: Path, choice: str = AUTO) -> None:
        self._root = sysfs / "class" / "power_supply"
        self._choice = choice
        self._forced = choice not in {AUTO, NONE}
        if self._forced and choice not in (there := self._listed()):
            listed = f"there are {', '.join(map(_readable, there))}" if there else "there is none at all"
            raise NoSuchSupply(
                f"no power supply {choice!r} in {self._root}: {listed} "
                "(--power-supply auto takes what is there)"
            )

    def read(self) -> Battery | None:
        """Return the reading of all batteries together, None where there is none. Never raises."""
        found = [(name, attributes) for name, attributes, reason in self._examined() if not reason]
        if len(found) > 1:  # their levels make one percent of several packs
            for name, attributes in found:
                if number(attributes, "capacity") is not None:  # else they have been read
                    attributes.update(read_levels(self._root / name))
        return combine([parse_pack(_readable(name), attributes) for name, attributes in found])

    def explain(self) -> list[str]:
        """Return a line for each supply that is no battery, or is one whose readings are not believed."""
        if self._choice == NONE:
            return ["battery: none is looked for"]
        examined = list(self._examined())
        if not examined:
            absent = f"{_readable(self._choice)} is not there" if self._forced else "there is no power supply"
            return [f"battery: {absent} in {self._root}"]
        doubts = [
            (name, reason or parse_pack(name, attributes).doubt) for name, attributes, reason in examined
        ]
        return [f"{_readable(name)}: {doubt}" for name, doubt in doubts if doubt]

    def _examined(self) -> Iterator[tuple[str, dict[str, str], str | None]]:
        """Yield name, attributes and the reason why it is no battery of each supply looked at."""
        for name in self._names():
            attributes = read_supply(self._root / name, forced=self._forced)
            reason = refusal(attributes, forced=self._forced)
            yield name, attributes, reason or (None if self._forced else no_gauge(attributes))

    def _names(self) -> list[str]:
        if self._choice == NONE:
            return []
        return [name for name in self._listed() if not self._forced or name == self._choice]

    def _listed(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self._root.iterdir())
        except OSError:
            return []


def _readable(name: str) -> str:
    """A directory's name as text that can be encoded: names are bytes to the kernel."""
    return os.fsencode(name).decode(errors="replace")


# --- several packs ---------------------------------------------------------------------------------


def combine(packs: Sequence[Pack]) -> Battery | None:
    """Return the machine's battery, made of its packs. Pure.

    Power is the signed sum: a ThinkPad drains one pack while the other rests, and may charge one from the
    other. Name, status and voltage are those of the pack that carries the load, and current is the power over
    that voltage: packs of different voltages have no common current.
    """
    if not packs:
        return None
    telling = [pack for pack in packs if not pack.silent] or list(packs)
    carrier = min(telling, key=_load_order)
    if len(telling) == 1:
        return Battery(*carrier[:6])
    power = _total_power(packs)
    current = None if power is None or carrier.voltage is None else power / carrier.voltage
    return Battery(carrier.name, carrier.status, carrier.voltage, current, power, _total_percent(telling))


_ACTIVE: Final = ("Discharging", "Charging")


def _load_order(pack: Pack) -> tuple[float, int, str]:
    active = _ACTIVE.index(pack.status) if pack.status in _ACTIVE else len(_ACTIVE)
    return -abs(pack.power or 0.0), active, pack.name


def _total_power(packs: Sequence[Pack]) -> float | None:
    """The signed sum, None where a term of it is missing.

    An idle pack with no power to read (Dell, HP: ENODEV unless it discharges) is no missing term; one that
    says it is active, or whose reading was refused, is: a sum without it would be a number from nothing.
    """
    known = [pack.power for pack in packs if pack.power is not None]
    missing = any(pack.power is None and (pack.doubt or pack.status in _ACTIVE) for pack in packs)
    if not known or missing or not in_power_range(total := sum(known)):
        return None
    return total


def _total_percent(packs: Sequence[Pack]) -> float | None:
    """Σnow ÷ Σfull in one unit, else the mean; None where a pack tells none: half a battery is no percent."""
    percents = [pack.pct for pack in packs if pack.pct is not None]
    if len(percents) < len(packs):
        return None
    for levels in ([pack.energy for pack in packs], [pack.charge for pack in packs]):
        present: list[Level] = [level for level in levels if level is not None]
        if len(present) == len(packs):
            return percent_of(present)
    return sum(percents) / len(percents)
