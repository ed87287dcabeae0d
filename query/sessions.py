"""Sessions that the writer has not stored yet: those of its newest hour, and the one that goes on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from telemetry import END_OF_TIME, FIRST_RECORDING
from telemetry.sessions import Row, Sessions

_STATE: Final = "SELECT until, state FROM session_state ORDER BY until DESC LIMIT 1"
_ROWS: Final = (
    f"SELECT {', '.join(Row._fields)} FROM session_row WHERE time >= ? AND time < ? ORDER BY time, ts"
)
_KNOWN: Final = "SELECT time, name, full, unit FROM battery_health WHERE time >= ? ORDER BY time, name"


def open_sessions(connection: sqlite3.Connection, _: Mapping[str, Any]) -> tuple[Mapping[str, Any], None]:
    """Find ``:open_sessions``: JSON, each in the order of the columns of ``session`` behind its key."""
    until, state = connection.execute(_STATE).fetchone() or (0, None)
    machine = Sessions.read(state)
    rows = connection.execute(_ROWS, (max(until, FIRST_RECORDING), END_OF_TIME))
    known = connection.execute(_KNOWN, (until,)).fetchall()
    return {"open_sessions": json.dumps([*machine.follow(rows, known), *machine.now()])}, None
