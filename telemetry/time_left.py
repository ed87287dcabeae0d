"""How long a discharge lasts from now: energy left over the power ahead, and a range of four in five.

docs/how-long.md has the reasons and the measured errors. All here is pure. It takes what discharges told: for
a percent, a charge takes another amount than a discharge gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, floor, sqrt
from typing import Final, NamedTuple

RETURN: Final = 0.5
"""h: time constant with which power returns to its mean"""
LEAST_WATTS: Final = 0.05
"""Less than this has no direction, and no machine runs on it."""
ENOUGH_VISITS: Final = 20
"""Visits of percents below which little is known of the battery."""

_FEW_VISITS: Final = 5.0
"""The nominal Wh per percent counts as so many visits."""
_ACTION: Final = 2
"""Percent at which UPower powers a machine off unless it is told otherwise (PercentageAction)"""
_NEAR: Final = 5
"""Percents on each side that tell of one between them"""
_FEW_NEAR: Final = 1.0
"""The mean of all percents counts as so many visits of those."""
_TYPICAL_AH: Final = 5.0
"""Of phones, HATs of one or two cells and laptops alike, where nothing tells the capacity: mostly 2 to 10."""
_SPREAD: Final = 0.35
"""Relative standard deviation of power, of a machine in use, where there is no history"""
_SPREAD_HOURS: Final = 4.0
"""It counts as so many hours of history."""
_BETWEEN: Final = 0.2
"""Variance of the mean power of whole discharges, in variances of power within one"""
_OWN_HOURS: Final = 1 / _BETWEEN
"""h after which a discharge's own mean counts as much as that of all: what the two variances above give"""
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
"""s of the usual power with which the power of now is mixed: a first sample is often a busy one."""


class Past(NamedTuple):
    """What earlier discharges of this machine and battery tell."""

    visits: Mapping[int, tuple[int, int]] = {}
    """By percent shown: µJ drawn while it was, and how often that was, from its step down to the next one"""
    died_at: Sequence[float] = ()
    """Percents at which the machine went off and a charge came next"""
    watts: float | None = None
    """Mean power on battery of the recent weeks, positive"""
    spread: float | None = None
    """Relative standard deviation of its hourly means"""
    hours: float = 0.0
    """Time on battery that these two cover"""


class Discharge(NamedTuple):
    """The discharge that goes on. Power is positive here."""

    percent: float
    watts: float
    """Mean of the last ten minutes of it"""
    seconds: float
    """That these cover"""
    own_watts: float
    """Mean of all of it"""
    own_hours: float
    drawn: float
    """Wh since the percent was first shown"""
    entered: bool
    """The percent was seen to step down to this one, so that ``drawn`` is all of it"""
    full: float | None
    """Wh of a full battery, as the driver tells it"""
    voltage: float | None


class TimeLeft(NamedTuple):
    """Hours from now until the machine goes off."""

    hours: float
    low: float
    """It is four in five that the truth is not less than this and not more than ``high``."""
    high: float
    little: bool
    """Too little is known of this battery or machine to rely on it."""


def time_left(now: Discharge, past: Past) -> TimeLeft | None:
    """Return how long the discharge lasts; None where nothing tells of energy or power."""
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
    """Return what can still be drawn; None where neither battery nor voltage tells."""
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
        ahead /= 2  # where within the percent it began is not known
    if shown > last:
        wh = ahead + sum(map(per_percent, range(last + 1, shown))) + per_percent(last) / 2
    else:
        wh = ahead / 2  # it goes off somewhere in that percent

    known = weight / (visits + weight)
    doubt = sqrt(known) * _DOUBT_OF[source] + (1 - sqrt(known)) * _DOUBT_OF["learned"]
    unseen = sum(percent not in past.visits for percent in range(last, shown + 1)) / (shown - last + 1)
    end = (1.0 if past.died_at else 5.0) * usual / wh
    step = (0.15 if now.entered else 0.3) * here / wh
    curve = unseen * (0.1 + 0.5 * (1 - shown / 100) ** 2)
    doubt = sqrt(doubt**2 + curve**2 + end**2 + step**2)
    return Energy(wh, doubt, visits < ENOUGH_VISITS)


def typical_wh(voltage: float | None) -> float | None:
    """Return what a battery of that voltage holds where nothing tells, within a factor of two or so."""
    return _TYPICAL_AH * voltage if voltage else None


def _around(percent: int, visits: Mapping[int, tuple[int, int]], usual: float) -> float:
    """Wh of a percent, as those up to _NEAR beside it tell, near ones more; ``usual`` where none does."""
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
    """Mean to which power returns, and power now, W."""
    mean = now.own_watts
    if past.watts is not None:
        mean = (past.watts * _OWN_HOURS + now.own_watts * now.own_hours) / (_OWN_HOURS + now.own_hours)
    mean = max(mean, LEAST_WATTS)
    power = (now.watts * now.seconds + mean * _WARM_UP) / (now.seconds + _WARM_UP)
    return mean, power


def _hours(energy: float, power: float, mean: float) -> float:
    """Solve mean × t + (power - mean) × RETURN × (1 - exp(-t / RETURN)) = energy for t, by bisection.

    Its left side rises with t, and its slope is between power and mean.
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
    """Relative standard deviation of the mean power over the next ``hours``.

    An Ornstein-Uhlenbeck process of time constant RETURN, known now, and a mean that differs by discharge.
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
    """Of the process's mean over so many hours, in variances of the process."""
    t = max(hours, 0.01) / RETURN
    return 2 / t * (1 - (1 - exp(-t)) / t)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)  # (the module statistics takes longer to load than a report to run)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


# --- charging --------------------------------------------------------------------------------------


def hours_to_full(percent: float, watts: float, per_percent: float) -> float | None:
    """Return the hours until a charge that goes on has come to 100 %; None where there is no power.

    ``watts``: mean of the last ten minutes; ``per_percent``: Wh that a percent takes. Up to _TAPER_FROM the
    power stays; from there on it falls by a factor of e in _TAPER percents, as voltage is constant.
    """
    if watts <= 0 or per_percent <= 0 or percent >= 100:
        return None
    steady = max(_TAPER_FROM - percent, 0.0)
    taper = min(100 - percent, 100 - _TAPER_FROM)
    return per_percent * (steady + _TAPER * (exp(taper / _TAPER) - 1)) / watts
