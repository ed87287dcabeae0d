"""Rows of a damaged table, by time: read up to a hole, leapt over it, and read on from its other edge.

A damaged page makes every look-up fail that ends in it, and no other. Nothing tells how far such a hole
reaches: it is felt for, one look-up after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Literal, NamedTuple

Row = dict[str, object]

_END = 1 << 62
"""No key is as large."""
_FINENESS = 64
"""A leap is this part of the hole that was felt so far, or one key: of what lies between two holes nothing is
missed that is wider, and a hole as wide as all keys takes some 2,500 look-ups."""
_LANDMARKS = (
    *(
        f"SELECT ts FROM {table} ORDER BY ts {order} LIMIT 1"
        for table in ("system_sample", "cpu_core", "process_sample", "battery_pack")
        for order in ("ASC", "DESC")
    ),
    "SELECT MIN(first_ts) FROM run",
    "SELECT MAX(first_ts) FROM run",
)
"""Where keys may be. From the ends of all numbers they are too far for leaps that are fine enough."""


class Keys(NamedTuple):
    """A range of ``ts``."""

    first: int
    end: int
    """The first that is no more of it"""

    def without(self, count: int, order: _Order) -> Keys:
        """Return the rest when ``count`` keys of the end where ``order`` begins are left out."""
        if order == "DESC":
            return Keys(self.first, max(self.first, self.end - count))
        return Keys(min(self.end, self.first + count), self.end)


_Order = Literal["ASC", "DESC"]


def batches(source: sqlite3.Connection, table: str, size: int, holes: list[Keys]) -> Iterator[list[Row]]:
    """Yield all rows of ``table`` that can be read, of ``size`` values of ``ts`` at most, newest first.

    What could not be read is added to ``holes``. A hole is tried from its older end too: leaps are finest at
    the end where they begin, and the last key of a sound page is found only from its own side.
    """
    damaged = _Table(source, table)
    edges = sorted({0, _END, *_landmarks(source)})
    for first, end in reversed(list(pairwise(edges))):
        found: list[Keys] = []
        yield from _sweep(damaged, Keys(first, end), "DESC", size, found)
        for hole in found:
            yield from _sweep(damaged, hole, "ASC", size, holes)


def rows(source: sqlite3.Connection, sql: str, parameters: tuple[object, ...] = ()) -> Iterator[Row]:
    """Yield the rows of a query by the names of their columns. Raises sqlite3.Error, between rows too."""
    cursor = source.execute(sql, parameters)
    names = [name for name, *_ in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


class _Table(NamedTuple):
    source: sqlite3.Connection
    name: str

    def read(self, keys: Keys, order: _Order, limit: int) -> list[Row] | None:
        """Return the rows of the first ``limit`` values of ``ts``, if any; None where a page is damaged."""
        distinct = "DISTINCT" if limit > 1 else ""  # which looks at the next row, and that may be lost
        try:
            found = self.source.execute(
                f"SELECT {distinct} ts FROM {self.name} WHERE ts >= ? AND ts < ? "
                f"ORDER BY ts {order} LIMIT {limit}",
                keys,
            ).fetchall()
            if not all(isinstance(ts, int) and keys.first <= ts < keys.end for (ts,) in found):
                return None  # a page that is not what its place in the tree says
            if not found:
                return []
            (first,), (last,) = min(found), max(found)
            if first == last:  # as a range would
                return list(rows(self.source, f"SELECT * FROM {self.name} WHERE ts = ?", (first,)))
            all_of_them = f"SELECT * FROM {self.name} WHERE ts BETWEEN ? AND ? ORDER BY ts {order}"
            return list(rows(self.source, all_of_them, (first, last)))
        except sqlite3.Error:
            return None


def _landmarks(source: sqlite3.Connection) -> Iterator[int]:
    for sql in _LANDMARKS:
        with suppress(sqlite3.Error):
            for (ts,) in source.execute(sql):
                if isinstance(ts, int) and 0 <= ts < _END - 1:
                    yield from (ts, ts + 1)


def _sweep(table: _Table, keys: Keys, order: _Order, size: int, holes: list[Keys]) -> Iterator[list[Row]]:
    limit = size
    while keys.first < keys.end:
        batch = table.read(keys, order, limit)
        if batch is None and limit > 1:
            limit //= 2  # down to single rows, as near to the damage as it goes
        elif batch is None:
            rest = _past_hole(table, keys, order)
            holes.append(Keys(rest.end, keys.end) if order == "DESC" else Keys(keys.first, rest.first))
            keys, limit = rest, size
        elif not batch:
            return
        else:
            yield batch
            last = int(str(batch[-1]["ts"]))
            keys = keys._replace(end=last) if order == "DESC" else keys._replace(first=last + 1)


def _past_hole(table: _Table, keys: Keys, order: _Order) -> Keys:
    """Return what is left of ``keys`` behind the hole they begin with; no key where it is all of them."""

    def is_readable(distance: int) -> bool:
        return table.read(keys.without(distance, order), order, 1) is not None

    all_of_it = keys.end - keys.first
    bad, good = 0, 1
    while good < all_of_it and not is_readable(good):
        bad, good = good, good + max(1, good // _FINENESS)
    while good - bad > 1 and good < all_of_it:  # back to the edge
        middle = (bad + good) // 2
        bad, good = (bad, middle) if is_readable(middle) else (middle, good)
    return keys.without(good, order)
