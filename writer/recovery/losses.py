"""What could not be copied from a damaged database: rows of the table ``loss``, and lines for the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

from telemetry import END_OF_TIME
from writer import schema
from writer.recovery.reader import Hole, Reader
from writer.rollups.tables import OF_ENERGY, TABLES

_ROLL_UPS = {table.name for table in (*TABLES, *OF_ENERGY)}
_CHILDREN = {*schema.COMPACT, *schema.COMPACT.values()}
_OTHER_HOURS = """
SELECT COUNT(*) FROM (
    SELECT DISTINCT bucket FROM core_hour WHERE bucket BETWEEN :first AND :last
    UNION SELECT bucket FROM process_hour WHERE bucket BETWEEN :first AND :last
) WHERE bucket NOT IN (SELECT bucket FROM system_hour WHERE bucket BETWEEN :first AND :last)"""
_REASON = "a page of the table is damaged"


def note(reader: Reader, target: sqlite3.Connection, file: str, since: int) -> Iterator[str]:
    """Note in ``target`` what is missing from each table; yield log lines about losses and refused rows.

    Roll-ups from ``since`` on do not count as lost: they are recomputed from raw rows.
    """
    for table in reader.tables:
        for hole in reader.lost(table):
            span = _span(target, table, hole)
            if span is None or (table in _ROLL_UPS and span["first"] >= since):
                continue
            lost = _lost(target, table, span)
            if lost != 0:
                target.execute(
                    "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?, ?)",
                    (file, table, span["first"], span["last"], lost, _REASON),
                )
                many = "an unknown number" if lost is None else lost
                ends = " to ".join(map(_text, span.values()))
                yield f"{many} of {table} could not be copied, {ends}"
    for table, count in reader.refused.items():
        if count:
            yield f"{count} rows of {table} are damaged and were left out"


def _span(target: sqlite3.Connection, table: str, hole: Hole) -> dict[str, int] | None:
    """Return the ends of a hole; an open end is replaced by the first or last row of the table."""
    if table not in _ROLL_UPS | _CHILDREN | {"system_sample", "battery_pack"}:
        return None
    key = "bucket" if table in _ROLL_UPS else "ts"
    least, most = target.execute(f"SELECT MIN({key}), MAX({key}) FROM {table}").fetchone()
    # The keys in a damaged page may be outside any possible time.
    first = least if hole.first is None else max(hole.first, 0)
    last = most if hole.last is None else min(hole.last, int(END_OF_TIME) - 1)
    return None if first is None or last is None or first > last else {"first": first, "last": last}


def _lost(target: sqlite3.Connection, table: str, span: dict[str, int]) -> int | None:
    if table == "system_sample":
        return _lost_samples(target, span)
    if table in _CHILDREN:
        find = (
            "SELECT COUNT(*) FROM system_sample AS s WHERE ts BETWEEN :first AND :last "
            f"AND NOT EXISTS (SELECT 1 FROM {table} AS c WHERE c.ts = s.ts)"
        )
        return int(target.execute(find, span).fetchone()[0])
    if table == "system_hour":
        return int(target.execute(_OTHER_HOURS, span).fetchone()[0])
    return None


def _lost_samples(target: sqlite3.Connection, span: dict[str, int]) -> int | None:
    """Return how many seqs of a run, except those in ``gap``, are missing between the samples around it."""
    find = (
        "SELECT run_id, seq, ts FROM system_sample WHERE run_id IS NOT NULL AND ts {} ORDER BY ts {} LIMIT 1"
    )
    before = target.execute(find.format("<= :first", "DESC"), span).fetchone()
    after = target.execute(find.format(">= :last", "ASC"), span).fetchone()
    if before is None or after is None or before[0] != after[0]:
        return None
    (there,) = target.execute(
        "SELECT (SELECT COUNT(*) FROM system_sample WHERE run_id = :run AND seq > :first AND seq < :last) + "
        "(SELECT coalesce(SUM(min(last_seq, :last - 1) - max(first_seq, :first + 1) + 1), 0) FROM gap "
        "WHERE run_id = :run AND first_seq < :last AND last_seq > :first)",
        {"run": before[0], "first": before[1], "last": after[1]},
    ).fetchone()
    return int(max(0, after[1] - before[1] - 1 - there))


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
