"""From rows of the view ``energy_row`` to readings, in one way for whoever stores them and whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from telemetry.energy_model.features import Reading

_SHORTEST_SLEEP: Final = 1.0
"""s suspended from which on the gauge may still tell of the time asleep"""


class Row(NamedTuple):
    """A row of the view ``energy_row``: its columns, in their order."""

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
    """Return the readings of rows in the order of their time.

    ``programs``: by the ts of a row, and by program, hundredths of a percent of one core with those of
    children; what is used is taken out of it, since an hour of them takes much room. ``cores``: of the
    machine. ``before``: the row before the first one.
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
    """Return whether neither a hole nor a sleep lies between two rows."""
    if before is None or row.run_id is None or row.seq is None or before.seq is None:
        return False
    return (before.run_id, before.seq) == (row.run_id, row.seq - 1) and row.suspended < _SHORTEST_SLEEP
