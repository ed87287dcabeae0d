"""The work of a writer on a database, step by step: it stores in batches, rolls up and drops old rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from telemetry import DAY
from telemetry.sample import Sample
from writer.file.disk import Disk
from writer.limits import Limits
from writer.rollups.retention import Retention
from writer.store import Store

ROOMY: Final = Disk(1 << 40, 1 << 41)
"""A disk on which nothing must be dropped to make room"""


def roll_up(store: Store) -> None:
    """Roll up everything."""
    while store.roll_up():
        pass


def store_all(path: Path, samples: Sequence[Sample], each: int = 400) -> None:
    """Store ``samples`` in batches of ``each``, then roll up."""
    with Store(path) as store:
        for first in range(0, len(samples), each):
            store.append(samples[first : first + each], 0.0)
        roll_up(store)


def store_with_restarts(path: Path, samples: Sequence[Sample], most: int, steps: int) -> None:
    """Store ``samples`` with several writers: 50 to ``most`` each, with up to ``steps`` roll-up steps."""
    draw = random.Random(3)
    first = 0
    while first < len(samples):
        end = first + draw.randint(50, most)
        with Store(path) as store:
            store.append(samples[first:end], 0.0)
            for _ in range(draw.randint(0, steps)):
                store.roll_up()
        first = end
    with Store(path) as store:
        roll_up(store)


def drop(store: Store, retention: Retention) -> list[str]:
    """Run the steps of ``retention``; return the purpose of each step."""
    done = []
    while what := store.apply(retention.step):
        done.append(what)
        store.invalidate()
    return done


def drop_older(store: Store, days: float) -> list[str]:
    """Drop the raw rows that are older than ``days``; return the purpose of each step."""
    return drop(store, Retention(Limits(1 << 40, days * DAY), lambda: ROOMY))
