"""The other reports, and rules that hold for all reports."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from query.report import sql_text
from query.reports import BY_NAME, REPORTS
from query.time_left import LITTLE
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording, example

NAMES = [report.name for report in REPORTS]


@pytest.fixture(scope="module")
def an_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of docs/reports.md, read-only."""
    path = tmp_path_factory.mktemp("example") / "telemetry.db"
    example(path)
    return path


# --- recent ----------------------------------------------------------------------------------------


def times(rows: list[dict[str, Any]]) -> list[float]:
    return [row["time"] - NOON for row in rows]


def test_recent_shows_the_newest_first(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 30, current=-1.2, power=-4.8, battery_pct=80, status="Discharging", load1=0.5)
    rows = query("recent").rows
    assert len(rows) == 20
    assert times(rows[:2]) == [145, 140]
    assert rows[0] == {
        "ts": int(NOON) + 145,
        "time": NOON + 145,
        "battery_pct": 80,
        "status": "Discharging",
        "watts": 4.8,
        "drain_mah_per_min": 20,
        "charge_mah_per_min": 0,
        "cpu_total": None,
        "cpu_freq": None,
        "load1": 0.5,
        "cpu_temp": None,
    }


def test_recent_in_a_window(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 100)
    rows = query("recent", "--since", str(NOON + 10), "--until", str(NOON + 25)).rows
    assert times(rows) == [20, 15, 10]
    assert times(query("recent", "--until", str(NOON + 25), "--limit", "1").rows) == [20]


def test_recent_sorts_by_ts_if_the_clock_stepped_back(recording: Recording, query: Query) -> None:
    recording.samples(NOON + 1e6, 30)
    recording.samples(NOON, 2)
    assert times(query("recent", "--limit", "3").rows) == [5, 0, 1e6 + 145]


# --- hotspots, top, cores, correlate ---------------------------------------------------------------


@pytest.mark.parametrize("absurd", [4_994_750.0, 409_600.5, -5.0, 9e15, "word"])
def test_an_absurd_value_does_not_affect_maximum_and_average(
    recording: Recording, query: Query, absurd: Any
) -> None:
    for index in range(5):
        bad = index == 2
        it = (1, "init", absurd if bad else 40.0, absurd if bad else 2.0, absurd if bad else 10.0)
        recording.sample(NOON + 5 * index, interval=5.0, processes=[it], cores=[absurd if bad else 30.0])
    (process,) = query("hotspots").rows
    assert (process["appearances"], process["max_cpu"], process["avg_cpu"], process["avg_mem"]) == (
        5,
        40,
        40,
        2,
    )
    assert process["avg_children"] == 8
    (core,) = query("cores").rows
    assert (core["samples"], core["max_usage"], core["avg_usage"]) == (4, 30, 30)


@pytest.mark.parametrize(("cores", "most"), [([30.0] * 4, 400.0), ([30.0], 100.0), ([30.0, None], 200.0)])
@pytest.mark.parametrize("column", [2, 4])
def test_a_process_uses_at_most_all_cores_of_its_sample(
    recording: Recording, query: Query, cores: list[float | None], most: float, column: int
) -> None:
    def stored(value: float) -> Any:
        return (1, "init", value, 2.0, 0.0) if column == 2 else (1, "init", 0.0, 2.0, value)

    # The third is not a whole number of hundredths, so the compact table stores it as a float.
    inside = most - 1 / 3
    for index, value in enumerate([most, most + 0.5, inside, 20_000.0, 40.0]):
        recording.sample(NOON + 5 * index, processes=[stored(value)], cores=cores)
    (process,) = query("hotspots").rows
    assert process["max_cpu"] == (most if column == 2 else 0)
    known = (most + round(inside, 2) + 40) / (3 if column == 2 else 5)
    assert process["avg_cpu" if column == 2 else "avg_children"] == pytest.approx(known)


