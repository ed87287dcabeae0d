"""Damages a database, and waits until its readable rows are copied."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from writer.recovery.guarded_store import GuardedStore

LOG = logging.getLogger("test")
PAGE = 1024


def damage(path: Path, table: str, *, page: int) -> None:
    """Overwrite one page of ``table``, counted from its first page."""
    database = sqlite3.connect(path)
    (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    # The leaves of a table that was filled in order follow its root, mixed with those of other tables. So
    # this overwrites some page of the file, and the tests only require that the damage is noticed.
    with path.open("r+b") as file:
        file.seek((root - 1 + page) * size)
        file.write(b"\xa5" * size)


def leaves(path: Path, table: str) -> list[int]:
    """Return the numbers of the leaf pages of ``table``, by key (sqlite.org/fileformat2.html, 1.6)."""
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = path.read_bytes()

    def below(number: int) -> Iterator[int]:
        page = content[(number - 1) * size : number * size]
        if page[0] not in {0x02, 0x05}:
            yield number
            return
        cells = [int.from_bytes(page[12 + 2 * at :][:2]) for at in range(int.from_bytes(page[3:5]))]
        for at in (*cells, 8):  # the last child is in the header
            yield from below(int.from_bytes(page[at : at + 4]))

    return list(below(root))


def overwrite(path: Path, pages: list[int]) -> None:
    """Overwrite pages by number, starting at 1."""
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)


def asides(path: Path) -> list[Path]:
    beside = ("-wal", "-shm", ".todo")
    return [found for found in path.parent.glob("*.corrupt.*") if not found.name.endswith(beside)]


def wait_for_salvage(guarded: GuardedStore) -> None:
    guarded.step(lambda: True)
    assert guarded._salvage is not None
    guarded._salvage.join()
