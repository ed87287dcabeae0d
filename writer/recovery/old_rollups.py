"""Copies roll-ups of days whose raw rows were dropped from a damaged database: they exist nowhere else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from telemetry import DAY
from writer import schema
from writer.file.catalogue import insert_of
from writer.file.transaction import transaction
from writer.recovery import old_sessions
from writer.recovery.reader import Hole, Reader
from writer.recovery.shapes import Row
from writer.rollups.marks import floor, read_marks
from writer.rollups.steps import next_step, write_step
from writer.rollups.tables import (
    ENERGY_DAY,
    ENERGY_HOUR,
    NAMELESS,
    OF_ENERGY,
    PROCESS_DAY,
    PROCESS_HOUR,
    SYSTEM_HOUR,
    SYSTEM_MINUTE,
    TABLES,
    RollUp,
)
from writer.rows import number_of_name

_BATCH = 1000
"""Rows in a transaction"""
_PAGES = 100
"""Pages between two points at which the copy can be stopped"""
_END = 1 << 62
"""Later than any time"""
_MARKS = ("raw_since", "minute_since", "process_hour_since", "energy_hour_since")
_COPIED = (*TABLES, *OF_ENERGY)
_REMADE = [(SYSTEM_HOUR, SYSTEM_MINUTE), (PROCESS_DAY, PROCESS_HOUR), (ENERGY_DAY, ENERGY_HOUR)]
"""(coarse, fine): missing rows of a coarse table are recomputed from the finer one"""


def marks_of(reader: Reader) -> dict[str, int]:
    """Return the marks of ``history`` up to which data was dropped or folded; 0 if none was.

    If that row is lost, ``raw_since`` is the first day with a sample that was not imported.
    """
    for row in reader.named_rows("history"):
        return {mark: row[mark] for mark in _MARKS if mark in row}
    imported = {row["run_id"] for row in reader.named_rows("run") if row.get("imported")}
    own = (
        row["time"]
        for row in reader.named_rows("system_sample")
        if row.get("run_id") not in imported | {None} and row["time"] is not None
    )
    return {"raw_since": floor(min(own, default=0), DAY)}


def gather(reader: Reader, into: sqlite3.Connection) -> Iterator[None]:
    """Copy the names of processes and all roll-ups to an empty database; the first row of a key counts.

    Missing rows are made from finer roll-ups, if none of those is lost. Yields between batches.
    """
    schema.make_tables(into)
    for table in ("process_name", *(it.name for it in _COPIED), *old_sessions.TABLES):
        if table not in reader.tables:  # the damaged database has an older schema
            continue
        insert = insert_of(table, reader.tables[table].names)
        for number, page in enumerate(reader.rows(table), 1):
            into.executemany(insert, page)
            if number % _PAGES == 0:
                yield
    for coarse, fine in _REMADE:
        columns = ", ".join([*coarse.keys, *coarse.columns])
        make = f"INSERT OR IGNORE INTO {coarse.name} ({columns}) {coarse.of_finer(fine)}"
        for first, end in _whole(reader.lost(fine.name), coarse.size):
            into.execute(make, {"size": coarse.size, "first": first, "end": end})
        yield
    had = {it.name: reader.tables[it.name].names for it in TABLES if it.name in reader.tables}
    for statement in schema.fills(had):
        into.execute(statement)
        yield


def _whole(holes: Iterable[Hole], size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges (first, end) of buckets of ``size`` seconds that do not touch a hole."""
    at = 0
    for first, last in sorted((hole.first or 0, _END if hole.last is None else hole.last) for hole in holes):
        if (end := first // size * size) > at:
            yield at, end
        at = max(at, min(last // size * size + size, _END))
    if at < _END:
        yield at, _END


def carry_over(
    source: sqlite3.Connection, target: sqlite3.Connection, name: str, marks: dict[str, int]
) -> Iterator[None]:
    """Add the roll-ups before ``raw_since`` to ``target``; yield between batches.

    The progress for the file ``name`` is noted in ``setting``, in the same transaction as the copied rows.
    """
    until = marks.get("raw_since", 0)
    if not until:
        return
    _advance(target, marks)
    for table in _COPIED:
        note = f"copied {name} {table.name}"
        row = target.execute("SELECT value FROM setting WHERE name = ?", (note,)).fetchone()
        copied = row[0] if row else 0
        while copied < until:
            rows, copied = _next(source, table, copied, until)
            with transaction(target):
                if "name_id" in table.keys:
                    rows = [[row[0], _number(source, target, row[1]), *row[2:]] for row in rows]
                target.executemany(table.upsert, rows)
                target.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (note, copied))
            yield
    note = f"copied {name} session"
    if target.execute("SELECT 1 FROM setting WHERE name = ?", (note,)).fetchone() is None:
        with transaction(target):
            old_sessions.carry_over(source, target, until)
            target.execute("INSERT INTO setting VALUES (?, ?)", (note, until))
        yield


def delete_notes(target: sqlite3.Connection, name: str) -> None:
    """Delete the progress notes for ``name``, which was copied completely."""
    target.execute("DELETE FROM setting WHERE name LIKE ? || '%'", (f"copied {name} ",))


def _advance(target: sqlite3.Connection, marks: dict[str, int]) -> None:
    """Advance the roll-ups to ``raw_since``, so that no row before it is rolled up twice."""
    until = marks["raw_since"]
    with transaction(target):
        while read_marks(target).day < until:
            step = next_step(target, until)
            if step is None:
                break
            write_step(target, step)
        for mark, value in marks.items():
            target.execute(f"UPDATE history SET {mark} = max({mark}, ?)", (value,))


def _next(source: sqlite3.Connection, table: RollUp, since: int, until: int) -> tuple[list[Row], int]:
    """Return the next rows, in complete buckets, and the bucket after them."""
    rows = source.execute(
        f"SELECT {', '.join([*table.keys, *table.columns])} FROM {table.name} "
        "WHERE bucket >= ? AND bucket < ? ORDER BY bucket LIMIT ?",
        (since, until, _BATCH),
    ).fetchall()
    if len(rows) < _BATCH:
        return rows, until
    last = rows[-1][0]
    if rows[0][0] < last:
        return [row for row in rows if row[0] < last], last
    whole = source.execute(
        f"SELECT {', '.join([*table.keys, *table.columns])} FROM {table.name} WHERE bucket = ?", (last,)
    ).fetchall()
    return whole, last + 1


def _number(source: sqlite3.Connection, target: sqlite3.Connection, old: int) -> int:
    """Return the number of a name in the fresh database; NAMELESS if the name is lost.

    Numbers below 0 are not programs and stay the same.
    """
    if old < 0:
        return old
    find = "SELECT name, app, user FROM process_name WHERE name_id = ?"
    row = source.execute(find, (old,)).fetchone()
    return number_of_name(target, *row) if row else NAMELESS
