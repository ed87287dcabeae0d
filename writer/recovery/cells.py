"""Decodes a page of an SQLite database: sqlite.org/fileformat2.html, 1.6 (b-trees) and 2 (records). Pure.

The content is checked as far as possible: a cell must lie on its page, no two may overlap, and a record must
have the length that its header gives. Cells that fail are counted and left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 0x02, 0x05, 0x0A, 0x0D
_KINDS = {INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE}
_MOST_PLANS = 10_000
"""Most different record headers that are remembered"""
_LARGEST = 64 << 20
"""Most bytes of a record; longer ones are left out"""

Record = tuple[int | None, list[Any], bytes]
"""A cell's content: rowid (None in an index or a table WITHOUT ROWID), values, and their serial types"""


class Page(NamedTuple):
    """A b-tree page."""

    data: bytes
    kind: int
    cells: tuple[int, ...]
    """The offset of each cell, in the order of keys"""
    right: int
    """The last child of an interior page"""
    body: int
    """The lowest offset at which a cell can begin"""
    start: int
    """The offset of the header: 100 on page 1, else 0"""


def parse(data: bytes, usable: int, start: int = 0) -> Page | None:
    """Return the b-tree page in ``data``; None if it is not one."""
    if len(data) < usable or data[start] not in _KINDS:
        return None
    kind = data[start]
    header = start + (12 if kind <= INTERIOR_TABLE else 8)
    (count,) = struct.unpack_from(">H", data, start + 3)
    body = header + 2 * count
    if body > usable:
        return None
    cells = struct.unpack_from(f">{count}H", data, header)
    if cells and not any(body <= at < usable for at in cells):
        return None
    right = int.from_bytes(data[start + 8 : start + 12]) if kind <= INTERIOR_TABLE else 0
    return Page(data, kind, cells, right, body, start)


class _Plan(NamedTuple):
    """How to read the body of a record with a certain header."""

    body: struct.Struct
    constants: tuple[tuple[int, Any], ...]
    """(index, value) of values that the header itself gives"""
    conversions: tuple[tuple[int, Callable[[bytes], Any]], ...]


