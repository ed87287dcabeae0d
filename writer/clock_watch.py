"""Follows the clock from sample to sample as they are stored. If the clock was set, dates are in doubt.

``writer.wrong_clock`` decides which dates are wrong.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from telemetry import DAY
from telemetry.sample import Sample

_MOST_STEPS: Final = 1000
"""Clock steps kept per run, so that a clock that is set again and again does not fill the database."""


def step_of(previous: float, time: float, elapsed: float) -> float:
    """Return by how many seconds the clock was set between two samples; 0 for less than a day.

    ``previous`` and ``time`` are its readings at the two samples; ``elapsed`` is the time in between, awake
    and asleep. A clock that was set by less than a day does not harm reports.
    """
    step = time - previous - elapsed
    return step if abs(step) > DAY else 0.0


class _Said(NamedTuple):
    """The clock's reading at a sample."""

    run_id: int
    seq: int
    time: float


class ClockWatch:
    """Follows the clock from sample to sample as they are stored, and notes when it was set."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._last: _Said | None = None
        self.is_doubtful = True
        """A run began or its clock was set: samples before it may be misdated, and ``review`` is due."""

    def invalidate(self) -> None:
        """Forget the last sample: after a rollback, it may not be stored."""
        self._last = None

    def follow(self, sample: Sample, run_id: int) -> None:
        """Take the next sample, in the transaction that stores it."""
        before = self._last
        if before is None or before.run_id != run_id or before.seq >= sample.seq:
            before = self._before(sample, run_id)
        self._last = _Said(run_id, sample.seq, sample.time)
        if before is None:
            self.is_doubtful = True
            return
        # The intervals of lost samples are unknown: this sample's interval is used for each.
        elapsed = sample.interval * (sample.seq - before.seq) + sample.suspended
        if step := step_of(before.time, sample.time, elapsed):
            self._note(run_id, sample.seq, step)
            self.is_doubtful = True

    def _before(self, sample: Sample, run_id: int) -> _Said | None:
        row = self._database.execute(
            "SELECT run_id, seq, coalesce(clock_time, time) FROM system_sample "
            "WHERE run_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
            (run_id, sample.seq),
        ).fetchone()
        return _Said(*row) if row and isinstance(row[2], float) else None

    def _note(self, run_id: int, seq: int, step: float) -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO clock_step SELECT ?1, ?2, ?3 "
            "WHERE (SELECT COUNT(*) FROM clock_step WHERE run_id = ?1) < ?4",
            (run_id, seq, step, _MOST_STEPS),
        )
