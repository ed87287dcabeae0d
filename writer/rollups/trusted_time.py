"""What time it is for retention, by the stored rows: a clock that was set forward may be wrong."""

from __future__ import annotations

import sqlite3
from typing import Final

from telemetry import DAY, END_OF_TIME
from writer.rollups.marks import floor, rolled_up_day

_LONG_DOUBT: Final = 30 * DAY
"""s for which a large step of the clock is doubted"""


def trusted_time(database: sqlite3.Connection) -> float | None:
    """Return the time from which ages are counted: that of the newest row, None if there is none.

    A clock that was set forward may be wrong, and dropped rows cannot be restored. So after a step of more
    than a day, it is the time of the row before the step: for one day, or for 30 days if the clock was set
    while the sampler ran. (If the machine was really off for that long, this does no harm.)
    """
    newest = database.execute("SELECT time, run_id FROM system_sample ORDER BY ts DESC LIMIT 1").fetchone()
    if newest is None or not isinstance(newest[0], float) or not 0 <= newest[0] < END_OF_TIME:
        return None
    now: float = newest[0]
    set_at = database.execute(
        "SELECT s.time, b.time FROM clock_step AS c JOIN system_sample AS s USING (run_id, seq) "
        "JOIN system_sample AS b ON b.run_id = c.run_id AND b.seq = c.seq - 1 "
        "WHERE c.run_id = ? AND c.step > 0 AND s.time IS NOT NULL AND b.time IS NOT NULL "
        "ORDER BY c.seq LIMIT 1",
        (newest[1],),
    ).fetchone()
    if set_at and now - set_at[0] < _LONG_DOUBT:
        return float(set_at[1])
    first = database.execute(
        "SELECT ts, time FROM system_sample WHERE time > ? AND time <= ? ORDER BY time LIMIT 1",
        (now - DAY, now),
    ).fetchone()
    before = database.execute(
        "SELECT time FROM system_sample WHERE ts < ? AND time IS NOT NULL ORDER BY ts DESC LIMIT 1", first[:1]
    ).fetchone()
    if before and isinstance(before[0], float) and before[0] < first[1] - DAY:
        return before[0]
    return now


def running_day(database: sqlite3.Connection) -> int:
    """Return the start of the current day, of which no rows are dropped; 0 if the newest row has no time.

    The newest row is the one with the greatest key: so today is not old even if the clock was once ahead.
    """
    newest = database.execute("SELECT time FROM system_sample ORDER BY ts DESC LIMIT 1").fetchone()
    if newest is None or not isinstance(newest[0], float) or not 0 <= newest[0] < END_OF_TIME:
        return 0
    return min(floor(newest[0], DAY), rolled_up_day(database))
