"""The electrical readings of one pack at one instant: voltage, current, power and their direction. Pure.

Where drivers stray from the kernel's document, the machine that showed it is named, and recorded under
tests/data/power_supply. docs/battery.md tells a user the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sampler.supply import Supply

PRODUCT: Final = "voltage*current"
"""The method of a power that was computed here, by multiplication."""

# Wider than any machine, narrower than the registers of a gauge that is not calibrated (65.535 V and
# 11.7 A of gta04-bq27000-uncalibrated) or firmware's nonsense (upower's list: 0xFFFF, over 300 W).
_VOLTAGE_RANGE: Final = (1.0, 100.0)
MOST_WATTS: Final = 500.0
_POWER_RANGE: Final = (-MOST_WATTS, MOST_WATTS)
_CURRENT_RANGE: Final = (-500.0, 500.0)  # what the widest power is at the lowest voltage

DIRECTION: Final = {"Discharging": -1.0, "Charging": 1.0}
"""The ABI: current_now is negative for a discharging battery. ACPI gives no sign (dell-charge-discharging),
Android's gauges the opposite one (retroid-flip2-charging), axp20x changed in 2022: status is asked first."""

_FARTHEST: Final = 3.0
"""The power is not believed where it differs from voltage × current by this factor or more."""
_TOKEN_WATTS: Final = 0.05
_TOKEN_AMPERES: Final = 0.005
"""A smaller rate counts as rest in either direction (toshiba-unknown-full: 1 mA): 1.2 Wh a day at most."""


class Candidate(NamedTuple):
    """One way to find the power: its name in ``method``, and W."""

    method: str
    power: float


class Rate(NamedTuple):
    """Negative current and power: discharging."""

    voltage: float | None = None
    """V"""
    current: float | None = None
    """A"""
    candidates: tuple[Candidate, ...] = ()
    """The ways to find the power, the most trusted first."""
    absurd: str | None = None
    """Why none of it was believed, in words."""
    doubt: str | None = None
    """Why the power or the direction alone was not believed, in words."""


def parse_rate(supply: Supply, *, follows_abi: bool = False, inverted: bool = False) -> Rate:
    """Return what the record says of voltage, current and power.

    ``follows_abi``: this driver has shown that its sign is the kernel's, and is believed while charging too.
    ``inverted``: it gave its newest discharge as positive.
    """
    voltage, current, power = supply.voltage, supply.current, supply.power
    if absurd := _absurd(voltage, current, power):
        # They come from one conversation with one gauge: where one is nonsense the others are no better.
        return Rate(absurd=absurd)
    candidates = _candidates(supply)
    doubt = None
    if power and candidates and candidates[0].method == PRODUCT:
        doubt = f"power {power:g} W is not voltage × current ({candidates[0].power:g} W)"
    if not current and candidates and candidates[0].power:
        current = None  # no current beside a power that is there: it is made of the power

    sign = _sign(supply.status, [current, power], follows_abi=follows_abi, inverted=inverted)
    if sign is None:
        if not _is_rest(current, candidates, inverted=inverted):
            watts = f"{candidates[0].power:g} W" if candidates else f"{current:g} A"
            reason = f"{watts} while {supply.status or 'no status'}: the driver has not shown its sign"
            return Rate(voltage, None, (), None, reason)
        sign = 1.0
    candidates = [Candidate(method, _signed(watts, sign)) for method, watts in candidates]
    if current is not None:
        current = _signed(current, sign)
    elif candidates and voltage is not None:
        current = candidates[0].power / voltage
    return Rate(voltage, current, tuple(candidates), None, doubt)


def discharge_sign(supply: Supply) -> float:
    """Return the driver's sign of a discharge: -1 as in the kernel's ABI; 0: this is not a discharge."""
    if supply.status != "Discharging":
        return 0.0
    flows = [value for value in (supply.current, supply.power) if value]
    return 0.0 if not flows else -1.0 if min(flows) < 0 else 1.0


def in_power_range(power: float) -> bool:
    """Whether a machine can draw or take so many watts."""
    return abs(power) <= MOST_WATTS


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


def _candidates(supply: Supply) -> list[Candidate]:
    """The driver's power and voltage × current, the trusted one first; both unsigned.

    Power is the product by definition: where they are too far apart, the product is believed
    (odin3-power-now-68w). A nought is believed only where the other is one too: uConsole kernels gave
    power_now 0 whatever flowed (ak-rex/ClockworkPi-linux#8), bq27000 power_avg 0.
    """
    voltage, current, power = supply.voltage, supply.current, supply.power
    product = None if voltage is None or current is None else voltage * abs(current)
    told = None if power is None or (power == 0 and current) else abs(power)
    given = Candidate("power_avg" if supply.power_now is None else "power_now", told or 0.0)
    made = Candidate(PRODUCT, product or 0.0)
    if told is None:
        return [] if product is None else [made]
    if not product:
        return [given]
    if told > _FARTHEST * product or product > _FARTHEST * told:
        return [made, given]
    return [given, made]


def _sign(
    status: str | None, flows: Iterable[float | None], *, follows_abi: bool, inverted: bool
) -> float | None:
    """The sign of current and power; None where neither the status nor the driver tells."""
    negative = any(flow < 0 for flow in flows if flow is not None)
    if status == "Charging" and follows_abi:
        # A charger too weak for the load: the driver says Charging, and its current what really happens.
        return -1.0 if negative else 1.0
    if status in DIRECTION:
        return DIRECTION[status]
    if negative:
        return -1.0
    # Full, Not charging, Unknown or none: a rate left over from before (surface-go3-full-6w), or a discharge.
    return 1.0 if follows_abi and not inverted else None


def _is_rest(current: float | None, candidates: list[Candidate], *, inverted: bool) -> bool:
    """Whether a rate is too small to have a direction; with an inverted driver every rate has one."""
    rate = candidates[0].power if candidates else current or 0.0
    limit = _TOKEN_WATTS if candidates else _TOKEN_AMPERES
    return rate == 0 or (rate < limit and not inverted)


def _signed(value: float, sign: float) -> float:
    return sign * abs(value) + 0.0  # + 0.0: no negative zero