class Decoder:
    """Decodes cells of one database's pages of ``usable`` bytes each; ``fetch`` returns overflow pages."""

    def __init__(self, usable: int, fetch: Callable[[int], bytes], encoding: str = "utf-8") -> None:
        self._usable = usable
        self._fetch = fetch
        self._text = partial(str, encoding=encoding)
        self._plans: dict[bytes, _Plan] = {}

    def records(self, page: Page, most: int | None = None) -> tuple[list[Record], int]:
        """Return the first ``most`` records of a page in the order of keys, and how many are damaged."""
        found: list[Record] = []
        spans: list[tuple[int, int]] = []
        damaged = used = 0
        for at in page.cells[:most]:
            try:
                if not page.body <= at < self._usable:
                    raise ValueError
                record, end = self._record(page, at)
            except (ValueError, IndexError, struct.error):
                damaged += 1
                continue
            found.append(record)
            spans.append((at, end))
            used += max(4, end - at)
        if most is None and used != self._taken(page):
            overlapping = _overlapping(spans)
            damaged += len(overlapping)
            found = [it for at, it in enumerate(found) if at not in overlapping]
        return found, damaged

    def children(self, page: Page) -> list[tuple[int, Any]]:
        """Return the children of an interior page, each with its greatest key; that of the last one is None.

        The key is the rowid, or the first value of the record. It is None for a damaged cell.
        """
        found: list[tuple[int, Any]] = []
        for at in page.cells:
            if not page.body <= at <= self._usable - 5:
                continue
            child = int.from_bytes(page.data[at : at + 4])
            key: Any = None
            try:
                if page.kind == INTERIOR_TABLE:
                    key, _ = _varint(page.data, at + 4)
                else:
                    key = self._record(page, at)[0][1][0]
            except (ValueError, IndexError, struct.error):
                pass
            found.append((child, key))
        return [*found, (page.right, None)]

    def end_of(self, page: Page, at: int) -> int:
        """Return where the cell at ``at`` ends; 0 if it is damaged."""
        try:
            return self._record(page, at)[1] if page.kind != INTERIOR_TABLE else _varint(page.data, at + 4)[1]
        except (ValueError, IndexError, struct.error):
            return 0

    def _record(self, page: Page, at: int) -> tuple[Record, int]:
        data, usable, kind = page.data, self._usable, page.kind
        if kind == INTERIOR_INDEX:
            at += 4
        size = data[at]
        at += 1
        if size >= 0x80:
            size, at = _varint(data, at - 1)
        rowid = None
        most = usable - 35
        if kind == LEAF_TABLE:
            rowid, at = _varint(data, at)
        else:
            most = (usable - 12) * 64 // 255 - 23
        end = at + size
        if size > most:
            data, end = self._with_overflow(data, at, size, most)
            at, stop = 0, size
        else:
            stop = end
        if stop > len(data) or (end > usable and size <= most):
            raise ValueError("a cell that ends beyond its page")
        header = data[at]
        body = at + 1
        if header >= 0x80:
            header, body = _varint(data, at)
        body = at + header
        types = data[at:body]
        plan = self._plans.get(types)
        if plan is None:
            plan = self._plan(types)
        layout, constants, conversions = plan
        if body + layout.size != stop:
            raise ValueError("a record of another length than its header says")
        values: list[Any] = list(layout.unpack_from(data, body))
        for index, value in constants:
            values.insert(index, value)
        for index, convert in conversions:
            values[index] = convert(values[index])
        return (rowid, values, types), end

    def _with_overflow(self, data: bytes, at: int, size: int, most: int) -> tuple[bytes, int]:
        """Return a record that continues on other pages, and where its cell ends."""
        if size > _LARGEST:
            raise ValueError("a record too long to be one")
        usable = self._usable
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        if local > most:
            local = least
        end = at + local + 4
        if end > usable:
            raise ValueError("a cell that ends beyond its page")
        parts = [data[at : at + local]]
        number = int.from_bytes(data[at + local : end])
        missing = size - local
        while missing > 0:
            page = self._fetch(number)
            if len(page) < usable:
                raise ValueError("an overflow page that is lost")
            number = int.from_bytes(page[:4])
            parts.append(page[4 : min(usable, 4 + missing)])
            missing -= usable - 4
        if number:
            raise ValueError("a chain of overflow pages that goes on")
        return b"".join(parts), end

    def _plan(self, types: bytes) -> _Plan:
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        _, at = _varint(types, 0)
        codes: list[str] = []
        constants: list[tuple[int, Any]] = []
        conversions: list[tuple[int, Callable[[bytes], Any]]] = []
        index = 0
        while at < len(types):
            serial, at = _varint(types, at)
            if serial in _CONSTANTS:
                constants.append((index, _CONSTANTS[serial]))
            elif serial in _NUMBERS:
                codes.append(_NUMBERS[serial])
                if codes[-1].endswith("s"):
                    conversions.append((index, _signed))
            elif 12 <= serial < 2 * _LARGEST:
                codes.append(f"{(serial - 12) // 2}s")
                if serial % 2:
                    conversions.append((index, self._text))
            else:
                raise ValueError("a serial type that is reserved")
            index += 1
        plan = self._plans[types] = _Plan(
            struct.Struct(">" + "".join(codes)), tuple(constants), tuple(conversions)
        )
        return plan

    def _taken(self, page: Page) -> int:
        """Return how many bytes the cells of a page should have: its content area less its free space."""
        data, start = page.data, page.start
        free, content = (
            struct.unpack_from(">H", data, start + 1)[0],
            struct.unpack_from(">H", data, start + 5)[0],
        )
        taken = self._usable - (content or 65536) - int(data[start + 7])
        while page.body <= free <= self._usable - 4:
            following, size = struct.unpack_from(">HH", data, free)
            taken -= size
            if following <= free:
                break
            free = following
        return taken


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at`` and where it ends."""
    value = 0
    for end in range(at, at + 8):
        byte = data[end]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >= 1 << 63 else value, at + 9


def _overlapping(spans: list[tuple[int, int]]) -> set[int]:
    """Return which of ``spans`` overlap another: one of the two must be wrong."""
    found: set[int] = set()
    order = sorted(range(len(spans)), key=spans.__getitem__)
    last = -1
    for number in order:
        if last >= 0 and spans[number][0] < spans[last][1]:
            found |= {number, last}
        if last < 0 or spans[number][1] > spans[last][1]:
            last = number
    return found


_signed = partial(int.from_bytes, byteorder="big", signed=True)
_CONSTANTS: dict[int, Any] = {0: None, 8: 0, 9: 1}
_NUMBERS = {1: "b", 2: "h", 3: "3s", 4: "i", 5: "6s", 6: "q", 7: "d"}
