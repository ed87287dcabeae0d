"""A small database of one window, which every report can read: to send with a bug report, or to keep.

It copies whole UTC days, because the roll-ups are by UTC day. With ``Anonymous`` it contains no names.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from query import access
from query.declared import SCHEMA
from query.output import replacing
from query.values import shown_time
from telemetry import DAY, END_OF_TIME
from telemetry.energy_model.learner import MOST_DAYS
from telemetry.errors import UserError

_BATCH: Final = 5_000
"""Rows that are held at a time"""

_SAMPLES: Final = "time >= :start AND time < :stop"
_OF_SAMPLES: Final = (
    "SELECT row.* FROM system_sample AS s CROSS JOIN {0} AS row ON row.ts = s.ts "
    "WHERE s.time >= :start AND s.time < :stop"
)
_OF_RUNS: Final = f"SELECT * FROM {{0}} WHERE run_id IN (SELECT run_id FROM system_sample WHERE {_SAMPLES})"
_RUN_BEFORE: Final = "SELECT run_id FROM system_sample WHERE time < :start ORDER BY time DESC LIMIT 1"
_OF_BUCKETS: Final = "SELECT * FROM {0} WHERE bucket >= :start AND bucket < :stop"
_OF_SESSIONS: Final = (
    "start < :stop AND stop > :start AND (kind = 'sleep' AND stop > :stop OR session_id <= coalesce((SELECT "
    "last_session FROM session_state WHERE until <= :stop ORDER BY until DESC LIMIT 1), 9e18))"
)
"""Sessions that ended within the window; the state and the rows hold the others, except for a sleep after
the last row."""
_ALL: Final = "SELECT * FROM {0}"

TABLES: Final = {
    "setting": _ALL,
    "history": _ALL,
    # With the run before: the cause of a gap at the start depends on its boot.
    "run": f"{_OF_RUNS} OR run_id = ({_RUN_BEFORE})",
    "gap": _OF_RUNS,
    "dropped": _OF_RUNS,
    "clock_step": _OF_RUNS,
    "system_sample": f"SELECT * FROM {{0}} WHERE {_SAMPLES}",
    "cpu_core": _OF_SAMPLES,
    "core_row": _OF_SAMPLES,
    "process_sample": _OF_SAMPLES,
    "process_row": _OF_SAMPLES,
    "battery_pack": _OF_SAMPLES,
    "battery_health": "SELECT * FROM {0} WHERE time < :stop",
    "system_minute": _OF_BUCKETS,
    "system_hour": _OF_BUCKETS,
    "core_hour": _OF_BUCKETS,
    "process_hour": _OF_BUCKETS,
    "process_day": _OF_BUCKETS,
    "energy_hour": _OF_BUCKETS,
    "energy_day": _OF_BUCKETS,
    "energy_lesson": _OF_BUCKETS,
    # also the days before the window, from which its rates were learned
    "energy_model": (
        "SELECT * FROM {0} WHERE day < :stop AND day >= coalesce((SELECT MIN(day) FROM "
        f"(SELECT day FROM {{0}} WHERE day < :start ORDER BY day DESC LIMIT {MOST_DAYS})), :start)"
    ),
    "rollup_difference": _OF_BUCKETS,
    "session": f"SELECT * FROM {{0}} WHERE {_OF_SESSIONS}",
    "session_percent": (
        f"SELECT * FROM {{0}} WHERE session_id IN (SELECT session_id FROM session WHERE {_OF_SESSIONS})"
    ),
    # also the newest state before the window: reports continue from it for sessions that have not ended
    "session_state": (
        "SELECT * FROM {0} WHERE until <= :stop "
        "AND until >= (SELECT coalesce(MAX(until), 0) FROM session_state WHERE until <= :start)"
    ),
    "process_name": _ALL,  # last: only the names that the rows above use
    "loss": "SELECT * FROM {0} WHERE first < :stop AND last >= :start",
}
"""The rows that are copied from each table of the schema; a user's own tables are not copied."""
VIEWS: Final = (
    "cpu_core",
    "process_sample",
    "system_sums",
    "core_sums",
    "process_sums",
    "session_row",
    "energy_row",
    "training_view",
)
_NAMES_IN_USE: Final = " UNION ".join(
    f"SELECT name_id FROM {table}"
    for table in ("process_hour", "process_day", "process_row", "energy_hour", "energy_day")
)
_NEWEST: Final = "SELECT MAX(time) FROM system_sample WHERE time < :end"

_Map = Callable[[Any], Any]


class Copied(NamedTuple):
    """What a snapshot holds."""

    samples: int
    first: float | None
    """Time of the oldest, Unix s; None: no sample"""
    last: float | None
    bytes: int


class Anonymous:
    """Replacements for names: consistent within the snapshot, and different in every other one."""

    def __init__(self, key: bytes | None = None) -> None:
        """``key``: key of the hash; random by default, so that a list of names cannot be tried."""
        self._key = os.urandom(32) if key is None else key
        self._numbers: dict[tuple[str, str], int] = {}

    def of(self, table: str) -> Mapping[str, _Map]:
        """Return functions for the columns of a table that hold names of programs, people or machines."""
        if table in ("process_name", "process_sample"):
            return {"name": self._hashed, "app": self._hashed, "user": self._numbered("user")}
        if table == "run":
            return {"host": self._numbered("host"), "boot_id": self._numbered("boot")}
        return {"file": self._numbered("file")} if table == "loss" else {}

    def _hashed(self, name: Any) -> Any:
        if not isinstance(name, str) or name.startswith("("):
            return None if isinstance(name, bytes) else name  # "(other names)" is the writer's
        return "x" + hashlib.blake2b(name.encode(), key=self._key, digest_size=5).hexdigest()

    def _numbered(self, kind: str) -> _Map:
        def number(name: Any) -> Any:
            if name is None:
                return None
            known = [it for it in self._numbers if it[0] == kind]
            return f"{kind}-{self._numbers.setdefault((kind, str(name)), len(known) + 1)}"

        return number


