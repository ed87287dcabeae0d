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
    """Add a sample every six hours."""
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
    """August to November, with three reports of health."""
    fill(recording, "2026-08-10", "2026-11-21")
    recording.health(at("2026-08-10"), "BAT0", 5.4, 6.0, 100)
    recording.health(at("2026-08-30"), "BAT0", 5.3, 6.0, 110)
    recording.health(at("2026-11-05"), "BAT0", 5.1, 6.0, 140)
    return recording


def test_each_month_has_the_values_reported_last(worn: Recording, query: Query) -> None:
    """Nothing was reported in September and October: the earlier values still hold."""
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
        "full_runs": 0,
        "run_wh": None,
        "wh_per_pct": None,
    }


def test_by_week_from_monday(worn: Recording, query: Query) -> None:
    assert health(query, "--by", "week", "--since", "2026-11-01", "--until", "2026-11-15") == [
        ("2026-11-01", "BAT0", 5.3, 110),
        ("2026-11-02", "BAT0", 5.1, 140),
        ("2026-11-09", "BAT0", 5.1, 140),
    ]


def test_a_table_has_dates(worn: Recording, query: Query) -> None:
    table = query("health", "--format", "table").out.splitlines()
    assert table[-1].split() == ["2026-11-01", "BAT0", "5.10", "Ah", "85.0", "140", "0", "-", "-"]
    assert max(map(len, table)) <= 80


def test_months_are_in_local_time(worn: Recording, query: Query) -> None:
    """A report in the evening of the 31st in UTC belongs to the next month in Nepal."""
    worn.health(at("2026-10-31T20:00"), "BAT0", 5.2, 6.0, 130)
    with zone("Asia/Kathmandu"):
        found = {(row[0], row[2]) for row in health(query)}
    assert ("2026-10-31", 5.1) in found  # it begins at 18:15 in UTC
    assert ("2026-09-30", 5.3) in found
    assert (health(query)[2][2]) == 5.2


def test_a_month_without_a_sample_has_no_row(recording: Recording, query: Query) -> None:
    fill(recording, "2026-08-10", "2026-08-20")
    fill(recording, "2026-11-01", "2026-11-20")
    recording.health(at("2026-08-10"), "BAT0", 5.4, 6.0, 100)
    assert [row[0] for row in health(query)] == ["2026-08-01", "2026-11-01"]


