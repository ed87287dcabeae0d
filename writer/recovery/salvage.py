"""Copies the readable rows of a damaged database into a fresh one.

The start does not wait for it: it runs in a thread beside the loop, with its own connection. The fresh
database takes live samples from the first moment; the old samples follow.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from writer import schema
from writer.file.aside import delete_all_but_newest, todo_of
from writer.file.catalogue import columns, insert_of
from writer.file.connections import writable
from writer.file.result_codes import is_damage
from writer.file.transaction import transaction
from writer.recovery import losses, old_rollups
from writer.recovery.belongings import Belongings
from writer.recovery.pages import pages_of
from writer.recovery.reader import Reader
from writer.recovery.shapes import Row
from writer.rollups.late import add_late, adding_children
from writer.rows import number_of_name

_SAMPLES, _CHILDREN_ROWS = 200, 1000
"""Rows in a transaction of the copy: few, so that commits of live samples do not wait long"""
_PAUSE = 0.005
_TELL_EVERY = 60.0
"""s between two progress lines in the log"""

_CHILDREN = (*schema.COMPACT, *schema.COMPACT.values(), "battery_pack")
_OF_RUNS = ("dropped", "gap", "clock_step")


class Salvage(threading.Thread):
    """Copies the readable rows of damaged databases into the fresh one, newest samples first."""

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
        told = time.monotonic()
        try:
            with pages_of(damaged) as pages, closing(writable(self._fresh)) as target:
                # A temporary file that SQLite deletes: the rows to be sorted may not fit in memory.
                with closing(sqlite3.connect("", isolation_level=None)) as sorted_rows:
                    copy = _Copy(Reader(pages), target, sorted_rows, damaged.name)
                    for samples, rows in copy.run():
                        if time.monotonic() - told > _TELL_EVERY:
                            told = time.monotonic()
                            self._log.info(
                                "copied %d samples and %d rows from %s so far", samples, rows, damaged
                            )
                        if self._ended.wait(_PAUSE):
                            finished = False
                            break
                for text in copy.told:
                    self._log.warning("from %s: %s", damaged, text)
        except (sqlite3.Error, OSError) as error:
            # If this is not damage, the fresh database cannot be written now: the next start copies the rest.
            finished = isinstance(error, sqlite3.Error) and is_damage(error)
            self._log.error("copying from %s stopped: %s", damaged, error)
        except Exception as error:  # noqa: BLE001 - damage may take any form, and the writer must go on
            finished = False
            self._log.error("copying from %s stopped: %s: %s", damaged, type(error).__name__, error)
        if finished:
            todo_of(damaged).unlink(missing_ok=True)
            with suppress(OSError):
                delete_all_but_newest(Path(os.path.realpath(self._fresh)), self._log)
        self._log.warning(
            "copied %d samples and %d rows of their cores and processes from %s, which is kept%s",
            samples,
            rows,
            damaged,
            "" if finished else "; the rest is copied at the next start",
        )


class _Copy:
    """Copies rows of a damaged database into the fresh one; rows that exist there are left alone.

    So the copy can be interrupted and started again, and samples replayed meanwhile are stored only once.
    """

    def __init__(
        self, reader: Reader, target: sqlite3.Connection, sorted_rows: sqlite3.Connection, name: str
    ) -> None:
        self._reader = reader
        self._target = target
        self._sorted = sorted_rows
        self._name = name
        self._columns: dict[str, dict[str, None]] = {}
        self._runs: dict[object, int] = {}
        self.told: list[str] = []
        """The user's own objects that could not be recreated, and what was lost"""
        sorted_rows.execute("CREATE TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")

    def run(self) -> Iterator[tuple[int, int]]:
        """Copy all that can be read; yield how many samples and rows were copied so far."""
        samples = rows = 0
        reader, target = self._reader, self._target
        for _ in reader.survey():
            yield samples, rows
        own = Belongings(reader, target)
        own.make_tables()
        for table in ("run", "system_sample", "battery_health", *_CHILDREN, *_OF_RUNS):
            if table in reader.tables:
                have = columns(target, table)
                self._columns[table] = {name: None for name in reader.tables[table].names if name in have}
        for run in reader.named_rows("run"):
            old = run.pop("run_id")
            self._insert("run", [run])
            self._runs.setdefault(old, self._number(run["run"]))
        for table in (*_OF_RUNS, "battery_health"):
            for row in reader.named_rows(table):
                self._insert(table, [row | {"run_id": self._run(row["run_id"])} if "run_id" in row else row])
        marks = old_rollups.marks_of(reader)
        for _ in old_rollups.gather(reader, self._sorted):
            yield samples, rows
        for _ in old_rollups.carry_over(self._sorted, target, self._name, marks):
            yield samples, rows
        since = marks.get("raw_since", 0)
        for batch in self._batches("system_sample", _SAMPLES):
            with transaction(target):
                copied = [ts for row in batch if (ts := self._copy_sample(row)) is not None]
                add_late(target, copied, since, is_copy=True)
            samples += len(copied)
            yield samples, rows
        for table in _CHILDREN:
            for batch in map(self._moved, self._batches(table, _CHILDREN_ROWS)):
                with transaction(target), adding_children(target, {row[0] for row in batch}, since):
                    rows += self._insert_rows(table, batch)
                yield samples, rows
        old_rollups.delete_notes(target, self._name)
        own.make_the_rest()
        self.told += [f"not recreated: {text}" for text in own.failed]
        self.told += losses.note(reader, target, self._name, since)

    def _batches(self, table: str, size: int) -> Iterator[list[Row]]:
        batch: list[Row] = []
        for page in self._reader.rows(table) if table in self._reader.tables else ():
            batch += page
            if len(batch) >= size:
                yield batch
                batch = []
        if batch:
            yield batch

    # --- runs and samples ---

    def _run(self, old: object) -> int:
        """Return the new number of a run. If its row was lost, it gets a new name and an empty host."""
        if old not in self._runs:
            run = f"{self._name} run {old}"
            made = {"run": run, "host": "", "boot_id": "", "first_ts": 0, "started": 0, "version": 1}
            self._insert("run", [made])
            self._runs[old] = self._number(run)
        return self._runs[old]

    def _number(self, run: object) -> int:
        return int(self._target.execute("SELECT run_id FROM run WHERE run = ?", (run,)).fetchone()[0])

    def _copy_sample(self, values: Row) -> int | None:
        """Copy a sample, and note its new ts for its cores and processes; return that, None if it exists."""
        row = dict(zip(self._reader.tables["system_sample"].names, values, strict=True))
        old = row["ts"]
        if row.get("run_id") is None:
            if self._ts("ts = ?", old) is not None:
                return None
            if row.get("clock_time") is None:  # from the original logger, damaged before the upgrade
                row["time"] = old if "run_id" not in row or row.get("time") is None else row["time"]
        else:
            # Compare by time too: a run whose row was lost has another number here.
            there = self._ts("time = ? AND seq = ?", row["time"], row["seq"])
            if there is None:
                row["run_id"] = self._run(row["run_id"])
                there = self._ts("run_id = ? AND seq = ?", row["run_id"], row["seq"])
            if there is not None:
                self._move(old, there)
                return None
            while self._ts("ts = ?", row["ts"]) is not None:
                row["ts"] += 1
            self._move(old, row["ts"])
        self._insert("system_sample", [row])
        return int(row["ts"])

    def _ts(self, where: str, *values: object) -> int | None:
        row = self._target.execute(f"SELECT ts FROM system_sample WHERE {where}", values).fetchone()
        return int(row[0]) if row else None

    def _move(self, old: int, new: int) -> None:
        if old != new:
            self._sorted.execute("INSERT OR IGNORE INTO moved VALUES (?, ?)", (old, new))

    # --- cores and processes ---

    def _moved(self, rows: list[Row]) -> list[Row]:
        """Return rows of cores, processes or packs with the new ts of their samples."""
        seconds = [row[0] for row in rows]
        ends = min(seconds, default=0), max(seconds, default=0)
        moved = dict(self._sorted.execute("SELECT old, new FROM moved WHERE old BETWEEN ? AND ?", ends))
        return [[moved.get(row[0], row[0]), *row[1:]] for row in rows] if moved else rows

    def _number_names(self, rows: list[Row]) -> None:
        at = self._reader.tables["process_row"].names.index("name_id")
        find = "SELECT name, app, user FROM process_name WHERE name_id = ?"
        numbers: dict[int | None, int | None] = {None: None}
        for row in rows:
            old = row[at]
            if old not in numbers:
                identity = self._sorted.execute(find, (old,)).fetchone()
                numbers[old] = number_of_name(self._target, *identity) if identity else None
            row[at] = numbers[old]

    # --- writing ---

    def _insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            names = tuple([name for name in row if name in self._columns[table]])
            self._execute(table, names, [[row[name] for name in names]])

    def _insert_rows(self, table: str, rows: list[Row]) -> int:
        if table == "process_row":
            self._number_names(rows)
        names = self._reader.tables[table].names
        wanted = tuple(self._columns[table])
        if names != wanted:
            at = [names.index(name) for name in wanted]
            rows = [[row[it] for it in at] for row in rows]
        return self._execute(table, wanted, rows)

    def _execute(self, table: str, names: tuple[str, ...], rows: list[Row]) -> int:
        before = self._target.total_changes  # rowcount does not count what the trigger of a view inserts
        self._target.executemany(insert_of(table, names), rows)
        return self._target.total_changes - before