def test_hotspots_counts_and_averages(recording: Recording, query: Query) -> None:
    recording.sample(NOON, interval=3600.0, processes=[(1, "a", 10.0, 1.0, 12.0), (2, "b", 90.0, 2.0)])
    recording.sample(NOON + 5, processes=[(1, "a", 30.0, 3.0), (3, "c", 50.0, 2.0, 0.0)])
    recording.sample(NOON + 10, processes=[(4, None, None, None)])
    rows = query("hotspots").rows
    assert [(row["name"], row["appearances"]) for row in rows] == [("b", 1), ("a", 2), ("c", 1), (None, 1)]
    assert [row.pop("cpu_h") for row in rows] == [0.9, 0.22 + 30 * 5 / 360_000, 50 * 5 / 360_000, 0]
    assert [list(row.values())[2:] for row in rows] == [
        [90, 90, 2, 0],
        [20, 30, 2, 6],
        [50, 50, 2, 0],
        [None, None, None, 0],
    ]
    assert [row["name"] for row in query("hotspots", "--since", str(NOON + 5)).rows] == ["c", "a", None]
    assert [row["name"] for row in query("hotspots", "--until", str(NOON + 5)).rows] == ["b", "a"]


def test_hotspots_ranks_by_cpu_time_and_not_by_appearances(recording: Recording, query: Query) -> None:
    """A game in one minute used more than a logger in every list; a shell used CPU by its children."""
    for second in range(0, 600, 5):
        played = [(2, "game", 135.0, 9.0)] if second < 60 else []
        built = [(4, "sh", 0.1, 0.1, 90.0)] if second < 120 else []
        recording.sample(NOON + second, processes=[(1, "logger", 0.5, 1.0), *played, *built])
    rows = query("hotspots").rows
    assert [(row["name"], row["appearances"]) for row in rows] == [("sh", 24), ("game", 12), ("logger", 120)]
    assert [row["cpu_h"] * 3600 for row in rows] == [pytest.approx(it) for it in (108.12, 81, 3)]


def test_appearances_count_rows_of_the_list(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "bash", 10.0, 1.0), (2, "bash", 20.0, 1.0)])
    (row,) = query("hotspots").rows
    assert (row["appearances"], row["avg_cpu"]) == (2, 15)
    assert row["cpu_h"] * 3600 == pytest.approx(1.5)


@pytest.mark.parametrize("interval", [None, -5.0, "word", 1e300])
def test_a_sample_without_an_interval_adds_no_cpu_time(
    recording: Recording, query: Query, interval: Any
) -> None:
    recording.sample(NOON, interval=interval, processes=[(1, "a", 10.0, 1.0)])
    (row,) = query("hotspots").rows
    assert (row["appearances"], row["avg_cpu"], row["cpu_h"]) == (1, 10, 0)


def test_top_shows_the_newest_sample(recording: Recording, query: Query) -> None:
    recording.sample(NOON + 1e6, processes=[(1, "before the clock stepped back", 99.0, 1.0)])
    recording.sample(NOON, processes=[(1, "a", 10.0, 1.0, 0.0, "an app", "root"), (2, "b", 90.0, 2.0)])
    ts = int(NOON + 1e6) + 1
    assert query("top").rows == [
        {"ts": ts, "time": NOON, "pid": 2, "name": "b", "cpu": 90, "mem": 2, "children": None}
        | {"app": None, "user": None},
        {"ts": ts, "time": NOON, "pid": 1, "name": "a", "cpu": 10, "mem": 1, "children": 0}
        | {"app": "an app", "user": "root"},
    ]


OWNED = [
    (1, "firefox", 40.0, 5.0, 0.0, "firefox", "ada"),
    (2, "Web Content", 60.07, 6.0, None, "firefox", "ada"),
    (3, "sh", 1.0, 0.1, 30.0, None, "ada"),
    (4, "sh", 2.0, 0.2, None, None, "root"),
    (5, "Xorg", 20.0, 3.0, 0.0, "display-manager", "root"),
]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("name", [("Web Content", 1, 60.07), ("firefox", 1, 40), ("sh", 2, 3), ("Xorg", 1, 20)]),
        ("app", [("firefox", 2, 100.07), (None, 2, 3), ("display-manager", 1, 20)]),
        ("user", [("ada", 3, 101.07), ("root", 2, 22)]),
    ],
)
def test_processes_add_up_by_their_owners(
    recording: Recording, query: Query, by: str, expected: list[tuple[str | None, int, float]]
) -> None:
    recording.sample(NOON, interval=3600.0, processes=OWNED)
    rows = query("top", "--by", by).rows
    assert [(row["name"], row["processes"], row["cpu"]) for row in rows] == expected
    rows = query("hotspots", "--by", by).rows
    assert [
        (row["name"], row["appearances"], row["avg_cpu"] * row["appearances"]) for row in rows
    ] == expected
    assert sum(row["cpu_h"] for row in rows) == pytest.approx(1.5307)


