"""What to do with a damaged database: check it, set it aside, copy over what can still be read.

None of it makes a start wait: check and copy run in threads beside the loop, with connections of their own.
The fresh database takes live samples from the first moment; the old ones follow.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

_BATCH = 200
"""Samples in a transaction of the copy: short, so that the live samples' commits get their turn."""
_BUSY_TIMEOUT = 30.0
_PAUSE = 0.01

_Row = dict[str, object]


class Check(threading.Thread):
    """``PRAGMA quick_check`` in the background: minutes for gigabytes on an SD card."""

    def __init__(self, path: Path) -> None:
        super().__init__(name="quick_check", daemon=True)
        self.found: str | None = None
        """What is wrong; None until something is found."""
        self._path = path

    def run(self) -> None:
        try:
            with closing(_read_only(self._path)) as database:
                (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
                if answer != "ok":
                    self.found = str(answer)
        except sqlite3.Error as error:
            if is_damage(error):
                self.found = str(error)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite says that the file itself is bad, and not that it cannot be had now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def was_left_unclean(path: Path) -> bool:
    """Return whether the last writer did not close ``path``: a clean close empties the WAL."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def set_aside(path: Path, now: float) -> Path:
    """Rename the database, and its WAL with it, to ``<name>.corrupt.<UTC time>``; return the new path."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt.{stamp}")
    for ending in ("-wal", "-shm", ""):
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    return aside


class Salvage(threading.Thread):
    """Copies what can be read of a damaged database into the fresh one, newest samples first."""

    def __init__(self, damaged: Path, fresh: Path, log: logging.Logger) -> None:
        super().__init__(name="salvage", daemon=True)
        self._damaged = damaged
        self._fresh = fresh
        self._log = log
        self._ended = threading.Event()

    def stop(self) -> None:
        """End soon; what was not copied stays in the damaged file."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        copied, ending = 0, ""
        try:
            with closing(_read_only(self._damaged)) as source, closing(_writable(self._fresh)) as target:
                copy = _Copy(source, target)
                for rows in _batches(source):
                    copied += copy.batch(rows)
                    if self._ended.wait(_PAUSE):
                        ending = "; the rest was not copied: telemetry-writer was stopped"
                        break
        except sqlite3.Error as error:
            ending = f"; then it could not be read on: {error}"
        self._log.warning("copied %d samples out of %s, which stays%s", copied, self._damaged, ending)


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)


def _writable(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)


def _batches(source: sqlite3.Connection) -> Iterator[list[_Row]]:
    """Yield rows of system_sample: newest first down to a damaged page, then oldest first up to it."""
    ends = {"DESC": 1 << 62, "ASC": -1}
    for order in ends:
        limit = _BATCH
        while True:
            try:
                rows = _select(
                    source,
                    f"SELECT * FROM system_sample WHERE ts > ? AND ts < ? ORDER BY ts {order} LIMIT {limit}",
                    (ends["ASC"], ends["DESC"]),
                )
            except sqlite3.Error:
                if limit == 1:
                    break
                limit = 1  # row by row, as near to the damage as it goes
                continue
            if not rows:
                return
            ends[order] = int(str(rows[-1]["ts"]))
            yield rows


def _select(source: sqlite3.Connection, sql: str, parameters: tuple[object, ...] = ()) -> list[_Row]:
    cursor = source.execute(sql, parameters)
    names = [name for name, *_ in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


class _Copy:
    """Puts rows of the damaged database into the fresh one. What the ring gave again meanwhile is there."""

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        self._source = source
        self._target = target
        self._columns = {
            table: {row[1] for row in target.execute(f"PRAGMA table_info({table})")}
            for table in ("run", "system_sample", "cpu_core", "process_sample", "gap")
        }
        self._runs: dict[object, object] = {}
        for run in self._readable("SELECT * FROM run"):
            old = run.pop("run_id")
            self._insert("run", run)
            (self._runs[old],) = target.execute(
                "SELECT run_id FROM run WHERE run = ?", (run["run"],)
            ).fetchone()
        for gap in self._readable("SELECT * FROM gap"):
            self._insert("gap", gap | {"run_id": self._runs.get(gap["run_id"])})

    def batch(self, rows: list[_Row]) -> int:
        """Copy these samples with their cores and processes; return how many were not there yet."""
        self._target.execute("BEGIN IMMEDIATE")
        copied = sum(self._sample(row) for row in rows)
        self._target.execute("COMMIT")
        return copied

    def _sample(self, row: _Row) -> bool:
        old_ts = row["ts"]
        row.setdefault("time", old_ts)  # of the original logger, damaged before it was upgraded
        row["run_id"] = self._runs.get(row.get("run_id"))
        if self._is_there(row):
            return False
        while row["run_id"] is not None and self._is_taken(row["ts"]):
            row["ts"] = int(str(row["ts"])) + 1
        self._insert("system_sample", row)
        for table in ("cpu_core", "process_sample"):
            for child in self._readable(f"SELECT * FROM {table} WHERE ts = ?", (old_ts,)):
                self._insert(table, child | {"ts": row["ts"]})
        return True

    def _is_there(self, row: _Row) -> bool:
        if row["run_id"] is None:
            return self._is_taken(row["ts"])
        return bool(
            self._target.execute(
                "SELECT 1 FROM system_sample WHERE run_id = ? AND seq = ?", (row["run_id"], row["seq"])
            ).fetchone()
        )

    def _is_taken(self, ts: object) -> bool:
        return bool(self._target.execute("SELECT 1 FROM system_sample WHERE ts = ?", (ts,)).fetchone())

    def _readable(self, sql: str, parameters: tuple[object, ...] = ()) -> list[_Row]:
        """Return the rows, none where a page of theirs is damaged."""
        try:
            return _select(self._source, sql, parameters)
        except sqlite3.Error:
            return []

    def _insert(self, table: str, row: _Row) -> None:
        known = {name: value for name, value in row.items() if name in self._columns[table]}
        marks = ", ".join("?" * len(known))
        self._target.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(known)}) VALUES ({marks})", list(known.values())
        )
