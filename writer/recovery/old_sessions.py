"""Copies the sessions of days whose raw rows were dropped from a damaged database."""

from __future__ import annotations

import sqlite3
from typing import Final

from telemetry.sessions import Sessions

TABLES: Final = ("session", "session_percent", "session_state")


def carry_over(source: sqlite3.Connection, target: sqlite3.Connection, until: int) -> None:
    """Replace the sessions in ``target`` by those from before ``until`` (Unix time, s, start of a day).

    In the caller's transaction. Later sessions are recomputed from raw rows. If the state at ``until`` is
    lost, the session that was current at that time starts again.
    """
    row = source.execute("SELECT last_session, state FROM session_state WHERE until = ?", (until,)).fetchone()
    if row is None:
        ended = "SELECT coalesce(MAX(session_id), 0) FROM session WHERE stop <= ?"
        row = (*source.execute(ended, (until,)).fetchone(), Sessions().text())
    for table in TABLES[::-1]:
        target.execute(f"DELETE FROM {table}")
    for table in TABLES[:2]:
        rows = source.execute(f"SELECT * FROM {table} WHERE session_id <= ?", row[:1]).fetchall()
        if rows:
            target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    target.execute("INSERT INTO session_state VALUES (?, ?, ?)", (until, *row))
