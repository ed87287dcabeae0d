"""The state of one pack from one reading to the next: sign, slope, power checked by its counter, wear."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sampler.clock import Moment
from sampler.driver_sign import DriverSigns
from sampler.pack import (
    Content,
    Pack,
    as_given,
    counter,
    parse_content,
    parse_health,
    parse_level,
    parse_pack,
)
from sampler.power_supply import has_numbers, read_driver, read_level, read_levels, read_wear
from sampler.rate import DIRECTION, MOST_WATTS, Candidate, discharge_sign, in_power_range
from sampler.slope import Slope
from sampler.supply import Supply
from sampler.witness import Witness
from telemetry.sample import Health

_LOOK_EVERY: Final = 600.0
"""s between two reads of the pack's wear, which changes in months, and of which counter it has."""
_LOOK_AGAIN: Final = 60.0
"""s until the next try if a read found nothing: after a resume, a gauge may not answer yet."""


class WatchedPack:
    """The state that is kept of one pack while it exists. ``interval``: s between two readings."""

    def __init__(self, directory: Path, name: str, signs: DriverSigns, interval: float) -> None:
        self._directory = directory
        self._name = name
        self._signs = signs
        # The path is part of the key: another tree is another machine.
        self._driver = f"{directory.with_name(name)}|{read_driver(directory)}"
        self._slope = Slope(interval)
        self._witness = Witness(interval)
        self._power: float | None = None
        """W, from the previous reading"""
        self._told = False
        """Whether it ever reported a number."""
        self._inverted = False
        """Whether its newest discharge was positive."""
        self._of_design = False
        """Whether it was seen to report a percentage of its design capacity."""
        self._health: Health | None = None
        self._look_failed = False
        """Whether the newest look did not find the full capacity that earlier looks had found."""
        self._counter: str | None = None
        """The attribute that holds the pack's level."""
        self._energy_full: float | None = None
        """Wh, from the newest look"""
        self._look_due = float("-inf")

    def read_on(self, supply: Supply, now: Moment, *, levels: bool) -> Supply:
        """Return the record with the pack's level added; with ``levels``, also its full capacity."""
        if now.monotonic >= self._look_due:
            supply = read_wear(self._directory, read_levels(self._directory, supply))
            self._look(supply, now)
        elif levels:
            supply = read_levels(self._directory, supply)
        elif self._of_design:
            supply = read_wear(self._directory, read_levels(self._directory, supply))
        elif self._counter is not None and not supply.has_levels:
            supply = read_level(self._directory, supply, self._counter)
            if self._energy_full is not None and self._counter.startswith("energy"):
                supply = supply._replace(energy_full=self._energy_full)
        return supply

    def _look(self, supply: Supply, now: Moment) -> None:
        health = parse_health(supply)
        self._energy_full = supply.energy_full
        forgot = self._health is not None and self._health.full and (health is None or not health.full)
        # After a resume, a pack may not report its full capacity for a moment: missing it once is ignored.
        if not forgot or self._look_failed:
            self._health = health
        self._look_failed = bool(forgot) and not self._look_failed
        self._counter = counter(supply, self._unit)
        found = health is not None and self._counter is not None and not forgot
        self._look_due = now.monotonic + (_LOOK_EVERY if found else _LOOK_AGAIN)

    @property
    def _unit(self) -> str | None:
        """The unit of the pack's health, Ah or Wh"""
        return self._health.unit if self._health else None

    def parse(self, supply: Supply) -> Pack:
        """Return the pack that the record describes, given what is known about this driver and pack."""
        pack = parse_pack(
            self._name,
            supply,
            follows_abi=self._signs.follows_abi(self._driver),
            inverted=self._inverted,
            of_design=self._of_design,
        )
        self._of_design = self._of_design or pack.of_design
        if pack.power is not None or pack.current is not None:
            sign = discharge_sign(supply)
            self._signs.learn(self._driver, sign)
            self._inverted = sign > 0 if sign else self._inverted
        return pack

    def carries(self, pack: Pack) -> bool:
        """Return whether it feeds the machine: by its power now, or else by that of the previous reading."""
        power = self._power if pack.power is None else pack.power
        return power is not None and power < 0

    def complete(self, pack: Pack, supply: Supply, now: Moment, *, carried: bool) -> Pack:
        """Return the pack, completed and corrected by what earlier readings showed.

        ``carried``: some pack of the machine was seen to carry its load.
        """
        is_zero = pack.current == 0 if pack.power is None else pack.power == 0
        if pack.status == "Discharging" and is_zero and not carried:
            pack = pack.without_rate("a rate of exactly 0 while it powers the machine", supply.given)
        content = None if pack.doubt else parse_content(supply, pack.voltage, self._unit)
        if content is not None and _is_level(content.level, pack):
            self._witness.see(now, content, (pack.status, content.unit), pack.candidates)
            denied = [self._witness.denies(candidate.method) for candidate in pack.candidates]
            pack = self._with_witness(pack, denied, supply)
            pack = self._with_slope(pack, content, now, refuted=bool(denied) and all(denied))
        if not pack.tells_nothing:
            self._told = True
        elif pack.silent and (self._told or self._claims_to_be_there(pack)):
            pack = pack._replace(empty_bay=False, doubt=pack.doubt or "none of its numbers can be read")
        self._power = pack.power
        level = None if pack.doubt else parse_level(supply, self._unit)
        told = level is not None and _is_level(level, pack)
        return pack._replace(health=self._health, level=level if told else None)

    def _claims_to_be_there(self, pack: Pack) -> bool:
        return not pack.empty_bay and pack.status in DIRECTION and has_numbers(self._directory)

    def _with_witness(self, pack: Pack, denied: Sequence[bool], supply: Supply) -> Pack:
        """Return the pack with the first of its powers that its counter has not contradicted."""
        if not denied or not denied[0]:
            return pack
        if all(denied):
            return pack.without_rate("its power does not match its counter", supply.given)
        candidate = pack.candidates[denied.index(False)]
        return pack.with_power(candidate)._replace(raw=as_given(supply.given))

    def _with_slope(self, pack: Pack, content: Content, now: Moment, *, refuted: bool) -> Pack:
        """Return the pack with the power computed from the slope of its level, if there is no other power.

        ``refuted``: its counter has contradicted the driver. The status Charging may then be wrong too: with
        a charger too weak for the load, the pack drains.
        """
        direction = DIRECTION.get(pack.status or "", 0.0)
        rate = self._slope.per_hour(
            now,
            content.level,
            regime=(pack.status, content.unit, refuted and direction > 0),
            direction=0.0 if refuted and direction > 0 else direction,
            most=MOST_WATTS / content.watt_hours,
        )
        power = None if rate is None else rate * content.watt_hours
        if pack.power is not None or power is None or not in_power_range(power):
            return pack
        slope = Candidate("slope", power)
        return pack.with_power(slope) if pack.current is None else pack._replace(power=power, method="slope")


def _is_level(level: float, pack: Pack) -> bool:
    """Return whether the level is plausible: 0 while the percentage is not 0 is a momentary false reading."""
    return level > 0 or pack.pct == 0
