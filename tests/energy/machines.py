"""Simulated machines whose energy by program is known: simulated by the second, sampled every 5 s, seeded.

A machine has a base power that may drift, a screen, a CPU whose power per busy second depends on the program
and rises with frequency, power that the first busy core takes (shared by CPU time), radio bursts, and a gauge
that averages, delays, holds and steps. It runs a sequence of activities of about 14 min.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, pi, sin
from random import Random
from typing import NamedTuple

from telemetry.energy_model.features import Reading

PROGRAMS = (
    *("browser", "compositor", "player", "game", "make", "python", "editor", "music", "cron", "storm"),
    *("sampler", "writer", "systemd", "sshd", "journald", "indexer"),
)
NUMBER = {name: at + 1 for at, name in enumerate(PROGRAMS)}
_QUIET = ("sampler", "writer", "systemd", "sshd", "journald")

ACTIVITIES: dict[str, dict[str, tuple[float, float]]] = {
    "browse": {"browser": (0.55, 0.9), "compositor": (0.18, 0.7), "indexer": (0.02, 1.0)},
    "video": {"player": (0.45, 0.25), "compositor": (0.15, 0.3)},
    "game": {"game": (1.35, 0.25), "compositor": (0.25, 0.3), "music": (0.04, 0.3)},
    "compile": {"make": (2.4, 0.35), "editor": (0.05, 1.0)},
    "train": {"python": (1.9, 0.2)},
    "code": {"editor": (0.22, 0.9), "compositor": (0.06, 0.6), "music": (0.05, 0.3), "make": (0.12, 1.6)},
    "idle": {},
}
"""For each activity, the mean busy cores of its programs, and how bursty they are"""


class Plan(NamedTuple):
    """The properties of one machine."""

    seed: int
    cores: int
    base: float
    drift: float
    screen: float
    """W at full brightness"""
    screen_on: float
    rate: float
    """W of a busy core at full clock, for a program of average cost"""
    exponent: float | None
    """The exponent of the frequency in the cost; None: the cost rises as x·v(x)²"""
    uncore: float
    radio: float
    costs: dict[str, float]
    weights: dict[str, float]
    average: int
    """s over which the gauge averages"""
    delay: int
    hold: int
    step: float
    wrong: float = 0.0
    """The fraction of readings that show 60 W"""
    usb: bool = True
    charges: bool = True
    together: tuple[str, str] | None = None
    """Two programs that always run together; the second has half the load of the first"""
    storms: bool = True


def plan(seed: int) -> Plan:
    """Return the machine of a seed, from three kinds, five gauges and four frequency laws."""
    random = Random(seed)
    kind = seed % 3
    gauge = [(1, 0, 1, 0.004), (10, 0, 1, 0.01), (30, 1, 1, 0.05), (60, 2, 1, 0.01), (5, 1, 30, 0.25)][
        seed % 5
    ]
    return Plan(
        seed,
        cores=(4, 8, 4)[kind],
        base=random.uniform(2, 4),
        drift=random.choice([0.0, 0.04]),
        screen=(random.uniform(0.8, 1.5), random.uniform(1.5, 3.0), 0.0)[kind],
        screen_on=(0.3, 0.8, 0.0)[kind],
        rate=(random.uniform(1.2, 2.2), random.uniform(3, 6), random.uniform(0.8, 1.6))[kind],
        exponent=(None, 0.0, 1.0, 2.0)[seed % 4],
        uncore=random.uniform(0.2, 0.6),
        radio=random.uniform(0.3, 0.9),
        costs={name: 0.55 * 4 ** random.random() for name in PROGRAMS},
        weights={name: random.uniform(0.3, 1.0) for name in ACTIVITIES},
        average=gauge[0],
        delay=gauge[1],
        hold=gauge[2],
        step=gauge[3],
        wrong=0.005 if seed % 6 == 5 else 0.0,
    )


class Day(NamedTuple):
    """One day of a machine."""

    readings: list[Reading]
    truth: dict[str, float]
    """J by program while discharging; (idle) is the base with radio and USB, (screen) is the screen"""
    heat: list[float]
    """W of the CPU in each reading, for a simulated thermometer"""


_NORMAL_RANDOM = Random(7)
_NORMAL = [_NORMAL_RANDOM.gauss(0, 1) for _ in range(65536)]


def days(plan: Plan, hours: float, count: int = 1) -> Iterator[Day]:
    """Yield this many days of the machine, each with this many hours; it is off for the rest."""
    state = _Machine(plan, Random(plan.seed + 1000))
    for _ in range(count):
        yield state.run(round(hours * 3600))


class _Machine:
    def __init__(self, plan: Plan, random: Random) -> None:
        self._plan = plan
        self._random = random
        self._second = 0
        self._tail: list[float] = []
        """The power of the last seconds, for the gauge"""
        self._held = (0, 0.0)
        self._noise: dict[str, float] = {}
        self._activity = "idle"
        self._until = 0
        self._brightness = 0.0
        self._radio_until = 0

    def run(self, seconds: int) -> Day:
        plan, random = self._plan, self._random
        normal, at = _NORMAL, random.randrange(65536)
        exponent, cores, rate, uncore = plan.exponent, plan.cores, plan.rate, plan.uncore
        costs, together = plan.costs, plan.together
        carry, fresh = exp(-1 / 30), (1 - exp(-2 / 30)) ** 0.5
        usb = random.randrange(max(1, seconds - 3600)) if plan.usb and seconds > 7200 else -10_000
        charging = range(0)
        if plan.charges and seconds > 7200:
            begin = random.randrange(seconds - seconds // 8)
            charging = range(begin, begin + seconds // 8)
        storm = range(0)
        if plan.storms and seconds > 7200:
            begin = random.randrange(seconds - 300)
            storm = range(begin, begin + 300)
        truth = dict.fromkeys((*PROGRAMS, "(idle)", "(screen)"), 0.0)
        readings: list[Reading] = []
        heat: list[float] = []
        powers = self._tail
        noise = self._noise
        origin = self._second
        was_charging = False
        loads: list[tuple[str, float, float]] = []
        quiet: list[tuple[str, float]] = []
        kernel = 0.0
        for start in range(0, seconds, 5):
            now = origin + start
            if now >= self._until:
                self._next(now)
                loads = []
            if not loads and self._activity != "idle":
                loads = [(name, mean, spread) for name, (mean, spread) in ACTIVITIES[self._activity].items()]
            if random.random() < 5 / 200:
                self._radio_until = now + 40
            extra = [*loads]
            if now % 3600 < 30:
                extra.append(("cron", 0.8, 0.2))
            if start in storm:
                extra.append(("storm", 1.2, 0.3))
            if together and self._activity != "idle" and together[0] in (name for name, *_ in loads):
                extra = [item for item in extra if item[0] != together[1]]
            quiet = [
                (name, max(0.0, 0.002 + 0.002 * normal[(at + k) & 65535])) for k, name in enumerate(_QUIET)
            ]
            at += 5
            kernel = 0.01 + 0.005 * abs(normal[at & 65535])
            is_charging = start in charging
            base = plan.base * (1 + plan.drift * sin(2 * pi * now / 86400))
            if now < self._radio_until:
                base += plan.radio
            if usb <= start < usb + 3600:
                base += 0.7
            screen = 0.0
            if self._brightness:
                screen = plan.screen * self._brightness + plan.screen_on
            sums: dict[str, float] = {name: 5 * load for name, load in quiet}
            energy: dict[str, float] = {}
            quiet_load = sum(load for _, load in quiet)
            busy_sum = 0.0
            speed = 0.3
            for _ in range(5):
                now_loads = []
                busy = quiet_load + kernel
                for name, mean, spread in extra:
                    at += 1
                    z = noise[name] = carry * noise.get(name, 0.0) + fresh * normal[at & 65535]
                    load = mean * (1 + spread * z)
                    if load > 0.0:
                        now_loads.append((name, load))
                        busy += load
                        if together and name == together[0]:
                            now_loads.append((together[1], load / 2))
                            busy += load / 2
                limit = cores / busy if busy > cores else 1.0
                busy *= limit
                speed = 0.3 + 0.7 * min(1.0, busy / (0.6 * cores)) ** 0.7
                factor = (0.6 + 0.4 * speed) ** 2 * speed if exponent is None else speed**exponent
                per_core = rate * factor
                shared = uncore * (1 - exp(-busy / 0.5)) / busy
                power = base + screen + kernel * (per_core + shared)
                for name, wanted in now_loads:
                    load = wanted * limit
                    joules = load * (per_core * costs[name] + shared)
                    power += joules
                    sums[name] = sums.get(name, 0.0) + load
                    energy[name] = energy.get(name, 0.0) + joules
                for name, load in quiet:
                    joules = load * limit * (per_core * costs[name] + shared)
                    power += joules
                    energy[name] = energy.get(name, 0.0) + joules
                busy_sum += busy
                powers.append(power)
            if not is_charging:
                for name, joules in energy.items():
                    truth[name] += joules
                truth["(idle)"] += 5 * base
                truth["(screen)"] += 5 * screen
            heat.append(sum(powers[-5:]) / 5 - base - screen)
            at += 1
            ghz = 2.0 * max(0.25, speed * (1 + 0.08 * normal[at & 65535]))
            watts = self._gauge(powers, now)
            listed = sorted(sums.items(), key=lambda item: -item[1])[:10]
            readings.append(
                Reading(
                    5.0,
                    None if is_charging else watts,
                    busy_sum / 5,
                    ghz,
                    self._brightness if plan.screen else None,
                    {NUMBER[name]: round(load / 5, 4) for name, load in listed},
                    kernel,
                    is_charging == was_charging,
                )
            )
            was_charging = is_charging
            if len(powers) > 4096:
                del powers[:-128]
        self._second += seconds
        return Day(readings, truth, heat)

    def _next(self, now: int) -> None:
        names, weights = list(self._plan.weights), list(self._plan.weights.values())
        self._activity = self._random.choices(names, weights)[0]
        self._until = now + max(180, int(self._random.expovariate(1 / 840)))
        self._noise.clear()
        if self._activity == "idle":
            self._brightness = 0.0
        elif not self._brightness or self._random.random() < 0.4:
            self._brightness = self._random.choice([0.2, 0.4, 0.6, 0.8, 1.0])

    def _gauge(self, powers: list[float], now: int) -> float:
        plan, random = self._plan, self._random
        if plan.wrong and random.random() < plan.wrong:
            return 60.0
        if now - self._held[0] >= plan.hold or not self._held[1]:
            end = len(powers) - plan.delay
            part = powers[max(0, end - plan.average) : end]
            told = sum(part) / len(part) + 0.02 * _NORMAL[now & 65535]
            self._held = (now, max(plan.step, round(told / plan.step) * plan.step))
        return self._held[1]
