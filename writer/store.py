"""The one owner of the database: appends batches, notes gaps, imports."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from telemetry.errors import UserError
from telemetry.sample import VERSION, Sample
from telemetry.stream.joiner import Gap, Position
from writer.ingest import (
    CORE_COLUMNS,
    PROCESS_COLUMNS,
    SYSTEM_COLUMNS,
    Item,
    core_rows,
    process_rows,
    system_row,
)
from writer.opening import open_database, take_lock


def _insert(table: str, columns: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 1))
    return f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})"


_INSERT_SYSTEM = _insert("system_sample", SYSTEM_COLUMNS)
_INSERT_CORE = _insert("cpu_core", CORE_COLUMNS)
_INSERT_PROCESS = _insert("process_sample", PROCESS_COLUMNS)


class CannotWrite(Exception):
    """The database refuses now (locked, no room, read-only): nothing of the batch is stored, try again."""


class Stored(NamedTuple):
    """What became of a batch."""

    stored: int
    known: int
    """Already there."""


class Store:
    """The database, open for writing."""

    def __init__(self, path: Path) -> None:
        """Open, make or upgrade the database at ``path``.

        Raises UserError where another writer owns it or it is not ours to write.
        """
        self.path = path
        self._lock = take_lock(path)
        try:
            self._database = open_database(path)
        except UserError:
            os.close(self._lock)
            raise
        self._run_ids: dict[str, int] = {}
        self._newest_ts = int(
            self._database.execute("SELECT COALESCE(MAX(ts), 0) FROM system_sample").fetchone()[0]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database (SQLite then empties the WAL) and let go of the lock."""
        self._database.close()
        os.close(self._lock)

    # --- what is there ---

    @property
    def position(self) -> Position | None:
        """The newest sample that is stored: the stream goes on behind it. None: nothing of any run."""
        row = self._database.execute(
            "SELECT run.run, seq FROM system_sample JOIN run USING (run_id) ORDER BY ts DESC LIMIT 1"
        ).fetchone()
        return Position(*row) if row else None

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode) of the file."""
        status = self.path.stat()
        return status.st_dev, status.st_ino

    # --- appending ---

    def append(self, items: Iterable[Item], noticed: float, *, durable: bool = False) -> Stored:
        """Store live samples and gaps, in one transaction: all, or CannotWrite is raised and none.

        A sample's ``ts`` becomes the newest row's plus one where it is not greater, so that the newest row
        has the greatest ``ts`` whatever the clock did. ``noticed`` is the Unix time noted with gaps.
        ``durable`` waits until it is on the disk; otherwise a power cut may take the last commits.
        """
        return self._write(items, noticed, keep_ts=False, synchronous="FULL" if durable else "NORMAL")

    def import_samples(self, samples: Iterable[Sample]) -> Stored:
        """Store samples of another time, in one transaction, or raise CannotWrite.

        A free ``ts`` is kept, a taken one gives way to the next free second. One that is already there is
        skipped; one inside a gap fills it.
        """
        return self._write(samples, 0.0, keep_ts=True, synchronous="NORMAL")

    def _write(self, items: Iterable[Item], noticed: float, *, keep_ts: bool, synchronous: str) -> Stored:
        newest_ts, stored, known = self._newest_ts, 0, 0
        new_runs: dict[str, int] = {}
        database = self._database
        try:
            database.execute(f"PRAGMA synchronous = {synchronous}")
            database.execute("BEGIN IMMEDIATE")
            for item in items:
                if isinstance(item, Gap):
                    self._note_gap(item, noticed, new_runs)
                    continue
                ts = self._free_ts(item.ts) if keep_ts else max(item.ts, newest_ts + 1)
                if self._insert(item, ts, new_runs):
                    stored += 1
                    newest_ts = max(newest_ts, ts)
                    if keep_ts:
                        self._fill_gap(item, new_runs)
                else:
                    known += 1
            database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise CannotWrite(str(error)) from None
        except BaseException:
            self._roll_back()
            raise
        self._newest_ts = newest_ts
        self._run_ids = new_runs or self._run_ids  # those of the newest batch: a handful, never all
        return Stored(stored, known)

    def _roll_back(self) -> None:
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")

    def _insert(self, sample: Sample, ts: int, runs: dict[str, int]) -> bool:
        """Insert the rows of one sample; return False, with nothing done, where it is already there."""
        run_id = self._run_id(sample, ts, runs)
        database = self._database
        # The key is free, so what is ignored here is the unique (run_id, seq).
        if database.execute(_INSERT_SYSTEM, system_row(sample, ts, run_id)).rowcount == 0:
            return False
        database.executemany(_INSERT_CORE, core_rows(sample, ts))
        database.executemany(_INSERT_PROCESS, process_rows(sample, ts))
        return True

    def _run_id(self, sample: Sample, ts: int, runs: dict[str, int]) -> int:
        run_id = runs.get(sample.run) or self._run_ids.get(sample.run)
        if run_id is None:
            # A run of which only a gap was known gets what a sample of it tells.
            run_id = self._number_run(
                (sample.run, sample.host, sample.boot_id, ts, sample.time - sample.interval, VERSION),
                "UPDATE SET host = excluded.host, boot_id = excluded.boot_id, first_ts = excluded.first_ts, "
                "started = excluded.started WHERE host = ''",
            )
        runs[sample.run] = run_id
        return run_id

    def _number_run(self, values: tuple[object, ...], on_conflict: str) -> int:
        self._database.execute(
            "INSERT INTO run (run, host, boot_id, first_ts, started, version) VALUES (?, ?, ?, ?, ?, ?) "
            f"ON CONFLICT (run) DO {on_conflict}",
            values,
        )
        row = self._database.execute("SELECT run_id FROM run WHERE run = ?", values[:1]).fetchone()
        return int(row[0])

    def _free_ts(self, ts: int) -> int:
        """Return the first second from ``ts`` on that no row has."""
        for (taken,) in self._database.execute(
            "SELECT ts FROM system_sample WHERE ts >= ? ORDER BY ts", (ts,)
        ):
            if taken != ts:
                break
            ts += 1
        return ts

    # --- gaps ---

    def _note_gap(self, gap: Gap, noticed: float, runs: dict[str, int]) -> None:
        """Note what of ``gap`` is not stored."""
        run_id = runs.get(gap.run) or self._number_run(
            (gap.run, "", "", self._newest_ts, noticed, VERSION), "NOTHING"
        )
        runs[gap.run] = run_id
        for first, last in self._missing(run_id, gap.first, gap.last):
            self._database.execute(
                "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", (run_id, first, last, noticed)
            )

    def _missing(self, run_id: int, first: int, last: int) -> list[tuple[int, int]]:
        missing: list[tuple[int, int]] = []
        for (seq,) in self._database.execute(
            "SELECT seq FROM system_sample WHERE run_id = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (run_id, first, last),
        ):
            if first < seq:
                missing.append((first, seq - 1))
            first = seq + 1
        if first <= last:
            missing.append((first, last))
        return missing

    def _fill_gap(self, sample: Sample, runs: dict[str, int]) -> None:
        """What arrives later for a range that was noted as a gap splits it."""
        run_id, seq = runs[sample.run], sample.seq
        gap = self._database.execute(
            "SELECT first_seq, last_seq, noticed FROM gap "
            "WHERE run_id = ? AND first_seq <= ? AND last_seq >= ?",
            (run_id, seq, seq),
        ).fetchone()
        if gap is None:
            return
        first, last, noticed = gap
        self._database.execute("DELETE FROM gap WHERE run_id = ? AND first_seq = ?", (run_id, first))
        rest = [(run_id, first, seq - 1, noticed), (run_id, seq + 1, last, noticed)]
        self._database.executemany(
            "INSERT INTO gap VALUES (?, ?, ?, ?)", [row for row in rest if row[1] <= row[2]]
        )
