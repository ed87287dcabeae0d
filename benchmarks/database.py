"""Databases as after years of use, for timing reports: made once, kept in .bench/.

The writer of this checkout imports the rows and rolls them up. The roll-ups of months whose raw rows were
dropped are copies of its roll-ups, moved back in time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.children import ROOT, WORKSHOP, environment, module, runtime_directory
from benchmarks.samples import INTERVAL
from writer import schema
from writer.store import Store

DAY: Final = 86400
_LAST_DAY: Final = 2 * 3600
"""s recorded of the unfinished day"""

ROLL_UPS: Final = (
    *("system_minute", "system_hour"),
    *("core_hour", "process_hour", "process_day"),
    *("energy_hour", "energy_day"),
)
_TIMES: Final = ("bucket", "first_start", "last_time", "drain_newest_ts")
"""The columns that are moved in time"""


class Span(NamedTuple):
    """The time span of a database."""

    label: str
    raw: int
    """Days of samples; two more hours are added."""
    days: int
    """Days of roll-ups, which reach further back than the samples."""


class Storage(NamedTuple):
    """Bytes in the database file, including indexes."""

    raw_sample: float
    rolled_up_year: float | None
    """None: this writer has no roll-ups."""


class Databases(NamedTuple):
    """Databases by the label of their span, and the sizes in the largest one."""

    paths: Mapping[str, Path]
    storage: Storage


def databases(spans: tuple[Span, ...]) -> Databases:
    """Return databases of these spans, made if missing. The last one is the largest."""
    directory = WORKSHOP / f"schema-{schema.LATEST}-{_digest(spans)}"
    paths = {span.label: directory / f"{span.label.replace(' ', '-')}.db" for span in spans}
    note = directory / "storage"
    if not note.exists():
        for old in WORKSHOP.glob("schema-*"):
            shutil.rmtree(old)
        directory.mkdir(parents=True)
        for before, span in zip((None, *spans), spans, strict=False):
            path = paths[span.label]
            if before and before.raw == span.raw:
                shutil.copy(paths[before.label], path)
            else:
                _import(path, _count(span), _start(span))
            with closing(sqlite3.connect(path, isolation_level=None)) as database:
                storage = _age(database, span)
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        note.write_text(json.dumps(storage))
    return Databases(paths, Storage(*json.loads(note.read_text())))


def _start(span: Span) -> int:
    """Return the Unix time of the first sample: whole UTC days follow, and a part of the next day."""
    return (int(time.time()) // DAY - span.raw - 1) * DAY


def _count(span: Span) -> int:
    return int((span.raw * DAY + _LAST_DAY) / INTERVAL)


def _digest(spans: tuple[Span, ...]) -> str:
    """Return a key of the files that a database depends on, so that another writer's is not reused."""
    digest = hashlib.sha256(repr(spans).encode())
    sources = [*(ROOT / "writer").rglob("*.py"), *(ROOT / "writer").rglob("*.sql")]
    for path in sorted([*sources, Path(__file__), Path(__file__).with_name("samples.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _import(path: Path, count: int, start: int) -> None:
    """Import samples from a pipe, so that generating and storing them use one core each."""
    with runtime_directory() as runtime:
        made = subprocess.Popen(
            module("benchmarks.samples", "1", str(count), str(start)),
            stdout=subprocess.PIPE,
            env=environment(runtime),
        )
        command = module("writer.main", "--db", path, "--import", "-")
        # On a terminal the writer shows its progress.
        print(f"{count:,} samples for the database of {path.stem}:", file=sys.stderr, flush=True)
        subprocess.run(command, stdin=made.stdout, env=environment(runtime), check=True)
        if made.wait():
            raise RuntimeError("the samples could not be generated")
    with Store(path) as store:
        while store.roll_up():  # energy by program, which an import leaves to the running writer
            pass


def _age(database: sqlite3.Connection, span: Span) -> Storage:
    """Add roll-ups of earlier days before those of the samples, and return the sizes of the parts."""
    execute = database.execute
    (day_until,) = execute("SELECT day_until FROM history").fetchone()
    if not day_until:
        return Storage(_used(database) / _count(span), None)
    (first,) = execute("SELECT MIN(bucket) FROM process_day").fetchone()
    period = day_until - first
    execute("BEGIN IMMEDIATE")
    for table in ROLL_UPS:
        execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")
        execute(f"DELETE FROM {table}")
    raw = _used(database)
    oldest = day_until - span.days * DAY
    for table in ROLL_UPS:
        for periods in range(-(-span.days * DAY // period), -1, -1):  # oldest first, as in real use
            _copy(database, table, periods * period, oldest, first)
    if oldest < first:
        execute("UPDATE history SET raw_since = ?", (first,))
    rolled_up = _used(database) - raw
    execute("COMMIT")
    return Storage(raw / _count(span), rolled_up * 365 / span.days)


def _copy(database: sqlite3.Connection, table: str, back: int, oldest: int, first: int) -> None:
    """Copy a table's kept rows from ``first`` on, moved ``back`` s into the past, none before ``oldest``."""
    columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
    moved = ", ".join(f"{name} - :back" if name in _TIMES else name for name in columns)
    # Rows after the last whole day belong only to the newest period.
    end = "" if back == 0 else "AND bucket < (SELECT day_until FROM history)"
    database.execute(
        f"INSERT INTO {table} SELECT {moved} FROM kept_{table} "
        f"WHERE bucket >= :first AND bucket - :back >= :oldest {end} ORDER BY 1, 2",
        {"back": back, "oldest": oldest, "first": first},
    )


def _used(database: sqlite3.Connection) -> int:
    (size,) = database.execute(
        "SELECT (page_count - freelist_count) * page_size "
        "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(size)
