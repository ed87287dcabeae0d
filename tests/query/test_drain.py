"""drain, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from query.answer import ask
from query.report import Variant
from query.reports import BY_NAME
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

ALL = dict.fromkeys(("since", "until", "limit", "now", "database", "bytes", "room", "retain"))


def drain(query: Query, *argv: str) -> dict[str, Any]:
    ran = query("drain", *argv)
    assert ran.status == 0
    (row,) = ran.rows
    return row


def on_battery(recording: Recording, time: float, pct: float | None = 80, **columns: Any) -> None:
    recording.sample(
        time, **{"power": -6.0, "current": -1.5, "battery_pct": pct, "status": "Discharging"} | columns
    )


def falling(recording: Recording, first: float, count: int, pct: float, per_hour: float) -> None:
    """Add ``count`` samples of 5 s whose percent falls evenly."""
    for index in range(count):
        on_battery(recording, first + 5 * index, pct - per_hour * 5 * index / 3600)


def test_a_plain_discharge(recording: Recording, query: Query) -> None:
    recording.run()
    falling(recording, NOON, 121, 80, 12)  # the first sample ends where the window begins
    row = drain(query)
    assert row["avg_drain_mah_per_min"] == pytest.approx(25)  # 1.5 A is 1500 mA in 60 minutes
    assert row["avg_watts"] == pytest.approx(6)
    assert row["pct_per_hour"] == pytest.approx(-12)
    assert row["covered_s"] == 600


def test_averages_are_weighted_by_the_interval(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON, interval=5.0, power=-4.0, current=-1.0)
    on_battery(recording, NOON + 20, interval=15.0, power=-8.0, current=-2.0)
    row = drain(query)
    assert row["avg_watts"] == pytest.approx((4 * 5 + 8 * 15) / 20)  # 7, not 6
    assert row["avg_drain_mah_per_min"] == pytest.approx((1 * 5 + 2 * 15) / 20 * 1000 / 60)
    assert row["covered_s"] == 20


def test_only_discharging_samples_count(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON)
    recording.sample(NOON + 5, power=9.0, current=2.0, battery_pct=80, status="Charging")
    recording.sample(NOON + 10, power=0.0, current=0.0, battery_pct=80, status="Full")
    recording.sample(NOON + 15, status="Unknown", battery_pct=80)
    on_battery(recording, NOON + 20)
    row = drain(query)
    assert row["avg_watts"] == pytest.approx(6)
    assert row["avg_drain_mah_per_min"] == pytest.approx(25)
    assert row["covered_s"] == 10


def test_a_driver_without_current_gives_watts_alone(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON, current=None)
    on_battery(recording, NOON + 5, current=None)
    row = drain(query)
    assert row["avg_drain_mah_per_min"] is None
    assert row["avg_watts"] == pytest.approx(6)


def test_current_is_averaged_over_the_rows_that_have_it(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON, current=-1.0)
    on_battery(recording, NOON + 5, current=None)
    assert drain(query)["avg_drain_mah_per_min"] == pytest.approx(1000 / 60)


def test_an_unsigned_current_of_an_old_driver_still_counts(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON, current=1.5)
    assert drain(query)["avg_drain_mah_per_min"] == pytest.approx(25)


# --- the window ------------------------------------------------------------------------------------


def test_ten_minutes_up_to_the_newest_sample(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 60, power=-20.0, battery_pct=90)
    recording.samples(NOON + 300, 121, power=-6.0, battery_pct=90)
    assert drain(query)["avg_watts"] == pytest.approx(6)
    assert drain(query, "--since", str(NOON))["avg_watts"] > 6


@pytest.mark.parametrize("late", [-0.004, 0.004])
def test_ten_minutes_are_120_samples_in_spite_of_clock_jitter(
    recording: Recording, query: Query, late: float
) -> None:
    for index in range(200):
        on_battery(recording, NOON + 5 * index + (late if index % 2 else 0))
    assert drain(query)["covered_s"] == 600
    on_battery(recording, NOON + 1_000)
    assert drain(query)["covered_s"] == 600


def test_until_ends_the_window_at_the_newest_sample_before(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=-4.0, battery_pct=90)
    recording.samples(NOON + 10_000, 10, power=-8.0, battery_pct=80)
    row = drain(query, "--until", str(NOON + 9_000))
    assert row["avg_watts"] == pytest.approx(4)
    assert row["covered_s"] == 50


def test_a_clock_that_stepped_back_does_not_hide_the_newest(recording: Recording, query: Query) -> None:
    recording.run()
    recording.samples(NOON + 1e6, 10, power=-20.0, battery_pct=90)
    recording.samples(NOON, 10, power=-6.0, battery_pct=85)
    assert drain(query)["avg_watts"] == pytest.approx(6)


# --- percent per hour ------------------------------------------------------------------------------


def test_the_slope_reaches_back_over_three_percent(recording: Recording, query: Query) -> None:
    """A gauge of whole percents steps once in 15 minutes, so the window alone contains at most one step."""
    recording.run()
    for index in range(12 * 60 * 2):
        on_battery(recording, NOON + 5 * index, 80 - index // (12 * 15))
    row = drain(query)
    # 73, 74, 75 for 15 minutes each, and the first row of 76: by hand -4 × (1 - 1/9), plus that row's effect
    assert row["pct_per_hour"] == pytest.approx(-4 * 8 / 9, rel=0.01)


def test_it_stops_at_the_row_that_is_three_percent_behind(recording: Recording, query: Query) -> None:
    recording.run()
    for minute, pct in enumerate([99, 99, 99, 84, 83, 82, 81]):  # earlier rows are never read
        on_battery(recording, NOON + 900 * minute, pct, interval=900.0)
    assert drain(query)["pct_per_hour"] == pytest.approx(-4)


def test_it_stops_at_the_row_that_is_an_hour_behind(recording: Recording, query: Query) -> None:
    recording.run()
    for minute, pct in enumerate([99, 99, 80, 79.5, 79.0, 78.5, 78.0]):
        on_battery(recording, NOON + 900 * minute, pct, interval=900.0)
    assert drain(query)["pct_per_hour"] == pytest.approx(-2)


def test_inside_the_window_all_of_the_discharge_is_used(recording: Recording, query: Query) -> None:
    recording.run()
    falling(recording, NOON, 12 * 60 * 2, 90, 3)
    falling(recording, NOON + 7_200, 12 * 60 * 2, 84, 9)
    assert drain(query)["pct_per_hour"] == pytest.approx(-9)
    assert -9 < drain(query, "--since", str(NOON))["pct_per_hour"] < -3


def line(points: list[tuple[float, float]]) -> float:
    """Return the slope by the definition of least squares, percent per hour, from (hours, percent)."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def test_it_is_the_least_squares_line(recording: Recording, query: Query) -> None:
    recording.run()
    percents = [80, 80, 79, 79.5, 78, 78, 77]
    for index, pct in enumerate(percents):
        on_battery(recording, NOON + 60 * index, pct, interval=60.0)
    expected = line([(index / 60, pct) for index, pct in enumerate(percents)])
    assert drain(query, "--since", str(NOON))["pct_per_hour"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "ending",
    [
        {"power": 5.0, "status": "Charging"},
        {"power": 0.0, "status": "Full"},
        {"power": None, "status": "Unknown"},
    ],
    ids=lambda ending: str(ending["status"]),
)
def test_a_row_that_is_not_discharging_ends_it(
    recording: Recording, query: Query, ending: dict[str, Any]
) -> None:
    recording.run()
    falling(recording, NOON, 60, 99, 500)
    on_battery(recording, NOON + 300, 60, **ending)
    falling(recording, NOON + 305, 60, 80, 12)
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


