"""The figures of a run by name, and their budgets, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

Figures = Mapping[str, float]
"""Figures by name, such as ``cpu/telemetry-sampler/330``. Figures that were not measured are missing."""

KEPT: Final = "✓"
BROKEN: Final = "✗"


class Budget(NamedTuple):
    """A promise: the upper or lower limit of a figure."""

    what: str
    key: str
    unit: str
    limit: float
    digits: int = 1
    at_least: bool = False

    def verdict(self, figure: float | None) -> str:
        """Return the verdict on a figure; empty if it is unknown."""
        if figure is None:
            return ""
        kept = figure >= self.limit if self.at_least else figure <= self.limit
        return KEPT if kept else BROKEN


class Measure(NamedTuple):
    """A figure that is shown without a budget."""

    what: str
    key: str
    unit: str
    digits: int = 1


BUDGETS: Final = (
    Budget("sampler, CPU a sample at 330 processes, once a second", "cpu/telemetry-sampler/330", "ms", 4.5),
    Budget("the same, as a share of the CPU that atop -w takes", "sampler/atop", "", 1 / 6, 3),
    Budget("sampler, resident memory with a full ring (without the ring's file)", "rss/sampler", "MB", 25.0),
    Budget("writer, resident memory, once a second", "rss/writer", "MB", 25.0),
    Budget("writer, resident memory after catching up with a full ring", "rss/writer caught up", "MB", 25.0),
    Budget("stored for each raw sample, with all indexes", "stored", "B", 600.0, 0),
    Budget("written to the disk for each sample, with default options", "written", "B", 5000.0, 0),
    Budget("import from a file, whole process", "import", "samples/s", 10_000.0, 0, at_least=True),
    Budget("catch-up from a full ring", "catch-up", "samples/s", 10_000.0, 0, at_least=True),
    Budget("the slowest report over the longest span, whole process", "slowest", "ms", 150.0, 0),
    Budget("the worst report: CPU over the longest span ÷ CPU over its raw samples", "growth", "×", 1.5, 2),
    Budget("the slowest picture over the longest span, in the terminal", "plot", "ms", 3_000.0, 0),
)

MEASURES: Final = (
    Measure("roll-ups of a year in the database", "rolled up", "MB"),
    Measure("a year of raw samples in the database", "raw year", "MB", 0),
    Measure("written for each sample, without SQLite's -shm file", "written/files", "B", 0),
    Measure("the replay ring, a file in memory", "ring", "MB"),
    Measure("samples in the ring", "held", "", 0),
    Measure("sampler, proportional memory (Pss) with a full ring", "pss/sampler", "MB"),
    Measure("writer, proportional memory (Pss) after catching up", "pss/writer", "MB"),
    Measure("import, samples per second of CPU", "import/cpu", "samples/s", 0),
    Measure("catch-up, samples per second of the writer's CPU", "catch-up/cpu", "samples/s", 0),
    Measure("the slowest report over the longest span, CPU", "slowest/cpu", "ms", 0),
    Measure("the slowest without energy --by hour (8,760 rows for a year)", "slowest/short", "ms", 0),
    Measure("the same, CPU", "slowest/cpu/short", "ms", 0),
    Measure("the same, CPU over the longest span ÷ CPU over its raw samples", "growth/short", "×", 2),
    Measure("a Python that does nothing, whole process", "python", "ms", 0),
)
