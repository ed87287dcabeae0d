"""The errors measured on 24 machines, compared with other rules: the table of docs/energy-by-program.md.

``python -m tests.energy.figures`` prints it, which takes some minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import cpu_count
from statistics import fmean, median
from typing import NamedTuple

from tests.energy import held_out
from tests.energy.learning import Errors, Result, errors, large, study
from tests.energy.machines import days, plan

MACHINES = range(24)
HOURS_A_DAY = 12
"""Hours recorded per day; the machine is off for the rest"""
DAYS = 8
SPANS = ("1 hour", "1 day", "8 days")
RULES = ("all power by CPU share", "Kepler's rule", "this method")


class Figures(NamedTuple):
    """The errors of one machine after one span."""

    by_rule: tuple[Errors, ...]
    held: list[bool]
    """Whether the interval of each large program contains the truth"""
    widths: list[float]
    """± as a fraction of the value"""


class Studied(NamedTuple):
    """One machine."""

    spans: tuple[Figures, ...]
    """The figures after each span"""
    held_out: list[list[float]]
    """The relative error on the energy of each held-out day, by rule"""


def figures_of(seed: int) -> Studied:
    """Return the figures of one machine."""
    machine = plan(seed)
    (hour,) = study(days(machine, 1), machine.cores)
    spans = [figures_after(hour)]
    recorded = list(days(machine, HOURS_A_DAY, DAYS))
    results = []
    for result in study(recorded, machine.cores):
        results.append(result)
        if len(results) in (1, DAYS):
            spans.append(figures_after(result))
    return Studied(tuple(spans), held_out.errors(recorded, results, machine.cores))


def figures_after(result: Result) -> Figures:
    by_rule = tuple(errors(told, result) for told in (result.by_share, result.by_kepler, result.told))
    told, half, truth = result.told, result.half_widths, result.truth
    names = large(result)
    return Figures(
        by_rule,
        [abs(told.get(name, 0.0) - truth[name]) <= half.get(name, 0.0) for name in names],
        [half[name] / told[name] for name in names if told.get(name)],
    )


def of_all(seeds: Sequence[int] = MACHINES) -> list[Studied]:
    """Return the figures of each machine, computed in parallel."""
    with ProcessPoolExecutor(cpu_count(), get_context("spawn")) as pool:
        return list(pool.map(figures_of, seeds))


def mean_error(machines: Iterable[Figures], rule: int = -1) -> float:
    """Return the mean error of all large programs."""
    return fmean(error for machine in machines for error in machine.by_rule[rule].programs)


def table(machines: Sequence[Studied]) -> str:
    """Return the tables in Markdown."""
    lines = [
        "| rule | 1 hour | 1 day | 8 days | worst at 8 days | false blame at 8 days |",
        "|---|---|---|---|---|---|",
    ]
    for rule, name in enumerate(RULES):
        means = [
            mean_error([machine.spans[span] for machine in machines], rule) for span in range(len(SPANS))
        ]
        last = [machine.spans[-1].by_rule[rule] for machine in machines]
        worst = max(error for each in last for error in each.programs)
        cells = [*means, worst]
        blame = fmean(each.false_blame for each in last)
        lines.append(
            f"| {name} | {' | '.join(f'{100 * value:.1f} %' for value in cells)} | {100 * blame:.2f} % |"
        )
    lines += ["", "| | 1 hour | 1 day | 8 days |", "|---|---|---|---|"]
    held, widths = [], []
    for span in range(len(SPANS)):
        of_span = [machine.spans[span] for machine in machines]
        held.append(fmean(is_held for each in of_span for is_held in each.held))
        widths.append(median(width for each in of_span for width in each.widths))
    lines.append(f"| truths within ± | {' | '.join(f'{100 * value:.0f} %' for value in held)} |")
    lines.append(f"| median ± | {' | '.join(f'{100 * value:.0f} %' for value in widths)} |")
    lines += ["", "| rule | mean error on a day | worst |", "|---|---|---|"]
    for rule, name in enumerate(held_out.RULES):
        errors_of = [error for machine in machines for error in machine.held_out[rule]]
        lines.append(f"| {name} | {100 * fmean(errors_of):.2f} % | {100 * max(errors_of):.1f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(of_all()))
