"""Points that may change after they were sent: energy by program, sessions and battery health.

They are compared with what was sent, one UTC day at a time. Points that are new or differ are sent. Points
that no longer exist are sent with zeros, so that sums stay right. The newest days are checked each time,
the older ones in turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from forward.cursor import Cursor, cells_of
from forward.lines import NAMELESS, Fields, Point, line, milliseconds
from forward.record import Cells
from forward.samples import EARLIEST, Choice
from telemetry import DAY
from telemetry.energy_model.columns import IN_BRACKETS

_NEWEST: Final = 3
"""The number of newest days that are checked each time: most late samples belong to these."""
_IN_TURN: Final = 10
"""The number of older days that are checked each time"""
_AT_ONCE: Final = 10
"""The number of days whose points are sent together"""

Admit = Callable[[str], str]


class _Kind(NamedTuple):
    days: str
    """SQL: the days that have points of this kind"""
    points: Callable[
        [sqlite3.Connection, int, Choice, Admit], Iterator[tuple[tuple[str, str], float, Fields]]
    ]
    """The points of a day: the tag beside the host, the time in s, and the fields"""


def _energy(
    connection: sqlite3.Connection, day: int, choice: Choice, admit: Admit
) -> Iterator[tuple[tuple[str, str], float, Fields]]:
    column = "coalesce(nullif(app, ''), name)" if choice.by == "app" else "name"
    found: dict[tuple[int, str], list[int]] = {}
    for bucket, number, name, *values in connection.execute(
        f"SELECT bucket, name_id, {column}, uj, pm_uj, cpu_us "
        "FROM energy_hour LEFT JOIN process_name USING (name_id) "
        "WHERE bucket >= ? AND bucket < ? ORDER BY bucket, name_id",
        (day, day + DAY),
    ):
        shown = IN_BRACKETS.get(number) or admit(str(name or NAMELESS))
        known = found.get((bucket, shown), [0, 0, 0])
        found[bucket, shown] = [before + value for before, value in zip(known, values, strict=True)]
    for (bucket, shown), (uj, pm_uj, cpu_us) in found.items():
        yield (choice.by, shown), bucket, {"uj": uj, "pm_uj": pm_uj, "cpu_us": cpu_us}


SESSION_FIELDS: Final = {
    "awake_us": int,
    "asleep_us": int,
    "covered_us": int,
    "discharged_uj": int,
    "charged_uj": int,
    "drawn_uj": int,
    "pct_from": float,
    "pct_to": float,
    "pct_fallen": float,
    "flips": int,
}


def _sessions(
    connection: sqlite3.Connection, day: int, choice: Choice, admit: Admit
) -> Iterator[tuple[tuple[str, str], float, Fields]]:
    for kind, start, stop, *values in connection.execute(
        f"SELECT kind, start, stop, {', '.join(SESSION_FIELDS)} FROM session "
        "WHERE start >= ? AND start < ? ORDER BY start",
        (day, day + DAY),
    ):
        fields = {
            name: type_(value)
            for (name, type_), value in zip(SESSION_FIELDS.items(), values, strict=True)
            if isinstance(value, int | float)
        }
        yield ("name", kind), start, {"duration_s": float(stop - start), **fields}


def _health(
    connection: sqlite3.Connection, day: int, choice: Choice, admit: Admit
) -> Iterator[tuple[tuple[str, str], float, Fields]]:
    for time, name, full, design, unit, cycles in connection.execute(
        'SELECT time, name, "full", design, unit, cycles FROM battery_health '
        "WHERE time >= ? AND time < ? ORDER BY time",
        (day, day + DAY),
    ):
        fields: dict[str, int | float] = {}
        if unit in ("Ah", "Wh"):
            sizes = {"full": full, "design": design}
            fields = {
                f"{what}_{unit.lower()}": float(size)
                for what, size in sizes.items()
                if isinstance(size, int | float)
            }
        if isinstance(cycles, int):
            fields["cycles"] = cycles
        if fields:
            yield ("name", str(name or NAMELESS)), time, fields


def _days_of(table: str, column: str) -> str:
    return (
        f"SELECT DISTINCT CAST({column} / {DAY} AS INTEGER) * {DAY} FROM {table} WHERE {column} >= {EARLIEST}"
    )


KINDS: Final = {
    # A day has hours once it is closed. Hours that were folded into their day stay as they were sent.
    "energy_hour": _Kind(
        "SELECT day FROM energy_model WHERE day >= (SELECT energy_hour_since FROM history) "
        f"AND day >= {EARLIEST:.0f}",
        _energy,
    ),
    "session": _Kind(_days_of("session", "start"), _sessions),
    "health": _Kind(_days_of("battery_health", "time"), _health),
}


class Changes(NamedTuple):
    """Lines to send, and the days to record in the cursor afterwards."""

    days: list[tuple[str, int, Cells]]
    lines: list[bytes]


class Facts:
    """Finds the points that are new or differ."""

    def __init__(self, cursor: Cursor, choice: Choice) -> None:
        self._cursor = cursor
        self._choice = choice
        self._due: list[tuple[str, int, bool]] = []
        """Kind, day, and whether the day was never sent"""
        self._turns: dict[str, int] = {}

    def begin(self, connection: sqlite3.Connection) -> None:
        """Choose the days to check in this round."""
        self._due = []
        for kind in KINDS:
            there = sorted(day for (day,) in connection.execute(KINDS[kind].days))
            sent = self._cursor.days(kind)
            old = [day for day in there[:-_NEWEST] if day in sent]
            turn = self._turns.get(kind, 0) % max(len(old), 1)
            self._turns[kind] = turn + _IN_TURN
            wanted = {day for day in there if day not in sent} | set(there[-_NEWEST:])
            wanted |= set((old + old)[turn : turn + min(_IN_TURN, len(old))])
            self._due += [(kind, day, day not in sent) for day in sorted(wanted)]

    def next(self, connection: sqlite3.Connection, host: str) -> Changes | None:
        """Return the changes of the next days, None after the last."""
        if not self._due:
            return None
        now, self._due = self._due[:_AT_ONCE], self._due[_AT_ONCE:]
        changes = Changes([], [])
        for kind, day, is_new in now:
            before, is_same_database = self._cursor.day(kind, day)
            found = cells_of(self._points(connection, kind, day, host))
            changed = {key: fields for key, fields in found.items() if before.get(key) != fields}
            gone = {key: fields for key, fields in before.items() if key not in found}
            if is_same_database:
                # The zeros are recorded: a point that comes back is new, and its absence is sent only once.
                zeros = {key: dict.fromkeys(fields, 0) for key, fields in gone.items()}
                typed = {key: _like(before[key], fields) for key, fields in zeros.items()}
                changed |= {key: fields for key, fields in typed.items() if before[key] != fields}
                kept = found | typed
            else:  # another database may have fewer points: what was sent before is still true
                kept = found
            if is_new or kept != before or not is_same_database:
                changes.days.append((kind, day, kept))
            points = (Point(*key[:2], fields, key[2]) for key, fields in changed.items())
            changes.lines.extend(made for point in points if (made := line(point)) is not None)
        return changes

    def _points(self, connection: sqlite3.Connection, kind: str, day: int, host: str) -> Sequence[Point]:
        def admit(name: str) -> str:
            return self._cursor.admit(name, self._choice.most_names)

        return [
            Point(f"telemetry_{kind}", (("host", host), tag), fields, milliseconds(time))
            for tag, time, fields in KINDS[kind].points(connection, day, self._choice, admit)
        ]


def _like(before: Fields, fields: Any) -> Fields:
    """Return ``fields`` with the types that they had before: 0 and 0.0 are different types to an engine."""
    return {name: type(before[name])(value) for name, value in fields.items()}
