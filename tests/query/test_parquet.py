"""``--format parquet``, with pyarrow, which does not have wheels for every machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.columns import Column
from query.parquet import write
from query.values import plain
from tests.needs import open_terminal
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

pq = pytest.importorskip("pyarrow.parquet")

VALUES = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary())


@given(st.lists(st.tuples(VALUES, VALUES, VALUES)))
def test_parquet_has_the_values_and_types_of_the_columns(rows: list[tuple[object, object, object]]) -> None:
    columns = [
        Column("ts", "s", "key"),
        Column("watts", "W", "power"),
        Column("name", "", "who", kind="text"),
    ]
    usable = [row for row in rows if not any(isinstance(it, int) and abs(it) >= 2**53 for it in row)]
    out = io.BytesIO()
    write(columns, usable, out)
    table = pq.read_table(io.BytesIO(out.getvalue()))
    assert table.schema.field("watts").metadata == {b"unit": b"W", b"meaning": b"power"}
    assert [str(field.type) for field in table.schema] == ["int64", "double", "string"]
    number = [float(it) if isinstance(it, (int, float)) and it == it else None for _, it, _ in usable]
    assert table["ts"].to_pylist() == [it if isinstance(it, int) else None for it, _, _ in usable]
    assert table["watts"].to_pylist() == number
    assert table["name"].to_pylist() == [None if it is None else str(plain(it)) for _, _, it in usable]


@pytest.mark.slow
def test_an_export_is_a_parquet_file(recording: Recording, tmp_path: Path) -> None:
    recording.run()
    for index in range(5000):
        recording.sample(NOON + index, power=-1.0 * index, processes=[(index, "a", 1.0, 1.0)])
    recording.database.commit()
    command = [sys.executable, "-m", "query.main", "--db", str(recording.path)]
    for more in (
        ["export"],
        ["sql", "SELECT ts, power AS watts, 'Discharging' AS status FROM system_sample"],
    ):
        with (tmp_path / "out.parquet").open("wb") as out:
            subprocess.run([*command, *more, "--format", "parquet"], stdout=out, check=True)
        table = pq.read_table(tmp_path / "out.parquet")
        assert table.num_rows == 5000
        assert table["ts"].to_pylist()[:2] == [int(NOON), int(NOON) + 1]
        assert sum(map(abs, table["watts"].to_pylist())) == sum(range(5000))


def test_parquet_is_not_written_to_a_terminal(recording: Recording) -> None:
    recording.run()
    recording.database.commit()
    ours, theirs = open_terminal()
    command = [
        sys.executable,
        "-m",
        "query.main",
        "--db",
        str(recording.path),
        "export",
        "--format",
        "parquet",
    ]
    ran = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    os.close(ours)
    assert ran.returncode == 2
    assert ran.stderr == ("telemetry-query: --format parquet: standard output is a terminal; add > FILE\n")


def test_without_pyarrow_an_error_says_how_to_install_it(
    recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    recording.run()
    ran = query("export", "--format", "parquet")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "telemetry-query: --format parquet needs pyarrow: pip install pyarrow\n"
