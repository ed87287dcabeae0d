"""Several packs as one battery. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sampler.pack import Pack
from sampler.percent import Level, percent_of
from sampler.rate import in_power_range
from telemetry.sample import Battery, Health


def combine(packs: Sequence[Pack]) -> Battery | None:
    """Return the machine's battery, made of its packs.

    Power is the signed sum: a ThinkPad drains one pack while the other rests, and may charge one from the
    other. Name, status and voltage are those of the pack that carries the load. Current is the power divided
    by that voltage: packs of different voltages have no common current.
    """
    if not packs:
        return None
    packs = [pack for pack in packs if not pack.empty_bay] or packs
    telling = [pack for pack in packs if not pack.silent] or packs
    carrier = min(telling, key=_load_order)
    health = _total_health([pack.health for pack in packs if pack.health is not None])
    if health is None or health.unit is None:  # packs use two units, so the unit of a level is unknown
        packs, telling = ([pack._replace(level=None) for pack in some] for some in (packs, telling))
        carrier = carrier._replace(level=None)
    each = tuple([pack.as_one_of_several() for pack in packs]) if len(packs) > 1 else None
    if len(telling) == 1:
        return carrier.as_battery(each, health)
    power = _total_power(telling)
    current = None if power is None or carrier.voltage is None else power / carrier.voltage
    percent = _total_percent(telling)
    method = None if power is None else _methods(telling)
    return Battery(
        *(carrier.name, carrier.status, carrier.voltage, current, power, percent, method),
        packs=each,
        health=health,
        level=_sum([pack.level for pack in telling]),
    )


_ACTIVE: Final = ("Discharging", "Charging")
_AT_REST: Final = ("Full", "Not charging")


def _load_order(pack: Pack) -> tuple[float, int, str]:
    active = _ACTIVE.index(pack.status) if pack.status in _ACTIVE else len(_ACTIVE)
    return -abs(pack.power or 0.0), active, pack.name


def _total_power(packs: Sequence[Pack]) -> float | None:
    """Return the signed sum, None if a term is missing.

    An idle pack whose power cannot be read (Dell, HP: ENODEV unless it discharges) is not a missing term. A
    pack that reports being active, or whose reading was refused, is: the sum without it would be wrong.
    """
    known = [pack.power for pack in packs if pack.power is not None]
    if not known or any(map(_lacks_power, packs)) or not in_power_range(total := sum(known)):
        return None
    return total


def _lacks_power(pack: Pack) -> bool:
    if pack.power is not None:
        return False
    # If the status says that the pack rests, a rate without a direction is an outdated one.
    refused = pack.doubt or (pack.rate_doubt and pack.status not in _AT_REST)
    return bool(refused) or pack.status in _ACTIVE


def _total_percent(packs: Sequence[Pack]) -> float | None:
    """Return Σnow ÷ Σfull in one unit, else the mean; None unless all packs report a percentage."""
    percents = [pack.pct for pack in packs if pack.pct is not None]
    if len(percents) < len(packs):
        return None
    for levels in ([pack.energy for pack in packs], [pack.charge for pack in packs]):
        present: list[Level] = [level for level in levels if level is not None]
        if len(present) == len(packs):
            return percent_of(present)
    return sum(percents) / len(percents)


def _methods(packs: Sequence[Pack]) -> str:
    """Return how the terms of the sum were measured: one method, or several (``power_now+slope``)."""
    return "+".join(sorted({pack.method for pack in packs if pack.method is not None}))


def _total_health(healths: Sequence[Health]) -> Health | None:
    """Return the sums in one unit (None if the packs use different units) and the highest cycle count."""
    if not healths:
        return None
    cycles = max((health.cycles for health in healths if health.cycles is not None), default=None)
    units = {health.unit for health in healths}
    if len(units) > 1:
        return None if cycles is None else Health(cycles=cycles)
    full, design = (_sum([health[column] for health in healths]) for column in (0, 1))
    return Health(full, design, units.pop(), cycles)


def _sum(terms: Sequence[float | str | None]) -> float | None:
    numbers = [term for term in terms if isinstance(term, float)]
    return sum(numbers) if len(numbers) == len(terms) else None
