"""The shape of each table's rows: it shows whether a record is a row of the table, and undamaged.

SQLite has no page checksums. Instead, the number and types of the values are checked, ranges that contain
every reading, and relations that must hold between the columns of a row.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

from telemetry import END_OF_TIME
from telemetry.fields import fields_of
from telemetry.records import Battery, Cpu, PowerSource, Sample
from writer import schema
from writer.file.catalogue import Object, columns, objects, quoted
from writer.recovery.cells import Record
from writer.recovery.our_tables import ORIGINAL_COLUMNS, ORIGINAL_KEYS, our_tables
from writer.recovery.witnesses import WITNESSES, Named

_TIMES = (
    "ts",
    "time",
    "bucket",
    "start",
    "stop",
    "until",
    "first_ts",
    "started",
    "noticed",
    "last_time",
    "drain_newest_ts",
)
_RANGES = dict.fromkeys(_TIMES, (0.0, END_OF_TIME)) | {
    "pid": (0, (1 << 22) - 1),  # the kernel's PID_MAX_LIMIT
    "core": (0, 4095),
    "seq": (0, 2.0**53),
    "samples": (0, 2.0**53),
    "run_id": (0, 2.0**53),
    **dict.fromkeys(("uj", "pm_uj", "cpu_us"), (0, 1e15)),
}
_SYSTEM_RANGES = {
    column: field.bounds
    for record in (Sample, Battery, Cpu, PowerSource)
    for field in fields_of(record)
    if field.shape.kind in {"number", "integer", "row"}
    for column in field.columns
}
_ANY_NUMBER = (-1e15, 1e15)
_LONGEST_TEXT = 4096
_LONGEST = dict.fromkeys(("state", "lesson", "taught", "rates", "quiet"), 1 << 20)
"""The limits of texts that may be longer"""
_MOST_STEPS = 1_000_000
"""Most steps of SQLite's virtual machine to make a table: damaged SQL may do anything."""
_ALMOST_NOW = 1e8
"""Unix time, 1973. A stray page with an older time is not believed: it may be anything."""

Row = list[Any]
_MOST_KNOWN = 10_000
"""Most combinations of types that are remembered per table"""


class Column(NamedTuple):
    """How one value is checked."""

    types: tuple[type, ...]
    least: float
    most: float
    is_nullable: bool
    default: Any


class Shape(NamedTuple):
    """The stored form of a table's rows."""

    name: str
    names: tuple[str, ...]
    """The columns in the order of the record: in a table WITHOUT ROWID, the key comes first"""
    columns: tuple[Column, ...]
    has_rowid: bool
    rowid: int | None
    """Which column is the rowid, if any"""
    key_columns: tuple[int, ...]
    """The columns of its primary key, or none"""
    least: int
    """The number of values in a record of the oldest schema"""
    definitions: Mapping[str, str]
    """The definition of each column for ADD COLUMN"""
    is_ours: bool
    may_be_original: bool
    witness: Callable[[Named], bool] | None
    """Returns whether the values of a row are consistent"""
    known: dict[bytes, list[tuple[int, float, float]] | None]
    """By serial types of a record: the ranges to check (column, least, most)"""

    def row(self, record: Record) -> Row | None:
        """Return a record's values, one for each column; None if it is not a row of this table."""
        rowid, values, types = record
        if self.rowid is not None and len(values) > self.rowid and values[self.rowid] is None:
            values[self.rowid] = rowid
        missing = len(self.columns) - len(values)
        if missing > 0:
            values += [column.default for column in self.columns[-missing:]]
        if not self.is_ours:
            return values if missing >= 0 else None
        if types not in self.known:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[types] = self._checks(values, len(values) - max(missing, 0))
        checks = self.known[types]
        if checks is None:
            return None
        for at, least, most in checks:
            if not least <= values[at] <= most and not (self.may_be_original and self._is_original(values)):
                return None
        return (
            values
            if self.witness is None or self.witness(dict(zip(self.names, values, strict=True)))
            else None
        )

    def _checks(self, values: Row, given: int) -> list[tuple[int, float, float]] | None:
        """Return the ranges to check in rows with the types of ``values``; None if no row has such types."""
        if not self.least <= given <= len(self.columns):
            return None
        checks = []
        for at, (value, column) in enumerate(zip(values, self.columns, strict=True)):
            if value is None and column.is_nullable:
                continue
            if type(value) not in column.types:
                return None
            if isinstance(value, str | bytes):
                if len(value) > column.most:
                    return None
            else:
                checks.append((at, column.least, column.most))
        return checks

    def _is_original(self, values: Row) -> bool:
        """Return whether a row was written by the original logger, which did not check its values."""
        row = dict(zip(self.names, values, strict=True))
        return row.get("run_id") is None and 0 <= row["ts"] < END_OF_TIME

    def key(self, row: Row) -> tuple[Any, ...]:
        """Return the key of a row; the rows of a page are in the order of their keys."""
        return tuple([row[at] for at in self.key_columns])

    @property
    def is_telling(self) -> bool:
        """Whether its rows are distinctive enough to identify a stray page; an index may hold few numbers."""
        return self.is_ours and (
            self.names[0] in {"ts", "bucket"}
            or len(self.names) >= 6
            or self.name in {"process_name", "history"}
        )

    @property
    def forms(self) -> set[str]:
        """Its name, and that of the table with the same rows in another form."""
        return next(({*forms} for forms in schema.COMPACT.items() if self.name in forms), {self.name})

    def is_recent(self, row: Row) -> bool:
        """Return whether all times of a row are plausible for a computer: not before 1973."""
        return all(
            value is None or value >= _ALMOST_NOW
            for name, value in zip(self.names, row, strict=True)
            if name in {"ts", "time", "bucket", "noticed"}
        )


