"""Several days of samples of a machine on battery whose programs start and stop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from telemetry.sample import Process, Sample
from tests.writer.samples import NOW, ORDINARY

DAY: Final = 86_400
BEGIN: Final = NOW - NOW % DAY
EACH: Final = 30.0
"""s between two samples"""
_COST: Final = {"editor": 2.0, "browser": 5.0, "game": 3.5, "cron": 2.5}
"""W a busy core"""


def days(count: int, hours: int = 4, seed: int = 1, run: str = "drained") -> list[Sample]:
    """Return ``count`` days: on battery from 08:00 for the given hours, followed by an hour on mains."""
    return list(_samples(count, hours, random.Random(seed), run))


def _samples(count: int, hours: int, draw: random.Random, run: str) -> Iterator[Sample]:
    seq = 0
    for day in range(count):
        load = dict.fromkeys(_COST, 0.0)
        for at in range(int((hours + 1) * 3600 / EACH)):
            seq += 1
            for name in load:
                if draw.random() < 0.08:
                    load[name] = draw.choice([0.0, 0.0, 10.0, 35.5, 80.0])
            watts = 3 + sum(_COST[name] * percent / 100 for name, percent in load.items())
            watts += draw.choice([0.0, 0.125, -0.125])
            is_on_mains = at >= hours * 3600 / EACH
            power = 8.0 if is_on_mains else -watts
            moment = BEGIN + day * DAY + 8 * 3600 + (at + 1) * EACH - 0.75
            yield ORDINARY._replace(
                run=run,
                seq=seq,
                ts=int(moment),
                time=moment,
                interval=EACH,
                battery=ORDINARY.battery
                and ORDINARY.battery._replace(
                    status="Charging" if is_on_mains else "Discharging", current=None, power=power
                ),
                cpu=ORDINARY.cpu
                and ORDINARY.cpu._replace(
                    total=sum(load.values()) / 4 + 1, cores=(1.0,) * 4, freq=1500.0, unowned=0.5
                ),
                brightness=draw.choice([30.0, 30.0, 80.0]) if day % 2 else None,
                processes=tuple(
                    Process(number, 1, name, load[name], 1.0, 0.25, user="ada")
                    for number, name in enumerate(load, 1)
                    if load[name]
                ),
            )
