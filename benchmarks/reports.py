"""How long each report takes, from the shell's point of view: a whole process, start to end."""

from __future__ import annotations

import functools
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.children import environment, module, runtime_directory

RUNS: Final = 5
"""The median of so many counts."""

WHOLE: Final = ("--since", "{start}")
"""All that the database holds, where a report would show ten minutes."""

REPORTS: Final[tuple[tuple[str, ...], ...]] = (
    ("status",),
    ("recent",),
    ("top",),
    ("drain",),
    ("drain", *WHOLE),
    ("energy",),
    ("energy", "--by", "hour"),
    ("energy", "--by", "day"),
    ("hotspots",),
    ("hotspots", *WHOLE),
    ("cores",),
    ("cores", *WHOLE),
    ("correlate",),
)
"""What is asked. Without --since, status, energy and hotspots are of all that there is. (export gives every
sample: it is as long as the raw rows are many, and no report of its kind has a bound.)"""


def label(report: tuple[str, ...]) -> str:
    """Return what a user types, the start of the database named by its age."""
    return " ".join(report).replace("{start}", "ALL")


def times(databases: Mapping[str, Path], days: Mapping[str, int]) -> dict[tuple[str, ...], dict[str, float]]:
    """Return ms by report and database. ``days`` says how far ALL reaches back, by database."""
    starts = {name: _newest(path) - days[name] * 86400 for name, path in databases.items()}
    found: dict[tuple[str, ...], dict[str, float]] = {}
    with runtime_directory() as runtime:
        for report in REPORTS:
            found[report] = {
                name: _median(functools.partial(_ask, report, path, starts[name], runtime))
                for name, path in databases.items()
            }
    return found


def python_start() -> float:
    """Return ms for a process that imports nothing and does nothing, the least that any report can take."""
    with runtime_directory() as runtime:
        command = [sys.executable, "-c", "pass"]
        return _median(lambda: subprocess.run(command, env=environment(runtime), check=True))


def _ask(report: tuple[str, ...], path: Path, start: float, runtime: Path) -> None:
    words = [word.replace("{start}", str(start)) for word in report]
    subprocess.run(
        module("query.main", "--db", path, *words),
        env=environment(runtime),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _median(act: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _newest(path: Path) -> float:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return float(database.execute("SELECT MAX(time) FROM system_sample").fetchone()[0])
