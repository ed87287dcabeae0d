"""Converts rows of the view ``energy_row`` to readings, in the same way for the writer and the reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from telemetry.energy_model.features import Reading

_SHORTEST_SLEEP: Final = 1.0
"""After a suspend of at least this many s, the gauge's average may still include the time asleep"""


class Row(NamedTuple):
    """A row of the view ``energy_row``: its columns in order."""

    ts: int
    time: float
    interval_us: int
    covered_us: int
    discharged_uj: int
    cpu_total: float | None
    cpu_unowned: float | None
    cpu_freq: float | None
    brightness: float | None
    suspended: float
    run_id: int | None
    seq: int | None


def readings_of(
    rows: Iterable[Row], programs: dict[int, dict[int, int]], cores: int, before: Row | None = None
) -> list[Reading]:
    """Return the readings of rows, which must be in order of time.

    ``programs``: by the ts of a row and by program, the CPU use with children in hundredths of a percent of
    one core. Entries that were used are removed from it, because an hour of them takes much memory.
    ``cores``: of the machine. ``before``: the row before the first one.
    """
    found = []
    for row in rows:
        listed = {program: used / 10_000 for program, used in programs.pop(row.ts, {}).items()}
        seconds = row.interval_us / 1e6
        is_discharging = row.discharged_uj > 0 and seconds > 0 and row.covered_us > 0
        kernel = (row.cpu_unowned or 0.0) / 100 * cores
        found.append(
            Reading(
                seconds,
                row.discharged_uj / 1e6 / seconds if is_discharging else None,
                max(sum(listed.values()) + kernel, (row.cpu_total or 0.0) / 100 * cores),
                1.0 if row.cpu_freq is None else row.cpu_freq / 1000,
                None if row.brightness is None else row.brightness / 100,
                listed,
                kernel,
                _follows(row, before),
            )
        )
        before = row
    return found


def _follows(row: Row, before: Row | None) -> bool:
    """Return whether there is neither a gap nor a sleep between two rows."""
    if before is None or row.run_id is None or row.seq is None or before.seq is None:
        return False
    return (before.run_id, before.seq) == (row.run_id, row.seq - 1) and row.suspended < _SHORTEST_SLEEP
