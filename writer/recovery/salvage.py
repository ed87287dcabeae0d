"""Copies what can still be read of a damaged database into a fresh one.

It does not make a start wait: it runs in a thread beside the loop, with connections of its own.
The fresh database takes live samples from the first moment; the old ones follow.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Container, Iterator
from contextlib import closing, suppress
from pathlib import Path

from writer.catalogue import Object, columns, objects
from writer.connections import read_only, writable
from writer.recovery import damaged_pages
from writer.recovery.aside import delete_all_but_newest, todo_of
from writer.recovery.belongings import Belongings
from writer.recovery.inherited_rollups import delete_notes, inherit, raw_since
from writer.result_codes import is_damage
from writer.rollups import steps
from writer.transaction import transaction

_BATCH = 200
"""Samples in a transaction of the copy: short, so that the live samples' commits get their turn."""
_PAUSE = 0.01

_CHILDREN = ("cpu_core", "process_sample", "battery_pack")


class Salvage(threading.Thread):
    """Copies what can be read of damaged databases into the fresh one, newest samples first."""

    def __init__(self, damaged: list[Path], fresh: Path, log: logging.Logger) -> None:
        super().__init__(name="salvage", daemon=True)
        self._damaged = damaged
        self._fresh = fresh
        self._log = log
        self._ended = threading.Event()

    def stop(self) -> None:
        """End soon; what was not copied is copied at the next start."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        for damaged in self._damaged:
            if self._ended.is_set():
                return
            self._copy(damaged)

    def _copy(self, damaged: Path) -> None:
        samples = rows = 0
        finished = True
        try:
            with closing(read_only(damaged)) as source, closing(writable(self._fresh)) as target:
                copy = _Copy(source, target, damaged.name)
                for samples, rows in copy.run():  # noqa: B007 the last ones are told below
                    if self._ended.wait(_PAUSE):
                        finished = False
                        break
                for text in copy.failed:
                    self._log.warning("not made again out of %s: %s", damaged, text)
        except sqlite3.Error as error:
            # Not damage: the fresh database takes no more now (no room). The rest comes at the next start.
            finished = is_damage(error)
            self._log.error("copying out of %s stopped: %s", damaged, error)
        if finished:
            todo_of(damaged).unlink(missing_ok=True)
            with suppress(OSError):
                delete_all_but_newest(Path(os.path.realpath(self._fresh)), self._log)
        self._log.warning(
            "copied %d samples and %d rows of their cores and processes out of %s, which stays%s",
            samples,
            rows,
            damaged,
            "" if finished else "; the rest is copied at the next start",
        )


class _Copy:
    """Puts rows of a damaged database into the fresh one; what is there already is left alone.

    So it can be interrupted and begun again, and what the ring gave once more meanwhile is there once.
    """

    def __init__(self, source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> None:
        self._source = source
        self._target = target
        self._name = name
        # An entry of the catalogue that cannot be understood is passed over, and does not stop all reading.
        source.execute("PRAGMA writable_schema = ON")
        self._own = Belongings(source, target)
        self._read_names_first()
        self._columns: dict[str, Container[str]] = {}
        self._runs: dict[object, object] = {}

    @property
    def failed(self) -> list[str]:
        """What of a user's own could not be made in the fresh database."""
        return self._own.failed

    def run(self) -> Iterator[tuple[int, int]]:
        """Copy all that can be read; yield how many samples and rows were copied so far."""
        self._own.make_tables()
        self._columns = {
            table: columns(self._target, table).keys()
            for table in ("run", "system_sample", *_CHILDREN, "dropped", "gap", "battery_health")
        }
        for run in self._readable("SELECT * FROM run"):
            old = run.pop("run_id")
            self._insert("run", run)
            self._runs[old] = self._number(run["run"])
        for dropped in self._readable("SELECT * FROM dropped"):
            self._insert("dropped", dropped | {"run_id": self._run(dropped["run_id"])})
        for gap in self._readable("SELECT * FROM gap"):
            self._insert("gap", gap | {"run_id": self._run(gap["run_id"])})
        for health in self._readable("SELECT * FROM battery_health"):
            self._insert("battery_health", health)
        samples = rows = 0
        since = raw_since(self._source)
        for _ in inherit(self._source, self._target, self._name, since):
            yield samples, rows
        lost: list[damaged_pages.Keys] = []
        for batch in damaged_pages.batches(self._source, "system_sample", _BATCH, lost):
            with transaction(self._target):
                copied: list[int] = []
                for row in batch:
                    more = self._sample(row)
                    if more is not None:
                        copied.append(int(str(row["ts"])))
                        samples, rows = samples + 1, rows + more
                steps.add_late(self._target, copied, since)
            yield samples, rows
        # What is left of the cores and processes of lost samples is worth a search of its own.
        for table in _CHILDREN if lost else ():
            for batch in damaged_pages.batches(self._source, table, _BATCH, []):
                their = {int(str(row["ts"])) for row in batch}
                with transaction(self._target), steps.adding_children(self._target, their, since):
                    rows += sum(self._insert(table, row) for row in batch)
                yield samples, rows
        delete_notes(self._target, self._name)
        self._own.make_the_rest()

    # --- reading what is damaged ---

    def _read_names_first(self) -> None:
        """Let a process whose name is lost be read without it: one page holds the names of a hundred."""
        compact = [it for it in self._catalogue() if (it.kind, it.name) == ("view", "process_sample")]
        if not compact:
            return
        self._source.execute("CREATE TEMP TABLE process_name (name_id INTEGER PRIMARY KEY, name TEXT)")
        for order in ("ASC", "DESC"):  # from both ends to a damaged page
            for row in self._readable(
                f"SELECT name_id, name FROM main.process_name ORDER BY name_id {order}"
            ):
                self._source.execute("INSERT OR IGNORE INTO process_name VALUES (:name_id, :name)", row)
        # Of the same name, so that it is what all below reads; inside it the other name is that of the copy.
        self._source.execute(compact[0].sql.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))

    def _catalogue(self) -> list[Object]:
        try:
            return objects(self._source)
        except sqlite3.Error:
            return []

    def _readable(self, sql: str, parameters: tuple[object, ...] = ()) -> list[damaged_pages.Row]:
        """Return the rows up to a damaged page."""
        rows: list[damaged_pages.Row] = []
        with suppress(sqlite3.Error):
            rows.extend(damaged_pages.rows(self._source, sql, parameters))
        return rows

    # --- writing ---

    def _run(self, old: object) -> object:
        """The fresh number of a run. One whose row was lost gets a name of its own, and its host is empty."""
        if old not in self._runs:
            run = f"{self._name} run {old}"
            self._insert(
                "run", {"run": run, "host": "", "boot_id": "", "first_ts": 0, "started": 0, "version": 1}
            )
            self._runs[old] = self._number(run)
        return self._runs[old]

    def _number(self, run: object) -> object:
        return self._target.execute("SELECT run_id FROM run WHERE run = ?", (run,)).fetchone()[0]

    def _sample(self, row: damaged_pages.Row) -> int | None:
        """Copy a sample with its cores and processes; return how many of those, None where it is there."""
        old_ts = row["ts"]
        row.setdefault("time", old_ts)  # of the original logger, damaged before it was upgraded
        if row.get("run_id") is None:
            if self._is_taken(old_ts):
                return None
        else:
            # By time as well: a run whose row was lost has another number here.
            if self._finds("SELECT 1 FROM system_sample WHERE time = ? AND seq = ?", row["time"], row["seq"]):
                return None
            row["run_id"] = self._run(row["run_id"])
            if self._finds(
                "SELECT 1 FROM system_sample WHERE run_id = ? AND seq = ?", row["run_id"], row["seq"]
            ):
                return None
            while self._is_taken(row["ts"]):
                row["ts"] = int(str(row["ts"])) + 1
        self._insert("system_sample", row)
        return sum(
            self._insert(table, child | {"ts": row["ts"]})
            for table in _CHILDREN
            for child in self._readable(f"SELECT * FROM {table} WHERE ts = ?", (old_ts,))
        )

    def _is_taken(self, ts: object) -> bool:
        return self._finds("SELECT 1 FROM system_sample WHERE ts = ?", ts)

    def _finds(self, sql: str, *values: object) -> bool:
        return self._target.execute(sql, values).fetchone() is not None

    def _insert(self, table: str, row: damaged_pages.Row) -> bool:
        known = {name: value for name, value in row.items() if name in self._columns[table]}
        marks = ", ".join("?" * len(known))
        before = self._target.total_changes  # rowcount does not see what the trigger of a view inserts
        self._target.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(known)}) VALUES ({marks})", list(known.values())
        )
        return self._target.total_changes > before
