"""The page reader on databases that SQLite wrote and that were then damaged."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.writer.recovery.kinds import KINDS, Content, Damage, Sound, a_bit_is_flipped
from tests.writer.samples import NOW, row_of
from tests.writer.upgrade.originals import build, measured
from writer.recovery.pages import Pages
from writer.recovery.reader import Reader
from writer.store import Store

SEEDS = st.integers(0, 2**32)
EXAMPLES = max(4, settings().max_examples // 12)
"""Each example reads a whole database, 0.1 s of CPU."""


def of(content: bytes) -> Callable[[int, int], bytes]:
    return lambda at, size: content[at : at + size]


def read(content: bytes, wal: bytes = b"") -> Content:
    """Return the rows of each table, the first row of each key; columns in the order of the table."""
    reader = Reader(Pages(of(content), len(content), of(wal), len(wal)))
    for _ in reader.survey():
        pass
    found: Content = {}
    for name, shape in reader.tables.items():
        rows: dict[object, tuple[object, ...]] = {}
        for page in reader.rows(name):
            for row in page:
                rows.setdefault(shape.key(row) or tuple(row), tuple(row))
        found[name] = set(rows.values())
    return found


def test_all_rows_of_a_sound_database_are_read(sound: Sound) -> None:
    found = read(sound.content)
    assert {table: found[table] for table in sound.rows} == sound.rows


@pytest.mark.parametrize("damage", KINDS, ids=lambda it: it.__name__)
@settings(max_examples=EXAMPLES, phases=[Phase.generate])
@given(seed=SEEDS)
@pytest.mark.fast_cases(4)
def test_rows_outside_a_damaged_page_are_read(sound: Sound, damage: Damage, seed: int) -> None:
    content, may_be_lost = damage(sound, random.Random(seed))
    found = read(content)
    for table, rows in sound.rows.items():
        got = found.get(table, set())
        assert got <= rows, f"rows of {table} that never existed"
        assert len(rows - got) <= may_be_lost[table], f"rows of {table} are lost"


@settings(max_examples=2 * EXAMPLES, phases=[Phase.generate])
@given(seed=SEEDS)
@pytest.mark.slow
def test_a_flipped_bit_affects_only_its_page(sound: Sound, seed: int) -> None:
    """Its own page may lose rows, and a value may change without any sign."""
    content, on_page = a_bit_is_flipped(sound, random.Random(seed))
    found = read(content)
    for table, rows in sound.rows.items():
        got = found.get(table, set())
        assert len(rows - got) <= on_page[table]
        assert len(got - rows) <= 1


@settings(max_examples=2 * EXAMPLES, phases=[Phase.generate])
@given(garbage=st.binary(max_size=5000), seed=SEEDS)
def test_reading_any_bytes_ends(sound: Sound, garbage: bytes, seed: int) -> None:
    read(garbage)
    dice = random.Random(seed)
    content = bytearray(sound.content)
    for _ in range(dice.choice([1, 10, 1000])):  # over any page, even the catalogue
        at = dice.randrange(len(content))
        part = garbage[: dice.randrange(len(garbage) + 1)]
        content[at : at + len(part)] = part
    read(bytes(content))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("power_min", "power_mix"),
        ("bucket           INTEGER PRIMARY KEY", "bucket           INTEGER            "),
        ("first_start      REAL NOT NULL", "first_start      REAM         "),
        ("name_id INTEGER PRIMARY KEY", "name_id INTEGER PRIMORY KEY"),
    ],
)
def test_known_tables_are_read_even_if_the_catalogue_is_wrong(sound: Sound, old: str, new: str) -> None:
    assert len(old) == len(new)
    assert sound.content.count(old.encode()) >= 1
    found = read(sound.content.replace(old.encode(), new.encode()))
    for table in ("system_minute", "system_hour", "process_name"):
        assert found[table] == sound.rows[table]


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_pages_in_the_wal_replace_those_in_the_file(path: Path, cut: int) -> None:
    """They count up to the last complete commit, as in SQLite."""
    with Store(path) as store:
        store.append(row_of(1, 400), NOW)
        store.empty_wal()
        for seq in range(401, 501, 10):
            store.append(row_of(seq, seq + 9), NOW)
        wal = bytearray(path.with_name(f"{path.name}-wal").read_bytes())
        content = path.read_bytes()
    if cut:
        wal[len(wal) * cut // 4] ^= 1
    copy, its_wal = path.with_name("copy.db"), path.with_name("copy.db-wal")
    copy.write_bytes(content)
    its_wal.write_bytes(wal)
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as database:
        expected = set(database.execute("SELECT * FROM system_sample"))
    assert 400 <= len(expected) <= 500 - 10 * (cut > 0)
    assert read(content, bytes(wal))["system_sample"] == expected


@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("is_headed", [True, False])
@pytest.mark.fast_cases(3)
def test_every_page_size_is_read(path: Path, page: int, is_headed: bool) -> None:
    build(path, measured(600))
    with closing(sqlite3.connect(path)) as database:
        for statement in ("PRAGMA journal_mode = DELETE", f"PRAGMA page_size = {page}", "VACUUM"):
            database.execute(statement)
        expected = {
            table: set(database.execute(f"SELECT * FROM {table}")) for table in ("cpu_core", "process_sample")
        }
    content = path.read_bytes()
    if not is_headed:
        content = bytes(page) + content[page:]
    found = read(content)
    for table, rows in expected.items():
        width = len(next(iter(rows)))  # later columns are NULL
        assert {row[:width] for row in found[table]} == rows


def test_records_on_many_pages_and_columns_added_later(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in (
            "PRAGMA page_size = 1024",
            "CREATE TABLE own (id INTEGER PRIMARY KEY, x REAL, twice AS (2 * x), text DEFAULT 'none')",
            "INSERT INTO own (id, x) VALUES (-5, 1), (1 << 40, 2.5), (3, NULL)",
            "ALTER TABLE own ADD COLUMN more DEFAULT 7",
            "INSERT INTO own VALUES (1800000000, 3, replace(hex(zeroblob(3000)), '0', 'ä'), x'00ff')",
            "CREATE TABLE note (k TEXT, b BLOB, n, PRIMARY KEY (b, k)) WITHOUT ROWID",
            "INSERT INTO note SELECT key, zeroblob(value * 97), value * 1.5 FROM json_each(?)",
        ):
            numbers = json.dumps({f"key {number}": number for number in range(1, 90)})
            database.execute(statement, [numbers][: statement.count("?")])
        expected = {
            "note": set(database.execute("SELECT b, k, n FROM note")),
            "own": set(database.execute("SELECT id, x, text, more FROM own")),
        }
    found = read(path.read_bytes())
    assert {table: found[table] for table in expected} == expected
