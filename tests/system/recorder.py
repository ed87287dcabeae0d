"""A separate subscriber that records the published samples, and compares them with the stored ones."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from telemetry.sample import Sample
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.subscriber import Subscriber
from tests.system.processes import System
from writer.ingest import CORE_COLUMNS, PROCESS_COLUMNS, SYSTEM_COLUMNS, core_rows, process_rows, system_row

Identity = tuple[str, int]


class Recorder:
    """Follows the stream in its own thread, as any program could."""

    def __init__(self, system: System) -> None:
        self._endpoints = (f"ipc://{system.runtime}/samples", f"ipc://{system.runtime}/replay")
        self._samples: dict[Identity, Sample] = {}
        self.gaps: list[Gap] = []
        self.twice: list[Identity] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        with Subscriber(*self._endpoints, Start.OLDEST) as subscriber:
            while not self._ended.is_set():
                for item in subscriber.receive(0.2):
                    if isinstance(item, Gap):
                        self.gaps.append(item)
                    elif (item.run, item.seq) in self._samples:
                        self.twice.append((item.run, item.seq))
                    else:
                        self._samples[item.run, item.seq] = item

    @property
    def samples(self) -> dict[Identity, Sample]:
        """The samples published so far."""
        return dict(self._samples)


def stored(database: Path) -> list[Identity]:
    """Return (run, seq) of the stored samples, in the order of ts."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(
            "SELECT run, seq FROM system_sample JOIN run USING (run_id) ORDER BY ts"
        ).fetchall()
    finally:
        connection.close()


def rows_differ(database: Path, samples: dict[Identity, Sample]) -> list[Identity]:
    """Return the samples whose stored rows differ from the message."""
    connection = sqlite3.connect(database)
    try:
        return [identity for identity, sample in samples.items() if not _is_stored(connection, sample)]
    finally:
        connection.close()


def _is_stored(connection: sqlite3.Connection, sample: Sample) -> bool:
    found = connection.execute(
        "SELECT ts, run_id FROM system_sample JOIN run USING (run_id) WHERE run = ? AND seq = ?",
        (sample.run, sample.seq),
    ).fetchone()
    if found is None:
        return False
    ts, run_id = found
    wanted: dict[tuple[str, str], Sequence[Sequence[object]]] = {
        ("system_sample", SYSTEM_COLUMNS): [tuple(system_row(sample, ts, run_id))],
        ("cpu_core", CORE_COLUMNS): core_rows(sample, ts),
        ("process_sample", PROCESS_COLUMNS): sorted(process_rows(sample, ts)),
    }
    return all(
        connection.execute(f"SELECT {columns} FROM {table} WHERE ts = ? ORDER BY 1, 2", (ts,)).fetchall()
        == rows
        for (table, columns), rows in wanted.items()
    )
