"""The pages of a damaged database: those of its file, or their newer versions in its WAL.

sqlite.org/fileformat2.html, 1 (pages), 1.5 (free pages), 1.8 (pointer maps) and 4 (the WAL).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from writer.recovery import cells

Read = Callable[[int, int], bytes]
"""(offset, size) -> bytes; fewer at the end of the file, and none if the disk fails."""

_MAGIC = b"SQLite format 3\0"
_SIZES = [1 << power for power in range(9, 17)]
_ENCODINGS = {2: "utf-16-le", 3: "utf-16-be"}
_PENDING = 1 << 30
"""The offset of SQLite's lock bytes: nothing is stored in that page."""
_TRIED = 400
"""Most pages that are examined to find the page size"""
_MAP_ENTRY = 5
_IS_FREE, _IS_OVERFLOW = 2, (3, 4)


class Pages:
    """Pages by number, from 1 on."""

    def __init__(self, file: Read, size: int, wal: Read, wal_size: int) -> None:
        """``size`` and ``wal_size`` are in bytes. A WAL that does not belong to the file is ignored."""
        self._file, self._wal = file, wal
        self._frames: dict[int, int] = {}
        first = file(0, 100)
        self.size = _size_in(wal(0, 32)) or _size_in(first) or _likeliest_size(file, size)
        """Bytes of a page"""
        self.count = size // self.size
        self._read_wal(wal_size)
        first = self.get(1)[:100]
        self.is_headed = first.startswith(_MAGIC)
        """Whether page 1 begins with a database header"""
        self.usable = self.size - (first[20] if self.is_headed and first[20] <= self.size - 480 else 0)
        self.encoding = _ENCODINGS.get(first[59], "utf-8") if self.is_headed else "utf-8"
        self._maps_every = self.usable // _MAP_ENTRY + 1 if self._has_maps(first) else 0

    def get(self, number: int) -> bytes:
        """Return the newest version of a page; fewer bytes than a page if it cannot be read."""
        if not 1 <= number <= self.count:
            return b""
        at = self._frames.get(number)
        return self._file((number - 1) * self.size, self.size) if at is None else self._wal(at, self.size)

    def b_tree(self, number: int) -> cells.Page | None:
        """Return a page as a b-tree page; None if it is not one."""
        return cells.parse(self.get(number), self.usable, 100 if number == 1 else 0)

    def free(self) -> Iterator[int]:
        """Yield the pages that are known to hold no rows: free pages, overflow pages and pointer maps."""
        trunk = int.from_bytes(self.get(1)[32:36]) if self.is_headed else 0
        for _ in range(self.count):
            page = self.get(trunk)
            if len(page) < self.usable:
                break
            following, leaves = struct.unpack_from(">II", page)
            if leaves > self.usable // 4 - 2:
                break
            yield trunk
            yield from (it for it in struct.unpack_from(f">{leaves}I", page, 8) if 1 < it <= self.count)
            trunk = following
        if self._maps_every:
            for first in range(2, self.count + 1, self._maps_every):
                number = first + (first == _PENDING // self.size + 1)
                entries = self.get(number)[: self.usable : _MAP_ENTRY]
                yield number
                for at, kind in enumerate(entries[: self._maps_every - 1], number + 1):
                    if kind == _IS_FREE or kind in _IS_OVERFLOW:
                        yield at

    def _has_maps(self, first: bytes) -> bool:
        if self.is_headed:
            return any(first[52:56])
        entries = self.get(2)[: self.usable : _MAP_ENTRY][: max(0, self.count - 2)]
        # A flipped bit changes only one entry, and a b-tree page does not have such bytes at these offsets.
        return len(entries) > 1 and sum(1 <= kind <= 5 for kind in entries) >= 0.95 * len(entries)

    def _read_wal(self, size: int) -> None:
        """Find the newest frame of each page, up to the last commit with valid checksums."""
        header = self._wal(0, 32)
        if not _size_in(header):
            return
        words = ">" if header[3] & 1 else "<"
        sums = _checksum(header[:24], (0, 0), words)
        if struct.pack(">II", *sums) != header[24:32]:
            return
        pending: dict[int, int] = {}
        for at in range(32, size - 24 - self.size + 1, 24 + self.size):
            frame = self._wal(at, 24 + self.size)
            if frame[8:16] != header[16:24] or len(frame) < 24 + self.size:
                return
            sums = _checksum(frame[24:], _checksum(frame[:8], sums, words), words)
            if struct.pack(">II", *sums) != frame[16:24]:
                return
            number, pages = struct.unpack_from(">II", frame)
            pending[number] = at + 24
            if pages:
                self.count = pages
                self._frames |= pending
                pending.clear()


@contextmanager
def pages_of(path: Path) -> Iterator[Pages]:
    """Open the pages of the database at ``path``. Raises OSError if it cannot be opened."""
    with ExitStack() as stack:

        def reader(of: Path) -> tuple[Read, int]:
            file = stack.enter_context(of.open("rb", buffering=0))

            def read(at: int, size: int) -> bytes:
                try:
                    return os.pread(file.fileno(), size, at)
                except OSError:  # an unreadable sector
                    return b""

            return read, os.fstat(file.fileno()).st_size

        wal = path.with_name(f"{path.name}-wal")
        yield Pages(*reader(path), *(reader(wal) if wal.exists() else (_nothing, 0)))


def _nothing(_at: int, _size: int) -> bytes:
    return b""


def _size_in(header: bytes) -> int:
    """Return the page size in the header of a database or a WAL; 0 if it is neither."""
    size = 0
    if header.startswith(_MAGIC):
        size = int.from_bytes(header[16:18])
        size = 65536 if size == 1 else size
    elif header[:3] == b"\x37\x7f\x06" and header[3:4] in {b"\x82", b"\x83"}:
        size = int.from_bytes(header[8:12])
    return size if size in _SIZES else 0


def _likeliest_size(file: Read, size: int) -> int:
    """Return the page size with which the last cell of most pages ends at the end of the page."""

    def fit(page: int) -> float:
        count = max(1, size // page)
        numbers = range(1, count, max(1, count // _TRIED))
        return sum(_ends_with_a_cell(file(number * page, page)) for number in numbers) / max(1, len(numbers))

    return max(_SIZES, key=fit)


def _ends_with_a_cell(data: bytes) -> bool:
    page = cells.parse(data, len(data)) if data else None
    if page is None or not page.cells:
        return False
    decoder = cells.Decoder(len(data), lambda _number: b"")
    return decoder.end_of(page, max(page.cells)) == len(data)


def _checksum(data: bytes, sums: tuple[int, int], words: str) -> tuple[int, int]:
    """Return the checksums of the WAL format over ``data``, continued from ``sums``."""
    first, second = sums
    numbers = iter(struct.unpack(f"{words}{len(data) // 4}I", data))
    for word, following in zip(numbers, numbers, strict=True):
        first = first + word + second & 0xFFFFFFFF
        second = second + following + first & 0xFFFFFFFF
    return first, second
