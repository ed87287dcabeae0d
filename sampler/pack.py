"""What a battery's record says of it at one instant. Pure.

Where drivers stray from the kernel's document, the machine that showed it is named, and recorded under
tests/data/power_supply. docs/battery.md tells a user the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sampler.supply import Supply
from telemetry.sample import Battery, BatteryPack, Health


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
    """Why voltage, current and power were left out, for a person; None where all that was readable was
    believed."""
    pct_doubt: str | None = None
    """The same of the percent, which says nothing of the others."""
    method: str | None = None
    """How power was got; None where there is none."""
    raw: dict[str, str] | None = None
    """What the driver gave, where something of it was refused."""
    health: Health | None = None

    @property
    def tells_nothing(self) -> bool:
        """No number could be read, or was believed."""
        return all(value is None for value in (self.voltage, self.current, self.power, self.pct))

    @property
    def silent(self) -> bool:
        """No number could be read, and none was refused: it may be an empty bay."""
        return self.tells_nothing and self.doubt is None and self.pct_doubt is None

    def as_one_of_several(self) -> BatteryPack:
        """Return the pack as a sample lists it."""
        return BatteryPack(
            name=self.name,
            status=self.status,
            voltage=self.voltage,
            current=self.current,
            power=self.power,
            pct=self.pct,
            raw=self.raw,
        )

    def as_battery(
        self, packs: tuple[BatteryPack, ...] | None = None, health: Health | None = None
    ) -> Battery:
        """Return the machine's battery, where this is the only pack that tells anything."""
        return Battery(
            name=self.name,
            status=self.status,
            voltage=self.voltage,
            current=self.current,
            power=self.power,
            pct=self.pct,
            method=self.method,
            raw=self.raw,
            packs=packs,
            health=health,
        )


# Wider than any machine, narrower than the registers of a gauge that is not calibrated (65.535 V and
# 11.7 A of gta04-bq27000-uncalibrated) or firmware's nonsense (upower's list: 0xFFFF, over 300 W).
_VOLTAGE_RANGE: Final = (1.0, 100.0)
MOST_WATTS: Final = 500.0
_POWER_RANGE: Final = (-MOST_WATTS, MOST_WATTS)
_CURRENT_RANGE: Final = (-500.0, 500.0)  # what the widest power is at the lowest voltage
_LARGEST_LEVEL: Final = 10_000.0
_MOST_CYCLES: Final = 65_535  # a register that is not filled says this (gta04-bq27000-uncalibrated)
_LONGEST_RAW: Final = 100
"""Characters of an attribute that are kept: a number has 20 at most, a status 12."""

DIRECTION: Final = {"Discharging": -1.0, "Charging": 1.0}
"""The ABI: current_now is negative for a discharging battery. ACPI gives no sign (dell-charge-discharging),
Android's gauges the opposite one (retroid-flip2-charging), axp20x changed in 2022: status is asked first."""


def parse_pack(name: str, supply: Supply, *, follows_abi: bool = False) -> Pack:
    """Return what a battery's record says; what is missing, unreadable or absurd is None.

    ``follows_abi``: this driver has shown that its sign is the kernel's, and is believed while charging too.
    """
    given = supply.given
    supply = _without_derived_energy(supply)
    status, capacity = supply.status, supply.capacity
    voltage, current, power = supply.voltage, supply.current, supply.power
    fill = (capacity,) if capacity is not None else (supply.charge, supply.energy)
    if _timed_out((voltage, current, power), fill):
        silence = "all its readings are 0: no answer of the gauge"
        return Pack(name, status, None, None, None, None, doubt=silence, raw=_as_given(given))

    charge = _level(supply.charge, supply.charge_full)
    energy = _level(supply.energy, supply.energy_full)
    pct, pct_doubt = _percent(capacity, charge or energy)
    doubt = _absurd(voltage, current, power)
    if doubt:
        # They come from one conversation with one gauge: where one is nonsense the others are no better.
        voltage = current = power = None
    measured = "power_avg" if supply.power_now is None else "power_now"
    voltage, current, power, method = _completed(voltage, current, power, measured)
    if sign := _sign(status, current, power, follows_abi=follows_abi):
        current, power = _signed(current, sign), _signed(power, sign)
    raw = _as_given(given) if doubt or pct_doubt or supply.refused else None
    return Pack(name, status, voltage, current, power, pct, charge, energy, doubt, pct_doubt, method, raw)


