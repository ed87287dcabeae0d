"""Simulated machines that run down their batteries: the true run time of each is known.

A machine has a battery whose percent follows its energy along one of three curves, and a user who does one
activity after another. Everything is drawn from the given ``random.Random``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

CURVES: Final[dict[str, Callable[[float], float]]] = {
    "straight": lambda left: 100 * left,
    "bent": lambda left: 100 * (0.5 * left + 0.5 * left**2),  # a lower percent holds more energy
    "dies at 7 %": lambda left: 7 + 93 * left**0.9,
}
"""Percent as a function of the remaining part of the energy"""
STEP: Final = 60.0
"""s between two samples"""


class Minute(NamedTuple):
    """One sample."""

    percent: int
    watts: float
    """Power drawn in the minute before, positive"""


class Machine(NamedTuple):
    capacity: float
    """Wh from full until the machine switches off"""
    full: float
    """Wh of a full battery, as reported by the driver"""
    curve: Callable[[float], float]
    activities: tuple[tuple[float, float, float], ...]
    """Activities: W, mean length in minutes, and relative frequency"""


def machine(rng: Random, curve: str, minutes: float = 15.0, spread: float = 0.8) -> Machine:
    """``minutes``: mean length of an activity; ``spread``: spread of the activities' powers."""
    capacity = rng.uniform(10, 70)
    mean = capacity / rng.uniform(3, 10)
    powers = (0.6, 0.8, 1.0, 1.25, 1.8)  # idle, reading, writing, a film, building
    return Machine(
        capacity,
        capacity * rng.uniform(0.95, 1.2),
        CURVES[curve],
        tuple((mean * it**spread, minutes * rng.uniform(0.5, 1.5), rng.uniform(0.2, 1)) for it in powers),
    )


def discharge(rng: Random, machine: Machine, begin: float = 1.0, end: float = 0.0) -> list[Minute]:
    """Return the minutes from ``begin`` to ``end``, parts of the capacity; at 0 the machine switches off."""
    energy = begin * machine.capacity
    user = math.exp(rng.gauss(0, 0.12))  # brightness, network: constant during a discharge
    found: list[Minute] = []
    left, watts = 0, 0.0
    while True:
        if left == 0:
            watts, minutes, _ = rng.choices(machine.activities, [it[2] for it in machine.activities])[0]
            left = max(1, round(rng.expovariate(1 / minutes)))
        left -= 1
        drawn = watts * user * math.exp(rng.gauss(0, 0.1))
        energy -= drawn * STEP / 3600
        if energy <= end * machine.capacity:
            return found
        found.append(Minute(math.ceil(machine.curve(energy / machine.capacity)), drawn))


def history(rng: Random, machine: Machine, count: int) -> list[tuple[list[Minute], bool]]:
    """Return earlier discharges, and whether each ended in power-off: one in five runs from full to empty."""
    found = []
    for index in range(count):
        whole = index % 5 == 4
        begin = 1.0 if whole else rng.uniform(0.6, 1)
        end = 0.0 if whole else rng.uniform(0.1, 0.55)
        found.append((discharge(rng, machine, begin, end), whole))
    return found