def shapes_in(catalogue: Iterable[Object]) -> dict[str, Shape]:
    """Return the shapes of the tables in ``catalogue``, by name.

    A table that cannot be made is left out. If one of our tables lacks its columns, the catalogue is damaged:
    our own definition is used instead, except for ``schema.COMPACT``, which has several forms
    (``by_content``).
    """
    found = {}
    for it in catalogue:
        if it.kind == "table" and it.sql.upper().startswith("CREATE TABLE"):
            with closing(sqlite3.connect(":memory:")) as model:
                model.set_progress_handler(lambda: 1, _MOST_STEPS)
                try:
                    model.execute(it.sql)
                    found[it.name] = _shape(model, it)
                except (sqlite3.Error, ValueError):
                    if it.name in our_tables() and it.name not in schema.COMPACT:
                        found[it.name] = our_shapes()[it.name]
    return found


@cache
def our_shapes() -> Mapping[str, Shape]:
    """Return the shapes of all tables that this writer ever made, by name."""
    with schema.plain_model(schema.LATEST) as plain, schema.model() as compact:
        return shapes_in(objects(plain)) | shapes_in(objects(compact))


def by_content() -> list[Shape]:
    """Return the shapes by which a stray page can be identified."""
    ours = our_shapes()
    # The tables of the original logger have a rowid.
    originals = [ours[name]._replace(has_rowid=True, key_columns=()) for name in schema.COMPACT]
    return [*(shape for shape in ours.values() if shape.is_telling), *originals]


def _shape(model: sqlite3.Connection, table: Object) -> Shape:
    find = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
    is_without_rowid = [bool(wr) for (wr,) in model.execute(find, (table.name,))] == [True]
    # A virtual generated column (hidden = 2) is not stored.
    info = [row for row in model.execute(f"PRAGMA table_xinfo({quoted(table.name)})") if row[6] != 2]
    if is_without_rowid:
        info.sort(key=lambda row: (row[5] == 0, row[5]))  # stable: the rest stays in its order
    if not info:
        raise ValueError(f"this does not make a table {table.name}")
    keys = [at for at, row in enumerate(info) if row[5]]
    is_alias = not is_without_rowid and len(keys) == 1 and info[keys[0]][2].upper() == "INTEGER"
    ours = our_tables().get(table.name)
    names = [row[1] for row in info]
    if ours and not ours.is_made_of(names, {names[at] for at in keys}):
        raise ValueError(f"this makes a different table {table.name}")
    checked = tuple(
        _column(
            table.name,
            name,
            kind,
            is_needed=bool(not_null) or (bool(key) and (is_without_rowid or is_alias)),
            is_upgraded="run_id" in names,
            default=None if default is None else model.execute(f"SELECT {default}").fetchone()[0],
        )
        for _, name, kind, not_null, default, key, _ in info
    )
    return Shape(
        table.name,
        tuple(names),
        checked,
        has_rowid=not is_without_rowid,
        rowid=keys[0] if is_alias else None,
        key_columns=tuple(range(len(keys))) if is_without_rowid else tuple(keys) if is_alias else (),
        least=len(ours.needed) if ours else 1,
        definitions=columns(model, table.name),
        is_ours=ours is not None,
        may_be_original=table.name == "system_sample",
        witness=WITNESSES.get(table.name),
        known={},
    )


def _column(table: str, name: str, kind: str, *, is_needed: bool, is_upgraded: bool, default: Any) -> Column:
    known = our_tables().get(table)
    ours, is_ours_needed = known.columns.get(name, ("", False)) if known else ("", False)
    # In the original logger's tables, its columns may have any type, and a user's columns may have our names.
    is_theirs = name in ORIGINAL_COLUMNS[table] or not is_upgraded if table in ORIGINAL_COLUMNS else False
    if not ours or (kind != ours and is_theirs and name not in ORIGINAL_KEYS):
        return Column((int, float, str, bytes), -math.inf, math.inf, not is_needed, default)
    kind, is_needed = ours, is_needed or is_ours_needed
    if kind == "TEXT":
        return _text(_LONGEST.get(name, _LONGEST_TEXT), is_nullable=not is_needed)._replace(default=default)
    ranges = _RANGES | _SYSTEM_RANGES if table == "system_sample" else _RANGES
    types = (int,) if kind == "INTEGER" else (int, float)
    return Column(types, *ranges.get(name, _ANY_NUMBER), not is_needed, default)


def _text(most: int = _LONGEST_TEXT, *, is_nullable: bool = False) -> Column:
    return Column((str,), 0, most, is_nullable, None)


CATALOGUE = Shape(
    "sqlite_schema",
    ("type", "name", "tbl_name", "rootpage", "sql"),
    (_text(), _text(), _text(), Column((int,), 0, 2.0**32, False, None), _text(1 << 20, is_nullable=True)),
    has_rowid=True,
    rowid=None,
    key_columns=(),
    least=5,
    definitions={},
    is_ours=True,
    may_be_original=False,
    witness=lambda row: row["type"] in {"table", "index", "view", "trigger"},
    known={},
)
