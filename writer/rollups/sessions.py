"""Sessions as roll-ups: stored when they have ended, with the state from which the next row continues.

The state at the end of each UTC day is kept as long as the raw rows after it. If a row is late, the sessions
are reset to the end of the previous day and recomputed from raw rows, as if the row had not been late.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, NamedTuple

from telemetry import DAY, FIRST_RECORDING, HOUR
from telemetry.sessions import Row, Session, Sessions
from writer.rollups.marks import sessions_until

MOST_SAMPLES: Final = 2000
"""Most samples in a step, unless a single hour has more"""
_ROWS: Final = (
    f"SELECT {', '.join(Row._fields)} FROM session_row WHERE time >= ? AND time < ? ORDER BY time, ts"
)
_KNOWN: Final = (
    "SELECT time, name, full, unit FROM battery_health WHERE time >= ? AND time < ? ORDER BY time, name"
)
_COLUMNS: Final = tuple(name for name in Session._fields if name != "percents")
_STORE: Final = f"INSERT INTO session VALUES (?, {', '.join('?' * len(_COLUMNS))})"


class Advance(NamedTuple):
    """A step that was read: what to store, and the state after it."""

    until: int
    """Unix time, s: all rows before it were processed"""
    state: str
    sessions: list[Session]


def read(database: sqlite3.Connection, until: int, *, small: bool = False) -> Advance | None:
    """Read the next step towards ``until``, the start of an hour; None if nothing is left to do.

    A step does not go past the end of a day. ``small``: return None also if the step has much to read.
    """
    done = sessions_until(database)
    if done >= until:
        return None
    first = _first(database, max(done, FIRST_RECORDING), until)
    end = until if first is None else min(until, int(first) // DAY * DAY + DAY)
    start = float(done) if first is None else first
    more = _time_of(database, start, end, MOST_SAMPLES)
    if small and (more is not None or end < until or until - start > DAY):
        return None
    if more is not None:
        end = min(end, max(int(more), int(start) + HOUR) // HOUR * HOUR)
    machine = _state(database)
    rows = database.execute(_ROWS, (start, end))
    known = database.execute(_KNOWN, (done, end)).fetchall()
    found = machine.follow(rows, known)
    return Advance(end, machine.text(), found)


def write(database: sqlite3.Connection, step: Advance) -> None:
    """Write the step that ``read`` returned, in the caller's transaction."""
    last = _last(database)
    for number, session in enumerate(step.sessions, last + 1):
        database.execute(_STORE, (number, *session[: len(_COLUMNS)]))
        database.executemany(
            "INSERT INTO session_percent VALUES (?, ?, ?, ?)", [(number, *it) for it in session.percents]
        )
    database.execute(f"DELETE FROM session_state WHERE until % {DAY} <> 0")
    database.execute(
        "DELETE FROM session_state WHERE until < "
        "(SELECT MAX(s.until) FROM session_state AS s, history WHERE s.until <= raw_since)"
    )
    values = (step.until, last + len(step.sessions), step.state)
    database.execute("INSERT INTO session_state VALUES (?, ?, ?)", values)


def take_back(database: sqlite3.Connection, moment: float) -> None:
    """Forget the sessions made from rows at ``moment`` (Unix time, s) and later, in the caller's transaction.

    Sessions of days whose raw rows may have been dropped are not changed.
    """
    if moment < FIRST_RECORDING or moment >= sessions_until(database):
        return
    row = database.execute(
        "SELECT until, last_session FROM session_state WHERE until <= ? ORDER BY until DESC LIMIT 1",
        (moment,),
    ).fetchone()
    if row is None:
        (raw_since,) = database.execute("SELECT raw_since FROM history").fetchone()
        if moment < raw_since:
            return
        row = (-1, 0)
    database.execute("DELETE FROM session_state WHERE until > ?", row[:1])
    for table in ("session_percent", "session"):
        database.execute(f"DELETE FROM {table} WHERE session_id > ?", row[1:])


def _state(database: sqlite3.Connection) -> Sessions:
    row = database.execute("SELECT state FROM session_state ORDER BY until DESC LIMIT 1").fetchone()
    return Sessions.read(row[0] if row else None)


def _last(database: sqlite3.Connection) -> int:
    (last,) = database.execute("SELECT coalesce(MAX(session_id), 0) FROM session").fetchone()
    return int(last)


def _first(database: sqlite3.Connection, since: float, until: int) -> Any:
    return _time_of(database, since, until, 0)


def _time_of(database: sqlite3.Connection, since: float, until: int, number: int) -> Any:
    """Return the time of the sample at index ``number`` of a span; None if it has fewer samples."""
    row = database.execute(
        "SELECT time FROM system_sample WHERE time >= ? AND time < ? ORDER BY time LIMIT 1 OFFSET ?",
        (since, until, number),
    ).fetchone()
    return row[0] if row else None
