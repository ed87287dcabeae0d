"""``telemetry-query sql``: a SELECT written by the user, and nothing else."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.own_query import answer
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

SCHEMA = "SELECT name, sql FROM sqlite_master ORDER BY name"


@pytest.fixture
def recorded(recording: Recording) -> Recording:
    recording.run()
    for number in range(300):
        recording.sample(NOON + 5 * number, power=-5.0 - number / 100, processes=[(1, "a", 1.5, 0.1)])
    return recording


@pytest.mark.usefixtures("recorded")
def test_it_prints_rows_as_reports_do(query: Query) -> None:
    select = "SELECT ts, power, 'a' AS text, NULL AS none FROM system_sample ORDER BY ts LIMIT 2"
    assert query("sql", select).rows == [
        {"ts": int(NOON), "power": -5.0, "text": "a", "none": None},
        {"ts": int(NOON) + 5, "power": -5.01, "text": "a", "none": None},
    ]
    assert query("sql", select, "--format", "csv").out == (
        f"ts,power,text,none\n{NOON:.0f},-5.0,a,\n{NOON + 5:.0f},-5.01,a,\n"
    )
    assert query("sql", select, "--format", "table").out.splitlines() == [
        "        ts  power  text  none",
        "----------  -----  ----  ----",
        f"{NOON:.0f}  -5.00  a        -",
        f"{NOON + 5:.0f}  -5.01  a        -",
    ]
    assert query("sql", select, "--format", "github").out.startswith("|")


@pytest.mark.usefixtures("recorded")
def test_all_rows_are_printed(query: Query) -> None:
    found = query("sql", "SELECT ts FROM system_sample ORDER BY ts").rows
    assert [row["ts"] for row in found] == [int(NOON) + 5 * number for number in range(300)]


@pytest.mark.usefixtures("recorded")
def test_standard_input_is_read(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n\nFROM run; -- the runs\n"))
    assert query("sql", "-").rows == [{"n": 1}]


@pytest.mark.usefixtures("recorded")
def test_two_columns_with_the_same_name_are_distinguished(query: Query) -> None:
    (row,) = query("sql", "SELECT 1 AS a, 2 AS a, 3 AS 'a:1', 4 AS b, 5 AS a").rows
    assert list(row) == ["a", "a:1", "a:1:1", "b", "a:2"]
    assert list(row.values()) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("recorded")
def test_small_numbers_are_visible_in_a_table(query: Query) -> None:
    out = query("sql", "SELECT 0.00012 AS small, 2.5 AS usual, 1e300 AS large", "--format", "table").out
    assert out.splitlines()[-1].split() == ["0.00012", "2.5", "1e+300"]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM system_sample",
        "UPDATE sqlite_master SET sql = ''",
        "UPDATE run SET host = 'x'",
        "INSERT INTO setting VALUES ('x', 1)",
        "CREATE TABLE x (a)",
        "CREATE TEMP TABLE x (a)",
        "DROP TABLE run",
        "ATTACH 'other.db' AS other",
        "ATTACH 'file:other.db?mode=rwc' AS other",
        "VACUUM",
        "VACUUM INTO 'other.db'",
        "PRAGMA user_version = 99",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = 1",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA temp_store_directory = '.'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM run",
        "DELETE FROM run RETURNING *",
        "WITH x AS (SELECT 1) DELETE FROM run",
    ],
)
def test_nothing_is_written(
    recorded: Recording,
    query: Query,
    statement: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = (list(recorded.database.iterdump()), recorded.database.execute(SCHEMA).fetchall())
    ran = query("sql", statement)
    assert ran.status in (1, 2)
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("telemetry-query: sql: ")
    assert (list(recorded.database.iterdump()), recorded.database.execute(SCHEMA).fetchall()) == before
    assert not (tmp_path / "other.db").exists()


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT watts FROM system_sample", "no such column: watts"),
        ("SELECT * FROM samples", "no such table: samples"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("", "the statement returns no rows; give a SELECT"),
        ("-- nothing", "the statement returns no rows; give a SELECT"),
        ("SELECT :a", "parameters such as ? and :name have no value here"),
        ("SELECT 1; SELECT 2", "more than one statement; give one SELECT"),
        ("SELECT zeroblob(1000000000)", "string or blob too big"),
        ("SELECT abs(-9223372036854775808)", "integer overflow"),
    ],
)
def test_each_error_is_one_line(query: Query, statement: str, said: str) -> None:
    ran = query("sql", statement)
    assert (ran.status, ran.out, ran.err) == (1, "", f"telemetry-query: sql: {said}\n")


@pytest.mark.usefixtures("recorded")
def test_the_schema_can_be_queried(query: Query) -> None:
    assert {"name": "host"} in query("sql", "SELECT name FROM pragma_table_info('run')").rows
    assert query("sql", "SELECT value FROM json_each('[1, 2]')").rows == [{"value": 1}, {"value": 2}]
    assert query("sql", "PRAGMA user_version").rows[0]["user_version"] > 0
    assert query("sql", "EXPLAIN QUERY PLAN SELECT * FROM run").rows


@pytest.mark.usefixtures("recorded")
def test_an_endless_query_times_out(query: Query) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
    ran = query("sql", endless, "--timeout", "0.05")
    assert ran.status == 1
    assert ran.err == (
        "telemetry-query: sql: it took more than 0.05 s; --timeout S allows more, a WHERE on ts reads less\n"
    )


def test_time_spent_printing_rows_does_not_count(recorded: Recording) -> None:
    """Each clock reading is a second later, and the reader of the rows waits for 50 s."""
    recorded.database.commit()
    clock: Iterator[float] = map(float, count())
    with closing(sqlite3.connect(recorded.path)) as connection:
        _, rows = answer(connection, "SELECT ts FROM system_sample", 20.0, lambda: next(clock))
        taken = 0
        for _ in rows:
            taken += 1
            next(clock)
        assert taken == 300


@pytest.mark.usefixtures("recorded")
def test_a_damaged_or_missing_database_is_reported_as_in_reports(query: Query, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"no database, but long enough for a header" * 100)
    ran = query("--db", str(tmp_path / "text.db"), "sql", "SELECT 1")
    assert ran.status == 1
    assert "not a SQLite database" in ran.err
    assert "no such database" in query("--db", str(tmp_path / "none.db"), "sql", "SELECT 1").err


@pytest.mark.usefixtures("recorded")
def test_the_database_is_closed_before_a_long_result_is_printed(
    recorded: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []

    class Reader(io.StringIO):
        def write(self, text: str) -> int:
            busy, *_ = recorded.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            written.append(not busy)
            return len(text)

    select = "SELECT a.ts, printf('%.100c', 'x') AS x FROM system_sample AS a, system_sample AS b LIMIT 30000"
    recorded.database.commit()
    monkeypatch.setattr("sys.stdout", Reader())
    query("sql", select, "--format", "csv")
    assert len(written) > 2
    assert all(written)


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text()),
        min_size=1,
    )
)
def test_any_value_is_printed(values: list[object]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, v)")
        usable = [v for v in values if not (isinstance(v, str) and any("\ud800" <= c <= "\udfff" for c in v))]
        connection.executemany("INSERT INTO t (v) VALUES (?)", [(v,) for v in usable])
        (column,), rows = answer(connection, "SELECT v FROM t ORDER BY number", 60.0)
        found = [row[0] for row in rows]
    assert found == usable
    assert column.digits <= 9
    json.dumps(found)