@pytest.mark.parametrize(("asleep", "expected"), [(61.0, -12), (60.0, None)])
def test_a_suspend_of_over_a_minute_ends_it(
    recording: Recording, query: Query, asleep: float, expected: float | None
) -> None:
    recording.run()
    falling(recording, NOON, 60, 95, 12)
    on_battery(recording, NOON + 300 + asleep, 80, suspended=asleep)
    falling(recording, NOON + 305 + asleep, 59, 80 - 12 * 5 / 3600, 12)
    slope = drain(query)["pct_per_hour"]
    assert (slope == pytest.approx(-12)) == (expected is not None)


@pytest.mark.parametrize(("hole", "joined"), [(600.0, True), (601.0, False), (-1.0, False)])
def test_between_runs_the_wall_clock_shows_a_hole(
    recording: Recording, query: Query, hole: float, joined: bool
) -> None:
    recording.run()
    on_battery(recording, NOON, 95)
    recording.run()
    falling(recording, NOON + hole, 60, 80, 12)
    slope = drain(query)["pct_per_hour"]
    assert (slope != pytest.approx(-12)) == joined


def test_rows_of_the_original_logger_are_joined_by_the_wall_clock(recording: Recording, query: Query) -> None:
    falling(recording, NOON, 121, 80, 12)  # no run
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