def test_a_cut_name_shares_a_row_with_the_whole_one(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "telemetry-sampl", 1.0, 1.0), (2, "gnome-session-b", 2.0, 1.0)])
    recording.sample(NOON + 5, processes=[(1, "telemetry-sampler", 3.0, 1.0), (2, "telemetry-s", 1.0, 1.0)])
    recording.sample(
        NOON + 10, processes=[(1, "gnome-session-binary", 9.0, 1.0), (2, "gnome-session-broker", 8.0, 1.0)]
    )
    found = {row["name"]: (row["appearances"], row["avg_cpu"]) for row in query("hotspots").rows}
    assert found == {
        "telemetry-sampler": (2, 2),
        "telemetry-s": (1, 1),
        # Either of the two is right.
        "gnome-session-b": (1, 2),
        "gnome-session-binary": (1, 9),
        "gnome-session-broker": (1, 8),
    }


def test_top_shows_one_sample_if_the_clock_stood_still(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "a", 10.0, 1.0)])
    recording.sample(NOON, processes=[(1, "b", 10.0, 1.0)])
    assert [row["name"] for row in query("top").rows] == ["b"]
    assert [row["name"] for row in query("top", "--at", str(NOON)).rows] == ["b"]


@pytest.mark.parametrize(("at", "expected"), [(9, 5.5), (5, 5.5), (4, 0.0), (10, 10.2), (99, 10.2)])
def test_top_at_a_moment(recording: Recording, query: Query, at: int, expected: float) -> None:
    """A time in whole seconds selects the sample that is shown with this time."""
    for second in (0.0, 5.5, 10.2):
        recording.sample(NOON + second, processes=[(1, "a", second, 1.0)])
    (row,) = query("top", "--at", str(int(NOON) + at)).rows
    assert row["time"] == NOON + expected


def test_top_before_all_data_gives_the_available_times(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "a", 1.0, 1.0)])
    ran = query("top", "--at", "2026-11-21 11:59")
    assert ran.rows == []
    assert "no sample before 2026-11-21 11:59:01: the database holds 2026-11-21 12:00:00 to" in ran.err


def test_cores_over_the_last_ten_minutes(recording: Recording, query: Query) -> None:
    recording.sample(NOON - 600, cores=[100.0, 100.0])
    recording.sample(NOON - 599, cores=[10.0, 50.0])
    recording.sample(NOON, cores=[30.0, None])
    assert query("cores").rows == [
        {"core": 0, "usage": 30, "avg_usage": 20, "max_usage": 30, "samples": 2},
        {"core": 1, "usage": None, "avg_usage": 50, "max_usage": 50, "samples": 1},
    ]
    assert query("cores", "--since", "1h").rows[0]["samples"] == 3


def test_correlate_lists_the_newest_first_and_the_busiest_first(recording: Recording, query: Query) -> None:
    recording.sample(NOON - 601, power=-9.0, processes=[(1, "old", 1.0, 1.0)])
    recording.sample(NOON - 5, power=-4.0, processes=[(1, "a", 10.0, 1.0), (2, "b", 90.0, 2.0)])
    recording.sample(NOON, power=6.0, processes=[(1, "a", 20.0, 1.0)])
    rows = query("correlate", "--rows").rows
    assert [(row["time"] - NOON, row["watts"], row["name"]) for row in rows] == [
        (0, 6, "a"),
        (-5, 4, "b"),
        (-5, 4, "a"),
    ]


def test_children_count_in_the_ranking(recording: Recording, query: Query) -> None:
    processes = [(1, "make", 1.0, 1.0, 95.0), (2, "b", 90.0, 2.0, None), (3, "c", 5.0, 2.0, 85.0)]
    recording.sample(NOON, processes=processes)
    for argv in (["top"], ["correlate", "--rows"]):
        assert [(row["name"], row["children"]) for row in query(*argv).rows] == [
            ("make", 95),
            ("b", None),
            ("c", 85),
        ]
    assert [row["avg_children"] for row in query("hotspots").rows] == [95, 0, 85]


