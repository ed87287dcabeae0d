"""Several damaged pages: all that a look-up by key can still read is copied."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.writer.reading import is_whole, rows
from tests.writer.recovery.damaged import LOG, leaves, overwrite
from tests.writer.samples import NOW, sample
from writer.recovery import damaged_pages
from writer.recovery.aside import set_aside
from writer.recovery.salvage import Salvage
from writer.store import Store

TABLES = ("system_sample", "core_row", "process_row")
PARTS = [
    (0.33, 0.66),
    (0.1, 0.3, 0.5, 0.7, 0.9),
    (0.0, 1.0),  # of a torn file
    (0.0, 0.001, 0.5, 0.502, 1.0),
    (0.4, 0.402, 0.404, 0.406, 0.408),  # with a sound page between any two
]


def damage_leaves(path: Path, table: str, parts: Iterable[float]) -> None:
    found = leaves(path, table)
    overwrite(path, [found[round(part * (len(found) - 1))] for part in parts])


def copy_over(path: Path) -> Path:
    """Copy into a fresh database, whoever noticed the damage; return where the damaged one is now."""
    aside = set_aside(path, NOW)
    Store(path).close()
    Salvage([aside], path, LOG).run()
    return aside


def readable(path: Path, table: str, keys: Iterable[int]) -> set[int]:
    """The ``ts`` that a look-up finds, and whose rows it can all read."""
    found = set()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for ts in keys:
            try:
                if database.execute(f"SELECT * FROM {table} WHERE ts = ?", (ts,)).fetchall():
                    found.add(ts)
            except sqlite3.DatabaseError:
                continue
    return found


def stored(path: Path, table: str) -> set[int]:
    return {ts for (ts,) in rows(path, f"SELECT DISTINCT ts FROM {table}")}


@pytest.mark.parametrize("parts", PARTS)
def test_what_lies_between_damaged_pages_is_copied(recorded: Path, parts: tuple[float, ...]) -> None:
    before = stored(recorded, "system_sample")
    for table in TABLES:
        damage_leaves(recorded, table, parts)
    aside = copy_over(recorded)
    assert is_whole(recorded)
    expected = {table: readable(aside, table, before) for table in TABLES}
    assert len(before) - 100 < len(expected["system_sample"]) < len(before)
    assert stored(recorded, "system_sample") == expected["system_sample"]
    for table in ("core_row", "process_row"):  # those of lost samples too
        assert 2000 < len(expected[table]) < len(before)
        assert stored(recorded, table) >= expected[table]


def test_pages_between_years_without_a_sample(path: Path) -> None:
    """Keys are far apart there: the edges of a hole are felt for over years, and not by the second."""
    year = 365 * 86400
    with Store(path) as store:
        for number in range(10):
            store.append([sample(number * 100 + at, ts=NOW + number * year + at) for at in range(1, 51)], NOW)
    found = leaves(path, "system_sample")
    overwrite(path, [found[len(found) * part // 8] for part in (1, 3, 4, 6)])
    with closing(sqlite3.connect(path)) as database:
        look_ups: list[str] = []
        database.set_trace_callback(look_ups.append)
        lost: list[damaged_pages.Keys] = []
        copied = {
            row["ts"] for rows in damaged_pages.batches(database, "system_sample", 200, lost) for row in rows
        }
        database.set_trace_callback(None)
        expected = set()
        for ts in (NOW + number * year + at for number in range(10) for at in range(1, 51)):
            try:
                expected |= set(database.execute("SELECT ts FROM system_sample WHERE ts = ?", (ts,)))
            except sqlite3.DatabaseError:
                continue
    assert copied == {ts for (ts,) in expected}
    assert 450 < len(copied) < 500
    assert len(lost) == 4
    assert len(look_ups) < 20_000
