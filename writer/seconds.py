"""The keys of samples: ``ts``, a second that no other sample has."""

from __future__ import annotations

import sqlite3


def newest_ts(database: sqlite3.Connection) -> int:
    """Return the greatest ``ts`` in use. Rows of cores or processes may have outlived their sample."""
    (newest,) = database.execute(
        "SELECT MAX(ts) FROM (SELECT 0 AS ts UNION ALL SELECT MAX(ts) FROM system_sample "
        "UNION ALL SELECT MAX(ts) FROM cpu_core WHERE ts < ?1 "
        "UNION ALL SELECT MAX(ts) FROM process_sample WHERE ts < ?1)",
        (1 << 62,),  # a damaged value that became a text is greater than any number
    ).fetchone()
    return int(newest)


class FreeSeconds:
    """Finds seconds that no row of a database uses."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._taken = range(0)
        """Seconds known to be in use: an import of existing rows would otherwise look up each again."""

    def invalidate(self) -> None:
        """Forget which seconds are in use: rows may have been rolled back or dropped."""
        self._taken = range(0)

    def first(self, ts: int, newest_ts: int) -> int:
        """Return the first free second from ``ts`` on; those after ``newest_ts`` are free."""
        if ts > newest_ts:
            return ts
        first, free = (self._taken.start, self._taken.stop) if ts in self._taken else (ts, ts)
        for (taken,) in self._database.execute(
            "SELECT ts FROM system_sample WHERE ts >= ?1 UNION SELECT ts FROM cpu_core WHERE ts >= ?1 "
            "UNION SELECT ts FROM process_sample WHERE ts >= ?1 ORDER BY ts",
            (free,),
        ):
            if taken != free:
                break
            free += 1
        self._taken = range(first, free)
        return free