# --- export ----------------------------------------------------------------------------------------


def test_export_is_the_view_oldest_first(an_example: Path, query: Query) -> None:
    ran = query("--db", str(an_example), "export", "--format", "csv")
    database = sqlite3.connect(an_example)
    cursor = database.execute("SELECT * FROM training_view ORDER BY ts")
    names, rows = [column[0] for column in cursor.description], cursor.fetchall()
    database.close()
    found = list(csv.reader(io.StringIO(ran.out)))
    assert found[0] == names
    assert found[1:] == [["" if value is None else str(value) for value in row] for row in rows]
    assert len(rows) == 840


def test_export_is_csv_by_default(recording: Recording, query: Query) -> None:
    assert BY_NAME["export"].format == "csv"
    recording.sample(NOON)
    assert query("export").rows[0]["ts"] == int(NOON)


def test_export_with_processes(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "a", 10.0, 1.0), (2, "b", 90.0, 2.0)])
    recording.sample(NOON + 5)
    rows = query("export", "--with-processes").rows
    added = ("topn_cpu_sum", "top_cpu", "topn_mem_sum")
    assert list(rows[0])[-3:] == list(added)
    assert [[row[name] for name in added] for row in rows] == [[100, 90, 3], [None, None, None]]


def test_a_column_that_a_newer_view_adds_is_exported(recording: Recording, query: Query) -> None:
    recording.sample(NOON)
    recording.database.executescript(
        "DROP VIEW training_view;CREATE VIEW training_view AS SELECT *, 1.23456 AS fan FROM system_sample"
    )
    assert query("export").rows[0]["fan"] == 1.23456
    assert "1.235" in query("export", "--format", "table").out


OF_FUNCTIONS = [
    *("compare_windows", "compare_window_programs", "compare_values", "compare_value_programs"),
    *("compare_oldest", "compare_values_there", "correlate_rows"),
]
"""SQL files that do not belong to a single report"""

# --- all of them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_columns_are_those_of_the_sql(an_example: Path, query: Query, name: str) -> None:
    ran = query("--db", str(an_example), name, "--limit", "5", now=NOON + 5_400)
    said = {
        "drain": LITTLE,
        "blame": "an estimate, ",
        "model": "little data",
        "compare": "A is 2026-11-20 00:00:00 to 2026-11-21 00:00:00 (no sample), B is 2026-11-21 00:00:00",
        "correlate": "a correlation is not a cause",
    }.get(name, "")
    assert ran.err.startswith(f"telemetry-query: {said}" if said else "")
    assert len(ran.err.splitlines()) == bool(said)
    assert list(ran.rows[0]) == [column.name for column in BY_NAME[name].columns]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "status"])
def test_an_empty_database_is_reported(recording: Recording, query: Query, name: str) -> None:
    ran = query(name)
    assert (ran.status, ran.out) == (0, "[]\n")
    assert ran.err == "telemetry-query: database is empty: is telemetry-writer running?\n"
    header = ",".join(column.name for column in BY_NAME[name].columns)
    assert query(name, "--format", "csv").out == header + "\n"
    assert query(name, "--format", "table").out == ""
    assert query(name, "--format", "html").out == ""


WINDOWS = [
    (["--since", str(NOON + 900)], "no sample between 2026-11-21 12:15:00 and now"),
    (["--until", str(NOON - 900)], "no sample before 2026-11-21 11:45:00"),
    (
        ["--since", "11:00", "--until", "11:30"],
        "no sample between 2026-11-21 11:00:00 and 2026-11-21 11:30:00",
    ),
]


@pytest.mark.parametrize(("window", "text"), WINDOWS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("status", "compare")])
def test_a_window_outside_the_data_gives_the_available_times(
    recording: Recording, query: Query, name: str, window: list[str], text: str
) -> None:
    recording.samples(NOON, 12, power=-6.0, cores=[1.0], processes=[(1, "a", 1.0, 1.0)])
    ran = query(name, *window)
    assert (ran.status, ran.out) == (0, "[]\n")
    held = "the database holds 2026-11-21 12:00:00 to 2026-11-21 12:00:55"
    assert ran.err == f"telemetry-query: {text}: {held}\n"


