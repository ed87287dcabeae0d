"""Simulated power with a known mean, which varies slowly, as an AR(1) process.

``python -m tests.query.slow_power`` prints the table of docs/reports.md: how often compare reports a
difference if there is none, and if there is one of three standard errors.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp, sqrt
from statistics import fmean

from query.spread import LESS, MORE, Block, difference, mean

STEP = 15.0
"""s between two samples"""
BLOCK = 20
"""Samples in a block of 5 minutes"""


def ar1(generator: random.Random, count: int, tau: float, step: float = STEP) -> Iterator[float]:
    """Yield samples of mean 0 and variance 1 whose correlation falls by a factor of e in ``tau`` s."""
    kept = exp(-step / tau)
    value = generator.gauss(0, 1)
    for _ in range(count):
        value = kept * value + sqrt(1 - kept * kept) * generator.gauss(0, 1)
        yield value


def true_error(count: int, tau: float, step: float = STEP) -> float:
    """Return the standard error of the difference of two means, each of this many samples."""
    kept = exp(-step / tau)
    of_one = ((1 + kept) / (1 - kept) - 2 * kept * (1 - kept**count) / (count * (1 - kept) ** 2)) / count
    return sqrt(2 * of_one)


def rates(
    hours: float, tau: float, trials: int, errors: float = 0.0, seed: int = 1, noise: float = 0.0
) -> float:
    """Return how often two windows are reported to differ; their means are ``errors`` standard errors apart.

    ``noise``: standard deviation of an independent error that is added to each sample.
    """
    generator = random.Random(seed)
    count = round(hours * 3600 / STEP)
    shift = errors * sqrt(true_error(count, tau) ** 2 + 2 * noise**2 / count)
    told = 0
    for _ in range(trials):
        means = [mean(blocks(generator, count, tau, noise, by)) for by in (0.0, shift)]
        found = difference(*means)
        told += found is not None and found.differs in (MORE, LESS)
    return told / trials


def blocks(generator: random.Random, count: int, tau: float, noise: float, shift: float) -> list[Block]:
    """Return the samples as blocks of 5 minutes."""
    power = [it + noise * generator.gauss(0, 1) for it in ar1(generator, count, tau)]
    return [Block(BLOCK, fmean(power[at : at + BLOCK]) + shift) for at in range(0, count, BLOCK)]


if __name__ == "__main__":
    for hours in (1, 3, 6, 12, 24):
        cells = [
            f"{100 * rates(hours, tau, 1000, noise=noise):.0f} %, "
            f"{100 * rates(hours, tau, 1000, 3.0, 2, noise):.0f} %"
            for tau, noise in ((60.0, 0.0), (300.0, 0.0), (900.0, 0.0), (2_700.0, 1.0))
        ]
        print(f"| {hours} h | {' | '.join(cells)} |", flush=True)