def run(given: Mapping[str, Any], now: float) -> None:
    """Write the snapshot that was asked for, and report it. Raises UserError."""
    window = access.window(given, now)
    span = (window["since"] or 0.0, window["until"])
    with access.opened(given, now) as source:
        copied = write(source.connection, given["out"], span, anonymous=given["anonymous"])
    print(said(given["out"], copied))


def write(
    connection: sqlite3.Connection,
    out: Path,
    window: tuple[float, float | None],
    *,
    anonymous: bool = False,
) -> Copied:
    """Write the days of ``window``, Unix s, None: no end, into the new file ``out``. Raises UserError.

    ``connection`` is inside a read transaction.
    """
    if out.exists() or out.is_symlink():
        raise UserError(f"{out} exists already; remove it, or give another file with --out")
    with replacing(out) as part, _said_of(out):
        return _filled(connection, part, _days(connection, window), Anonymous() if anonymous else None)


def said(out: Path, copied: Copied) -> str:
    """Return the line that says what was written."""
    size = f"{out}: {copied.bytes / 1e6:.1f} MB"
    if copied.first is None or copied.last is None:
        return f"{size}, roll-ups alone: the window holds no single samples"
    return f"{size}, {copied.samples} samples from {shown_time(copied.first)} to {shown_time(copied.last)}"


def _days(source: sqlite3.Connection, window: tuple[float, float | None]) -> dict[str, float]:
    """Return the whole days of UTC that hold the window."""
    start, stop = window
    (newest,) = _ask(source, _NEWEST, {"end": END_OF_TIME}).fetchone()
    if stop is None or stop > END_OF_TIME:
        stop = max(newest or 0.0, start) + 1
    return {"start": start // DAY * DAY, "stop": -(-stop // DAY) * DAY}


def _filled(
    source: sqlite3.Connection, part: Path, bound: Mapping[str, float], anonymous: Anonymous | None
) -> Copied:
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        for pragma in ("page_size", "auto_vacuum"):
            target.execute(f"PRAGMA {pragma} = {_ask(source, f'PRAGMA {pragma}').fetchone()[0]}")
        target.execute("PRAGMA synchronous = OFF")  # an incomplete file is not kept
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("BEGIN")
        tables = _made(source, target)
        for table in sorted(tables, key=list(TABLES).index):
            rows = _ask(source, TABLES[table].format(table), bound)
            keep = None
            if table == "process_name" and "process_row" in tables:
                keep = {name_id for (name_id,) in target.execute(_NAMES_IN_USE)}
            _insert(target, table, rows, keep, anonymous.of(table) if anonymous else {})
        target.execute(f"PRAGMA user_version = {SCHEMA}")
        target.execute(f"PRAGMA application_id = {int.from_bytes(os.urandom(4), 'big') >> 1 or 1}")
        target.execute("COMMIT")
        count, first, last = target.execute(
            "SELECT COUNT(*), MIN(time), MAX(time) FROM system_sample"
        ).fetchone()
    return Copied(count, first, last, part.stat().st_size)


def _made(source: sqlite3.Connection, target: sqlite3.Connection) -> list[str]:
    """Make the schema; return its tables."""
    objects = _ask(
        source, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    ).fetchall()
    tables = [name for kind, name, _, _ in objects if kind == "table" and name in TABLES]
    known = {*tables, *VIEWS}
    for kinds in (("table", "index"), ("view",), ("trigger",)):
        for kind, name, of, sql in objects:
            is_ours = of in known and (kind not in ("table", "view") or name in known)
            if kind in kinds and is_ours:
                target.execute(sql)
    return tables


def _insert(
    target: sqlite3.Connection,
    table: str,
    rows: sqlite3.Cursor,
    keep: Collection[int] | None,
    maps: Mapping[str, _Map],
) -> None:
    """Insert rows, without those whose key is not in ``keep``."""
    names = [name for name, *_ in rows.description]
    mapped = [(at, maps[name]) for at, name in enumerate(names) if name in maps]
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    while batch := _next(rows):
        if keep is not None:
            batch = [row for row in batch if row[0] in keep]
        target.executemany(statement, [_changed(row, mapped) for row in batch] if mapped else batch)


def _ask(source: sqlite3.Connection, sql: str, bound: Mapping[str, float] = {}) -> sqlite3.Cursor:
    try:
        return source.execute(sql, bound)
    except sqlite3.Error as error:
        raise _SourceError(error) from error


def _next(rows: sqlite3.Cursor) -> list[Any]:
    try:
        return rows.fetchmany(_BATCH)
    except sqlite3.Error as error:
        raise _SourceError(error) from error


def _changed(row: Sequence[Any], mapped: Sequence[tuple[int, _Map]]) -> list[Any]:
    values = list(row)
    for at, change in mapped:
        values[at] = change(values[at])
    return values


class _SourceError(Exception):
    """An error of the database that is read: telemetry.database.reader explains it."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(str(error))
        self.error = error


@contextmanager
def _said_of(out: Path) -> Iterator[None]:
    """Report SQLite's errors in the new file as such."""
    try:
        yield
    except _SourceError as error:
        raise error.error from None
    except sqlite3.Error as error:
        raise UserError(f"{out}: cannot be written: {error}") from None
