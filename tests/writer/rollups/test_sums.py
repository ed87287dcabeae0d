"""The views of sums: they have the columns of the roll-ups, and a time range uses an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from writer import schema
from writer.rollups.tables import IN_SPAN, LATE, TABLES, RollUp

NUMBERS = [
    None,
    0,
    12.34,
    0.125,
    33.333333333333336,
    -7.0,
    1e12,
    1e13,
    1e300,
    1 << 62,
    -(1 << 62),
    "word",
    b"\xff",
]


def made(*, compact: bool) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    schema.make_tables(database)
    for table in schema.COMPACT if compact else ():
        schema.make_compact(database, table)
    schema.make_views(database)
    return database


@pytest.fixture(params=[True, False], ids=["compact", "plain"])
def database(request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    with closing(made(compact=request.param)) as found:
        yield found


def names(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_view_has_the_columns_of_its_roll_ups_in_their_order(
    database: sqlite3.Connection, table: RollUp
) -> None:
    held = names(database, table.name)
    assert held[0] == "bucket"
    assert names(database, table.view)[1 - len(held) :] == held[1:]


def plan(database: sqlite3.Connection, sql: str) -> list[str]:
    bound = {"size": 60, "first": 0, "end": 1, "late": "[1]"}
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", bound)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize(("rows", "index"), [(IN_SPAN, "system_sample_time"), (LATE, "INTEGER PRIMARY KEY")])
def test_rolling_up_reads_no_row_outside_its_span(
    database: sqlite3.Connection, table: RollUp, rows: str, index: str
) -> None:
    steps = plan(database, table.of_rows(rows))
    searches = [step for step in steps if step.startswith(("SEARCH system_sample ", "SEARCH s "))]
    assert len(searches) == 1
    assert index in searches[0]
    assert not [
        step for step in steps if step.startswith("SCAN") and "subquery" not in step and "late" not in step
    ]


def filled(database: sqlite3.Connection) -> None:
    for ts, number in enumerate(NUMBERS, 100):
        database.execute("INSERT INTO system_sample (ts, time) VALUES (?, ?)", (ts, float(ts)))
        database.execute("INSERT INTO cpu_core VALUES (?, ?, ?)", (ts, 0, number))
        name = f"name {ts}"
        database.execute(
            "INSERT INTO process_sample (ts, pid, name, cpu, mem, children, app) "
            "VALUES (?, 1, ?, ?, ?, ?, ?)",
            (ts, name, number, number, number, "an app"),
        )
        numbered = "SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM process_name WHERE name = ?1)"
        database.execute(f"INSERT INTO process_name (name, app) {numbered}", (name, "an app"))


@pytest.mark.parametrize("view", ["core_sums", "process_sums"])
def test_compact_and_plain_tables_give_the_same(view: str) -> None:
    with closing(made(compact=True)) as compact, closing(made(compact=False)) as plain:
        found = []
        for database in (compact, plain):
            filled(database)
            found.append(database.execute(f"SELECT * FROM {view} ORDER BY ts").fetchall())
    assert found[0] == found[1]
    assert len(found[0]) == len(NUMBERS)


def test_a_row_is_discharging_by_its_energy_or_else_by_its_status() -> None:
    cases = [
        (-5, "Charging", 1),
        (5, "Discharging", 0),
        (0, "Discharging", 0),
        (None, "Discharging", 1),
        (None, "Charging", 0),
        (None, None, 0),
        ("word", "Discharging", 1),
        (-(1 << 62), None, 0),
    ]
    with closing(made(compact=True)) as database:
        for ts, (energy, status, _) in enumerate(cases):
            database.execute(
                "INSERT INTO system_sample (ts, time, energy_uj, status) VALUES (?, ?, ?, ?)",
                (ts, float(ts), energy, status),
            )
        found = database.execute(
            "SELECT discharging, drain_newest_ts FROM system_sums ORDER BY ts"
        ).fetchall()
    assert found == [(told, ts if told else None) for ts, (_, _, told) in enumerate(cases)]
