"""The battery sensor: finds the machine's batteries among its power supplies and makes one reading of them.

What is remembered from one reading to the next is here: the slopes, the drivers' signs, the wear.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sampler.clock import DEFAULT_INTERVAL, Clock, Moment
from sampler.combined import combine
from sampler.driver_sign import DriverSigns
from sampler.pack import (
    DIRECTION,
    MOST_WATTS,
    Pack,
    discharge_sign,
    in_power_range,
    parse_content,
    parse_health,
    parse_pack,
)
from sampler.power_supply import has_numbers, read_driver, read_levels, read_supply, read_wear
from sampler.slope import Slope
from sampler.supply import Supply, no_gauge, refusal
from telemetry.errors import UserError
from telemetry.sample import Battery, Health

AUTO: Final = "auto"
NONE: Final = "none"


_WEAR_EVERY: Final = 600.0
"""s between two looks at what changes in months."""
_WEAR_AGAIN: Final = 60.0
"""s after one that found nothing: after a resume a gauge may not answer yet."""


class NoSuchSupply(UserError):
    """The power supply that was asked for by name is not there; the text lists those that are."""


class _Kept:
    """What is remembered of one pack while it is there."""

    def __init__(self, driver: str, interval: float) -> None:
        self.driver = driver
        self.slope = Slope(interval)
        self.told = False
        """Whether it ever told a number."""
        self.health: Health | None = None
        self.health_due = float("-inf")


class PowerSupplySensor:
    """The batteries under ``class/power_supply`` of ``sysfs``.

    ``choice`` is "auto" (all batteries of the machine), "none", or the name of one supply. Every read looks
    anew, so packs may come and go. ``signs`` is what is known of drivers, ``interval`` the time between two
    reads, s. Raises NoSuchSupply, at construction only.
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
        self._kept: dict[str, _Kept] = {}
        if self._forced and choice not in (there := self._listed()):
            listed = f"there are {', '.join(map(_readable, there))}" if there else "there is none at all"
            raise NoSuchSupply(
                f"no power supply {choice!r} in {self._root}: {listed} "
                "(--power-supply auto takes what is there)"
            )

    def read(self) -> Battery | None:
        """Return the reading of all batteries together, None where there is none. Never raises."""
        now = self._clock.now()
        found = {name: supply for name, supply, reason in self._examined() if not reason}
        if len(found) > 1:  # their levels make one percent of several packs
            found = {name: self._with_levels(name, supply) for name, supply in found.items()}
        self._kept = {name: self._kept.get(name) or self._meet(name) for name in found}
        return combine(_distinct([self._pack(name, supply, now) for name, supply in found.items()]))

    def _with_levels(self, name: str, supply: Supply) -> Supply:
        # Without a percent they have been read.
        return supply if supply.capacity is None else read_levels(self._root / name, supply)

    def _meet(self, name: str) -> _Kept:
        # Where it is is a part of the key: another tree is another machine.
        return _Kept(f"{self._root / _readable(name)}|{read_driver(self._root / name)}", self._interval)

    def _pack(self, name: str, supply: Supply, now: Moment) -> Pack:
        kept = self._kept[name]
        pack = parse_pack(_readable(name), supply, follows_abi=self._signs.follows_abi(kept.driver))
        if pack.power is not None or pack.current is not None:
            self._signs.learn(kept.driver, discharge_sign(supply))
        if pack.power is None and pack.doubt is None:
            pack = self._with_slope(pack, name, supply, now)
        if not pack.tells_nothing:
            kept.told = True
        elif pack.silent and (kept.told or (pack.status in DIRECTION and has_numbers(self._root / name))):
            pack = pack._replace(doubt="none of its numbers can be read")  # no empty bay
        if now.monotonic >= kept.health_due:
            directory = self._root / name
            kept.health = parse_health(read_wear(directory, read_levels(directory, supply)))
            kept.health_due = now.monotonic + (_WEAR_EVERY if kept.health else _WEAR_AGAIN)
        return pack._replace(health=kept.health)

    def _with_slope(self, pack: Pack, name: str, supply: Supply, now: Moment) -> Pack:
        """The pack with the power that the slope of what is in it tells, once it is known."""
        content = parse_content(read_levels(self._root / name, supply), pack.voltage)
        if content is None:
            return pack
        rate = self._kept[name].slope.per_hour(
            now,
            content.level,
            regime=(pack.status, content.unit),
            direction=DIRECTION.get(pack.status or "", 0.0),
            most=MOST_WATTS / content.watt_hours,
        )
        power = None if rate is None else rate * content.watt_hours
        if power is None or not in_power_range(power):
            return pack
        current = power / pack.voltage if pack.current is None and pack.voltage else pack.current
        return pack._replace(power=power, current=current, method="slope")

    def explain(self) -> list[str]:
        """Return a line for each supply that is no battery, or is one whose readings are not believed."""
        if self._choice == NONE:
            return ["battery: none is looked for"]
        examined = list(self._examined())
        if not examined:
            absent = f"{_readable(self._choice)} is not there" if self._forced else "there is no power supply"
            return [f"battery: {absent} in {self._root}"]
        doubts = [
            (name, doubt)
            for name, supply, reason in examined
            for doubt in ([reason] if reason else _doubts(parse_pack(name, supply)))
        ]
        return [f"{_readable(name)}: {doubt}" for name, doubt in doubts]

    def _examined(self) -> Iterator[tuple[str, Supply, str | None]]:
        """Yield name, record and the reason why it is no battery of each supply looked at."""
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


def _doubts(pack: Pack) -> list[str]:
    return [doubt for doubt in (pack.doubt, pack.pct_doubt) if doubt]


def _readable(name: str) -> str:
    """A directory's name as text that can be encoded: names are bytes to the kernel."""
    return os.fsencode(name).decode(errors="replace")


def _distinct(packs: list[Pack]) -> list[Pack]:
    """The packs, each with a name of its own: bytes that are no UTF-8 look alike as text."""
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
