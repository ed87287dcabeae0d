"""``--import``: valid and invalid files, and what happens to each line."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from telemetry.errors import UserError
from telemetry.sample import MAX_BYTES, Sample, encode
from telemetry.stream.joiner import Gap
from tests.writer.reading import rows, stored
from tests.writer.samples import NOW, row_of, sample
from writer.importing import Counts, import_lines, read_lines, reading
from writer.store import Store


def lines(samples: Sequence[Sample], end: bytes = b"\n") -> bytes:
    return b"".join(encode(one) + end for one in samples)


def changed(**fields: object) -> bytes:
    """Return a sample's line with changed fields; ``...`` removes a field."""
    wire = json.loads(encode(sample(1))) | fields
    return json.dumps({name: value for name, value in wire.items() if value is not ...}).encode()


def padded(size: int, seq: int = 1) -> bytes:
    """Return a sample of this many bytes, padded with an unknown field, which readers ignore."""
    bare = encode(sample(seq))[:-1] + b',"later":"'
    return bare + b"x" * (size - len(bare) - 2) + b'"}'


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Import:
    """Imports bytes into one store, and records the log."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self._file = directory / "samples.jsonl"
        self._log = logging.Logger("test")
        self._records = Records()
        self._log.addHandler(self._records)

    @property
    def log(self) -> list[str]:
        return self._records.texts

    def __call__(self, content: bytes, now: float = NOW + 1000.0) -> Counts:
        self._file.write_bytes(content)
        with reading(str(self._file)) as lines:
            return import_lines(self.store, lines, self._log, now)


@pytest.fixture
def do_import(store: Store, tmp_path: Path) -> Import:
    return Import(store, tmp_path)


# --- good files ---


@pytest.mark.parametrize(
    ("content", "imported"),
    [
        (b"", 0),
        (b"\n\r\n  \t\n", 0),
        (lines(row_of(1, 3)), 3),
        (lines(row_of(1, 3), b"\r\n"), 3),
        (lines(row_of(1, 3), b"\n\n \n"), 3),
        (lines(row_of(1, 3))[:-1], 3),
        (lines(row_of(1, 2)) + b"  " + encode(sample(3)) + b"\t\r\n", 3),
        (lines(row_of(1, 2500)), 2500),
    ],
    ids=["empty", "blank", "LF", "CRLF", "blank between", "no final newline", "spaces", "several batches"],
)
def test_valid_files_are_imported(do_import: Import, content: bytes, imported: int) -> None:
    assert do_import(content) == (imported, 0, 0, 0)
    expected = [("run-a", seq, NOW + 5 * seq) for seq in range(1, imported + 1)]
    assert stored(do_import.store) == expected
    assert do_import(content) == (0, imported, 0, 0)
    assert stored(do_import.store) == expected
    assert do_import.log == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_largest_sample_is_imported(do_import: Import, end: bytes) -> None:
    """The bound applies to the sample, without the end of its line."""
    assert do_import(padded(MAX_BYTES) + end) == (1, 0, 0, 0)
    assert do_import(padded(MAX_BYTES + 1, seq=2) + end) == (0, 0, 1, 0)


def test_order_does_not_matter(do_import: Import) -> None:
    mixed = [*row_of(5, 9), *row_of(1, 4), *row_of(1, 3, "run-b")]
    assert do_import(lines(mixed)) == (12, 0, 0, 0)
    # run-b has the same seconds as run-a: each sample gets the next free second.
    assert [row for row in stored(do_import.store) if row[0] == "run-b"] == [
        ("run-b", seq, NOW + 5 * seq + 1) for seq in (1, 2, 3)
    ]


def test_it_fills_gaps_and_keeps_the_live_position(do_import: Import) -> None:
    store = do_import.store
    store.append([Gap("run-a", 1, 6), *row_of(7, 8)], NOW)
    assert do_import(lines(row_of(3, 7))) == (4, 1, 0, 0)
    assert rows(store.path, "SELECT first_seq, last_seq FROM gap") == [(1, 2)]
    assert [seq for _, seq, _ in stored(store)] == list(range(3, 9))
    assert store.position == ("run-a", 8)


# --- samples from the future ---


def test_more_than_a_day_ahead_is_refused(do_import: Import) -> None:
    day = 86_400
    content = lines(
        [
            sample(1, ts=NOW + day)._replace(time=float(NOW + day)),
            sample(2, ts=NOW + day + 1)._replace(time=float(NOW)),
            sample(3, ts=NOW)._replace(time=NOW + day + 0.5),
            sample(4, ts=0)._replace(time=0.0),
        ]
    )
    assert do_import(content, now=float(NOW)) == (2, 0, 0, 2)
    assert [seq for _, seq, _ in stored(do_import.store)] == [4, 1]
    assert do_import.log == ["skipped line 2: it is more than a day ahead of this machine's clock"]


# --- bad lines ---

BAD: dict[str, bytes] = {
    "words": b"hello world",
    "half a sample": encode(sample(1))[:200],
    "two samples": encode(sample(1)) * 2,
    "NUL": b"\0",
    "NULs behind": encode(sample(1)) + b"\0\0",
    "NUL inside": encode(sample(1)).replace(b'"pi4"', b'"pi\0"'),
    "not UTF-8": encode(sample(1)).replace(b"pi4", b"pi\xff"),
    "UTF-16": encode(sample(1)).decode().encode("utf-16-le").replace(b"\n", b" "),
    "byte order mark": b"\xef\xbb\xbf" + encode(sample(1)),
    "surrogate": encode(sample(1)).replace(b"pi4", rb"pi\ud800"),
    "encoded surrogate": encode(sample(1)).replace(b"pi4", b"pi\xed\xa0\x80"),
    "NaN": encode(sample(1)).replace(b"12.5", b"NaN"),
    "infinity": encode(sample(1)).replace(b"12.5", b"1e999"),
    "65 bits": changed(seq=1 << 64),
    "5,000 digits": encode(sample(1)).replace(b'"seq":1', b'"seq":' + b"1" * 5000),
    "null": b"null",
    "a list": b"[" + encode(sample(1)) + b"]",
    "a number": b"5",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep and open": b'{"v":' * 100_000,
    "another version": changed(v=2),
    "no version": changed(v=...),
    "no host": changed(host=...),
    "no processes": changed(processes=...),
    "a word for a number": changed(interval="5"),
    "true for a number": changed(seq=True),
    "a list of load": changed(load=[1.0, 2.0]),
    "a long list": changed(load=[1.0] * 5000),
    "5 MB": b"x" * 5_000_000,
    "5 MB of a sample": padded(5_000_000),
}


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("last", [False, True], ids=["between", "at the end"])
def test_a_bad_line_costs_only_itself(do_import: Import, line: bytes, last: bool) -> None:
    end = b"" if last else b"\n" + encode(sample(3)) + b"\n"
    assert do_import(lines([sample(2)]) + line + end) == (1 if last else 2, 0, 1, 0)
    (text,) = do_import.log
    assert text.startswith("skipped line 2: ")
    assert len(text) < 200
    assert text.isascii()
    assert text.isprintable()


def test_the_number_of_log_lines_is_bounded(do_import: Import) -> None:
    assert do_import((b"nonsense\n" * 3000) + lines([sample(1)])) == (1, 0, 3000, 0)
    assert len(do_import.log) < 10


def test_the_memory_for_a_line_is_bounded() -> None:
    """Only the start of a line that is too long is kept in memory; the next line is read completely."""
    source = io.BytesIO(b"x" * (10 * MAX_BYTES) + b"\nnext\n" + b"y" * (MAX_BYTES + 2) + b"\n" + b"z" * 9)
    found = list(read_lines(source))
    assert [line[:4] for line in found] == [b"xxxx", b"next", b"yyyy", b"zzzz"]
    assert max(map(len, found)) <= MAX_BYTES + 2


def test_a_database_that_gets_locked_during_an_import(do_import: Import) -> None:
    """Committed rows stay, and a second import continues from there."""
    content, store = lines(row_of(1, 2500)), do_import.store
    store._database.execute("PRAGMA busy_timeout = 20")
    real, holder = store.import_samples, sqlite3.connect(store.path, isolation_level=None)

    def lock_after_the_first(*args: object) -> object:
        done = real(*args)  # type: ignore[arg-type]
        holder.execute("BEGIN IMMEDIATE")
        return done

    store.import_samples = lock_after_the_first  # type: ignore[method-assign, assignment]
    with pytest.raises(
        UserError, match=r"^cannot write .*: database is locked; what was imported so far stays$"
    ):
        do_import(content)
    store.import_samples = real  # type: ignore[method-assign]
    holder.close()
    assert len(stored(store)) == 1000
    assert do_import(content) == (1500, 1000, 0, 0)
