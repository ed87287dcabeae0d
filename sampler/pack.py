"""The state of a battery at one instant, from its power supply record. Pure.

Where drivers deviate from the kernel's document, the machine that showed it is named, and its recording is in
tests/data/power_supply. docs/battery.md explains the same rules to users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sampler.percent import LARGEST_LEVEL, Level, all_zero, level, parse_percent
from sampler.rate import Candidate, parse_rate
from sampler.supply import Supply
from telemetry.sample import Battery, BatteryPack, Health


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
    """Why voltage, current and power were left out, in words; None if every readable value was believed."""
    pct_doubt: str | None = None
    """The same for the percent alone."""
    rate_doubt: str | None = None
    """The same for the power or the direction alone."""
    method: str | None = None
    """How power was measured; None without power."""
    raw: dict[str, str] | None = None
    """The driver's raw values, where some were refused."""
    health: Health | None = None
    level: float | None = None
    """The energy or charge in the pack, in the unit of ``health``"""
    candidates: tuple[Candidate, ...] = ()
    """All powers that the record yields, the most trusted first."""
    of_design: bool = False
    """The driver's percentage is relative to the design capacity."""
    empty_bay: bool = False
    """All numbers are 0, the capacity too: the bay is empty, unless the pack gave numbers before."""

    @property
    def tells_nothing(self) -> bool:
        """Whether no number could be read and believed."""
        return all(value is None for value in (self.voltage, self.current, self.power, self.pct))

    @property
    def silent(self) -> bool:
        """Whether no number could be read and none was refused, so that the bay may be empty."""
        return self.empty_bay or (self.tells_nothing and not self.doubts)

    @property
    def doubts(self) -> list[str]:
        """Why something was refused, for a person."""
        return [doubt for doubt in (self.doubt, self.pct_doubt, self.rate_doubt) if doubt]

    def with_power(self, candidate: Candidate) -> Pack:
        """Return the pack with another of its powers and the matching current."""
        current = candidate.power / self.voltage if self.voltage else None
        return self._replace(power=candidate.power, current=current, method=candidate.method)

    def without_rate(self, doubt: str, given: Mapping[str, str]) -> Pack:
        """Return the pack without power and current; ``given`` are the driver's raw values."""
        return self._replace(
            power=None, current=None, method=None, candidates=(), rate_doubt=doubt, raw=as_given(given)
        )

    def as_one_of_several(self) -> BatteryPack:
        """Return the pack as a sample lists it."""
        return BatteryPack(**self._told())

    def as_battery(
        self, packs: tuple[BatteryPack, ...] | None = None, health: Health | None = None
    ) -> Battery:
        """Return the machine's battery, made of this pack alone."""
        return Battery(**self._told(), method=self.method, packs=packs, health=health)

    def _told(self) -> dict[str, Any]:
        """Return the fields that a battery has in common with one of several packs."""
        return {name: getattr(self, name) for name in BatteryPack._fields}


_MOST_CYCLES: Final = 65_535  # the value of an unset register (gta04-bq27000-uncalibrated)
_LONGEST_RAW: Final = 100
"""Characters of an attribute that are kept: a number has at most 20, a status at most 12."""


def parse_pack(
    name: str,
    supply: Supply,
    *,
    follows_abi: bool = False,
    inverted: bool = False,
    of_design: bool = False,
) -> Pack:
    """Return the pack that a record describes; missing, unreadable or absurd values are None.

    The keywords come from earlier readings. ``follows_abi``: this driver has shown the kernel's sign, so its
    sign is believed while charging too. ``inverted``: its newest discharge was positive. ``of_design``: its
    percentage is relative to the design capacity.
    """
    given = supply.given
    supply = _without_derived_energy(supply)
    empty_bay = _is_empty_bay(supply)
    if empty_bay or _timed_out(supply):
        silence = "all its readings are 0: the gauge does not answer"
        return Pack(
            *(name, supply.status, None, None, None, None),
            doubt=silence,
            raw=as_given(given),
            empty_bay=empty_bay,
        )
    percent = parse_percent(supply, of_design=of_design)
    rate = parse_rate(supply, follows_abi=follows_abi, inverted=inverted)
    believed = rate.candidates[0] if rate.candidates else None
    refused = rate.absurd or rate.doubt or percent.doubt or percent.of_design or supply.refused
    return Pack(
        name=name,
        status=supply.status,
        voltage=rate.voltage,
        current=rate.current,
        power=believed and believed.power,
        pct=percent.value,
        charge=level(supply.charge, supply.charge_full),
        energy=level(supply.energy, supply.energy_full),
        doubt=rate.absurd,
        pct_doubt=percent.doubt,
        rate_doubt=rate.doubt,
        method=believed and believed.method,
        raw=as_given(given) if refused else None,
        candidates=rate.candidates,
        of_design=percent.of_design,
    )


