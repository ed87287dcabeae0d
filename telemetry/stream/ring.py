"""The replay ring: the last samples, bounded in bytes, in one file that outlives its process.

Records lie one behind the other and wrap around; each carries a running number and a checksum of all that
it is. Nothing else is kept on disk, so there is nothing to be torn: opening looks at every place where a
record could begin, takes those whose checksum holds, and of these the longest unbroken row of numbers that
ends in the newest. A record that a kill cut short fails its checksum and is not there.

The file is a tmpfs file of fixed size, allocated at the start: a full disk shows then, not in the middle.
Without a path the ring is a memfd, and ends with the process.
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
"""6 h at 5 s are 4,320 samples; with 10 processes and 8 cores one takes 1.3 KB: 5.6 MB."""

# 0xFF and 0xFE are in no UTF-8 text, so a body never holds a magic.
_MAGIC = b"\xffRG\xfe"
_HEADER = struct.Struct("<4sIIHQQ")
"""magic, CRC-32 of all that follows it, body length, run length, number, seq; then run, then body"""
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
    """Bytes in the file, alignment included."""


class Ring:
    """The last samples that were published, oldest first. ``append`` and the look-ups never block."""

    def __init__(self, path: Path | None, capacity: int = DEFAULT_CAPACITY) -> None:
        """Open the ring at ``path`` with what an earlier process left in it, or one in memory.

        Raises TakenOver where another process has it open, UserError where there is no room for ``capacity``.
        """
        self.capacity = capacity
        self._path = path
        self._file = _open(path, capacity)
        self._offsets: deque[int] = deque()
        """Of the records; their sizes stand in their headers. Thousands of samples cost little memory."""
        self._runs: deque[Held] = deque()
        self._head = 0
        self._number = 0
        self._recover()

    def close(self) -> None:
        """Let go of the file; what it holds stays for the next process."""
        os.close(self._file)

    def renew(self) -> bool:
        """Make the file anew, with all that is held, where it was removed; return whether that was needed.

        Raises TakenOver where another process has made it meanwhile, UserError where it cannot be made now:
        then the removed file is used as before, and nobody else can open it.
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
        """Keep one sample; the oldest make room. ``seq`` follows the one before it in the same run.

        A body larger than the ring is not kept, and neither is what came before it: the row would break.
        """
        if self._runs and self._runs[-1].run == run:
            if seq != self._runs[-1].last + 1:
                raise ValueError(f"seq {seq} of run {run} after {self._runs[-1].last}")
        elif any(held.run == run for held in self._runs):
            raise ValueError(f"run {run} goes on after another one")
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
        """Hold nothing, in the file too: what was before a hole must not come back at the next opening."""
        os.pwrite(self._file, bytes(self.capacity), 0)
        self._offsets.clear()
        self._runs.clear()
        self._head = 0

    def _make_room(self, size: int) -> int:
        start = self._head
        if start + size > self.capacity:
            while self._offsets and self._offsets[0] >= start:  # what lies behind the old head
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
        """Return the number of samples that are held."""
        return len(self._offsets)

    @property
    def runs(self) -> list[Held]:
        """What is held, oldest run first."""
        return list(self._runs)

    def bodies(self, run: str, after: int) -> Iterator[bytes]:
        """Yield the samples of ``run`` behind ``after`` that are held, in order."""
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
        """Where the record of each number is"""
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
    """Return the record at ``offset``, None where no whole record is there."""
    if offset + _HEADER.size > len(content):
        return None
    _, crc, body_size, run_size, _, _ = _HEADER.unpack_from(content, offset)
    end = offset + _HEADER.size + run_size + body_size
    if end > len(content) or zlib.crc32(memoryview(content)[offset + _CRC_START : end]) != crc:
        return None
    return _described(content, offset)


def _described(content: bytes, offset: int) -> _Record:
    """Return the record at ``offset``, which is a whole one."""
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
            "or give this one a directory of its own in TELEMETRY_RUNTIME_DIR"
        ) from None
    except OSError as error:
        raise UserError(f"cannot open the replay ring {path}: {error.strerror}") from None
    try:
        os.posix_fallocate(file, 0, capacity)
        os.ftruncate(file, capacity)
    except OSError as error:
        os.close(file)
        raise UserError(
            f"no room for a replay ring of {capacity >> 20} MiB at {path}: {error.strerror}"
        ) from None
    return file
