"""Databases like those of the original logger, from its README: schema, WAL, no user_version."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.writer.reading import changing, column_names, rows
from writer.upgrade import original

GOLDEN: Final = Path(__file__).parents[2] / "data" / "original" / "telemetry.sql"

START: Final = 1_730_000_000

MEASURED: Final = "voltage current power battery_pct cpu_total cpu_freq load1 load5 load15"

TRAINING_VIEW: Final = """
CREATE VIEW training_view AS
SELECT ts, battery_pct, cpu_total, cpu_freq, load1, load5, load15,
  ABS(power) AS watts,
  CASE WHEN current IS NULL THEN NULL
       WHEN current < 0 THEN (-current * 1000.0) / 60.0 ELSE 0 END AS drain_mah_per_min,
  CASE WHEN current IS NULL THEN NULL
       WHEN current > 0 THEN (current * 1000.0) / 60.0 ELSE 0 END AS charge_mah_per_min
FROM system_sample
"""


class Layout(NamedTuple):
    """A variant of the original's database."""

    battery_pct: str = "in place"
    """The place of the column: also "last" (added by a later version of the logger) or "missing"."""
    real: str = "REAL"
    """The declared type of measured values."""
    key: str = "INTEGER PRIMARY KEY"
    cores: bool = True
    view: bool = True
    extra: tuple[str, ...] = ()
    """Columns that a user added to system_sample."""
    journal: str = "WAL"
    name: str = "TEXT"

    def system_columns(self) -> list[str]:
        measured = MEASURED.split()
        if self.battery_pct != "in place":
            measured.remove("battery_pct")
        if self.battery_pct == "last":
            measured.append("battery_pct")
        return [f"ts {self.key}", *(f"{column} {self.real}" for column in measured), *self.extra]

    def schema(self) -> list[str]:
        made = [f"CREATE TABLE system_sample ({', '.join(self.system_columns())})"]
        if self.cores:
            made.append(
                f"CREATE TABLE cpu_core (ts INTEGER, core INTEGER, usage {self.real}, PRIMARY KEY (ts, core))"
            )
        made.append(
            f"CREATE TABLE process_sample (ts INTEGER, pid INTEGER, name {self.name}, cpu {self.real}, "
            f"mem {self.real}, PRIMARY KEY (ts, pid))"
        )
        return [*made, TRAINING_VIEW] if self.view and self.battery_pct != "missing" else made


LAST_VERSION: Final = Layout()


class Old(NamedTuple):
    """One row of the original's system_sample."""

    ts: int
    voltage: float | None = 4.0
    current: float | None = 0.5
    power: float | None = 2.0
    battery_pct: float | None = 50.0
    cpu_total: float | None = 12.5
    cpu_freq: float | None = 1500.0
    load1: float | None = 0.5
    load5: float | None = 0.25
    load15: float | None = 0.125


def measured(count: int, seed: int = 1) -> list[Old]:
    """Return rows as in real files: with NULLs, holes in time, whole numbers and long fractions."""
    dice = random.Random(seed)
    made: list[Old] = []
    ts = START
    for _ in range(count):
        ts += dice.choice([5, 5, 5, 1, 6, 60, 61, 3600])
        values = [
            dice.choice([None, 0.0, 1500.0, dice.uniform(-9, 9), dice.gauss(0, 1) / 3]) for _ in range(9)
        ]
        made.append(Old(ts, *values))
    return made


def build(
    path: Path,
    samples: Sequence[Old],
    layout: Layout = LAST_VERSION,
    own: Sequence[str] = (),
    *,
    unclosed: bool = False,
) -> Path:
    """Create the database at ``path``; ``own`` is the user's SQL, run before any row is added.

    ``unclosed``: as after a kill of the logger, with all rows in the WAL.
    """
    made_at = path.with_name(f"{path.name}.making") if unclosed else path
    database = sqlite3.connect(made_at, isolation_level=None)
    database.execute(f"PRAGMA journal_mode = {layout.journal}")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("PRAGMA synchronous = OFF")
    for statement in (*layout.schema(), *own):
        database.execute(statement)
    database.execute("BEGIN")
    for sample in samples:
        _insert(database, sample, layout)
    database.execute("COMMIT")
    if unclosed:
        shutil.copy(made_at, path)
        shutil.copy(f"{made_at}-wal", f"{path}-wal")
    database.close()
    if unclosed:
        made_at.unlink()
    return path


def _insert(database: sqlite3.Connection, sample: Old, layout: Layout) -> None:
    fields = sample._asdict()
    if layout.battery_pct == "missing":
        del fields["battery_pct"]
    marks = ", ".join("?" * len(fields))
    database.execute(
        f"INSERT INTO system_sample ({', '.join(fields)}) VALUES ({marks})", tuple(fields.values())
    )
    if layout.cores:
        cores = [(sample.ts, core, (sample.ts * 7 + core * 13) % 1000 / 10) for core in range(2)]
        database.executemany("INSERT INTO cpu_core (ts, core, usage) VALUES (?, ?, ?)", cores)
    processes = [
        (sample.ts, 9000 - pid, f"näme {pid}\t'\"", sample.ts % 7 / 3, float(pid)) for pid in range(3)
    ]
    database.executemany(
        "INSERT INTO process_sample (ts, pid, name, cpu, mem) VALUES (?, ?, ?, ?, ?)", processes
    )


def golden(path: Path) -> Path:
    """Create the golden database at ``path``."""
    with changing(path) as database:
        database.executescript(GOLDEN.read_text(encoding="utf-8"))
        database.execute("PRAGMA journal_mode = WAL")
    return path


def upgrade(path: Path, *, has_room: bool) -> None:
    """Upgrade the database with the writer."""
    with changing(path) as database:
        original.take_over(database, has_room=has_room)


Contents = dict[str, list[dict[str, str]]]

KEYS: Final = {"system_sample": "ts", "cpu_core": "ts, core", "process_sample": "ts, pid"}


def contents(path: Path) -> Contents:
    """Return every row of the original's tables, by key: {column: type and value}.

    The repr of a float shows its last bit.
    """
    found: Contents = {}
    for table, key in KEYS.items():
        names = column_names(path, table)
        values = ", ".join(f'typeof("{name}"), "{name}"' for name in names)
        found[table] = [
            {name: f"{row[2 * i]} {row[2 * i + 1]!r}" for i, name in enumerate(names)}
            for row in (rows(path, f"SELECT {values} FROM {table} ORDER BY {key}") if names else [])
        ]
    return found


def assert_kept(before: Contents, after: Contents) -> None:
    """Check that no row is missing or new, and that each old column has the same value, bit for bit."""
    for table, old_rows in before.items():
        assert len(after[table]) == len(old_rows)
        for old, new in zip(old_rows, after[table], strict=True):
            assert {name: new.get(name) for name in old} == old
