"""Reports over years: dropped rows, the cost of reports, and exports in pages."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from query import answer
from query.answer import ask
from query.report import Report, Variant, variant_of
from query.reports import BY_NAME, REPORTS
from query.window import History
from telemetry.errors import UserError
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import drop, roll_up

HOUR, DAY = 3_600, 86_400
MIDNIGHT = int(NOON) - DAY // 2
"""2026-11-21 00:00:00 UTC"""


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    with Recording(tmp_path_factory.mktemp("two days") / "telemetry.db") as recording:
        _record_two_days(recording)
        yield recording


@pytest.fixture
def half(two_days: Recording, recording: Recording) -> Recording:
    """Two days of samples, one a minute; the first day exists only in roll-ups."""
    two_days.database.commit()
    two_days.database.backup(recording.database)
    return recording


def _record_two_days(recording: Recording) -> None:
    recording.run()
    row: dict[str, Any] = {
        "power": -6.0,
        "battery_pct": 50,
        "cores": [10.0, 20.0],
        "processes": [(1, "a", 1.0, 1.0), (2, "b", 2.0, 2.0)],
    }
    recording.samples(MIDNIGHT - DAY, 2 * DAY // 60, step=60.0, **row)
    roll_up(recording.database, History(MIDNIGHT + DAY // 2, MIDNIGHT + DAY // 2, MIDNIGHT, MIDNIGHT))
    drop(recording.database, MIDNIGHT)


GONE = "telemetry-query: raw samples before 2026-11-21 00:00:00 were dropped"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("energy", "--since", "2026-11-20 14:30:10"), "the window begins at 2026-11-20 14:30:00"),
        (("energy", "--until", "2026-11-20 14:30:10"), "the window ends at 2026-11-20 14:31:00"),
        (
            ("hotspots", "--since", "2026-11-20 14:30", "--until", "2026-11-20 15:30"),
            "the window begins at 2026-11-20 14:00:00 and ends at 2026-11-20 16:00:00",
        ),
        (("cores", "--until", "2026-11-20 15:00"), "the window begins at 2026-11-20 14:00:00"),
        (("drain", "--until", "2026-11-20 15:00:00"), "the window begins at 2026-11-20 14:49:00"),
    ],
)
def test_an_edge_that_moves_is_reported(
    half: Recording, query: Query, argv: tuple[str, ...], said: str
) -> None:
    ran = query(*argv)
    assert ran.status == 0
    assert len(ran.rows) >= 1
    assert ran.err == f"{GONE}: {said}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ("energy",),
        ("hotspots",),
        ("cores",),
        ("drain",),
        ("status",),
        ("energy", "--since", "2026-11-20 14:30", "--until", "2026-11-20 15:30"),
        ("cores", "--since", "2026-11-20 14:00", "--until", "2026-11-21 15:30:07"),
        ("recent", "--limit", "5"),
        ("recent", "--since", "2026-11-21", "--limit", "99999"),
        ("top", "--at", "2026-11-21"),
        ("correlate", "--rows", "--limit", "1"),
        ("export", "--since", "2026-11-21"),
    ],
)
def test_a_complete_answer_has_no_remark(half: Recording, query: Query, argv: tuple[str, ...]) -> None:
    ran = query(*argv)
    assert ran.rows
    assert ran.err == ""


@pytest.mark.parametrize(
    "argv",
    [
        ("recent", "--since", "2026-11-20 14:30", "--limit", "99999"),
        ("correlate", "--rows", "--since", "2026-11-20 14:30", "--limit", "99999"),
        ("export", "--limit", "1"),
        ("export", "--since", "2026-11-20 23:59:59"),
    ],
)
def test_a_list_says_what_it_leaves_out(half: Recording, query: Query, argv: tuple[str, ...]) -> None:
    ran = query(*argv)
    assert ran.rows
    assert ran.err == f"{GONE} and are not listed\n"


@pytest.mark.parametrize(
    ("argv", "rows", "is_said"),
    [
        (("recent",), 20, True),
        (("recent", "--limit", "3"), 3, False),  # no remark: the user gave a limit and no window
        (("recent", "--since", "2026-11-21", "--limit", "3"), 3, True),
        (("recent", "--since", "2026-11-21", "--limit", "99999"), None, False),
        (("hotspots", "--since", "2026-11-21", "--limit", "1"), 1, True),
        (("cores", "--until", "2026-11-22", "--limit", "1"), 1, True),
        (("export", "--since", "2026-11-21", "--limit", "1"), 1, True),
        (("export", "--since", "2026-11-21"), None, False),
    ],
)
def test_a_window_that_holds_more_rows_than_the_limit_says_so(
    half: Recording, query: Query, argv: tuple[str, ...], rows: int | None, is_said: bool
) -> None:
    ran = query(*argv)
    assert rows is None or len(ran.rows) == rows
    said = f"telemetry-query: there are more rows than the {rows} shown; --limit N shows more\n"
    assert ran.err == (said if is_said else "")


@pytest.mark.parametrize(
    "argv", [("recent", "--until", "2026-11-20 14:30"), ("top", "--at", "2026-11-20 14:30")]
)
def test_a_list_of_dropped_samples_alone_says_why_it_is_empty(
    half: Recording, query: Query, argv: tuple[str, ...]
) -> None:
    ran = query(*argv)
    assert ran.rows == []
    first, second = ran.err.splitlines()
    assert first == f"{GONE} and are not listed"
    assert second.endswith(": the database holds 2026-11-21 00:00:00 to 2026-11-21 23:59:00")


def test_a_window_before_all_roll_ups_gives_the_available_times(half: Recording, query: Query) -> None:
    ran = query("energy", "--until", "2026-11-19")
    assert ran.rows == []
    told = (
        "no sample before 2026-11-19 00:00:00: the database holds 2026-11-20 00:00:00 to 2026-11-21 23:59:00"
    )
    assert ran.err == f"telemetry-query: {told}\n"


def test_dropped_samples_without_processes_say_so(recording: Recording, query: Query) -> None:
    recording.samples(MIDNIGHT - DAY, DAY // 60, step=60.0)
    roll_up(recording.database, History(MIDNIGHT, MIDNIGHT, MIDNIGHT, MIDNIGHT))
    drop(recording.database, MIDNIGHT)
    assert "no process recorded" in query("hotspots").err
    assert query("status").rows[0]["samples"] == DAY // 60


def test_the_figures_of_dropped_rows_are_kept(half: Recording, query: Query) -> None:
    (row,) = query("energy", "--until", "2026-11-21").rows
    assert (row["start"], row["discharged_wh"], row["covered_s"]) == (MIDNIGHT - DAY - 60, 6 * 24, DAY)
    assert [row["appearances"] for row in query("hotspots").rows] == [2 * DAY // 60] * 2
    (row,) = query("drain", "--until", "2026-11-20 15:00").rows
    assert (row["avg_watts"], row["covered_s"], row["pct_per_hour"]) == (6, 660, None)
    rows = query("cores", "--until", "2026-11-20 15:00").rows
    assert [(row["usage"], row["avg_usage"], row["samples"]) for row in rows] == [
        (None, 10, 60),
        (None, 20, 60),
    ]


@pytest.mark.parametrize("by", ["name", "app", "user"])
def test_owners_are_the_same_raw_and_rolled_up(recording: Recording, query: Query, by: str) -> None:
    """Exactly, in hours and in days, including rows without app and user."""
    recording.run()
    for index in range(2 * DAY // 300):
        row = [
            (
                1,
                "sh",
                0.1 + index % 7,
                1.0,
                3.3,
                ("firefox", None)[index % 2],
                ("ada", "root", None)[index % 3],
            ),
            (2, "sh", 33.33, None, None, None, "ada"),
            (3, "b", None, 1.0, 0.01, "an app", "root"),
            (4, None, 2.5, 1.0, None, None, None),
        ]
        recording.sample(MIDNIGHT - DAY + 300 * index, interval=1 + index % 5, processes=row)
    raw = query("hotspots", "--by", by).rows
    assert sum(row["appearances"] for row in raw) == 4 * 2 * DAY // 300
    roll_up(recording.database, History(MIDNIGHT + DAY // 2, MIDNIGHT + DAY // 2, MIDNIGHT, MIDNIGHT))
    assert query("hotspots", "--by", by).rows == raw
    drop(recording.database, MIDNIGHT)
    assert query("hotspots", "--by", by).rows == raw


def test_folded_names_no_longer_have_an_owner(recording: Recording, query: Query) -> None:
    recording.sample(
        MIDNIGHT, processes=[(1, "(other names)", 50.0, 1.0), (2, "a", 5.0, 1.0, 0.0, "x", "ada")]
    )
    for by, name in (("name", "a"), ("app", "x"), ("user", "ada")):
        assert [row["name"] for row in query("hotspots", "--by", by).rows] == [name, "(other names)"]


def test_status_shows_how_far_history_reaches(half: Recording, query: Query) -> None:
    (row,) = query("status").rows
    assert row["samples"] == 2 * DAY // 60
    assert row["oldest"] == MIDNIGHT - DAY
    assert row["newest"] == MIDNIGHT + DAY - 60
    assert row["raw_since"] == MIDNIGHT
    assert row["rolled_up_until"] == MIDNIGHT + DAY // 2
    assert row["days_fit"] is None  # less than a day of samples gives no size of a day


@pytest.mark.parametrize(
    ("max_size", "retain", "days"), [(100, None, 200), (100, 90 * DAY, 90), (100, 300 * DAY, 200)]
)
def test_the_number_of_days_that_fit(
    recording: Recording, max_size: int, retain: int | None, days: float
) -> None:
    """Two days take one byte, so 200 days fit into 100 bytes."""
    recording.sample(NOON - 2 * DAY)
    recording.sample(NOON)
    parameters = dict.fromkeys(("since", "until", "limit", "now", "database"))
    bound = parameters | {"bytes": 1, "room": max_size, "retain": retain}
    columns, (row,), _ = ask(recording.database, BY_NAME["status"], Variant("status"), bound)
    assert row[[column.name for column in columns].index("days_fit")] == pytest.approx(days)


def test_the_writers_limits_are_read(recording: Recording, query: Query) -> None:
    recording.sample(NOON - 2 * DAY)
    recording.sample(NOON)
    by_disk = query("status").rows[0]["days_fit"]
    recording.database.executemany(
        "INSERT INTO setting VALUES (?, ?)", [("max_size", 10**6), ("retain", None)]
    )
    (row,) = query("status").rows
    assert row["days_fit"] == pytest.approx(10**6 / (row["bytes"] / 2), rel=0.001)
    assert by_disk > row["days_fit"]
    recording.database.execute("UPDATE setting SET value = ? WHERE name = 'retain'", (DAY,))
    assert query("status").rows[0]["days_fit"] == 1


# --- what it costs ---------------------------------------------------------------------------------

ADDING_UP = [
    (report, arguments)
    for report in REPORTS
    if report.sums
    for arguments in ([{"by": by} for by in ("total", "day")] if report.name == "energy" else [{}])
]


def steps(database: sqlite3.Connection, report: Report, variant: Variant, since: float | None) -> int:
    """Return the steps of SQLite's virtual machine, in hundreds."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    parameters = dict.fromkeys(("until", "limit", "now", "database", "bytes", "room", "retain"))
    database.set_progress_handler(step, 100)
    list(ask(database, report, variant, parameters | {"since": since}).rows)
    database.set_progress_handler(None, 0)
    return taken


