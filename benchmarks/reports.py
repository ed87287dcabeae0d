"""Times each report as a user would: a whole process, from start to end."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.children import environment, module, runtime_directory

RUNS: Final = 5
"""The median of this many runs counts."""

WHOLE: Final = ("--since", "{start}")
"""Reports that would show ten minutes by default, over the whole database."""

LONGEST: Final = ("energy", "--by", "hour")
"""For a year it prints 8,760 rows; the others print a few hundred at most."""

HEAVY: Final = frozenset({"model", "plot"})
"""These read thousands of samples, or draw: the budget of reports does not apply to them."""

REPORTS: Final[tuple[tuple[str, ...], ...]] = (
    ("status",),
    ("recent",),
    ("top",),
    ("battery",),
    ("drain",),
    ("drain", *WHOLE),
    ("energy",),
    LONGEST,
    ("energy", "--by", "day"),
    ("sessions",),
    ("blame",),
    ("blame", *WHOLE),
    ("model",),
    ("hotspots",),
    ("hotspots", *WHOLE),
    ("cores",),
    ("cores", *WHOLE),
    ("compare",),
    ("correlate",),
    ("correlate", "--rows"),
    ("gaps",),
    ("at", "{newest}"),
    ("plot", "battery", "--since", "{day}"),
    ("plot", "battery", *WHOLE),
    ("plot", "programs", *WHOLE),
    ("health",),
)
"""The measured reports. Without --since, status, energy and hotspots cover the whole database. (export prints
every sample, so its time has no bound.)"""


def label(report: tuple[str, ...]) -> str:
    """Return the command as a user types it, with the start of the database as an age."""
    return " ".join(report).replace("{start}", "ALL").replace("{newest}", "TIME").replace("{day}", "DAY")


class Taken(NamedTuple):
    """The cost of a process, from start to end."""

    clock: float
    """ms"""
    cpu: float
    """ms of user and system time, which depend least on the load of the machine"""
    memory: float
    """Peak memory in MB: the maximum resident set size"""


def times(databases: Mapping[str, Path], days: Mapping[str, int]) -> dict[tuple[str, ...], dict[str, Taken]]:
    """Return the times by report and database. ``days``: how far ALL reaches back, by database."""
    newest = {name: _newest(path) for name, path in databases.items()}
    found: dict[tuple[str, ...], dict[str, Taken]] = {}
    with runtime_directory() as runtime:
        for report in REPORTS:
            found[report] = {
                name: _median(_command(report, path, newest[name], days[name]), runtime)
                for name, path in databases.items()
            }
    return found


def python_start() -> Taken:
    """Return the times of a Python process that does nothing, the minimum of any report."""
    with runtime_directory() as runtime:
        return _median([sys.executable, "-c", "pass"], runtime)


def _command(report: tuple[str, ...], path: Path, newest: float, days: int) -> list[str]:
    times = {"start": newest - days * 86400, "day": newest - 86400, "newest": newest}
    return module("query.main", "--db", path, *(word.format(**times) for word in report))


def _median(command: Sequence[str], runtime: Path) -> Taken:
    taken = [_run(command, runtime) for _ in range(RUNS)]
    return Taken(*map(statistics.median, zip(*taken, strict=True)))


def _run(command: Sequence[str], runtime: Path) -> Taken:
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, env=environment(runtime), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    clock = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.stderr:
        child.stderr.close()
    if child.returncode:
        raise RuntimeError(f"{command} ended with status {child.returncode}: {said.decode(errors='replace')}")
    return Taken(clock * 1000, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss * 1024 / 1e6)


def _newest(path: Path) -> float:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return float(database.execute("SELECT MAX(time) FROM system_sample").fetchone()[0])
