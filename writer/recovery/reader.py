"""Reads the rows of a damaged database page by page. Pure: bytes in, rows out; reads each page at most twice.

First, ``survey`` examines all pages: the b-trees are followed from their roots. A page that is in no tree, or
in the wrong one, is identified by its rows. Then the rows of one table after another are read. Pages in their
tree come first: if a key occurs twice, their row is the newer one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from writer.file.catalogue import Object
from writer.recovery.cells import INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE, Decoder, Page
from writer.recovery.pages import Pages
from writer.recovery.shapes import CATALOGUE, Row, Shape, by_content, shapes_in

_UNKNOWN, _OTHER = 0, 255
"""Owners of pages: not known yet; and something without rows to read"""
_MOST_HOLES = 1000
_LOOKED_AT = 3
"""Rows that are checked to decide whether a page belongs to its tree"""
_STRAY_FIT = 0.7
"""The part of a stray page's rows that must fit one table"""
_PROGRESS = 5000
"""Pages between two progress reports"""
_DAYS = {"process_day", "energy_day"}
_FIRST = {"system_minute", "core_row", *_DAYS}
"""Tables that are preferred if the rows of a page fit several tables. Rows of hours rarely fit the table of
minutes; every row of days also fits the table of hours."""
_INDEXES = {INTERIOR_INDEX, LEAF_INDEX}


class Hole(NamedTuple):
    """A range of keys in which rows were lost, both ends included; None is the end of the table."""

    first: int | None
    last: int | None

    def has(self, key: int) -> bool:
        return (self.first is None or self.first <= key) and (self.last is None or key <= self.last)


class _Place(NamedTuple):
    """A page, and the range of keys that it has according to its parent."""

    number: int
    page: Page
    keys: Hole


