"""The replay ring: the last samples, bounded in bytes, in one file that outlives its process.

Records follow one another and wrap around. Each has a consecutive number and a checksum of its whole content.
There is no other data on disk that could become inconsistent. When the ring is opened, every place where a
record could begin is checked, and records with a valid checksum are used: the longest unbroken sequence of
numbers that ends with the newest. A record that was cut short by a kill fails its checksum and is ignored.

The file is on a tmpfs and has a fixed size. It is allocated at the start, so that a lack of space shows at
once and not later. Without a path the ring is a memfd, and ends with the process.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from telemetry.errors import TakenOver, UserError
from telemetry.lock import is_same_file, open_locked

DEFAULT_CAPACITY = 8 << 20
"""6 h at 5 s are 4,320 samples. With 10 processes and 8 cores, a sample takes 1.3 KB: 5.6 MB in total."""

# 0xFF and 0xFE do not occur in UTF-8, so a body never contains the magic.
_MAGIC = b"\xffRG\xfe"
_HEADER = struct.Struct("<4sIIHQQ")
"""magic, CRC-32 of all that follows, body length, run length, number, seq; then run, then body"""
_CRC_START = 8
_ALIGN = 8


class Held(NamedTuple):
    """The samples of one run that the ring holds: ``first`` to ``last``, without holes."""

    run: str
    first: int
    last: int


class _Record(NamedTuple):
    number: int
    run: str
    seq: int
    size: int
    """Its bytes in the file, alignment included."""


class Ring:
    """The last samples that were published, oldest first. ``append`` and the look-ups never block."""

    def __init__(self, path: Path | None, capacity: int = DEFAULT_CAPACITY) -> None:
        """Open the ring at ``path`` with the samples that an earlier process left; without a path, in memory.

        Raises TakenOver if another process has it open, UserError if there is no space for ``capacity``.
        """
        self.capacity = capacity
        self._path = path
        self._file = _open(path, capacity)
        self._offsets: deque[int] = deque()
        """Offsets of the records; their sizes are in their headers, so a record takes little memory."""
        self._runs: deque[Held] = deque()
        self._head = 0
        self._number = 0
        self._recover()

    def close(self) -> None:
        """Close the file; its content stays for the next process."""
        os.close(self._file)

    def renew(self) -> bool:
        """Recreate the file with its content if it was removed; return whether that was needed.

        Raises TakenOver if another process has created it meanwhile, UserError if it cannot be created now.
        The removed file then stays in use, but nobody else can open it.
        """
        if self._path is None or is_same_file(self._file, self._path):
            return False
        file = _open(self._path, self.capacity)
        try:
            os.pwrite(file, os.pread(self._file, self.capacity, 0), 0)
        except OSError as error:
            os.close(file)
            raise UserError(f"cannot write the replay ring {self._path}: {error.strerror}") from None
        os.close(self._file)
        self._file = file
        return True

    # --- writing ---

    def append(self, run: str, seq: int, body: bytes) -> None:
        """Keep one sample; the oldest samples make room. ``seq`` must follow the previous one of its run.

        A body larger than the ring empties the ring, because its samples must be consecutive.
        """
        if self._runs and self._runs[-1].run == run:
            if seq != self._runs[-1].last + 1:
                raise ValueError(f"seq {seq} of run {run} after {self._runs[-1].last}")
        elif any(held.run == run for held in self._runs):
            raise ValueError(f"run {run} continues after another run")
        run_bytes = run.encode()
        used = _HEADER.size + len(run_bytes) + len(body)
        size = -(-used // _ALIGN) * _ALIGN
        if size > self.capacity:
            self._clear()
            return
        start = self._make_room(size)
        tail = _HEADER.pack(b"", 0, len(body), len(run_bytes), self._number + 1, seq)[_CRC_START:]
        tail += run_bytes + body
        os.pwrite(self._file, _MAGIC + struct.pack("<I", zlib.crc32(tail)) + tail, start)
        self._number += 1
        self._head = start + size
        self._note(run, seq, start)

    def _clear(self) -> None:
        """Empty the ring, the file too: samples from before a gap must not reappear at the next opening."""
        os.pwrite(self._file, bytes(self.capacity), 0)
        self._offsets.clear()
        self._runs.clear()
        self._head = 0

    def _make_room(self, size: int) -> int:
        start = self._head
        if start + size > self.capacity:
            while self._offsets and self._offsets[0] >= start:  # the records after the old head
                self._drop_oldest()
            start = 0
        while self._offsets and start <= self._offsets[0] < start + size:
            self._drop_oldest()
        return start

    def _drop_oldest(self) -> None:
        self._offsets.popleft()
        held = self._runs[0]
        if held.first == held.last:
            self._runs.popleft()
        else:
            self._runs[0] = held._replace(first=held.first + 1)

    def _note(self, run: str, seq: int, offset: int) -> None:
        self._offsets.append(offset)
        if self._runs and self._runs[-1].run == run:
            self._runs[-1] = self._runs[-1]._replace(last=seq)
        else:
            self._runs.append(Held(run, seq, seq))

    # --- reading ---

    def __len__(self) -> int:
        """Return the number of samples in the ring."""
        return len(self._offsets)

    @property
    def runs(self) -> list[Held]:
        """The runs in the ring, oldest first."""
        return list(self._runs)

    def bodies(self, run: str, after: int) -> Iterator[bytes]:
        """Yield the samples of ``run`` after seq ``after`` that the ring holds, in order."""
        position = 0
        for held in self._runs:
            if held.run == run:
                first = max(after + 1, held.first)
                for index in range(position + first - held.first, position + held.last - held.first + 1):
                    yield self._body(self._offsets[index])
                return
            position += held.last - held.first + 1

    def _body(self, offset: int) -> bytes:
        header = os.pread(self._file, _HEADER.size, offset)
        _, _, body_size, run_size, _, _ = _HEADER.unpack(header)
        return os.pread(self._file, body_size, offset + _HEADER.size + run_size)

    # --- opening ---

    def _recover(self) -> None:
        content = os.pread(self._file, self.capacity, 0)
        found: dict[int, int] = {}
        """Offsets of records by number"""
        offset = content.find(_MAGIC)
        while offset >= 0:
            record = _parse(content, offset)
            if record is None:
                offset = content.find(_MAGIC, offset + 1)
                continue
            found[record.number] = offset
            offset = content.find(_MAGIC, offset + record.size)
        if not found:
            return
        self._number = oldest = max(found)
        after = newest = _described(content, found[oldest])
        while oldest - 1 in found and _follows(before := _described(content, found[oldest - 1]), after):
            oldest, after = oldest - 1, before
        for number in range(oldest, self._number + 1):
            record = _described(content, found[number])
            self._note(record.run, record.seq, found[number])
        self._head = found[self._number] + newest.size


def _follows(before: _Record, after: _Record) -> bool:
    return before.run != after.run or before.seq + 1 == after.seq


def _parse(content: bytes, offset: int) -> _Record | None:
    """Return the record at ``offset``; None: it is not complete."""
    if offset + _HEADER.size > len(content):
        return None
    _, crc, body_size, run_size, _, _ = _HEADER.unpack_from(content, offset)
    end = offset + _HEADER.size + run_size + body_size
    if end > len(content) or zlib.crc32(memoryview(content)[offset + _CRC_START : end]) != crc:
        return None
    return _described(content, offset)


def _described(content: bytes, offset: int) -> _Record:
    """Return the record at ``offset``, which must be complete."""
    _, _, body_size, run_size, number, seq = _HEADER.unpack_from(content, offset)
    run_offset = offset + _HEADER.size
    used = _HEADER.size + run_size + body_size
    run = content[run_offset : run_offset + run_size].decode(errors="replace")
    return _Record(number, run, seq, -(-used // _ALIGN) * _ALIGN)


def _open(path: Path | None, capacity: int) -> int:
    if path is None:
        file = os.memfd_create("telemetry-ring", os.MFD_CLOEXEC)
        os.ftruncate(file, capacity)
        return file
    try:
        file = open_locked(path)
    except BlockingIOError:
        raise TakenOver(
            f"another telemetry-sampler uses {path.parent}; stop it, "
            "or set TELEMETRY_RUNTIME_DIR to another directory for this one"
        ) from None
    except OSError as error:
        raise UserError(f"cannot open the replay ring {path}: {error.strerror}") from None
    try:
        os.posix_fallocate(file, 0, capacity)
        os.ftruncate(file, capacity)
    except OSError as error:
        os.close(file)
        raise UserError(
            f"no space for a replay ring of {capacity >> 20} MiB at {path}: {error.strerror}"
        ) from None
    return file