@pytest.mark.parametrize("name", ["top", "hotspots", "correlate"])
def test_samples_without_processes_say_so(recording: Recording, query: Query, name: str) -> None:
    recording.samples(NOON, 12)
    assert "no process recorded (does telemetry-sampler run with --top-procs 0?)" in query(name).err


UNLIKE = {"model", "gaps", "correlate", "compare"}
"""Reports that need more samples; compare limits only programs"""


def test_samples_without_cores_say_so(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 12)
    assert "no core recorded between 2026-11-21 11:50:55 and now" in query("cores").err


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNLIKE])
def test_limit(recording: Recording, query: Query, name: str) -> None:
    recording.samples(
        NOON, 3, power=-6.0, cores=[1.0, 2.0], processes=[(1, "a", 1.0, 1.0), (2, "b", 1.0, 1.0)]
    )
    recording.health(NOON, "BAT0", 5.0, 6.0)
    rows = query(name, "--limit", "1").rows
    # The limit counts programs: other rows follow, and the rest is in (others).
    assert len([row for row in rows if not str(row.get("name")).startswith("(")]) == 1
    assert len(query(name, "--limit", str(10**18 - 1)).rows) >= 1


ODD: list[Any] = ["text", "1e5", b"\xff\x00", 2**63 - 1, -(2**63), 1e300, -1e300, float("inf"), "", None]


@pytest.mark.parametrize("form", ["table", "json", "csv", "html"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.fast_cases(16)
def test_any_value_of_sqlite_is_shown(recording: Recording, query: Query, name: str, form: str) -> None:
    """SQLite does not enforce column types. A bad row makes at most one report fail, with one line."""
    for odd in ODD:
        recording.sample(
            NOON,
            **dict.fromkeys(("battery_pct", "current", "power", "status", "cpu_total", "load1"), odd),
            interval=None,
            energy_uj=-1,
            processes=[(1, odd, odd, odd)],
            cores=[odd],
        )
    for odd in ODD:
        recording.sample(NOON + 5, energy_uj=odd, suspended=odd, processes=[(1, odd, odd, odd)])
    recording.database.execute("UPDATE process_name SET name = CAST(x'ff1b5b' AS TEXT) WHERE name = ''")
    ran = query(name, "--format", form)
    assert ran.status in (0, 1)
    assert ran.err.count("\n") <= 1
    assert form == "csv" or "\x1b" not in ran.out
    if ran.status == 1:  # SQLite's own sum of integers
        assert name in ("energy", "drain")
        assert "integer overflow" in ran.err


@pytest.mark.parametrize("time", ["text", b"\x00", 1e300, -5.0, float("inf"), None])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.fast_cases(18)
def test_any_value_in_the_column_time(recording: Recording, query: Query, name: str, time: Any) -> None:
    recording.samples(NOON, 3, power=-6.0, battery_pct=50, processes=[(1, "a", 1.0, 1.0)])
    recording.sample(NOON + 15, power=-6.0, battery_pct=50, processes=[(1, "a", 1.0, 1.0)])
    recording.database.execute("UPDATE system_sample SET time = ? WHERE ts = ?", (time, int(NOON) + 15))
    for form in ("table", "json"):
        for window in ([], ["--by", "on_ac", "0", "1"] if name == "compare" else ["--since", "1h"]):
            ran = query(name, "--format", form, *window)
            assert ran.status == 0
            assert ran.err.count("\n") <= 1


@pytest.mark.parametrize("name", [*NAMES, *OF_FUNCTIONS])
def test_the_sql_reads_only_documented_tables(name: str) -> None:
    import re

    known = {
        "system_sample",
        "cpu_core",
        "process_sample",
        "training_view",
        *("history", "system_minute", "system_hour", "core_hour"),
        *("process_hour", "process_day", "process_name"),
        *("system_sums", "core_sums", "process_sums"),
        *("run", "gap", "battery_health", "battery_pack", "setting", "rollup_difference", "loss"),
        *("session", "pragma_user_version", "json_each"),
    }
    text = re.sub(r"--.*", "", sql_text(name))
    own = set(re.findall(r"(\w+)\s*(?:\([^()]*\))?\s+AS\s+(?:MATERIALIZED\s+)?\(", text))
    read = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", text))
    assert read - own - {"later", "earlier"} <= known
