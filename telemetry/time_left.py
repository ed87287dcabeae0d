"""How long a discharge lasts from now: the energy left divided by the expected power, with an 80 % range.

docs/how-long.md has the reasons and the measured errors. Everything here is pure. Only discharges are used:
charging by one percent takes another amount of energy than discharging by one percent gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, floor, sqrt
from typing import Final, NamedTuple

RETURN: Final = 0.5
"""h: time constant with which power returns to its mean"""
LEAST_WATTS: Final = 0.05
"""W: a smaller power has no direction, and no machine runs on it."""
ENOUGH_VISITS: Final = 20
"""With fewer visits of percents, little is known about the battery."""

_FEW_VISITS: Final = 5.0
"""The weight of the nominal Wh per percent, in visits"""
_ACTION: Final = 2
"""The percentage at which UPower powers a machine off by default (PercentageAction)"""
_NEAR: Final = 5
"""Neighbouring percents on each side that are used to estimate a percent"""
_FEW_NEAR: Final = 1.0
"""The weight of the mean of all percents in that estimate, in visits"""
_TYPICAL_AH: Final = 5.0
"""Assumed if the capacity is unknown: phones, HATs of one or two cells and laptops mostly have 2 to 10 Ah."""
_SPREAD: Final = 0.35
"""Relative standard deviation of the power of a machine in use, if there is no history"""
_SPREAD_HOURS: Final = 4.0
"""The weight of _SPREAD, in hours of history"""
_BETWEEN: Final = 0.2
"""Variance of the mean power of whole discharges, relative to the variance of power within a discharge"""
_OWN_HOURS: Final = 1 / _BETWEEN
"""h after which a discharge's own mean counts as much as that of all discharges: follows from _BETWEEN"""
_DOUBT_OF: Final = {"learned": 0.03, "nominal": 0.1, "typical": 0.8}
"""Relative standard deviation of the energy of a full battery, by where the figure comes from"""
_TAPER_FROM: Final = 80.0
_TAPER: Final = 15.0
"""Percent. A phone's charge fell from 6.3 W at 80 % to 1.6 W at 100 %; e to the power of -20/15 is 0.26."""
_FOUR_IN_FIVE: Final = 1.28
"""Standard deviations of a normal distribution within which four in five lie"""
_MOST_DOUBT: Final = 1.2
"""Relative standard deviation: a range of a fifth to five times the estimate"""
_HALVINGS: Final = 40
_WARM_UP: Final = 120.0
"""The weight of the usual power when mixed with the current power, s: the first samples are often busy."""


class Past(NamedTuple):
    """What is known from earlier discharges of this machine and battery."""

    visits: Mapping[int, tuple[int, int]] = {}
    """By displayed percent: µJ drawn at it, and the number of visits (from its step down to the next)"""
    died_at: Sequence[float] = ()
    """Percentages at which the machine went off and was charged next"""
    watts: float | None = None
    """Mean power on battery in recent weeks, positive"""
    spread: float | None = None
    """Relative standard deviation of the hourly means of power"""
    hours: float = 0.0
    """Time on battery that ``watts`` and ``spread`` cover"""


class Discharge(NamedTuple):
    """The current discharge. Power is positive here."""

    percent: float
    watts: float
    """Mean power over the last ten minutes"""
    seconds: float
    """The time that ``watts`` covers"""
    own_watts: float
    """Mean power over the whole discharge"""
    own_hours: float
    drawn: float
    """Wh since the percent was first displayed"""
    entered: bool
    """The step down to this percent was seen, so that ``drawn`` is all that was drawn at it"""
    full: float | None
    """Wh of a full battery, as the driver reports it"""
    voltage: float | None


class TimeLeft(NamedTuple):
    """Hours from now until the machine goes off."""

    hours: float
    low: float
    """The truth is between this and ``high`` with a probability of 80 %."""
    high: float
    little: bool
    """Too little is known about this battery or machine to rely on the estimate."""


def time_left(now: Discharge, past: Past) -> TimeLeft | None:
    """Return how long the discharge lasts; None if energy or power is unknown."""
    energy = energy_left(now, past)
    if energy is None or now.watts < LEAST_WATTS:
        return None
    mean, power = _powers(now, past)
    hours = _hours(energy.wh, power, mean)
    doubt = min(sqrt(energy.doubt**2 + _power_doubt(hours, now, past) ** 2), _MOST_DOUBT)
    width = exp(_FOUR_IN_FIVE * doubt)
    return TimeLeft(hours, hours / width, hours * width, energy.little)


# --- energy ----------------------------------------------------------------------------------------


class Energy(NamedTuple):
    """What can still be drawn."""

    wh: float
    doubt: float
    """Relative standard deviation"""
    little: bool