class Reader:
    """Reads one database; ``survey`` must be run first, to its end."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._decoder = Decoder(pages.usable, pages.get, pages.encoding)
        self._owner = bytearray(pages.count + 1)
        self._is_stray = bytearray(pages.count + 1)
        self._roots: dict[str, int] = {}
        self._indexes: list[int] = []
        self._shapes: list[Shape] = []
        self.catalogue: list[Object] = []
        """The readable part of sqlite_schema"""
        self._holes: dict[str, list[Hole]] = {}
        """For each table: where rows are lost from its tree; some may be found elsewhere"""
        self._found: dict[str, list[Hole]] = {}
        """For each table: the first and last key of each page that was found outside its tree"""
        self.refused: Counter[str] = Counter()
        """For each table: how many rows were found but are not believed"""

    @property
    def tables(self) -> dict[str, Shape]:
        """The tables whose rows may be found, by name."""
        return {shape.name: shape for shape in self._shapes}

    def survey(self) -> Iterator[int]:
        """Find the owner of each page; yield the number of examined pages from time to time."""
        for number in self._pages.free():
            if number < len(self._owner):
                self._owner[number] = _OTHER
        yield from self._read_catalogue()
        found = shapes_in(self.catalogue)
        missing = [it for it in by_content() if not found.keys() & it.forms]
        self._shapes = sorted([*found.values(), *missing], key=lambda it: it.name not in _FIRST)[:254]
        for root in self._indexes:
            for place in self._walk(root, None):
                self._owner[place.number] = _OTHER
        for owner, shape in enumerate(self._shapes, 1):
            for at, place in enumerate(self._walk(self._roots.get(shape.name, 0), shape)):
                self._place(owner, shape, place)
                if at % _PROGRESS == _PROGRESS - 1:
                    yield _PROGRESS
        yield from self._survey_strays()

    def rows(self, table: str) -> Iterator[list[Row]]:
        """Yield the rows of a table that can be read and are believed, page by page, newest pages first.

        A row has one value for each of ``tables[table].names``. If a key occurs several times, the first row
        is the right one.
        """
        for owner, shape in enumerate(self._shapes, 1):
            if shape.name == table:
                for place in self._walk(self._roots.get(table, 0), shape, owner):
                    yield self._rows_of(shape, place)
                end = len(self._owner)
                while (end := self._owner.rfind(owner, 0, end)) > 0:
                    page = self._pages.b_tree(end) if self._is_stray[end] else None
                    if page is not None:
                        yield self._rows_of(shape, _Place(end, page, Hole(None, None)))

    def named_rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the same rows one by one, as dictionaries by column name."""
        for page in self.rows(table):
            for row in page:
                yield dict(zip(self.tables[table].names, row, strict=True))

    def lost(self, table: str) -> list[Hole]:
        """Return where rows are missing from a table's tree and were not found elsewhere."""
        return [hole for hole in self._holes.get(table, []) if not self._is_found(table, hole)]

    def _is_found(self, table: str, hole: Hole) -> bool:
        """Return whether the lost page was found elsewhere, or the children of a lost interior page."""
        inside = [
            it for it in self._found.get(table, []) if hole.has(it.first or 0) and hole.has(it.last or 0)
        ]
        return len(inside) == 1 or (bool(inside) and self.tables[table].has_rowid)

    # --- the catalogue ---

    def _read_catalogue(self) -> Iterator[int]:
        """Follow the tree from page 1; if it has holes, look for its leaves among all pages."""
        is_whole = min(list(map(self._read_entries, self._walk(1, CATALOGUE))), default=False)
        if "system_sample" in self._roots and is_whole and not self._holes.pop(CATALOGUE.name, None):
            return
        for number in range(2, self._pages.count + 1):
            page = self._pages.b_tree(number) if self._owner[number] == _UNKNOWN else None
            if page is not None and page.kind == LEAF_TABLE and self._fit(CATALOGUE, page) > _STRAY_FIT:
                self._read_entries(_Place(number, page, Hole(None, None)))
            if number % _PROGRESS == 0:
                yield _PROGRESS

    def _read_entries(self, place: _Place) -> bool:
        """Read a page of sqlite_schema; return False if any of it is damaged."""
        self._owner[place.number] = _OTHER
        if place.page.kind != LEAF_TABLE:
            return True
        records, damaged = self._decoder.records(place.page)
        for record in records:
            row = CATALOGUE.row(record)
            if row is None:
                damaged += 1
                continue
            kind, name, table, root, sql = row
            if kind == "index":
                self._indexes.append(int(str(root)))
            elif kind == "table":
                self._roots.setdefault(str(name), int(str(root)))
            if sql is not None and not any(it.name == name and it.kind == kind for it in self.catalogue):
                self.catalogue.append(Object(str(kind), str(name), str(sql), str(table)))
        return not damaged

    # --- the owners of pages ---

    def _place(self, owner: int, shape: Shape, place: _Place) -> None:
        """Assign a page to the tree in which it was reached, if it belongs there."""
        number, page, keys = place
        if page.kind == INTERIOR_TABLE:
            self._owner[number] = _OTHER
            return
        records, _ = self._decoder.records(page, _LOOKED_AT)
        rows = [row for record in records if (row := shape.row(record)) is not None]
        if page.cells and (
            2 * len(rows) <= len(records)
            or (shape.key_columns and not any(_is_within(shape.key(row)[0], keys) for row in rows))
        ):
            self._note_hole(shape, keys)
        else:
            self._owner[number] = owner

    def _survey_strays(self) -> Iterator[int]:
        """Identify the pages that were not reached in any tree by their content."""
        ours = [(owner, shape) for owner, shape in enumerate(self._shapes, 1) if shape.is_telling]
        strays: Counter[int] = Counter()
        for number in range(2, len(self._owner)):
            if number % _PROGRESS == 0:
                yield _PROGRESS
            page = self._pages.b_tree(number) if self._owner[number] == _UNKNOWN else None
            if page is None or page.kind == INTERIOR_TABLE or not page.cells:
                continue
            fits = [(self._fit(shape, page), -owner) for owner, shape in ours]
            best, owner = max(fits)
            names = {self._shapes[-other - 1].name for fit, other in fits if fit == best}
            if best > _STRAY_FIT and not (_DAYS & names and self._is_one_bucket(page)):
                self._owner[number], self._is_stray[number] = -owner, 1
                strays[-owner] += 1
                self._note_found(self._shapes[-owner - 1], page)
        self._tell_cores_apart(strays)

    def _tell_cores_apart(self, strays: Counter[int]) -> None:
        """Decide what stray pages with three numbers per row are, by the other stray pages.

        They are cores in either form, or indexes of the original logger's tables.
        """
        owners = {(shape.name, shape.has_rowid): owner for owner, shape in enumerate(self._shapes, 1)}
        if ("core_row", False) not in owners or ("cpu_core", False) not in owners:
            return
        pages = Counter({form: strays[owner] for form, owner in owners.items()})
        compact, plain = pages["process_row", False], pages["process_sample", False]
        original = pages["process_sample", True] + pages["cpu_core", True]
        if compact < max(plain, original):
            form = owners["cpu_core", False] if original < plain else _OTHER
            self._owner = self._owner.replace(bytes([owners["core_row", False]]), bytes([form]))

    def _fit(self, shape: Shape, page: Page) -> float:
        """Return which part of a stray page's rows has this shape and plausible times."""
        if shape.has_rowid is (page.kind in _INDEXES):
            return 0.0
        records, damaged = self._decoder.records(page)
        rows = [row for record in records if (row := shape.row(record)) is not None and shape.is_recent(row)]
        return len(rows) / (len(records) + damaged or 1)

    def _is_one_bucket(self, page: Page) -> bool:
        """Return whether all rows begin with the same value: then hours and days cannot be distinguished."""
        records, _ = self._decoder.records(page)
        return len({values[0] for _, values, _ in records if values}) == 1

    def _note_found(self, shape: Shape, page: Page) -> None:
        found = self._found.setdefault(shape.name, [])
        records, _ = self._decoder.records(page)
        keys = [shape.key(row)[:1] for record in records if (row := shape.row(record)) is not None]
        if len(found) < _MOST_HOLES and keys and keys[0] and isinstance(keys[0][0], int):
            found.append(Hole(keys[0][0], keys[-1][0]))

    def _note_hole(self, shape: Shape, hole: Hole) -> None:
        holes = self._holes.setdefault(shape.name, [])
        if len(holes) < _MOST_HOLES:
            holes.append(hole)
        else:  # too many: one hole that covers all others
            holes[0] = Hole(None, None)

    # --- rows ---

    def _rows_of(self, shape: Shape, place: _Place) -> list[Row]:
        """Return the believed rows of a page; count the others, and note them as holes."""
        records, damaged = self._decoder.records(place.page)
        rows = [row for record in records if (row := shape.row(record)) is not None]
        refused = damaged + len(records) - len(rows)
        if shape.is_ours and shape.key_columns:
            keys = [shape.key(row) for row in rows]
            bad = {at for at, (key, after) in enumerate(pairwise(keys)) if not key < after}
            bad |= {at + 1 for at in bad}  # one of the two is wrong, and it is unknown which
            outside = [at for at, key in enumerate(keys) if not _is_within(key[0], place.keys)]
            if len(outside) == 1 and len(rows) > 2:  # if there are more, the parent is wrong
                bad.add(outside[0])
            if bad:
                rows = [row for at, row in enumerate(rows) if at not in bad]
                refused += len(bad)
            if refused:
                found = [key for key, *_ in keys if isinstance(key, int)]
                ends = Hole(min(found, default=None), max(found, default=None))
                self._note_hole(shape, place.keys if place.keys != Hole(None, None) else ends)
        self.refused[shape.name] += refused
        return rows

    # --- trees ---

    def _walk(self, root: int, shape: Shape | None, owner: int | None = None) -> Iterator[_Place]:
        """Yield the pages of a tree, newest keys first, including interior pages.

        Without ``owner`` (during the survey), only pages without an owner; with it, only its pages.
        """
        todo = [(root, Hole(None, None))] if root else []
        entered: set[int] = set()
        while todo:
            number, keys = todo.pop()
            page = self._pages.b_tree(number)
            is_known = 1 <= number < len(self._owner) and self._owner[number] != _UNKNOWN
            if (
                page is None
                or number in entered
                or (shape and shape.has_rowid is (page.kind in _INDEXES))
                or (owner is None and is_known)
            ):
                if owner is None and shape:
                    self._note_hole(shape, keys)
                continue
            if page.kind in {INTERIOR_INDEX, INTERIOR_TABLE}:
                entered.add(number)
                first = keys.first
                for child, key in self._decoder.children(page):
                    last = key if isinstance(key, int) else keys.last
                    todo.append((child, Hole(first, last)))
                    first = last if isinstance(key, int) else first
            if owner is None or (self._owner[number] == owner and not self._is_stray[number]):
                yield _Place(number, page, keys)


def _is_within(key: object, keys: Hole) -> bool:
    return not isinstance(key, int) or keys.has(key)
