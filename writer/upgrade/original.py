"""Upgrades a database of the original logger, in place, in one transaction.

There are two ways, with the same names as the result. The full way copies the rows into new tables (half the
size, see ``schema.COMPACT``) and needs space for the copy. The cheap way adds the missing columns to the old
tables. Both keep every row, the columns that a user added, and the user's own indexes, triggers and views. If
a user's column has the name of one of ours, it becomes ``original_<name>`` in both.

The old rows have no interval: it is taken as the time since the previous row, if that is at most 60 s. If the
driver gave no sign, the direction is that of the percentage's trend (``directions``). If that is unknown too,
the row covers no energy.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress

from writer import schema
from writer.file.catalogue import columns, objects, quoted, user_version
from writer.file.result_codes import result_code
from writer.file.transaction import empty_wal
from writer.original_tables import NAMES, TABLES
from writer.upgrade.ladder import replacing_views

_OLD = "telemetry_upgrade_"
LONGEST_STEP = 60
"""s; a longer step between rows means that the logger was off."""

_NOT_FOR_ADD_COLUMN = re.compile(r"\b(AS|CHECK|COLLATE|REFERENCES|UNIQUE)\b", re.IGNORECASE)
_ROWID = re.compile(r"\b(rowid|_rowid_|oid)\b", re.IGNORECASE)

_STEP = """(SELECT {table}.ts - MAX(b.ts) FROM {table} AS b WHERE b.ts < {table}.ts)"""
_INTERVAL = f"CASE WHEN {_STEP} <= {LONGEST_STEP} THEN {_STEP} END"
_DIRECTION_OF = {
    "power": "CASE WHEN {table}.power < 0 THEN -1 ELSE 1 END",
    "current": "CASE WHEN {table}.current < 0 THEN -1 WHEN {table}.current > 0 THEN 1 END",
    "trend": "(SELECT direction FROM temp.trend WHERE first_ts <= {table}.ts ORDER BY first_ts DESC LIMIT 1)",
}


def is_original(database: sqlite3.Connection) -> bool:
    """Return whether the database was made by the original logger and has not been upgraded yet."""
    return user_version(database) == 0 and "ts" in columns(database, "system_sample")


def take_over(database: sqlite3.Connection, *, has_room: bool) -> None:
    """Upgrade in one transaction: the full way if ``has_room``, else the cheap way.

    If it raises sqlite3.Error, nothing was changed.
    """
    database.execute("PRAGMA foreign_keys = OFF")
    # As before SQLite 3.26: renaming a table does not change the user's views and triggers.
    database.execute("PRAGMA legacy_alter_table = ON")
    try:
        if not (has_room and _can_copy(database) and _copied(database)):
            _in_one_transaction(database, _add_columns)
    finally:
        database.execute("PRAGMA legacy_alter_table = OFF")
    _give_room_back(database)


def _copied(database: sqlite3.Connection) -> bool:
    """Try the full way; return False, with nothing changed, if only the cheap way is possible."""
    tied = _tied(database)  # before the transaction, which drops the user's own objects for a while
    try:
        _in_one_transaction(database, lambda database: _copy_rows(database, tied))
    except sqlite3.IntegrityError:  # an old table has values that the new one refuses: a NULL in its key
        return False
    except sqlite3.OperationalError as error:
        if result_code(error) == sqlite3.SQLITE_BUSY:
            raise
        _give_room_back(database)  # the space was not enough after all, and the cheap way needs some
        return False
    return True


def _give_room_back(database: sqlite3.Connection) -> None:
    """Empty the WAL: otherwise it would keep the size of all that was rewritten."""
    with suppress(sqlite3.OperationalError):  # no space for a checkpoint now: a later commit does it
        empty_wal(database, wait=True)


def _in_one_transaction(database: sqlite3.Connection, way: Callable[[sqlite3.Connection], None]) -> None:
    # Indexes and triggers are dropped meanwhile: no trigger fires, and no index refers to a renamed table.
    with replacing_views(database, TABLES, NAMES):
        _note_trend(database)
        way(database)


# --- the full way ---


def _can_copy(database: sqlite3.Connection) -> bool:
    """Return whether the new tables can support the user's own columns, views and triggers.

    ADD COLUMN must be able to make the columns (a type, NOT NULL, a default), and no view or trigger may use
    the rowid, which the new tables do not have. A false alarm costs only space.
    """
    for it in objects(database):
        if it.kind in {"view", "trigger"} and _ROWID.search(it.sql):
            return False
        has_more = it.name in TABLES and columns(database, it.name).keys() - TABLES[it.name]
        if has_more and _NOT_FOR_ADD_COLUMN.search(it.sql):
            return False
    return True


def _copy_rows(database: sqlite3.Connection, tied: Container[str]) -> None:
    present = [table for table in TABLES if columns(database, table)]
    for table in present:
        database.execute(f"ALTER TABLE {table} RENAME TO {_OLD}{table}")
    schema.make_tables(database)
    for table in schema.COMPACT:
        if table not in tied:
            schema.make_compact(database, table)
    for table in present:
        old = _OLD + table
        for name, definition in columns(database, old).items():
            if name not in TABLES[table]:
                database.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {definition}")
        values = {quoted(name): quoted(name) for name in columns(database, old)}
        if table == "system_sample":
            values |= _derived(database, old)
        names = ", ".join(values)
        # Table names are this module's own, column names are quoted.
        database.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())} FROM {old}")
        database.execute(f"DROP TABLE {old}")


def _tied(database: sqlite3.Connection) -> set[str]:
    """Return the tables that cannot be replaced by a view.

    These have a user's column, or a user's index, trigger or foreign key refers to them.
    """
    own = [it.sql for it in objects(database) if it.kind != "view" and it.name not in TABLES]
    return {
        table
        for table in schema.COMPACT
        if columns(database, table).keys() - TABLES[table]
        or any(re.search(rf"\b{table}\b", sql, re.IGNORECASE) for sql in own)
    }


# --- the cheap way ---


def _add_columns(database: sqlite3.Connection) -> None:
    """Add the new columns to the old tables, and make the other objects of the schema."""
    with schema.plain_model(schema.LATEST) as model:
        for table in TABLES:
            have = columns(database, table)
            for name, definition in columns(model, table).items():
                if have and name not in have:
                    database.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {definition}")
        values = _derived(database, "system_sample").items()
        database.execute(
            f"UPDATE system_sample SET {', '.join(f'{name} = {value}' for name, value in values)}"
        )
        present = {it.name for it in objects(database)}
        missing = [it for it in objects(model) if it.name not in present]
        for it in sorted(missing, key=lambda it: it.kind, reverse=True):  # tables, then indexes
            database.execute(it.sql)
            if it.kind == "table":
                for row in model.execute(f"SELECT * FROM {it.name}"):
                    database.execute(f"INSERT INTO {it.name} VALUES ({', '.join('?' * len(row))})", row)


# --- time, interval and energy of old rows ---


def _derived(database: sqlite3.Connection, table: str) -> dict[str, str]:
    interval = _INTERVAL.format(table=table)
    direction = _DIRECTION_OF[_sign_source(database, table)].format(table=table)
    energy = f"CAST(ROUND(ABS({table}.power) * ({direction}) * ({interval}) * 1e6) AS INTEGER)"
    return {"time": f"{table}.ts", "interval": interval, "energy_uj": energy}


def _sign_source(database: sqlite3.Connection, table: str) -> str:
    """Return what distinguishes discharging from charging: a sign, if the driver ever gave a negative one."""
    for column in ("power", "current"):
        if database.execute(f"SELECT 1 FROM {table} WHERE {column} < 0 LIMIT 1").fetchone():
            return column
    return "trend"


def _note_trend(database: sqlite3.Connection) -> None:
    database.execute("DROP TABLE IF EXISTS temp.trend")
    database.execute("CREATE TEMP TABLE trend (first_ts INTEGER PRIMARY KEY, direction INTEGER)")
    if "battery_pct" not in columns(database, "system_sample"):  # from an early version of the logger
        database.execute("ALTER TABLE system_sample ADD COLUMN battery_pct REAL")
    if _sign_source(database, "system_sample") == "trend":
        rows = database.execute("SELECT ts, battery_pct FROM system_sample ORDER BY ts")
        database.executemany("INSERT INTO temp.trend VALUES (?, ?)", directions(rows))


def directions(rows: Iterable[tuple[int, float | None]]) -> Iterator[tuple[int, int | None]]:
    """Yield (first ts, direction) of each stretch of equal percentage in ``rows`` (ts, percentage), by ts.

    -1 is discharging, 1 is charging. The direction of a stretch is that of the steps at its two ends. It is
    None if they differ (a turning point) or if there are none. A gap of over a minute ends the trend.
    """
    first_ts, previous_ts, previous = 0, None, None
    came: int | None = None
    for ts, pct in rows:
        unbroken = previous_ts is not None and ts - previous_ts <= LONGEST_STEP
        if previous_ts is None or not unbroken or pct != previous:
            went = _step(previous, pct) if unbroken else None
            if previous_ts is not None:
                yield first_ts, _agreed(came, went)
            first_ts, came = ts, went
        previous_ts, previous = ts, pct
    if previous_ts is not None:
        yield first_ts, _agreed(came, None)


def _step(before: float | None, after: float | None) -> int | None:
    if before is None or after is None or before == after:
        return None
    return -1 if after < before else 1


def _agreed(came: int | None, went: int | None) -> int | None:
    if came is None or went is None:
        return came or went
    return came if came == went else None