def energy_left(now: Discharge, past: Past) -> Energy | None:
    """Return what can still be drawn; None if neither the battery nor its voltage gives an estimate."""
    visits = sum(count for _, count in past.visits.values())
    nominal, source = now.full, "nominal"
    if not nominal:
        nominal, source = typical_wh(now.voltage), "typical"
    if not nominal and not visits:
        return None
    weight = _FEW_VISITS if nominal else 0.0
    drawn = sum(energy for energy, _ in past.visits.values()) / 3.6e9
    usual = (drawn + weight * (nominal or 0.0) / 100) / (visits + weight)
    if usual <= 0:
        return None

    def per_percent(percent: int) -> float:
        energy, count = past.visits.get(percent, (0, 0))
        return (energy / 3.6e9 + _around(percent, past.visits, usual)) / (count + 1)

    shown = floor(now.percent)
    last = min(floor(_median(past.died_at)) if past.died_at else _ACTION, shown)
    here = per_percent(shown)
    ahead = max(here - now.drawn, 0.05 * here)
    if not now.entered:
        ahead /= 2  # it is unknown where within the percent the discharge began
    if shown > last:
        wh = ahead + sum(map(per_percent, range(last + 1, shown))) + per_percent(last) / 2
    else:
        wh = ahead / 2  # the machine goes off somewhere within this percent

    known = weight / (visits + weight)
    doubt = sqrt(known) * _DOUBT_OF[source] + (1 - sqrt(known)) * _DOUBT_OF["learned"]
    unseen = sum(percent not in past.visits for percent in range(last, shown + 1)) / (shown - last + 1)
    end = (1.0 if past.died_at else 5.0) * usual / wh
    step = (0.15 if now.entered else 0.3) * here / wh
    curve = unseen * (0.1 + 0.5 * (1 - shown / 100) ** 2)
    doubt = sqrt(doubt**2 + curve**2 + end**2 + step**2)
    return Energy(wh, doubt, visits < ENOUGH_VISITS)


def typical_wh(voltage: float | None) -> float | None:
    """Return what a battery of this voltage typically holds, right within a factor of about two."""
    return _TYPICAL_AH * voltage if voltage else None


def _around(percent: int, visits: Mapping[int, tuple[int, int]], usual: float) -> float:
    """Return the Wh of a percent, estimated from up to _NEAR neighbours, nearer ones weighted more."""
    energy = usual * _FEW_NEAR
    weight = _FEW_NEAR
    for other in range(percent - _NEAR, percent + _NEAR + 1):
        drawn, count = visits.get(other, (0, 0))
        share = 1 - abs(other - percent) / (_NEAR + 1)
        energy += share * drawn / 3.6e9
        weight += share * count
    return energy / weight


# --- power -----------------------------------------------------------------------------------------


def _powers(now: Discharge, past: Past) -> tuple[float, float]:
    """Return the mean to which power returns, and the current power, W."""
    mean = now.own_watts
    if past.watts is not None:
        mean = (past.watts * _OWN_HOURS + now.own_watts * now.own_hours) / (_OWN_HOURS + now.own_hours)
    mean = max(mean, LEAST_WATTS)
    power = (now.watts * now.seconds + mean * _WARM_UP) / (now.seconds + _WARM_UP)
    return mean, power


def _hours(energy: float, power: float, mean: float) -> float:
    """Solve mean × t + (power - mean) × RETURN × (1 - exp(-t / RETURN)) = energy for t, by bisection.

    The left side increases with t, and its slope is between power and mean.
    """
    low, high = sorted((energy / power, energy / mean))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if mean * middle + (power - mean) * RETURN * (1 - exp(-middle / RETURN)) > energy:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _power_doubt(hours: float, now: Discharge, past: Past) -> float:
    """Return the relative standard deviation of the mean power over the next ``hours``.

    Power is modelled as an Ornstein-Uhlenbeck process with time constant RETURN, whose current value is known
    and whose mean differs from discharge to discharge.
    """
    known = past.hours if past.spread is not None else 0.0
    variance = ((past.spread or 0.0) ** 2 * known + _SPREAD_HOURS * _SPREAD**2) / (known + _SPREAD_HOURS)
    mean_of_hour = _variance_of_mean(1.0) + _BETWEEN
    variance /= mean_of_hour
    t = max(hours, 0.01) / RETURN
    now_known = 0.8 * ((1 - exp(-t)) / t) ** 2
    within = max(_variance_of_mean(hours) - now_known, 0.0)
    own = _BETWEEN * _OWN_HOURS / (_OWN_HOURS + now.own_hours)
    return sqrt(variance * (within + own * (1 - sqrt(now_known))))


def _variance_of_mean(hours: float) -> float:
    """Return the variance of the process's mean over ``hours``, relative to the variance of the process."""
    t = max(hours, 0.01) / RETURN
    return 2 / t * (1 - (1 - exp(-t)) / t)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)  # (the module statistics takes longer to load than a report to run)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


# --- charging --------------------------------------------------------------------------------------


def hours_to_full(percent: float, watts: float, per_percent: float) -> float | None:
    """Return the hours until the current charge reaches 100 %; None without power.

    ``watts``: mean of the last ten minutes; ``per_percent``: Wh for one percent. The power is constant up to
    _TAPER_FROM; above it the voltage is constant, and power falls by a factor of e every _TAPER percents.
    """
    if watts <= 0 or per_percent <= 0 or percent >= 100:
        return None
    steady = max(_TAPER_FROM - percent, 0.0)
    taper = min(100 - percent, 100 - _TAPER_FROM)
    return per_percent * (steady + _TAPER * (exp(taper / _TAPER) - 1)) / watts