@pytest.mark.slow
def test_a_week_costs_little_more_than_a_day(recording: Recording) -> None:
    """Measured in steps, not in time: without roll-ups it would be seven times as much."""
    recording.run()
    row: dict[str, Any] = {
        "status": "Charging",
        "power": 6.0,
        "cores": [10.0, 20.0],
        "processes": [(1, "a", 1.0, 1.0)],
    }
    recording.samples(MIDNIGHT - 7 * DAY, 7 * DAY // 60 + 30, step=60.0, **row)
    reports = [(report, variant_of(report, arguments)) for report, arguments in ADDING_UP]
    raw = [steps(recording.database, *report, MIDNIGHT - 7 * DAY) for report in reports]
    roll_up(recording.database, History(MIDNIGHT + 1_740, MIDNIGHT, MIDNIGHT, 0))
    for report, of_rows in zip(reports, raw, strict=True):
        day, week = (steps(recording.database, *report, MIDNIGHT - days * DAY) for days in (1, 7))
        assert week <= 3 * day + 100, report
        assert week <= of_rows / 5, report


@pytest.mark.slow
def test_a_driver_that_reports_discharging_for_months_costs_a_bounded_time(recording: Recording) -> None:
    recording.run()
    recording.samples(MIDNIGHT, 25_000, power=-6.0, battery_pct=50, status="Discharging")
    first = steps(recording.database, BY_NAME["drain"], Variant("drain"), MIDNIGHT + 20_000)
    recording.samples(MIDNIGHT + 125_000, 25_000, power=-6.0, battery_pct=50, status="Discharging")
    roll_up(recording.database, History(MIDNIGHT + 3 * DAY - HOUR, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY, 0))
    assert steps(recording.database, BY_NAME["drain"], Variant("drain"), MIDNIGHT) <= first * 1.2


# --- pages -----------------------------------------------------------------------------------------


def exported(database: sqlite3.Connection, limit: int | None = None) -> Iterator[Sequence[Any]]:
    """The rows of the report export, in a read transaction that begins now."""
    database.execute("BEGIN")
    parameters = dict.fromkeys(("since", "until", "now", "database", "bytes", "room", "retain"))
    return iter(ask(database, BY_NAME["export"], Variant("export"), parameters | {"limit": limit}).rows)


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "PAGE", 3)


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 10])
@pytest.mark.parametrize("limit", [None, 1, 3, 5, 100])
def test_pages_contain_every_row_once(
    recording: Recording, query: Query, count: int, limit: int | None
) -> None:
    """Also if the clock stood still or stepped back: the order is by time, then by ts."""
    for index in range(count):
        recording.sample(NOON + (0, 5, 5, 5, 5, 5, 2, 9, 9, 1)[index])
    argv = () if limit is None else ("--limit", str(limit))
    rows = query("export", *argv).rows
    expected = recording.database.execute("SELECT ts FROM system_sample ORDER BY time, ts").fetchall()
    assert [(row["ts"],) for row in rows] == expected[:limit]


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize(("limit", "pages"), [(1, [2]), (2, [3]), (3, [3, 1]), (6, [3, 3, 1])])
def test_no_page_is_read_beyond_the_limit(recording: Recording, limit: int, pages: list[int]) -> None:
    """Only one more row is read, to know whether there are more."""
    recording.samples(NOON, 10)
    recording.database.commit()
    recording.database.isolation_level = None
    ran: list[str] = []
    recording.database.set_trace_callback(ran.append)
    assert len(list(exported(recording.database, limit))) == limit
    found = [re.search(r"FROM training_view AS t\n.*LIMIT (\d+)", sql, re.DOTALL) for sql in ran]
    assert [int(page[1]) for page in found if page and page[1] != "0"] == pages


@pytest.mark.usefixtures("_small_pages")
def test_no_transaction_waits_for_a_reader(recording: Recording) -> None:
    """The writer's WAL can be emptied while an export is half read."""
    recording.samples(NOON, 10)
    recording.database.commit()
    reader = sqlite3.connect(recording.path, isolation_level=None)
    rows = exported(reader)
    assert [next(rows)[0] for _ in range(4)] == [NOON, NOON + 5, NOON + 10, NOON + 15]
    recording.samples(NOON + 50, 2)
    recording.database.commit()
    busy, *_ = recording.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert [row[0] for row in rows] == [NOON + second for second in range(20, 60, 5)]
    reader.close()


@pytest.mark.usefixtures("_small_pages")
def test_an_upgrade_between_two_pages_is_reported(recording: Recording) -> None:
    recording.samples(NOON, 10)
    recording.database.commit()
    reader = sqlite3.connect(recording.path, isolation_level=None)
    rows = exported(reader)
    next(rows)
    recording.database.executescript(
        "DROP VIEW training_view; CREATE VIEW training_view AS SELECT *, 1 AS fan FROM system_sample"
    )
    with pytest.raises(UserError, match="upgraded meanwhile; run it again"):
        list(rows)
    reader.close()