def test_a_missing_sample_within_a_run_is_bridged_by_the_wall_clock(
    recording: Recording, query: Query
) -> None:
    recording.run()
    falling(recording, NOON, 10, 80, 12)
    on_battery(recording, NOON + 500, 80 - 12 * 500 / 3600, skip=3)
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


@pytest.mark.parametrize("step", [-7_200.0, 86_400.0])
def test_within_a_run_the_wall_clock_does_not_matter(recording: Recording, query: Query, step: float) -> None:
    """The slope of an hour that contains a clock step: only the intervals count."""
    recording.run()
    for index in range(720):
        on_battery(recording, NOON + 5 * index + (step if index > 600 else 0), 80 - 2 * index / 720)
    assert drain(query)["pct_per_hour"] == pytest.approx(-2)


def test_short_sleeps_count_as_elapsed(recording: Recording, query: Query) -> None:
    recording.run()
    for index in range(60):
        on_battery(recording, NOON + 60 * index, 80 - index / 5, suspended=55.0)
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


def test_rows_without_percent_are_passed_over(recording: Recording, query: Query) -> None:
    recording.run()
    for index in range(121):
        on_battery(recording, NOON + 5 * index, None if index % 3 == 0 else 80 - index / 60)
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


@pytest.mark.parametrize(
    "percents", [[80.0], [80.0] * 20, [70.0, 71.0, 72.0], [None, None]], ids=["one", "flat", "rising", "none"]
)
def test_without_a_fall_there_are_no_hours_left(
    recording: Recording, query: Query, percents: list[float | None]
) -> None:
    recording.run()
    for index, pct in enumerate(percents):
        on_battery(recording, NOON + 5 * index, pct)
    row = drain(query)
    assert row["hours_left"] is None
    assert row["pct_per_hour"] == (0 if percents == [80.0] * 20 else None)  # a discharge does not rise


# --- steps that no power explains ---


