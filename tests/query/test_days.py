"""Hours, days, weeks and months are in local time: compared with raw rows and Python's time zones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query.buckets import edges
from query.rollups import By
from query.window import History
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import drop, roll_up
from tests.query.zones import ZONES, zone

HOUR, DAY = 3_600, 86_400
WH = 3_600_000_000
BY: list[By] = ["hour", "day", "week", "month"]

CHANGES: dict[str, list[float]] = {
    "UTC": [NOON],
    "Asia/Kolkata": [NOON],
    "Asia/Kathmandu": [NOON],
    "Europe/Berlin": [1_774_746_000, 1_792_890_000],
    "America/St_Johns": [1_772_947_800, 1_793_507_400],
    "America/Havana": [1_772_946_000, 1_793_509_200],
    "Australia/Lord_Howe": [1_775_314_800, 1_791_041_400],
}
"""When clocks were changed there in 2026"""


def test_the_listed_clock_changes_are_real() -> None:
    for name, moments in CHANGES.items():
        for moment in moments:
            before, after = (
                datetime.fromtimestamp(at, ZoneInfo(name)).utcoffset() for at in (moment - 1, moment)
            )
            assert (before == after) == (moment == NOON)


def local_bucket(by: By, moment: float, place: str) -> tuple[Any, ...]:
    """Return the bucket of a time, named as clocks and calendars show it."""
    shown = datetime.fromtimestamp(moment, ZoneInfo(place))
    if by == "hour":
        return (shown.date(), shown.hour, shown.utcoffset())
    if by == "day":
        return (shown.date(),)
    return shown.isocalendar()[:2] if by == "week" else (shown.year, shown.month)


def fill(recording: Recording, rows: list[tuple[float, int]]) -> None:
    recording.database.executescript(
        "DELETE FROM system_sample; DELETE FROM system_minute; DELETE FROM system_hour; "
        "DELETE FROM core_hour; DELETE FROM process_hour; DELETE FROM process_day; UPDATE history SET "
        "minute_until = 0, hour_until = 0, day_until = 0, raw_since = 0, minute_since = 0"
    )
    recording.ts = 0
    for moment, microjoules in rows:
        recording.sample(moment, interval=1.0, battery_pct=50.0, energy_uj=microjoules)


def expected(
    rows: list[tuple[float, int]], key: Callable[[float], tuple[Any, ...]]
) -> list[tuple[float, float, float]]:
    """Return discharged_wh, charged_wh and covered_s of each bucket that contains a sample."""
    held: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for moment, microjoules in sorted(rows):
        held[key(moment)].append(microjoules)
    return [
        (-sum(uj for uj in of if uj < 0) / WH, sum(uj for uj in of if uj > 0) / WH, float(len(of)))
        for of in held.values()
    ]


def energies(rows: list[dict[str, Any]]) -> list[tuple[float, float, float]]:
    return [
        (row["discharged_wh"], row["charged_wh"], row["covered_s"]) for row in rows if row["covered_s"] > 0
    ]


@st.composite
def recordings(draw: st.DrawFn) -> tuple[str, list[tuple[float, int]]]:
    """A zone, and samples around its clock changes and at the edges of hours and days."""
    place = draw(st.sampled_from(ZONES))
    around = draw(st.sampled_from(CHANGES[place]))
    quarter = st.integers(-12 * 96, 12 * 96).map(lambda number: around // 900 * 900 + number * 900)
    near = st.sampled_from([-1.0, -0.001, 0.0, 0.5, 59.0, 1_799.0])
    moments = st.lists(st.tuples(quarter, near).map(sum), min_size=1, max_size=25, unique=True)
    return place, [(moment, draw(st.integers(-(10**9), 10**9))) for moment in sorted(draw(moments))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings(), st.sampled_from(BY), st.integers(-10 * 24, 12 * 24), st.booleans())
def test_buckets_are_local_and_sum_their_raw_rows(
    recording: Recording,
    query: Query,
    of: tuple[str, list[tuple[float, int]]],
    by: By,
    rolled_up: int,
    dropped: bool,
) -> None:
    place, rows = of
    fill(recording, rows)
    until = int(rows[0][0]) // HOUR * HOUR + rolled_up * HOUR
    day = until // DAY * DAY
    roll_up(recording.database, History(until, until, day, day if dropped else 0))
    if dropped:
        drop(recording.database, day)
    with zone(place):
        ran = query("energy", "--by", by)
    assert ran.err == ""
    assert energies(ran.rows) == expected(rows, lambda moment: local_bucket(by, moment, place))
    assert all(before["end"] == after["start"] for before, after in pairwise(ran.rows))
    for row in ran.rows:
        inside = [moment for moment, _ in rows if row["start"] <= moment < row["end"]]
        assert len({local_bucket(by, moment, place) for moment in inside}) <= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings(), st.sampled_from(BY))
def test_if_minutes_were_folded_whole_hours_are_used_and_reported(
    recording: Recording, query: Query, of: tuple[str, list[tuple[float, int]]], by: By
) -> None:
    place, rows = of
    fill(recording, rows)
    until = int(rows[-1][0]) // DAY * DAY + DAY
    roll_up(recording.database, History(until, until, until, until, until))
    drop(recording.database, until)
    recording.database.execute("DELETE FROM system_minute")
    with zone(place):
        ran = query("energy", "--by", by)
        (total,) = query("energy").rows
    assert sum(row["discharged_wh"] for row in ran.rows) == pytest.approx(total["discharged_wh"])
    # An hour of UTC belongs to the bucket that contains its end, unless the end is the bucket's edge.
    assert energies(ran.rows) == expected(
        rows, lambda moment: local_bucket(by, moment // HOUR * HOUR + HOUR - 1, place)
    )
    cut = any(edge % HOUR for edge in edges_between(by, place, rows[0][0], rows[-1][0]))
    assert ("sums by minute before" in ran.err) or not cut
    if place == "UTC":
        assert ran.err == ""


def edges_between(by: By, place: str, first: float, last: float) -> Iterator[int]:
    """Return edges that split an hour of UTC with samples, or lie between such hours."""
    with zone(place):
        inner = [edge for edge in edges(by, int(first), int(last) + 1) if first < edge < last]
    return (edge for edge in inner if edge // HOUR in (first // HOUR, last // HOUR))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-21", 24)], ids=str
)
def test_a_day_has_23_24_or_25_hours(recording: Recording, query: Query, day: str, hours: int) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    recording.samples(midnight - DAY, 4 * DAY // 600, step=600.0, power=-6.0)
    with zone("Europe/Berlin"):
        rows = query("energy", "--by", "hour", "--since", day, "--until", str(midnight + hours * HOUR)).rows
        days = query("energy", "--by", "day").rows
    assert [row["end"] - row["start"] for row in rows] == [HOUR] * hours
    (of_day,) = [row for row in days if row["start"] == midnight]
    assert (of_day["end"] - midnight, of_day["discharged_wh"]) == (hours * HOUR, 6 * hours)


@pytest.mark.parametrize("place", ZONES)
def test_since_yesterday_and_by_day_agree(recording: Recording, query: Query, place: str) -> None:
    now = CHANGES[place][0] + 30 * HOUR
    recording.samples(now - 5 * DAY, 5 * 144, step=600.0, power=-6.0)
    roll_up(recording.database, History(*[int(now) // DAY * DAY] * 3))
    with zone(place):
        (total,) = query("energy", "--since", "yesterday", "--until", "today", now=now).rows
        days = query("energy", "--by", "day", now=now).rows
        (one,) = query("energy", "--by", "day", "--since", "yesterday", "--until", "today", now=now).rows
    assert total in days
    assert one == total


def test_weeks_begin_on_monday_and_months_on_the_first(recording: Recording, query: Query) -> None:
    recording.samples(NOON - 40 * DAY, 41 * 24, step=3_600.0, power=-1.0)
    with zone("Asia/Kathmandu"):
        starts = {by: [row["start"] for row in query("energy", "--by", by).rows] for by in ("week", "month")}
    kathmandu = ZoneInfo("Asia/Kathmandu")
    weeks = [datetime.fromtimestamp(start, kathmandu) for start in starts["week"][1:]]
    assert [f"{week:%a %H:%M}" for week in weeks] == ["Mon 00:00"] * 5
    (month,) = [datetime.fromtimestamp(start, kathmandu) for start in starts["month"][1:]]
    assert f"{month:%F %T}" == "2026-11-01 00:00:00"


def test_utc_applies_to_given_times_days_and_shown_times(recording: Recording, query: Query) -> None:
    midnight = NOON - 12 * HOUR
    recording.samples(midnight - DAY, 2 * 144, step=600.0, power=-6.0)
    with zone("Asia/Kolkata"):
        local = query("energy", "--by", "day", "--since", "2026-11-21").rows[0]
        utc = query("energy", "--by", "day", "--since", "2026-11-21", "--utc").rows[0]
        table = query("energy", "--by", "day", "--utc", "--format", "table").out
        again = query("energy", "--by", "day", "--since", "2026-11-21").rows[0]
    assert utc["start"] == midnight
    assert local["start"] == again["start"] == midnight - 5.5 * HOUR
    assert [line.split()[0] for line in table.splitlines()[-2:]] == ["11-20", "00:00:00"]


def test_a_sample_of_1970_does_not_cost_a_scan_of_the_years_between(
    recording: Recording, query: Query
) -> None:
    recording.sample(60.0, power=-6.0)
    recording.samples(NOON, 10, power=-6.0)
    with zone("Asia/Kolkata"):
        rows = query("energy", "--by", "hour").rows
    assert [(row["start"], row["end"]) for row in rows[:2]] == [(55, 1_800), (1_800, NOON - 1_800)]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("moment", [0.0, 253_402_300_799.0, 253_370_764_800.0])
def test_the_ends_of_the_calendar_belong_to_a_bucket(
    recording: Recording, query: Query, by: By, moment: float
) -> None:
    recording.sample(NOON, power=-6.0)
    recording.sample(moment, power=-6.0)
    with zone("Pacific/Kiritimati"):
        rows = query("energy", "--by", by).rows
    assert sum(row["covered_s"] for row in rows) == 10


@given(st.sampled_from(ZONES), st.sampled_from(BY), st.integers(0, 4_000_000_000), st.integers(1, 40 * DAY))
def test_edges_are_ordered_and_enclose_the_window(place: str, by: By, start: int, length: int) -> None:
    with zone(place):
        found = list(edges(by, start, start + length))
    assert found[0] <= start
    assert found[-1] >= start + length
    assert all(before < after for before, after in pairwise(found))


def test_utc_has_the_same_edges_as_before(recording: Recording) -> None:
    start = int(NOON) - 3 * DAY
    assert list(edges("day", start, start + DAY)) == [
        start // DAY * DAY + number * DAY for number in range(3)
    ]
    assert datetime.fromtimestamp(next(edges("week", start, start + 1)), UTC).isoweekday() == 1
