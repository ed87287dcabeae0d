"""Out of a damaged database: the roll-ups of days whose raw rows were dropped. Nothing else tells of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress

from writer.catalogue import columns
from writer.rollups.steps import next_step, read_marks, write_step
from writer.rollups.tables import DAY, TABLES, RollUp
from writer.rows import number_of_name
from writer.transaction import transaction

_BATCH = 1000
"""Rows in a transaction"""

_Rows = list[tuple[object, ...]]


def inherit(source: sqlite3.Connection, target: sqlite3.Connection, name: str, until: int) -> Iterator[None]:
    """Add the roll-ups before ``until``, ``source``'s ``raw_since``, to ``target``; yield between batches.

    How much of the file ``name`` was copied is noted in ``setting``, in the transaction that copies it.
    """
    if not until:
        return
    _advance(target, until)
    names = _names(source)
    for table in TABLES:
        note = f"copied {name} {table.name}"
        row = target.execute("SELECT value FROM setting WHERE name = ?", (note,)).fetchone()
        copied = row[0] if row else 0
        while copied < until:
            rows, copied = _next(source, table, copied, until)
            with transaction(target):
                if "name_id" in table.keys:
                    rows = [(row[0], _number(target, names.get(row[1])), *row[2:]) for row in rows]
                target.executemany(table.upsert, rows)
                target.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (note, copied))
            yield


def delete_notes(target: sqlite3.Connection, name: str) -> None:
    """Delete the notes of how far ``name`` was copied: it was copied to its end."""
    target.execute("DELETE FROM setting WHERE name LIKE ? || '%'", (f"copied {name} ",))


def raw_since(source: sqlite3.Connection) -> int:
    """Return the mark of ``source`` before which rows may have been dropped; 0 where none was."""
    try:
        return read_marks(source).raw_since
    except (sqlite3.Error, TypeError):  # of an older schema, or not to be read
        return 0


def _advance(target: sqlite3.Connection, until: int) -> None:
    """Let the roll-ups reach ``until``, so that no row before it is rolled up twice."""
    with transaction(target):
        while read_marks(target).day < until:
            step = next_step(target, until)
            if step is None:
                break
            write_step(target, step)
        target.execute("UPDATE history SET raw_since = max(raw_since, ?)", (until,))


def _next(source: sqlite3.Connection, table: RollUp, since: int, until: int) -> tuple[_Rows, int]:
    """Return the next rows, whole buckets, and the bucket that follows; what cannot be read is left out."""
    try:
        have = columns(source, table.name)
        # A column that an older schema has not: nothing was added up.
        nothing = {name: "0" if how == "sum" else "NULL" for name, how in table.columns.items()}
        names = [name if name in have else nothing[name] for name in [*table.keys, *table.columns]]
        rows = source.execute(
            f"SELECT {', '.join(names)} FROM {table.name} "
            "WHERE bucket >= ? AND bucket < ? ORDER BY bucket LIMIT ?",
            (since, until, _BATCH),
        ).fetchall()
    except sqlite3.Error:
        return [], max(since, _first(source, table, until)) + DAY
    if len(rows) < _BATCH:
        return rows, until
    last = rows[-1][0]
    whole = [row for row in rows if row[0] < last]
    return (whole, last) if whole else (rows, last + 1)


def _first(source: sqlite3.Connection, table: RollUp, until: int) -> int:
    try:
        (first,) = source.execute(f"SELECT MIN(bucket) FROM {table.name} WHERE bucket < {until}").fetchone()
    except sqlite3.Error:
        return 0
    return int(first or 0)


def _names(source: sqlite3.Connection) -> dict[object, str]:
    names: dict[object, str] = {}
    with suppress(sqlite3.Error):  # those up to a damaged page
        names.update(source.execute("SELECT name_id, name FROM process_name"))
    return names


def _number(target: sqlite3.Connection, name: str | None) -> int:
    """Return the name's number in the fresh database; 0 for none."""
    return 0 if name is None else number_of_name(target, name)