@pytest.mark.parametrize("at", [0, 300, 719], ids=["oldest", "middle", "newest"])
@pytest.mark.parametrize("glitch", [0, 3, 100])
def test_a_momentary_percent_changes_nothing(
    recording: Recording, query: Query, at: int, glitch: float
) -> None:
    """One sample of 0 % between 66 % and 66 %, as after a resume; 6 W of 24 Wh are 25 %/h."""
    recording.health(NOON - 1, "BAT0", 6.0, 6.0)
    recording.run()
    for index in range(720):
        on_battery(recording, NOON + 5 * index, 70 - index // 60, voltage=4.0)
    without = drain(query, "--since", str(NOON))
    recording.database.execute(
        "UPDATE system_sample SET battery_pct = ? WHERE time = ?", (glitch, NOON + 5 * at)
    )
    row = drain(query, "--since", str(NOON))
    expected = line([(5 * index / 3600, 70.0 - index // 60) for index in range(720)])
    assert row["pct_per_hour"] == pytest.approx(expected, rel=0.03)
    assert row["hours_left"] == pytest.approx(without["hours_left"], rel=0.01)
    assert glitch in [it["battery_pct"] for it in query("recent", "--limit", "1000").rows]


@pytest.mark.parametrize("step", [-30.0, 20.0])
def test_a_step_that_lasts_is_left_out_of_the_slope(recording: Recording, query: Query, step: float) -> None:
    """A reset of the gauge is not a discharge; the hours left follow from its new value."""
    recording.run()
    for index in range(720):
        on_battery(recording, NOON + 5 * index, 60 - 12 * index / 720 + (step if index > 400 else 0))
    row = drain(query, "--since", str(NOON))
    assert row["pct_per_hour"] == pytest.approx(-12, rel=0.01)
    assert row["hours_left"] == pytest.approx((48 + step - 2) / 12, rel=0.05)


def test_it_reaches_back_past_a_momentary_percent(recording: Recording, query: Query) -> None:
    recording.run()
    for index in range(1440):
        pct = 100 if index == 1300 else 80 - index // 180
        on_battery(recording, NOON + 5 * index, pct)
    assert drain(query)["pct_per_hour"] == pytest.approx(-4 * 8 / 9, rel=0.02)


def test_a_step_that_power_explains_counts(recording: Recording, query: Query) -> None:
    recording.health(NOON - 1, "BAT0", 6.0, 6.0)
    recording.run()
    for minute in range(11):  # 60 W of 24 Wh: 4.2 % a minute
        on_battery(recording, NOON + 60 * minute, 90 - 4 * minute, voltage=4.0, power=-60.0, interval=60.0)
    assert drain(query, "--since", str(NOON))["pct_per_hour"] == pytest.approx(-240)


@pytest.mark.parametrize("odd", ["text", b"blob", 1e300, float("inf")])
@pytest.mark.parametrize("column", ["battery_pct", "power", "voltage"])
def test_a_damaged_value_does_not_damage_the_rest(
    recording: Recording, query: Query, column: str, odd: object
) -> None:
    recording.run()
    for index in range(121):
        on_battery(recording, NOON + 5 * index, 80 - index / 60)
    recording.database.execute(f"UPDATE system_sample SET {column} = ? WHERE time = ?", (odd, NOON + 300))
    assert drain(query)["pct_per_hour"] == pytest.approx(-12)


# --- not discharging -------------------------------------------------------------------------------


def test_on_mains_there_is_a_row_of_nulls_and_the_reason(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=9.0, battery_pct=80, status="Charging")
    ran = query("drain")
    assert ran.status == 0
    assert ran.rows == [
        {
            "avg_drain_mah_per_min": None,
            "avg_watts": None,
            "pct_per_hour": None,
            "hours_left": None,
            "hours_left_low": None,
            "hours_left_high": None,
            "hours_to_full": None,
            "covered_s": 0,
            "time": NOON + 45,
        }
    ]
    assert ran.err == "telemetry-query: not discharging in that window: status Charging\n"


def test_without_power_hours_left_follow_from_the_percent(recording: Recording, query: Query) -> None:
    """A laptop whose power_now and current_now return ENODEV: from 80 %, 12 % in an hour."""
    for minute in range(61):
        recording.sample(NOON + 60 * minute, interval=60, battery_pct=80 - minute / 5, status="Discharging")
    (row,) = query("drain").rows
    assert (row["avg_watts"], row["avg_drain_mah_per_min"]) == (None, None)
    assert row["pct_per_hour"] == pytest.approx(-12)
    assert row["hours_left"] == pytest.approx(68 / 12)
    assert row["hours_left_low"] == pytest.approx(68 / 12 / 1.8)
    assert row["hours_left_high"] == pytest.approx(68 / 12 * 1.8)


def test_a_battery_without_a_power_reading_says_so(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, battery_pct=80, status="Discharging")
    assert query("drain").err == "telemetry-query: no power reading in that window: status Discharging\n"


def test_a_battery_without_a_status_says_so(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=9.0)
    assert query("drain").err == "telemetry-query: not discharging in that window: status unknown\n"


def test_after_plugging_in_the_earlier_discharge_is_shown(recording: Recording, query: Query) -> None:
    """The earlier discharge is still shown, but not how long it would last."""
    recording.run()
    falling(recording, NOON, 108, 80, 12)
    recording.samples(NOON + 540, 12, power=9.0, battery_pct=78, status="Charging")
    ran = query("drain")
    (row,) = ran.rows
    assert row["pct_per_hour"] == pytest.approx(-12)
    assert row["hours_left"] is None
    assert row["covered_s"] == 540
    assert ran.err == ""


def test_without_a_battery_there_is_no_row(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, cpu_total=5.0)
    ran = query("drain")
    assert (ran.status, ran.out) == (0, "[]\n")
    assert "no battery seen between 2026-11-21 11:50:45 and now" in ran.err


def test_a_year_of_rows_is_not_read(recording: Recording, query: Query) -> None:
    """The work is bounded: it is measured in steps of SQLite's virtual machine, not in time."""
    steps: list[int] = []

    def count(rows: int) -> int:
        recording.database.execute("DELETE FROM system_sample")
        recording.ts = 0
        recording.run()
        for index in range(rows):
            on_battery(recording, NOON + 5 * index, 90 - 3 * index / 720)
        taken = 0

        def step() -> int:
            nonlocal taken
            taken += 1
            return 0

        recording.database.set_progress_handler(step, 100)
        _, (row,), _ = ask(recording.database, BY_NAME["drain"], Variant("drain"), ALL)
        assert row[2] == pytest.approx(-3)
        recording.database.set_progress_handler(None, 0)
        return taken

    steps += [count(3_000), count(12_000)]
    assert steps[1] <= steps[0] * 1.05
