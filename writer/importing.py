"""``telemetry-writer --import``: samples in the wire format, one a line, into the database."""

from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from telemetry.errors import UserError
from telemetry.sample import MAX_BYTES, InvalidSample, Sample, decode
from telemetry.service import RateLimited
from writer.mending import settle_clock
from writer.store import CannotWrite, Store

_BATCH = 1000
_BATCH_BYTES = 4 << 20
"""Bytes of lines in a transaction, so that a file with samples of 1 MiB does not fill the memory"""
_TOO_FAR_AHEAD = 86400.0
"""s; a sample from further in the future has a wrong clock, and would raise the ``ts`` of all later ones"""


class Counts(NamedTuple):
    """How many lines were imported, and how many were skipped and why."""

    imported: int
    known: int
    invalid: int
    ahead: int


@contextmanager
def reading(source: str) -> Iterator[IO[bytes]]:
    """Open ``source`` (``-``: standard input) once: it may be a pipe. Raises UserError if that fails."""
    try:
        with open(0, "rb", closefd=False) if source == "-" else Path(source).open("rb") as lines:
            yield lines
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from None


def import_lines(store: Store, lines: IO[bytes], log: logging.Logger, now: float) -> Counts:
    """Import samples, one per line. A sample more than a day later than ``now`` (Unix time, s) is skipped.

    Raises UserError if the database cannot be written. What was imported until then stays, and a second
    import skips it.
    """
    try:
        return _import_lines(store, lines, log, now)
    except CannotWrite as error:
        raise UserError(f"cannot write {store.path}: {error}; what was imported so far stays") from None


def _import_lines(store: Store, lines: IO[bytes], log: logging.Logger, now: float) -> Counts:
    complain = RateLimited(log, every=5.0)
    progress = _Progress(lines)
    imported = known = invalid = ahead = size = 0
    batch: list[Sample] = []

    def flush() -> None:
        nonlocal imported, known, size
        stored = store.import_samples(batch)
        while store.roll_up(with_sessions=False):
            pass
        imported, known = imported + stored.stored, known + stored.known
        batch.clear()
        size = 0
        progress.show(imported + known)

    for number, line in enumerate(read_lines(lines), 1):
        progress.count(len(line))
        body = line.rstrip(b"\r\n")
        if not body.strip():
            continue
        try:
            sample = decode(body)
        except InvalidSample as error:
            invalid += 1
            complain.warning(f"skipped line {number}: {error}")
            continue
        if max(sample.ts, sample.time) > now + _TOO_FAR_AHEAD:
            ahead += 1
            complain.warning(f"skipped line {number}: it is more than a day ahead of this machine's clock")
            continue
        batch.append(sample)
        size += len(line)
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            flush()
    flush()
    settle_clock(store, with_energy=False)
    progress.end()
    return Counts(imported, known, invalid, ahead)


def read_lines(source: IO[bytes]) -> Iterator[bytes]:
    """Yield lines. Only the start of a line that is too long is yielded, so that memory stays bounded."""
    longest = MAX_BYTES + 2
    while line := source.readline(longest):
        yield line
        while len(line) == longest and not line.endswith(b"\n"):
            line = source.readline(longest)


class _Progress:
    """A progress bar if standard error is a terminal, else nothing."""

    def __init__(self, source: IO[bytes]) -> None:
        status = os.fstat(source.fileno())
        self._size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self._shown = sys.stderr.isatty()
        self._read = 0
        self._next = 0.0

    def count(self, size: int) -> None:
        self._read += size

    def show(self, samples: int) -> None:
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.2
        if self._size:
            share = min(self._read / self._size, 1.0)
            bar = ("#" * round(30 * share)).ljust(30, ".")
            print(f"\r[{bar}] {share:4.0%} {samples:,} samples", end="", file=sys.stderr, flush=True)
        else:
            print(f"\r{samples:,} samples", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._next:
            print(file=sys.stderr)
