"""The electrical readings of one pack at one instant: voltage, current, power and their direction. Pure.

Where drivers deviate from the kernel's document, a comment names a machine with such a driver. Its recording
is in tests/data/power_supply. docs/battery.md explains the same rules to users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sampler.supply import Supply

PRODUCT: Final = "voltage*current"
"""The method of a power that was computed here, by multiplication."""

# These ranges include every machine, but not the registers of an uncalibrated gauge (65.535 V and 11.7 A of
# gta04-bq27000-uncalibrated) or nonsense from firmware (upower's list: 0xFFFF, over 300 W).
_VOLTAGE_RANGE: Final = (1.0, 100.0)
MOST_WATTS: Final = 500.0
_POWER_RANGE: Final = (-MOST_WATTS, MOST_WATTS)
_CURRENT_RANGE: Final = (-500.0, 500.0)  # the highest power at the lowest voltage

DIRECTION: Final = {"Discharging": -1.0, "Charging": 1.0}
"""By the ABI, current_now is negative for a discharging battery. But ACPI gives no sign
(dell-charge-discharging), Android's gauges give the opposite sign (retroid-flip2-charging), and axp20x
changed its sign in 2022. So the status takes precedence."""

_FARTHEST: Final = 3.0
"""The power is not believed if it differs from voltage × current by more than this factor."""
_TOKEN_WATTS: Final = 0.05
_TOKEN_AMPERES: Final = 0.005
"""A smaller rate in either direction counts as rest (toshiba-unknown-full: 1 mA): at most 1.2 Wh a day."""


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
    """The powers that the record yields, the most trusted first."""
    absurd: str | None = None
    """Why none of it was believed, in words."""
    doubt: str | None = None
    """Why the power or the direction alone was not believed, in words."""


def parse_rate(supply: Supply, *, follows_abi: bool = False, inverted: bool = False) -> Rate:
    """Return the record's voltage, current and power.

    ``follows_abi``: this driver has shown the kernel's sign, so its sign is believed while charging too.
    ``inverted``: its newest discharge was positive.
    """
    voltage, current, power = supply.voltage, supply.current, supply.power
    if absurd := _absurd(voltage, current, power):
        # They come from one exchange with one gauge: if one is nonsense, the others cannot be trusted.
        return Rate(absurd=absurd)
    candidates = _candidates(supply)
    doubt = None
    if power and candidates and candidates[0].method == PRODUCT:
        doubt = f"power {power:g} W is not voltage × current ({candidates[0].power:g} W)"
    if not current and candidates and candidates[0].power:
        current = None  # there is a power, so the current is computed from it

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
    """Return the driver's sign of a discharge: -1 as in the kernel's ABI, 1, or 0 if not discharging."""
    if supply.status != "Discharging":
        return 0.0
    flows = [value for value in (supply.current, supply.power) if value]
    return 0.0 if not flows else -1.0 if min(flows) < 0 else 1.0


def in_power_range(power: float) -> bool:
    """Return whether a machine can draw or take this many watts."""
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
    """Return the driver's power and voltage × current, the more trusted one first; both unsigned.

    Power is the product by definition, so if they are too far apart, the product is believed
    (odin3-power-now-68w). A 0 is believed only if the other is 0 too: uConsole kernels reported power_now 0
    whatever the current (ak-rex/ClockworkPi-linux#8), and bq27000 reported power_avg 0.
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
    """Return the sign of current and power; None if neither the status nor the driver shows it."""
    negative = any(flow < 0 for flow in flows if flow is not None)
    if status == "Charging" and follows_abi:
        # With a charger too weak for the load, the status is Charging but the current shows the discharge.
        return -1.0 if negative else 1.0
    if status in DIRECTION:
        return DIRECTION[status]
    if negative:
        return -1.0
    # Full, Not charging, Unknown or no status: an outdated rate (surface-go3-full-6w), or a discharge.
    return 1.0 if follows_abi and not inverted else None


def _is_rest(current: float | None, candidates: list[Candidate], *, inverted: bool) -> bool:
    """Return whether a rate is too small to have a direction; an inverted driver's rate always has one."""
    rate = candidates[0].power if candidates else current or 0.0
    limit = _TOKEN_WATTS if candidates else _TOKEN_AMPERES
    return rate == 0 or (rate < limit and not inverted)


def _signed(value: float, sign: float) -> float:
    return sign * abs(value) + 0.0  # + 0.0: no negative zero
