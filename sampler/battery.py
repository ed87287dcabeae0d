"""The battery sensor: finds the machine's batteries among its power supplies and makes one reading of them.

The state that is kept of a pack from one reading to the next is in watched.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sampler.clock import DEFAULT_INTERVAL, Clock
from sampler.combined import combine
from sampler.driver_sign import DriverSigns
from sampler.pack import Pack
from sampler.power_supply import read_supply
from sampler.supply import Supply, no_gauge, refusal
from sampler.watched import WatchedPack
from telemetry.errors import UserError
from telemetry.sample import Battery

AUTO: Final = "auto"
NONE: Final = "none"


class NoSuchSupply(UserError):
    """The power supply that the user named does not exist; the text lists those that do."""


class PowerSupplySensor:
    """The batteries under ``class/power_supply`` of ``sysfs``.

    ``choice`` is "auto" (all batteries of the machine), "none", or the name of one supply. Every read lists
    the supplies again, so packs may come and go. ``signs`` is what is known about drivers; ``interval`` is
    the time between two reads, s. Raises NoSuchSupply, at construction only.
    """

    def __init__(
        self,
        sysfs: Path,
        choice: str = AUTO,
        clock: Clock | None = None,
        signs: DriverSigns | None = None,
        *,
        interval: float = DEFAULT_INTERVAL,
    ) -> None:
        self._root = sysfs / "class" / "power_supply"
        self._choice = choice
        self._forced = choice not in {AUTO, NONE}
        self._clock = clock or Clock()
        self._signs = signs or DriverSigns()
        self._interval = interval
        self._watched: dict[str, WatchedPack] = {}
        self.has_only_empty_bays = False
        """Whether the newest reading found no pack in any bay."""
        if self._forced and choice not in (there := self._listed()):
            listed = f"there are {', '.join(map(_readable, there))}" if there else "there are none"
            raise NoSuchSupply(
                f"no power supply {choice!r} in {self._root}: {listed} "
                "(--power-supply auto uses what it finds)"
            )

    def read(self) -> Battery | None:
        """Return the reading of all batteries together, None if there are none. Never raises."""
        now = self._clock.now()
        found = {name: supply for name, supply, reason in self._examined() if not reason}
        self._watched = {name: self._watch(name) for name in found}
        several = len(found) > 1  # one percentage is then made from all their levels
        for name, pack in self._watched.items():
            found[name] = pack.read_on(found[name], now, levels=several)
        parsed = {name: pack.parse(found[name]) for name, pack in self._watched.items()}
        carried = any(pack.carries(parsed[name]) for name, pack in self._watched.items())
        completed = [
            pack.complete(parsed[name], found[name], now, carried=carried)
            for name, pack in self._watched.items()
        ]
        self.has_only_empty_bays = all(pack.empty_bay for pack in completed)
        return combine(_distinct(completed))

    def _watch(self, name: str) -> WatchedPack:
        if name in self._watched:
            return self._watched[name]
        return WatchedPack(self._root / name, _readable(name), self._signs, self._interval)

    def explain(self) -> list[str]:
        """Return a line for each supply that is not a battery and for each reading that is not believed."""
        if self._choice == NONE:
            return ["battery: not read (--power-supply none)"]
        examined = list(self._examined())
        if not examined:
            wanted = _readable(self._choice) if self._forced else "power supply"
            return [f"battery: there is no {wanted} in {self._root}"]
        doubts = [
            (name, doubt)
            for name, supply, reason in examined
            for doubt in ([reason] if reason else self._watch(name).parse(supply).doubts)
        ]
        return [f"{_readable(name)}: {doubt}" for name, doubt in doubts]

    def _examined(self) -> Iterator[tuple[str, Supply, str | None]]:
        """Yield each supply's name, its record, and why it is not a battery."""
        for name in self._names():
            supply = read_supply(self._root / name, forced=self._forced)
            reason = refusal(supply, forced=self._forced)
            yield name, supply, reason or (None if self._forced else no_gauge(supply))

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
    """Return a directory's name as valid Unicode: to the kernel, names are bytes."""
    return os.fsencode(name).decode(errors="replace")


def _distinct(packs: list[Pack]) -> list[Pack]:
    """Return the packs, each with a unique name: names that are not UTF-8 may decode to the same text."""
    seen: set[str] = set()
    result = []
    for pack in packs:
        name, number_of_it = pack.name, 1
        while name in seen:
            number_of_it += 1
            name = f"{pack.name}~{number_of_it}"
        seen.add(name)
        result.append(pack._replace(name=name))
    return result
