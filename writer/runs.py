"""The runs of the sampler: rows of the table ``run``, and the numbers by which other tables name them."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from telemetry.sample import VERSION, Sample
from telemetry.stream.joiner import Gap


class Run(NamedTuple):
    """What the store needs to know about a run."""

    run_id: int
    last_dropped: int
    """Greatest seq of the run's rows that were dropped"""


class Runs:
    """Numbers the runs of a batch, and remembers them for the next one. For the caller's transactions."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._stored: dict[str, Run] = {}
        """Only those of the newest batch: a handful"""
        self._batch: dict[str, Run] = {}

    def begin(self) -> None:
        """Begin a batch; what was not kept is forgotten."""
        self._batch = {}

    def keep(self) -> None:
        """Remember the runs of the batch: it was committed."""
        self._stored = self._batch or self._stored

    def invalidate(self) -> None:
        """Forget the runs: some may have been rolled back, or their rows dropped."""
        self._stored, self._batch = {}, {}

    def of_sample(self, sample: Sample, ts: int, *, imported: bool) -> Run:
        """Return the run of a sample that is stored with this ``ts``."""
        run = self._batch.get(sample.run) or self._stored.get(sample.run)
        if run is None:
            # A run of which only a gap was known gets its details from its first sample.
            values = (sample.run, sample.host, sample.boot_id, ts, sample.time - sample.interval)
            run = self._number(
                (*values, VERSION, imported),
                "UPDATE SET host = excluded.host, boot_id = excluded.boot_id, first_ts = excluded.first_ts, "
                "started = excluded.started, imported = excluded.imported WHERE host = ''",
            )
        self._batch[sample.run] = run
        return run

    def of_gap(self, gap: Gap, ts: int, noticed: float) -> Run:
        """Return the run of a gap that was noticed (Unix time, s) after ``ts``."""
        run = self._batch.get(gap.run)
        if run is None:  # not remembered: the run gets its details from its first sample
            run = self._number((gap.run, "", "", ts, noticed, VERSION, False), "NOTHING")
        return run

    def _number(self, values: tuple[object, ...], on_conflict: str) -> Run:
        self._database.execute(
            "INSERT INTO run (run, host, boot_id, first_ts, started, version, imported) "
            f"VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO {on_conflict}",
            values,
        )
        find = (
            "SELECT run_id, coalesce((SELECT last_seq FROM dropped WHERE dropped.run_id = run.run_id), 0) "
            "FROM run WHERE run = ?"
        )
        return Run(*self._database.execute(find, values[:1]).fetchone())
