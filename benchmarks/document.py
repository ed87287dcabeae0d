"""The results of a run as text, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.cost import Cost, Round
from benchmarks.database import Span
from benchmarks.figures import BUDGETS, MEASURES, Figures
from benchmarks.programs import PROGRAMS, is_installed, shown_command, version_of
from benchmarks.reports import Taken, label
from benchmarks.table import number, table

MEGA: Final = 1e6
WIDTH: Final = 110
"""The longest line of prose, in characters"""


@dataclass
class Results:
    """All results of a run."""

    figures: dict[str, float] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    reports: dict[tuple[str, ...], dict[str, Taken]] = field(default_factory=dict)
    """Times by report and span."""
    spans: Sequence[Span] = ()


INTRODUCTION: Final = """\
# Benchmarks

Made by `make bench`, which measures on the machine that it runs on and writes this page: do not edit it.
"""

_BUDGETS: Final = """\
## Budgets

1 MB is 10^6 bytes. Figures of a busy machine are not reliable: times and rates are by the wall clock.
"""

_COST: Final = """\
## CPU of a sample

All programs run at the same time and take a sample every second. They are measured over {seconds} s, after
their start. CPU is the user and system time of a process and its children, by the kernel's CPU
clocks.{isolated} One process in ten wakes up each second, the others sleep. `telemetry-writer` commits every
twelve samples, as by default (a sample every 5 s, a commit every 60 s).

ms of CPU for each sample, by the number of processes on the machine, these programs included:
"""

_STARTS: Final = """\
Other costs, at {processes} processes: `start` is the CPU time until the steady state, `Pss` counts a share of
each page that several processes use, `file` is the growth of the file for each sample (for the writer, see
below).
"""

_FIGURES: Final = """\
## Other figures

The samples are of a machine with a battery, 4 cores and 10 listed processes. "Written" is what /proc/PID/io
counts for a real writer. Its pages are synced to the disk after each commit of twelve samples.
"""

_REPORTS: Final = """\
## Reports

The table has, for each `telemetry-query REPORT`, ms from start to end of the process, in brackets ms of its
CPU time, and the peak of its memory in MB (maximum resident set size): medians of five, files in the page
cache. {spans}
`ALL` is the start of the database.
"""


def budgets(figures: Figures) -> str:
    """Return the table of budgets, each beside its figure."""
    rows = []
    for budget in BUDGETS:
        found = figures.get(budget.key)
        bound = f"{'≥' if budget.at_least else '≤'} {number(budget.limit, budget.digits)}"
        shown = number(found, budget.digits)
        rows.append([budget.what, shown, bound, budget.unit, budget.verdict(found)])
    return table(["what", "figure", "budget", "unit", ""], rows)


def measures(figures: Figures) -> str:
    """Return the table of figures without a budget."""
    rows = [[one.what, number(figures.get(one.key), one.digits), one.unit] for one in MEASURES]
    return table(["what", "figure", "unit"], rows)


def costs(rounds: Sequence[Round]) -> str:
    """Return the table of CPU per sample, with a column for each number of processes."""
    rows = [
        [program.name, *(_cell(one.costs[program.name], lambda cost: cost.sample) for one in rounds)]
        for program in PROGRAMS
    ]
    return table(["program", *(f"{one.processes:,}" for one in rounds)], rows)


def starts(one: Round) -> str:
    """Return the table of the other costs of the programs."""
    columns: Mapping[str, tuple[Callable[[Cost], float | None], int]] = {
        "start, ms": (lambda cost: cost.start, 0),
        "RSS, MB": (lambda cost: cost.resident / MEGA, 1),
        "Pss, MB": (lambda cost: cost.proportional / MEGA, 1),
        "file, B a sample": (lambda cost: cost.written or None, 0),
    }
    rows = [
        [program.name, *(_cell(one.costs[program.name], *column) for column in columns.values())]
        for program in PROGRAMS
    ]
    return table(["program", *columns], rows)


def _cell(cost: Cost | None, value: Callable[[Cost], float | None], digits: int = 1) -> str:
    return "not installed" if cost is None else number(value(cost), digits)


def programs() -> str:
    """Return what each program does, its command, and how to install it."""
    lines = []
    for program in PROGRAMS:
        how = version_of(program) if is_installed(program) else f"not installed: `{program.install}`"
        lines.append(
            f"- {program.name}: {program.what}. `{shown_command(program)}`" + (f" ({how})" if how else "")
        )
    return "\n".join(lines)


def reports(results: Results) -> str:
    """Return the table of reports, with a column for each span."""
    names = [span.label for span in results.spans]
    rows = [
        [f"`{label(report)}`", *(_told(times[name]) for name in names)]
        for report, times in results.reports.items()
    ]
    return table(["report", *names], rows)


def _told(taken: Taken) -> str:
    return f"{number(taken.clock, 0)} ({number(taken.cpu, 0)}), {number(taken.memory, 0)}"


def sections(results: Results, seconds: int) -> list[str]:
    """Return the sections that have results, in order."""
    found = [_BUDGETS, budgets(results.figures)]
    if results.rounds:
        isolated = " They run in a PID namespace of their own, so that the number of processes is exact."
        isolated = isolated if all(one.isolated for one in results.rounds) else ""
        middle = results.rounds[len(results.rounds) // 2]
        found += [_COST.format(seconds=seconds, isolated=isolated), costs(results.rounds)]
        found += [_STARTS.format(processes=middle.processes), starts(middle), programs()]
    found += [_FIGURES, measures(results.figures)]
    if results.reports:
        spans = " ".join(_described(span) for span in results.spans)
        found += [_REPORTS.format(spans=spans), reports(results)]
    return [_filled(part) for part in found]


def _filled(text: str) -> str:
    """Wrap the lines of prose; tables, lists and headings stay unchanged."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(
        part if part[0] in "#|-" else textwrap.fill(part, WIDTH, break_long_words=False)
        for part in paragraphs
    )


def _described(span: Span) -> str:
    raw = (
        f"{span.label}: {span.raw} days of samples, one in 5 s"
        if span.raw != 1
        else f"{span.label}: a day of samples"
    )
    return f"{raw}." if span.raw >= span.days else f"{raw}, and roll-ups of {span.days} days."