class Content(NamedTuple):
    """How much is in a pack, to measure its change over time."""

    unit: str
    """Ah or Wh"""
    level: float
    watt_hours: float
    """Wh in one unit, now"""


def parse_content(supply: Supply, voltage: float | None, unit: str | None) -> Content | None:
    """Return how much is in the pack, None if its gauge does not report it.

    It is in ``unit`` if the gauge uses that, else in the other of Ah and Wh.
    """
    contents = {
        "Wh": Content("Wh", energy, 1.0) if (energy := parse_level(supply, "Wh")) is not None else None,
        "Ah": Content("Ah", charge, voltage)
        if (charge := parse_level(supply, "Ah")) is not None and voltage is not None
        else None,
    }
    return next((contents[name] for name in _units(unit) if contents[name] is not None), None)


def parse_level(supply: Supply, unit: str | None) -> float | None:
    """Return how much is in the pack in ``unit``, Ah or Wh; None if the driver uses the other unit."""
    if unit is None:
        return None
    supply = _without_derived_energy(supply)
    value = supply.energy if unit == "Wh" else supply.charge
    return value if value is not None and 0 <= value <= LARGEST_LEVEL else None


def counter(supply: Supply, unit: str | None) -> str | None:
    """Return the attribute that holds the pack's level, in ``unit`` if possible; None if there is none."""
    supply = _without_derived_energy(supply)
    names = [f"{_QUANTITIES[name]}_{kind}" for name in _units(unit) for kind in ("now", "avg")]
    return next((name for name in names if getattr(supply, name) is not None), None)


_QUANTITIES: Final = {"Wh": "energy", "Ah": "charge"}


def _units(preferred: str | None) -> list[str]:
    return sorted(_QUANTITIES, key=lambda unit: unit != preferred)


def as_given(given: Mapping[str, str]) -> dict[str, str]:
    """Return the driver's raw values, each cut to a length that a sample can hold."""
    return {name: text[:_LONGEST_RAW] for name, text in given.items()}


def parse_health(supply: Supply) -> Health | None:
    """Return how worn a pack is, None if the driver does not report it. Ah and Wh are never mixed."""
    supply = _without_derived_energy(supply)
    cycles = supply.cycle_count
    told = int(cycles) if cycles is not None and 0 < cycles < _MOST_CYCLES else None  # 0: "not available"
    pairs: list[tuple[str, float | None, float | None]] = [
        ("Ah", _content(supply.charge_full), _content(supply.charge_full_design)),
        ("Wh", _content(supply.energy_full), _content(supply.energy_full_design)),
    ]

    def told_in(pair: tuple[str, float | None, float | None]) -> tuple[int, bool]:
        return sum(value is not None for value in pair[1:]), parse_level(supply, pair[0]) is not None

    unit, full, design = max(pairs, key=told_in)
    if full is None and design is None:
        return None if told is None else Health(cycles=told)
    return Health(full, design, unit, told)


def _content(value: float | None) -> float | None:
    return value if value is not None and 0 < value <= LARGEST_LEVEL else None


def _without_derived_energy(supply: Supply) -> Supply:
    """Return the record without an energy that the kernel made up.

    The uConsole's CM4 kernels compute energy_now from the percentage and 8 Wh, whatever the pack's capacity.
    """
    capacity, now = supply.capacity, supply.energy_now
    if capacity is None or now is None or supply.energy_full != 8.0:
        return supply
    made_up = min(max((capacity - 10) / 10, 0.0), 8.0)
    if abs(now - made_up) > 0.5e-6:  # the kernel counts whole µWh
        return supply
    return supply._replace(energy_now=None, energy_avg=None, energy_full=None, energy_full_design=None)


def _timed_out(supply: Supply) -> bool:
    """Whether the gauge did not answer: then all its values, even its percentage, read 0."""
    capacity = supply.capacity
    fill = (capacity,) if capacity is not None else (supply.charge, supply.energy)
    return all_zero(supply.voltage, supply.current, supply.power) and not any(fill)


def _is_empty_bay(supply: Supply) -> bool:
    """Whether the bay is empty: it may still report `present` 1, and else 0 (t480-phantom-second-pack).

    A gauge that reports no level and no full capacity gives no evidence of that: see _timed_out.
    """
    counted = (supply.charge, supply.energy, supply.charge_full, supply.energy_full)
    measured = (supply.voltage, supply.current, supply.power, supply.capacity)
    return all_zero(*counted) and not any(measured)