def test_packs_that_take_turns_have_one_row_each_with_the_inserted_one_last(
    recording: Recording, query: Query
) -> None:
    fill(recording, "2026-10-01", "2026-11-21")
    for day, name, full in [
        ("2026-10-01", "A", 5.0),
        ("2026-10-20", "B", 6.0),
        ("2026-11-01", "C", 7.0),  # before November's first sample, so B was not inserted then
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


def test_two_packs_of_one_name_are_distinguished_by_their_design(recording: Recording, query: Query) -> None:
    fill(recording, "2026-11-01", "2026-11-21")
    recording.health(at("2026-11-01"), "BAT0", 5.0, 6.0)
    recording.health(at("2026-11-02"), "BAT0", 7.0, 8.0)
    recording.health(at("2026-11-03"), "BAT0", 4.9, 6.0)
    assert [row[2] for row in health(query)] == [7.0, 4.9]


def test_roll_ups_of_dropped_rows_give_the_same(worn: Recording, query: Query) -> None:
    before = query("health").rows, query("health", "--by", "week").rows
    day = int(at("2026-11-20"))
    roll_up(worn.database, History(day, day, day, day))
    drop(worn.database, day)
    assert (query("health").rows, query("health", "--by", "week").rows) == before
    worn.database.execute("DELETE FROM system_minute")
    worn.database.execute("UPDATE history SET minute_since = ?", (day,))
    assert (query("health").rows, query("health", "--by", "week").rows) == before


def test_misdated_values_are_not_shown(worn: Recording, query: Query) -> None:
    worn.health(at("2090-01-01"), "BAT0", 1.0, 6.0, 1)
    assert health(query)[-1] == ("2026-11-01", "BAT0", 5.1, 140)
    (battery,) = query("battery").rows
    assert battery["full"] == 5.1
    assert query("status").rows[0]["battery_health_pct"] == pytest.approx(85)


def test_a_battery_that_reports_no_health(recording: Recording, query: Query) -> None:
    recording.sample(NOON, battery_pct=50.0)
    ran = query("health")
    assert (ran.rows, ran.err) == (
        [],
        "telemetry-query: no battery reported its capacity or cycles, and no discharge ended\n",
    )


# --- values from discharges ---


GAVE = ("name", "full_runs", "run_wh", "wh_per_pct")


def discharge(recording: Recording, day: str, pct_from: float, pct_to: float, wh: float, **more: Any) -> None:
    """A discharge of five hours."""
    recording.session(
        "discharge", at(day), at(day) + 5 * HOUR, pct_from=pct_from, pct_to=pct_to, wh=wh, **more
    )


def test_a_discharge_counts_in_the_month_in_which_it_ended(worn: Recording, query: Query) -> None:
    discharge(worn, "2026-08-20", 100, 10, 18.0)  # just complete
    discharge(worn, "2026-08-22", 90, 5, 15.3)  # just complete
    discharge(worn, "2026-08-23", 80, 30, 11.0)
    discharge(worn, "2026-09-30T22:00", 60, 40, 5.0)
    worn.session("charge", at("2026-10-20"), at("2026-10-21"), pct_from=5.0, pct_to=100.0, wh=-30.0)
    assert [tuple(row[name] for name in GAVE) for row in query("health").rows] == [
        ("BAT0", 2, pytest.approx((18.0 + 15.3) / 2), pytest.approx((18.0 + 15.3 + 11.0) / (90 + 85 + 50))),
        ("BAT0", 0, None, None),
        ("BAT0", 0, None, pytest.approx(5.0 / 20)),
        ("BAT0", 0, None, None),
    ]


def test_energy_drawn_asleep_belongs_to_the_discharge_around_it(worn: Recording, query: Query) -> None:
    """75 % were used awake, 20 % asleep. Wh per percent covers only the measured time awake."""
    night, dusk = at("2026-10-02T01:00"), at("2026-10-02T03:00")
    worn.session("sleep", night, dusk, pct_from=60.0, pct_to=40.0, wh=3.5)
    worn.session("sleep", at("2026-10-09"), at("2026-10-10"), pct_from=60.0, pct_to=40.0, wh=9.0)
    discharge(worn, "2026-10-02", 100, 5, 15.0, pct_fallen=75.0)
    (row,) = query("health", "--since", "2026-10-01", "--until", "2026-11-01").rows
    assert (row["run_wh"], row["wh_per_pct"]) == (pytest.approx(18.5), pytest.approx(15 / 75))
    worn.database.execute("UPDATE session SET drawn_uj = NULL WHERE start = ?", (night,))
    (row,) = query("health", "--since", "2026-10-01", "--until", "2026-11-01").rows
    assert (row["full_runs"], row["run_wh"], row["wh_per_pct"]) == (0, None, pytest.approx(15 / 75))


@pytest.mark.parametrize(
    "columns", [{"covered_us": 17_000_000_000}, {"wh": None}, {"pct_fallen": None}, {"wh": -1.0}], ids=str
)
def test_a_discharge_without_measured_power_gives_no_wh_per_percent(
    worn: Recording, query: Query, columns: dict[str, Any]
) -> None:
    worn.session(
        "discharge",
        at("2026-10-02"),
        at("2026-10-02") + 5 * HOUR,
        **{"pct_from": 80.0, "pct_to": 20.0, "wh": 12.0} | columns,
    )
    assert [row["wh_per_pct"] for row in query("health").rows] == [None] * 4


def test_the_current_discharge_is_not_included_until_it_has_ended(recording: Recording, query: Query) -> None:
    recording.run()
    recording.health(NOON, "BAT0", 5.0, 6.0)
    row: dict[str, Any] = {"interval": 60.0, "voltage": 3.8}
    for minute in range(96):
        recording.sample(
            NOON + 60 * minute, power=-10.0, battery_pct=100.0 - minute, status="Discharging", **row
        )
    (of_month,) = query("health").rows
    assert (of_month["full_runs"], of_month["run_wh"], of_month["wh_per_pct"]) == (0, None, None)
    assert query("health", "--by", "charge").rows == []
    for minute in range(96, 106):
        recording.sample(NOON + 60 * minute, power=10.0, battery_pct=5.0, status="Charging", **row)
    (of_month,) = query("health").rows
    assert (of_month["full_runs"], of_month["run_wh"]) == (1, pytest.approx(16.0))
    assert [it["pct_to"] for it in query("health", "--by", "charge").rows] == [5.0]


def test_a_discharge_belongs_to_the_inserted_pack(recording: Recording, query: Query) -> None:
    fill(recording, "2026-11-01", "2026-11-21")
    for day, name in (("2026-11-01", "A"), ("2026-11-08", "B"), ("2026-11-15", "A")):
        recording.health(at(day), name, 5.0, 6.0)
    discharge(recording, "2026-11-03", 95, 5, 20.0)
    discharge(recording, "2026-11-10", 95, 5, 16.0)
    discharge(recording, "2026-11-17", 95, 5, 18.0)
    assert [tuple(row[name] for name in GAVE) for row in query("health").rows] == [
        ("B", 1, 16, pytest.approx(16 / 90)),
        ("A", 2, 19, pytest.approx(38 / 180)),
    ]


def test_by_charge_gives_each_discharge_a_row(worn: Recording, query: Query) -> None:
    discharge(worn, "2026-08-20", 100, 10, 18.0)
    discharge(worn, "2026-08-22", 52, 48, 1.0)  # less than 5 %
    discharge(worn, "2026-11-10", 80, 30, 9.0)
    first, second = query("health", "--by", "charge").rows
    assert first == {
        "start": at("2026-08-20"),
        "end": at("2026-08-20") + 5 * HOUR,
        "name": "BAT0",
        "full": 5.4,
        "design": 6.0,
        "unit": "Ah",
        "health_pct": pytest.approx(90),
        "cycles": 100,
        "told": at("2026-08-10"),
        "full_runs": 1,
        "run_wh": 18,
        "wh_per_pct": pytest.approx(0.2),
        "pct_from": 100,
        "pct_to": 10,
    }
    assert (second["full"], second["full_runs"], second["wh_per_pct"]) == (5.1, 0, pytest.approx(0.18))
    assert len(query("health", "--by", "charge", "--since", "2026-09-01").rows) == 1


def test_a_battery_that_reports_no_capacity_has_discharges_too(recording: Recording, query: Query) -> None:
    fill(recording, "2026-11-01", "2026-11-21")
    discharge(recording, "2026-11-03", 95, 5, 20.0)
    for by in ("charge", "month"):
        (row,) = query("health", "--by", by).rows
        assert (row["name"], row["full"], row["full_runs"], row["run_wh"]) == (None, None, 1, 20)


# --- several packs ---


def test_the_full_charge_of_a_pack_follows_from_level_and_percent(recording: Recording, query: Query) -> None:
    """It is taken at the highest percent, where rounding matters least."""
    recording.health(at("2026-11-01"), "BAT0+BAT1", 5.0, 6.5, 40)
    moment = at("2026-11-01")
    for hours in range(0, 24 * 20, 6):
        recording.sample(moment + hours * HOUR, battery_pct=50.0, status="Discharging")
        outer, inner = 95.0 - hours % 70, 30.0 + hours % 60
        recording.pack("BAT1", status="Discharging", pct=outer, level=round(1.904 * outer / 100, 3))
        recording.pack("BAT0", status="Discharging", pct=inner, level=round(3.113 * inner / 100, 3))
    names = ("name", "full", "unit", "design", "cycles", "full_runs")
    assert [tuple(row[name] for name in names) for row in query("health").rows] == [
        ("BAT0+BAT1", 5.0, "Ah", 6.5, 40, 0),
        ("BAT0", pytest.approx(3.113, rel=0.001), "Ah", None, None, None),
        ("BAT1", pytest.approx(1.904, rel=0.001), "Ah", None, None, None),
    ]


@pytest.mark.parametrize("pack", [{"pct": 15.0, "level": 1.0}, {"pct": 80.0}, {"level": 1.0}], ids=str)
def test_a_pack_with_a_low_percent_or_no_level_has_no_row(
    recording: Recording, query: Query, pack: dict[str, float]
) -> None:
    recording.health(NOON, "BAT0+BAT1", 5.0, 6.5, 40)
    recording.sample(NOON, battery_pct=50.0)
    recording.pack("BAT0", **pack)
    assert [row["name"] for row in query("health").rows] == ["BAT0+BAT1"]
