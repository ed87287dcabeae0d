"""health: how batteries wear, against rows worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from query.window import History
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import drop, roll_up
from tests.query.zones import zone

HOUR, DAY = 3_600, 86_400


def at(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def fill(recording: Recording, first: str, last: str) -> None:
    """A sample every six hours."""
    moment = at(first)
    while moment <= at(last):
        recording.sample(moment, battery_pct=50.0, status="Full")
        moment += 6 * HOUR


def health(query: Query, *argv: str) -> list[tuple[Any, ...]]:
    ran = query("health", *argv)
    assert (ran.status, ran.err) == (0, "")
    return [
        (f"{datetime.fromtimestamp(row['start'], UTC):%F}", row["name"], row["full"], row["cycles"])
        for row in ran.rows
    ]


@pytest.fixture
def worn(recording: Recording) -> Recording:
    """August to November, told three times."""
    fill(recording, "2026-08-10", "2026-11-21")
    recording.health(at("2026-08-10"), "BAT0", 5.4, 6.0, 100)
    recording.health(at("2026-08-30"), "BAT0", 5.3, 6.0, 110)
    recording.health(at("2026-11-05"), "BAT0", 5.1, 6.0, 140)
    return recording


def test_each_month_has_what_was_told_last(worn: Recording, query: Query) -> None:
    """Nothing was told in September and October: what was told before still holds."""
    assert health(query) == [
        ("2026-08-01", "BAT0", 5.3, 110),
        ("2026-09-01", "BAT0", 5.3, 110),
        ("2026-10-01", "BAT0", 5.3, 110),
        ("2026-11-01", "BAT0", 5.1, 140),
    ]


def test_all_columns(worn: Recording, query: Query) -> None:
    assert query("health").rows[-1] == {
        "start": at("2026-11-01"),
        "end": at("2026-11-21"),
        "name": "BAT0",
        "full": 5.1,
        "design": 6.0,
        "unit": "Ah",
        "health_pct": pytest.approx(85),
        "cycles": 140,
        "told": at("2026-11-05"),
    }


def test_by_week_from_monday(worn: Recording, query: Query) -> None:
    assert health(query, "--by", "week", "--since", "2026-11-01", "--until", "2026-11-15") == [
        ("2026-11-01", "BAT0", 5.3, 110),
        ("2026-11-02", "BAT0", 5.1, 140),
        ("2026-11-09", "BAT0", 5.1, 140),
    ]


def test_a_table_has_dates(worn: Recording, query: Query) -> None:
    table = query("health", "--format", "table").out.splitlines()
    assert table[-1].split() == ["2026-11-01", "BAT0", "5.10", "Ah", "85.0", "140"]
    assert max(map(len, table)) <= 80


def test_months_are_the_users(worn: Recording, query: Query) -> None:
    """What was told in the evening of the 31st in UTC was told in the next month in Nepal."""
    worn.health(at("2026-10-31T20:00"), "BAT0", 5.2, 6.0, 130)
    with zone("Asia/Kathmandu"):
        found = {(row[0], row[2]) for row in health(query)}
    assert ("2026-10-31", 5.1) in found  # begins at 18:15 in UTC
    assert ("2026-09-30", 5.3) in found
    assert (health(query)[2][2]) == 5.2


def test_a_month_without_a_sample_has_no_row(recording: Recording, query: Query) -> None:
    fill(recording, "2026-08-10", "2026-08-20")
    fill(recording, "2026-11-01", "2026-11-20")
    recording.health(at("2026-08-10"), "BAT0", 5.4, 6.0, 100)
    assert [row[0] for row in health(query)] == ["2026-08-01", "2026-11-01"]


def test_packs_that_take_turns_have_a_row_each_and_the_one_that_is_in_now_is_the_last(
    recording: Recording, query: Query
) -> None:
    fill(recording, "2026-10-01", "2026-11-21")
    for day, name, full in [
        ("2026-10-01", "A", 5.0),
        ("2026-10-20", "B", 6.0),
        ("2026-11-01", "C", 7.0),  # before the first sample of November, so B was not in then
        ("2026-11-10", "A", 4.9),
        ("2026-11-12", "B", 5.9),
        ("2026-11-15", "A", 4.8),
    ]:
        recording.health(at(day), name, full, 8.0)
    assert health(query) == [
        ("2026-10-01", "A", 5.0, None),
        ("2026-10-01", "B", 6.0, None),
        ("2026-11-01", "C", 7.0, None),
        ("2026-11-01", "B", 5.9, None),
        ("2026-11-01", "A", 4.8, None),
    ]


def test_two_packs_of_one_name_are_told_apart_by_their_design(recording: Recording, query: Query) -> None:
    fill(recording, "2026-11-01", "2026-11-21")
    recording.health(at("2026-11-01"), "BAT0", 5.0, 6.0)
    recording.health(at("2026-11-02"), "BAT0", 7.0, 8.0)
    recording.health(at("2026-11-03"), "BAT0", 4.9, 6.0)
    assert [row[2] for row in health(query)] == [7.0, 4.9]


def test_rolled_up_and_dropped_it_is_the_same(worn: Recording, query: Query) -> None:
    before = query("health").rows, query("health", "--by", "week").rows
    day = int(at("2026-11-20"))
    roll_up(worn.database, History(day, day, day, day))
    drop(worn.database, day)
    assert (query("health").rows, query("health", "--by", "week").rows) == before
    worn.database.execute("DELETE FROM system_minute")
    worn.database.execute("UPDATE history SET minute_since = ?", (day,))
    assert (query("health").rows, query("health", "--by", "week").rows) == before


def test_what_a_wrong_clock_dated_is_not_told(worn: Recording, query: Query) -> None:
    worn.health(at("2090-01-01"), "BAT0", 1.0, 6.0, 1)
    assert health(query)[-1] == ("2026-11-01", "BAT0", 5.1, 140)
    (battery,) = query("battery").rows
    assert battery["full"] == 5.1
    assert query("status").rows[0]["battery_health_pct"] == pytest.approx(85)


def test_a_battery_that_tells_no_health(recording: Recording, query: Query) -> None:
    recording.sample(NOON, battery_pct=50.0)
    ran = query("health")
    assert (ran.rows, ran.err) == ([], "telemetry-query: no battery told its capacity or cycles\n")
