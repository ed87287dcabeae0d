"""The table ``gap``: samples of a run that are missing. A sample that arrives later is removed from its gap.

Everything here is done in the caller's transaction.
"""

from __future__ import annotations

import sqlite3


def has_gaps(database: sqlite3.Connection) -> bool:
    """Return whether there is any gap."""
    return database.execute("SELECT 1 FROM gap LIMIT 1").fetchone() is not None


def note_gap(database: sqlite3.Connection, run_id: int, first: int, last: int, noticed: float) -> None:
    """Note those of seq ``first`` to ``last`` that are neither stored nor already in a gap."""
    missing = _missing(database, run_id, first, last)
    database.executemany(
        "INSERT INTO gap VALUES (?, ?, ?, ?)", [(run_id, first, last, noticed) for first, last in missing]
    )


def _missing(database: sqlite3.Connection, run_id: int, first: int, last: int) -> list[tuple[int, int]]:
    missing: list[tuple[int, int]] = []
    for known_first, known_last in database.execute(
        "SELECT seq, seq FROM system_sample WHERE run_id = ?1 AND seq BETWEEN ?2 AND ?3 "
        "UNION ALL SELECT first_seq, last_seq FROM gap "
        "WHERE run_id = ?1 AND first_seq <= ?3 AND last_seq >= ?2 ORDER BY 1",
        (run_id, first, last),
    ):
        if first < known_first:
            missing.append((first, known_first - 1))
        first = known_last + 1
    if first <= last:
        missing.append((first, last))
    return missing


def fill_gap(database: sqlite3.Connection, run_id: int, seq: int) -> None:
    """Remove ``seq`` from its gap, if any, because the sample has arrived after all."""
    gap = database.execute(  # gaps of a run never overlap
        "SELECT first_seq, last_seq, noticed FROM gap "
        "WHERE run_id = ? AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
        (run_id, seq),
    ).fetchone()
    if gap is None or gap[1] < seq:
        return
    first, last, noticed = gap
    database.execute("DELETE FROM gap WHERE run_id = ? AND first_seq = ?", (run_id, first))
    rest = [(run_id, first, seq - 1, noticed), (run_id, seq + 1, last, noticed)]
    database.executemany("INSERT INTO gap VALUES (?, ?, ?, ?)", [row for row in rest if row[1] <= row[2]])
