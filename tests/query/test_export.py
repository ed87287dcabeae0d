"""The columns that ``export`` adds on request, and jsonl."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.columns import Column
from query.render import rendered
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording


def test_signed_power_follows_the_energy_then_the_current(recording: Recording, query: Query) -> None:
    recording.run()
    recording.sample(NOON, power=-4.0, current=-1.0)
    recording.sample(NOON + 5, power=6.0, current=1.0)
    recording.sample(NOON + 10, interval=None, power=7.0, current=-1.0)  # without a sign
    recording.sample(NOON + 15, interval=None, power=-3.0)
    recording.sample(NOON + 20)
    found = query("export", "--signed").rows
    assert [row["signed_watts"] for row in found] == [-4.0, 6.0, -7.0, -3.0, None]
    assert [row["watts"] for row in found] == [4.0, 6.0, 7.0, 3.0, None]


def test_export_options_can_be_combined(recording: Recording, query: Query) -> None:
    recording.run()
    recording.sample(NOON, power=-4.0, processes=[(1, "a", 1.5, 0.5), (2, "b", 2.5, 1.0)])
    (row,) = query("export", "--with-processes", "--signed", "--local-time").rows
    assert (row["topn_cpu_sum"], row["top_cpu"], row["topn_mem_sum"]) == (4.0, 2.5, 1.5)
    assert (row["signed_watts"], row["local_time"]) == (-4.0, "2026-11-21T12:00:00.000+00:00")
    (plain,) = query("export").rows
    assert list(row)[: len(plain)] == list(plain)
    assert not {"topn_cpu_sum", "signed_watts", "local_time"} & set(plain)


def test_local_time_distinguishes_the_repeated_hour(
    recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = datetime.fromisoformat("2026-10-25T02:30:00+02:00").timestamp()
    recording.run(started=twice)
    recording.sample(twice)
    recording.sample(twice + 3_600)
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    told = [row["local_time"] for row in query("export", "--local-time").rows]
    assert told == ["2026-10-25T02:30:00.000+02:00", "2026-10-25T02:30:00.000+01:00"]
    utc = [row["local_time"] for row in query("export", "--local-time", "--utc").rows]
    assert utc == ["2026-10-25T00:30:00.000+00:00", "2026-10-25T01:30:00.000+00:00"]


def test_a_time_beyond_the_calendar_has_no_text(recording: Recording, query: Query) -> None:
    recording.run()
    recording.sample(NOON)
    recording.database.execute("UPDATE system_sample SET time = 1e14")
    assert [row["local_time"] for row in query("export", "--local-time").rows] in ([None], [])


VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary())


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_jsonl_prints_one_object_per_line(rows: list[tuple[object, object]]) -> None:
    columns = [Column(name, "", "") for name in ("a", "b")]
    lines = "".join(rendered(columns, rows, "jsonl")).split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == json.loads("".join(rendered(columns, rows, "json")))


def test_without_rows_jsonl_prints_no_line(recording: Recording, query: Query) -> None:
    recording.run()
    assert query("export", "--format", "jsonl").out == ""
