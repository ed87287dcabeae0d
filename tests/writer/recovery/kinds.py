"""Kinds of damage to the bytes of a database, and how many rows each may cost."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from tests.writer.recovery.damaged import leaves

BIG = (
    "system_sample",
    "core_row",
    "process_row",
    "system_minute",
    "system_hour",
    "core_hour",
    "process_hour",
)
WITHOUT_ROWID = ("core_row", "process_row", "core_hour", "process_hour", "energy_hour")
Content = dict[str, set[tuple[object, ...]]]
"""The rows of each table"""


class Sound:
    """An undamaged database. It is not a NamedTuple, because a failing example would print all of it."""

    def __init__(self, path: Path, fresh: Path) -> None:
        """``fresh`` is an empty database."""
        with closing(sqlite3.connect(path)) as database:
            find = "SELECT name, rootpage, type FROM sqlite_schema WHERE rootpage > 0"
            made = database.execute(find).fetchall()
            tables = [name for name, _, kind in made if kind == "table"]
            self.rows: Content = {name: set(database.execute(f"SELECT * FROM {name}")) for name in tables}
            self.page = int(database.execute("PRAGMA page_size").fetchone()[0])
            """The size of a page in bytes"""
        self.content = path.read_bytes()
        self.first_of_fresh = fresh.read_bytes()[: self.page]
        self.roots = {name: root for name, root, _ in made}
        self.leaves = {name: leaves(path, name) for name in self.roots}
        """Pages of tables and indexes, by key"""

    def count(self, page: int) -> int:
        """Return the number of rows on a page."""
        return int.from_bytes(self.content[(page - 1) * self.page :][3:5])

    def inner(self, table: str) -> list[int]:
        """Return the pages of a table that have children, including its root."""
        known, found = {*self.leaves[table]}, [self.roots[table]]
        for page in found:
            data = self.content[(page - 1) * self.page : page * self.page]
            if page in known:
                continue
            cells = [int.from_bytes(data[12 + 2 * at :][:2]) for at in range(self.count(page))]
            found += [int.from_bytes(data[at : at + 4]) for at in (*cells, 8)]
        return [page for page in found if page not in known]


Damaged = tuple[bytes, Counter[str]]
"""The damaged bytes, and how many rows of each table may be lost"""
Damage = Callable[[Sound, random.Random], Damaged]


def _with(sound: Sound, pages: Mapping[int, bytes]) -> bytes:
    content = bytearray(sound.content)
    for number, data in pages.items():
        content[(number - 1) * sound.page : number * sound.page] = data
    return bytes(content)


def _page(sound: Sound, number: int) -> bytes:
    return sound.content[(number - 1) * sound.page : number * sound.page]


def _leaf(sound: Sound, dice: random.Random, tables: tuple[str, ...] = BIG) -> tuple[str, int]:
    table = dice.choice([table for table in tables if len(sound.leaves[table]) > 1])
    return table, dice.choice(sound.leaves[table])


def a_leaf_is_zeroed(sound: Sound, dice: random.Random) -> Damaged:
    table, page = _leaf(sound, dice)
    return _with(sound, {page: bytes(sound.page)}), Counter({table: sound.count(page)})


def two_leaves_are_swapped(sound: Sound, dice: random.Random, tables: tuple[str, ...] = BIG) -> Damaged:
    """Swap two leaves of the same table."""
    table, one = _leaf(sound, dice, tables)
    other = dice.choice([page for page in sound.leaves[table] if page != one])
    return _with(sound, {one: _page(sound, other), other: _page(sound, one)}), Counter()


def leaves_of_two_tables_are_swapped(sound: Sound, dice: random.Random) -> Damaged:
    (_, one), (_, other) = _leaf(sound, dice), _leaf(sound, dice)
    return _with(sound, {one: _page(sound, other), other: _page(sound, one)}), Counter()


def an_index_leaf_lies_over_a_leaf(sound: Sound, dice: random.Random) -> Damaged:
    table, page = _leaf(sound, dice)
    index = dice.choice(["system_sample_time", "system_sample_identity", "process_name_identity"])
    over = dice.choice(sound.leaves[index])
    return _with(sound, {page: _page(sound, over)}), Counter({table: sound.count(page)})


def a_leaf_lies_over_another(sound: Sound, dice: random.Random, tables: tuple[str, ...] = BIG) -> Damaged:
    (table, page), (_, over) = _leaf(sound, dice, tables), _leaf(sound, dice, tables)
    lost = Counter({table: sound.count(page)}) if page != over else Counter[str]()
    return _with(sound, {page: _page(sound, over)}), lost


def a_leaf_without_rowid_lies_over_another(sound: Sound, dice: random.Random) -> Damaged:
    return a_leaf_lies_over_another(sound, dice, WITHOUT_ROWID)


def two_leaves_without_rowid_are_swapped(sound: Sound, dice: random.Random) -> Damaged:
    return two_leaves_are_swapped(sound, dice, WITHOUT_ROWID)


def page_1_is_overwritten(sound: Sound, dice: random.Random) -> Damaged:
    return _with(sound, {1: dice.randbytes(sound.page)}), _small(sound)


def page_1_is_of_a_fresh_database(sound: Sound, _dice: random.Random) -> Damaged:
    return _with(sound, {1: sound.first_of_fresh}), Counter()


def _small(sound: Sound) -> Counter[str]:
    """Return the tables whose rows cannot be recognised without their tree."""
    return Counter({table: len(sound.rows[table]) for table in ("setting", "dropped", "gap")})


def an_inner_page_is_overwritten(sound: Sound, dice: random.Random) -> Damaged:
    """Overwrite a root or another page with children. In a table WITHOUT ROWID, it also has rows."""
    table = dice.choice([table for table in BIG if sound.inner(table)])
    page = dice.choice(sound.inner(table))
    lost = Counter({table: sound.count(page)}) if table in WITHOUT_ROWID else Counter[str]()
    return _with(sound, {page: dice.choice([bytes(sound.page), b"\xa5" * sound.page])}), lost


def a_bit_is_flipped(sound: Sound, dice: random.Random) -> Damaged:
    """In a leaf."""
    table, page = _leaf(sound, dice)
    data = bytearray(_page(sound, page))
    bit = dice.randrange(8 * sound.page)
    data[bit // 8] ^= 1 << bit % 8
    return _with(sound, {page: bytes(data)}), Counter({table: sound.count(page)})


def the_file_is_cut(sound: Sound, dice: random.Random) -> Damaged:
    kept = dice.randrange(sound.page, len(sound.content))
    lost = Counter[str]()
    for table, pages in sound.leaves.items():
        inner = sound.inner(table) if table in WITHOUT_ROWID else []
        lost[table] = sum(sound.count(page) for page in {*pages, *inner} if page * sound.page > kept)
    return sound.content[:kept], lost + _small(sound)


KINDS: list[Damage] = [
    a_leaf_is_zeroed,
    two_leaves_are_swapped,
    leaves_of_two_tables_are_swapped,
    an_index_leaf_lies_over_a_leaf,
    a_leaf_lies_over_another,
    a_leaf_without_rowid_lies_over_another,
    two_leaves_without_rowid_are_swapped,
    page_1_is_overwritten,
    page_1_is_of_a_fresh_database,
    an_inner_page_is_overwritten,
    the_file_is_cut,
]
"""The kinds that change no value of a row"""
