"""``make bench``: measure, show each budget beside its figure, and write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from benchmarks import database, document, machine, reports, writing
from benchmarks.children import ROOT
from benchmarks.cost import measure
from benchmarks.document import MEGA, Results
from benchmarks.table import table

DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"


class Scale(NamedTuple):
    """The size of a run."""

    processes: tuple[int, ...]
    seconds: int
    """s of each round"""
    imported: int
    """samples"""
    commits: int
    spans: tuple[database.Span, database.Span, database.Span]


FULL: Final = Scale(
    processes=(50, 330, 1000),
    seconds=36,
    imported=100_000,
    commits=720,
    spans=(
        database.Span("1 day", 1, 1),
        database.Span("30 days", 30, 30),
        database.Span("1 year", 30, 365),
    ),
)
QUICK: Final = Scale(
    processes=(330,),
    seconds=12,
    imported=10_000,
    commits=120,
    spans=(
        database.Span("1 day", 1, 1),
        database.Span("2 days", 2, 2),
        database.Span("30 days", 2, 30),
    ),
)


def beside_peers(scale: Scale, results: Results) -> None:
    """Measure CPU, memory and file growth of all programs at each number of processes."""
    for processes in scale.processes:
        one = measure(processes, scale.seconds)
        results.rounds.append(one)
        for name, cost in one.costs.items():
            if cost:
                results.figures[f"cpu/{name}/{processes}"] = cost.sample
    middle = results.rounds[len(results.rounds) // 2].costs
    sampler, writer, atop = (middle[name] for name in ("telemetry-sampler", "telemetry-writer", "atop -w"))
    if sampler and atop:
        results.figures["sampler/atop"] = sampler.sample / atop.sample
    if writer:
        results.figures["rss/writer"] = writer.resident / MEGA


def catching_up(_scale: Scale, results: Results) -> None:
    """Measure a writer that catches up with a full ring, and the memory of both processes."""
    found = writing.catch_up()
    results.figures |= {
        "catch-up": found.rate.by_clock,
        "catch-up/cpu": found.rate.by_cpu,
        "held": found.held,
        "ring": found.ring / MEGA,
        "rss/sampler": found.sampler.resident / MEGA,
        "pss/sampler": found.sampler.proportional / MEGA,
        "rss/writer caught up": found.writer.resident / MEGA,
        "pss/writer": found.writer.proportional / MEGA,
    }


def importing(scale: Scale, results: Results) -> None:
    """Measure an import from a file, in samples a second."""
    rate = writing.import_rate(scale.imported)
    results.figures |= {"import": rate.by_clock, "import/cpu": rate.by_cpu}


def writing_to_disk(scale: Scale, results: Results) -> None:
    """Measure the bytes written to the disk per sample."""
    results.figures["written"] = writing.bytes_written(scale.commits)
    results.figures["written/files"] = writing.bytes_written(scale.commits, index=False)


def storing_and_reporting(scale: Scale, results: Results) -> None:
    """Measure the stored bytes per sample, and reports over databases of each span."""
    made = database.databases(scale.spans)
    results.spans = scale.spans
    results.figures["stored"] = made.storage.raw_sample
    results.figures["raw year"] = made.storage.raw_sample * 365 * 86400 / 5 / MEGA
    if made.storage.rolled_up_year is not None:
        results.figures["rolled up"] = made.storage.rolled_up_year / MEGA
    results.figures["python"] = reports.python_start().clock
    results.reports = reports.times(made.paths, {span.label: span.days for span in scale.spans})
    _, raw, longest = (span.label for span in scale.spans)
    light = {it: times for it, times in results.reports.items() if it[0] not in reports.HEAVY}
    short = {report: times for report, times in light.items() if report != reports.LONGEST}
    plots = [times for report, times in results.reports.items() if report[0] == "plot"]
    results.figures["plot"] = max(times[longest].clock for times in plots)
    for name, found in (("", light), ("/short", short)):
        results.figures[f"slowest{name}"] = max(times[longest].clock for times in found.values())
        results.figures[f"slowest/cpu{name}"] = max(times[longest].cpu for times in found.values())
        results.figures[f"growth{name}"] = max(
            times[longest].cpu / times[raw].cpu for times in found.values()
        )


STEPS: Final[Mapping[str, Callable[[Scale, Results], None]]] = {
    "cost": beside_peers,
    "catch-up": catching_up,
    "import": importing,
    "disk": writing_to_disk,
    "reports": storing_and_reporting,
}


def main() -> int:
    """Run the steps; return 0 even if a budget is exceeded: figures of a busy machine are not reliable."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that does not write the document")
    parser.add_argument(
        "--only", choices=STEPS, action="append", help="run only this step; does not write the document"
    )
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    about = machine.describe()
    load, begun = os.getloadavg()[0], time.monotonic()
    results = Results()
    for name in options.only or STEPS:
        print(f"bench: {name} ({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
        STEPS[name](scale, results)
    about["load before and after"] = f"{load:.1f}, {os.getloadavg()[0]:.1f}"
    about["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
    parts = [table(["machine", ""], [[key, value] for key, value in about.items() if key != "machine"])]
    parts += document.sections(results, scale.seconds)
    print("\n\n".join(parts))
    if not (options.quick or options.only):
        DOCUMENT.write_text("\n\n".join([document.INTRODUCTION.strip(), *parts]) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("bench: interrupted; nothing is written")