class Content(NamedTuple):
    """What is in a pack, for its change over time."""

    unit: str
    """Ah or Wh"""
    level: float
    watt_hours: float
    """Of one unit, now"""


def parse_content(supply: Supply, voltage: float | None) -> Content | None:
    """Return what is in the pack in the unit that its gauge counts, None where it does not tell."""
    supply = _without_derived_energy(supply)
    if supply.energy is not None and 0 <= supply.energy <= _LARGEST_LEVEL:
        return Content("Wh", supply.energy, 1.0)
    if supply.charge is not None and voltage is not None and 0 <= supply.charge <= _LARGEST_LEVEL:
        return Content("Ah", supply.charge, voltage)
    return None


def discharge_sign(supply: Supply) -> float:
    """Return the sign that the driver gives to a discharge: -1 is the kernel's; 0: this is none."""
    if supply.status != "Discharging":
        return 0.0
    flows = [value for value in (supply.current, supply.power) if value]
    return 0.0 if not flows else -1.0 if min(flows) < 0 else 1.0


def _sign(status: str | None, current: float | None, power: float | None, *, follows_abi: bool) -> float:
    """The sign that current and power get, 0 where they keep the driver's."""
    if status == "Charging" and follows_abi:
        # A charger too weak for the load: the driver says Charging, and its current what really happens.
        return -1.0 if min(current or 0.0, power or 0.0) < 0 else 1.0
    return DIRECTION.get(status or "", 0.0)


def _without_derived_energy(supply: Supply) -> Supply:
    """The record, less an energy that the kernel made up.

    uConsole's CM4 kernels make energy_now from the percent and a pack of 8 Wh, whatever pack is in it.
    """
    capacity, now = supply.capacity, supply.energy_now
    if capacity is None or now is None or supply.energy_full != 8.0:
        return supply
    made_up = min(max((capacity - 10) / 10, 0.0), 8.0)
    if abs(now - made_up) > 0.5e-6:  # the kernel counts whole µWh
        return supply
    return supply._replace(energy_now=None, energy_avg=None, energy_full=None, energy_full_design=None)


def _as_given(given: Mapping[str, str]) -> dict[str, str]:
    return {name: text[:_LONGEST_RAW] for name, text in given.items()}


def parse_health(supply: Supply) -> Health | None:
    """Return how worn a pack is, None where nothing is told. Ah and Wh are never mixed."""
    supply = _without_derived_energy(supply)
    cycles = supply.cycle_count
    told = int(cycles) if cycles is not None and 0 < cycles < _MOST_CYCLES else None  # 0: "not available"
    pairs: list[tuple[str, float | None, float | None]] = [
        ("Ah", _content(supply.charge_full), _content(supply.charge_full_design)),
        ("Wh", _content(supply.energy_full), _content(supply.energy_full_design)),
    ]
    unit, full, design = max(pairs, key=lambda pair: sum(value is not None for value in pair[1:]))
    if full is None and design is None:
        return None if told is None else Health(cycles=told)
    return Health(full, design, unit, told)


def _content(value: float | None) -> float | None:
    return value if value is not None and 0 < value <= _LARGEST_LEVEL else None


def _timed_out(electrical: Iterable[float | None], fill: Iterable[float | None]) -> bool:
    """A gauge that does not answer gives zeros for everything, its percent included: not an empty pack."""
    measured = [value for value in electrical if value is not None]
    return bool(measured) and not any(measured) and not any(fill)


def _level(now: float | None, full: float | None) -> Level | None:
    # Never the design value: a worn pack never gets there.
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
    voltage: float | None, current: float | None, power: float | None, measured: str
) -> tuple[float | None, float | None, float | None, str | None]:
    """Return the three, a missing current or power made from the other two, and how power was got."""
    method = None if power is None else measured
    # uConsole kernels gave power_now 0 whatever flowed (ak-rex/ClockworkPi-linux#8), bq27000 power_avg 0.
    if power is None or (power == 0 and current):
        power = None if voltage is None or current is None else voltage * current
        method = None if power is None else "voltage*current"
    if current is None and power is not None and voltage is not None:
        current = power / voltage
    return voltage, current, power, method


def _signed(value: float | None, sign: float) -> float | None:
    return None if value is None else sign * abs(value) + 0.0  # + 0.0: no negative zero


def in_power_range(power: float) -> bool:
    """Whether a machine can draw or take so many watts."""
    return abs(power) <= MOST_WATTS
