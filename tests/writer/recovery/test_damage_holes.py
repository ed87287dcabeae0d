"""Several damaged pages: every row that a look-up by key can read is copied, and losses are recorded."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.writer.reading import is_whole, rows
from tests.writer.recovery.damaged import LOG, PAGE, leaves, overwrite
from tests.writer.recovery.kinds import KINDS, Damage, Sound
from tests.writer.samples import NOW, sample
from writer.file.aside import set_aside
from writer.recovery.salvage import Salvage
from writer.store import Store

TABLES = ("system_sample", "core_row", "process_row")
PARTS = [
    (0.33, 0.66),
    (0.1, 0.3, 0.5, 0.7, 0.9),
    (0.0, 1.0),  # in a torn file
    (0.0, 0.001, 0.5, 0.502, 1.0),
    (0.4, 0.402, 0.404, 0.406, 0.408),  # with a sound page between each two
]


def damage_leaves(path: Path, table: str, parts: Iterable[float]) -> None:
    found = leaves(path, table)
    overwrite(path, [found[round(part * (len(found) - 1))] for part in parts])


def copy_over(path: Path) -> Path:
    """Copy into a fresh database; return the new path of the damaged one."""
    aside = set_aside(path, NOW)
    Store(path).close()
    Salvage([aside], path, LOG).run()
    return aside


def readable(path: Path, table: str, keys: Iterable[int]) -> set[int]:
    """Return each ``ts`` that a look-up finds and whose rows it can all read."""
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
@pytest.mark.fast_cases(1)
def test_rows_between_damaged_pages_are_copied(recorded: Path, parts: tuple[float, ...]) -> None:
    before = stored(recorded, "system_sample")
    for table in TABLES:
        damage_leaves(recorded, table, parts)
    aside = copy_over(recorded)
    assert is_whole(recorded)
    expected = {table: readable(aside, table, before) for table in TABLES}
    assert len(before) - 100 < len(expected["system_sample"]) < len(before)
    assert stored(recorded, "system_sample") == expected["system_sample"]
    for table in ("core_row", "process_row"):  # also those of lost samples
        assert 2000 < len(expected[table]) < len(before)
        assert stored(recorded, table) >= expected[table]


def test_a_damaged_page_beside_years_without_a_sample(path: Path) -> None:
    year = 365 * 86400
    keys = [NOW + number * year + at for number in range(10) for at in range(1, 51)]
    with Store(path) as store:
        for number in range(10):
            store.append([sample(number * 100 + at, ts=NOW + number * year + at) for at in range(1, 51)], NOW)
    found = leaves(path, "system_sample")
    lost = [found[len(found) * part // 8] for part in (1, 3, 4, 6)]
    overwrite(path, lost)
    expected = readable(path, "system_sample", keys)
    copy_over(path)
    assert stored(path, "system_sample") == expected
    assert 450 < len(expected) < 500


@pytest.mark.parametrize("damage", KINDS, ids=lambda it: it.__name__)
@pytest.mark.fast_cases(3)
def test_every_copied_row_existed_before(recorded: Path, damage: Damage, sound: Sound) -> None:
    content, may_be_lost = damage(sound, random.Random(1))
    recorded.write_bytes(content)
    copy_over(recorded)
    assert is_whole(recorded)
    for table in ("system_sample", "core_row"):
        copied = set(rows(recorded, f"SELECT * FROM {table}"))
        assert copied <= sound.rows[table]
        assert len(sound.rows[table] - copied) <= may_be_lost[table]


@pytest.mark.slow
def test_losses_are_recorded(recorded: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage_leaves(recorded, "system_sample", [0.5])
    before = 3000
    aside = copy_over(recorded)
    ((file, table, first, last, lost),) = rows(
        recorded, "SELECT file, table_name, first, last, lost FROM loss"
    )
    assert (file, table) == (aside.name, "system_sample")
    there = rows(recorded, "SELECT COUNT(*) FROM system_sample")[0][0]
    assert lost == before - there > 0
    assert rows(recorded, f"SELECT COUNT(*) FROM system_sample WHERE ts > {first} AND ts < {last}") == [(0,)]
    assert f"{lost} of system_sample could not be copied" in caplog.text


@pytest.mark.slow
def test_swapped_leaves_cause_no_loss(recorded: Path) -> None:
    found = leaves(recorded, "system_sample")
    one, other = found[3], found[-4]
    content = recorded.read_bytes()
    first, second = (content[(page - 1) * PAGE : page * PAGE] for page in (one, other))
    with recorded.open("r+b") as file:
        for page, data in ((one, second), (other, first)):
            file.seek((page - 1) * PAGE)
            file.write(data)
    copy_over(recorded)
    assert rows(recorded, "SELECT COUNT(*) FROM system_sample") == [(3000,)]
    assert rows(recorded, "SELECT * FROM loss") == []
