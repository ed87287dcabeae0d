"""Recovery of a damaged database: the content of the copy, for every kind of damage.

``test_reader`` tests only the page reader, with many examples; here rows are copied into a fresh database.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.writer.reading import is_whole
from tests.writer.recovery.damaged import LOG
from tests.writer.recovery.kinds import KINDS, Damage, Sound
from tests.writer.samples import NOW, sample
from tests.writer.working import drop_older, roll_up
from writer.file.aside import set_aside, todo_of
from writer.recovery.salvage import Salvage
from writer.store import Store

_OF_PROCESSES = "bucket, coalesce((SELECT name FROM process_name AS n WHERE n.name_id = r.name_id), '')"
_SUMS = "appearances, cpu_samples, cpu_sum, cpu_max, mem_samples, mem_sum, children_sum"
QUERIES = {
    "system_sample": (1, "SELECT ts, time, seq, voltage, power, cpu_total, energy_uj FROM system_sample"),
    "core_row": (2, "SELECT * FROM cpu_core"),
    "process_row": (2, "SELECT ts, pid, name, cpu, mem, start, children FROM process_sample"),
    "system_minute": (1, "SELECT * FROM system_minute WHERE bucket < :raw_since"),
    "system_hour": (1, "SELECT * FROM system_hour WHERE bucket < :raw_since"),
    "core_hour": (2, "SELECT * FROM core_hour WHERE bucket < :raw_since"),
    "process_hour": (2, f"SELECT {_OF_PROCESSES}, {_SUMS} FROM process_hour AS r WHERE bucket < :raw_since"),
    "process_day": (2, f"SELECT {_OF_PROCESSES}, {_SUMS} FROM process_day AS r WHERE bucket < :raw_since"),
}
"""For each table the number of key columns, and a query without the ids that a fresh database reassigns"""

NAME_AT = {"process_row": 2, "process_hour": 1, "process_day": 1}
"""The column with the name of a process"""

Rows = Mapping[str, Mapping[tuple[object, ...], tuple[object, ...]]]


def content(path: Path, raw_since: int) -> Rows:
    """Return the rows of each table by key; roll-ups only if their raw rows were dropped."""
    with closing(sqlite3.connect(path)) as database:
        return {
            table: {row[:keys]: row for row in database.execute(query, {"raw_since": raw_since})}
            for table, (keys, query) in QUERIES.items()
        }


class Original:
    """A sound database, with all raw rows or with most of them dropped, and its content."""

    def __init__(self, at: Path, *, is_dropped: bool) -> None:
        Store(at / "fresh.db").close()
        with Store(at / "telemetry.db") as store:
            step = 1300 if is_dropped else 370
            for first in range(0, 600, 100):
                store.append([sample(seq + 1, ts=NOW + step * seq) for seq in range(first, first + 100)], NOW)
            roll_up(store)
            if is_dropped:
                drop_older(store, 2.0)
        with closing(sqlite3.connect(at / "telemetry.db")) as database:
            (self.raw_since,) = database.execute("SELECT raw_since FROM history").fetchone()
        self.rows = content(at / "telemetry.db", self.raw_since)
        self.sound = Sound(at / "telemetry.db", at / "fresh.db")


@pytest.fixture(scope="module", params=[False, True], ids=["raw", "dropped"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), is_dropped=request.param)


@pytest.mark.slow
def test_an_hour_is_summed_only_if_all_its_minutes_are_left(original: Original) -> None:
    sound = original.sound
    content_of = bytearray(sound.content)
    minutes = sound.leaves["system_minute"]
    for page in (*sound.leaves["system_hour"], minutes[len(minutes) // 2]):
        content_of[(page - 1) * sound.page : page * sound.page] = bytes(sound.page)
    found = copied(bytes(content_of), original.raw_since)["system_hour"]
    assert {key: original.rows["system_hour"][key] for key in found} == found
    assert len(found) >= 0.9 * len(original.rows["system_hour"])


def named(table: str, rows: Mapping[tuple[object, ...], tuple[object, ...]]) -> dict[Any, Any]:
    """Return the rows of processes; lost names are replaced by the only name in the recording."""
    at, (keys, _) = NAME_AT[table], QUERIES[table]
    whole = [(*row[:at], row[at] or "python3", *row[at + 1 :]) for row in rows.values()]
    return {row[:keys]: row for row in whole}


def copied(damaged: bytes, raw_since: int) -> Rows:
    """Return the final content of the fresh database."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        path.write_bytes(damaged)
        aside = set_aside(path, NOW)
        Store(path).close()
        Salvage([aside], path, LOG).run()
        assert not todo_of(aside).exists(), "the copy did not finish"
        assert is_whole(path)
        return content(path, raw_since)


@pytest.mark.parametrize("damage", KINDS, ids=lambda it: it.__name__)
@settings(max_examples=max(1, settings().max_examples // 100), phases=[Phase.generate])
@given(seed=st.integers(0, 2**32))
@pytest.mark.fast_cases(4)
def test_everything_but_the_damaged_page_is_copied(original: Original, damage: Damage, seed: int) -> None:
    damaged, may_be_lost = damage(original.sound, random.Random(seed))
    found = copied(damaged, original.raw_since)
    for table, rows in original.rows.items():
        got = found[table]
        if table in NAME_AT and may_be_lost["process_name"]:
            got = named(table, got)
        assert got.keys() <= rows.keys(), f"rows of {table} that never were"
        assert {key: rows[key] for key in got} == got, f"rows of {table} with other values"
        assert len(rows.keys() - got.keys()) <= may_be_lost[table], f"rows of {table} are lost"
