"""energy, against numbers worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

HOUR = 3_600.0
MIDNIGHT = NOON + 12 * HOUR


def energy(query: Query, *argv: str) -> list[dict[str, Any]]:
    ran = query("energy", *argv)
    assert ran.status == 0
    return ran.rows


def test_discharged_and_charged_energy_are_separate(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 720, power=-6.0)
    recording.samples(NOON + HOUR, 360, power=10.0)
    (row,) = energy(query)
    assert row == {
        "start": NOON - 5,
        "end": NOON + HOUR + 1_795,
        "discharged_wh": 6.0,
        "charged_wh": 5.0,
        "asleep_wh": 0.0,
        "covered_s": 5_400.0,
        "uncovered_s": 0.0,
    }


def test_sums_are_of_integers(recording: Recording, query: Query) -> None:
    """Floats would give 0.30000000000000004, and other digits in another order."""
    for index in range(100):
        recording.sample(NOON + index, interval=1.0, energy_uj=-(10**14) - index)
    assert energy(query)[0]["discharged_wh"] == (10**16 + 4950) / 3.6e9


def test_time_off_asleep_and_unread_is_uncovered(recording: Recording, query: Query) -> None:
    recording.sample(NOON, power=-6.0, battery_pct=80)
    recording.sample(NOON + 1_000, power=-6.0, suspended=995.0)
    recording.sample(NOON + 1_005)  # no reading
    recording.sample(NOON + 1_010, power=0.0)  # a reading
    (row,) = energy(query)
    assert row["covered_s"] == 15
    assert row["uncovered_s"] == 1_015 - 15


def test_the_window_includes_its_start_but_not_its_end(recording: Recording, query: Query) -> None:
    for second in (0, 5, 10):
        recording.sample(NOON + second, energy_uj=-3_600_000_000)
    assert energy(query, "--since", str(NOON + 5))[0]["discharged_wh"] == 2
    (row,) = energy(query, "--since", str(NOON), "--until", str(NOON + 10))
    assert (row["start"], row["end"], row["discharged_wh"]) == (NOON, NOON + 10, 2)
    assert row["uncovered_s"] == 0


def test_a_window_wider_than_the_data_is_uncovered_there(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=-6.0)
    (row,) = energy(query, "--since", str(NOON - 100), "--until", str(NOON + 1_000))
    assert (row["start"], row["end"]) == (NOON - 100, NOON + 1_000)
    assert row["uncovered_s"] == 1_100 - 50


def test_each_hour_in_utc_clipped_to_the_data(recording: Recording, query: Query) -> None:
    recording.samples(NOON + 1_800, 1_440, power=-6.0)  # 12:30 to 14:30
    rows = energy(query, "--by", "hour")
    assert [(row["start"] - NOON, row["end"] - NOON) for row in rows] == [
        (1_795, HOUR),
        (HOUR, 2 * HOUR),
        (2 * HOUR, 2.5 * HOUR - 5),
    ]
    assert [row["discharged_wh"] for row in rows] == [3, 6, 3]


def test_a_sample_belongs_to_the_bucket_of_its_time(recording: Recording, query: Query) -> None:
    """Even if most of its interval is in the hour before."""
    recording.sample(NOON + 1, energy_uj=-3_600_000_000)
    (row,) = energy(query, "--by", "hour")
    assert (row["start"], row["end"], row["discharged_wh"]) == (NOON, NOON + 1, 1)


def test_days_clipped_to_the_window(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 2 * 86_400 // 60, step=60.0, power=-6.0)
    since, until = MIDNIGHT - HOUR, MIDNIGHT + 25 * HOUR
    rows = energy(query, "--by", "day", "--since", str(since), "--until", str(until))
    assert [(row["start"], row["end"]) for row in rows] == [
        (since, MIDNIGHT),
        (MIDNIGHT, MIDNIGHT + 24 * HOUR),
        (MIDNIGHT + 24 * HOUR, until),
    ]
    assert [row["discharged_wh"] for row in rows] == [6, 24 * 6, 6]
    assert [row["covered_s"] for row in rows] == [HOUR, 24 * HOUR, HOUR]


def test_days_off_are_one_row(recording: Recording, query: Query) -> None:
    """Otherwise a clock that once started in 1970 would cause 20,000 rows."""
    recording.sample(60.0, power=-6.0)
    recording.samples(NOON, 10, power=-6.0)
    rows = energy(query, "--by", "day")
    assert [(row["start"], row["end"]) for row in rows] == [
        (55, 86_400),
        (86_400, MIDNIGHT - 86_400),
        (MIDNIGHT - 86_400, NOON + 45),
    ]
    assert [row["covered_s"] for row in rows] == [5, 0, 50]
    assert rows[1]["uncovered_s"] == MIDNIGHT - 2 * 86_400
    assert rows[1]["discharged_wh"] == 0


def test_empty_ends_of_a_given_window_are_rows(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=-6.0)
    window = ("--since", str(NOON - 2 * HOUR), "--until", str(NOON + 3 * HOUR))
    rows = energy(query, "--by", "hour", *window)
    assert [(row["start"] - NOON, row["end"] - NOON) for row in rows] == [
        (-2 * HOUR, 0),
        (0, HOUR),
        (HOUR, 3 * HOUR),
    ]


samples = st.lists(
    st.tuples(
        st.integers(1, 40_000),  # s since the sample before
        st.integers(1, 3_600),  # interval, tenths of a second
        st.none() | st.integers(-(10**9), 10**9),  # µJ
        st.sampled_from([0.0, 0.0, 100.0, 30_000.0]),  # s asleep
        st.sampled_from([80.0, 50.0, 49.0]),  # %
    ),
    min_size=1,
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples, st.sampled_from(["hour", "day"]))
def test_buckets_add_up_to_the_total(
    recording: Recording, query: Query, rows: list[tuple[int, int, int | None, float, float]], by: str
) -> None:
    recording.database.execute("DELETE FROM system_sample")
    time, recording.ts = NOON, 0
    recording.database.execute("DELETE FROM battery_health")
    recording.health(NOON, "BAT0", 5.0, 5.0)
    for step, tenths, microjoules, asleep, pct in rows:
        time += step + asleep
        recording.sample(
            time,
            interval=tenths / 10,
            suspended=asleep,
            battery_pct=pct,
            voltage=12.0,
            energy_uj=microjoules,
        )
    (total,) = energy(query)
    parts = energy(query, "--by", by)
    for column in ("discharged_wh", "charged_wh", "covered_s"):
        assert sum(part[column] for part in parts) == pytest.approx(total[column])
    known = [
        part["asleep_wh"] for part in parts if part["asleep_wh"] is not None
    ]  # for a sleep it may be unknown
    assert sum(known) == pytest.approx(total["asleep_wh"] or 0.0)
    assert known or total["asleep_wh"] is None
    assert parts[-1]["end"] == total["end"]
    assert all(before["end"] == after["start"] for before, after in pairwise(parts))


def test_a_battery_that_gives_no_power_is_all_uncovered(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, battery_pct=80)
    (row,) = energy(query)
    assert (row["discharged_wh"], row["charged_wh"], row["covered_s"], row["uncovered_s"]) == (0, 0, 0, 50)


@pytest.mark.parametrize("by", ["total", "hour", "day"])
def test_without_a_battery_there_is_no_row(recording: Recording, query: Query, by: str) -> None:
    recording.samples(NOON, 10, cpu_total=5.0)
    ran = query("energy", "--by", by)
    assert (ran.status, ran.out) == (0, "[]\n")
    assert ran.err == "telemetry-query: no battery seen\n"


def test_rows_of_the_original_logger_count_where_they_are_covered(recording: Recording, query: Query) -> None:
    recording.sample(NOON, interval=None, power=-6.0, battery_pct=80)
    recording.sample(NOON + 5, power=-6.0)
    (row,) = energy(query)
    assert row["start"] == NOON
    assert row["covered_s"] == 5


def asleep(recording: Recording, first: float, last: float, *, pct: float = 80.0) -> None:
    """Record an hour at ``pct`` of 60 Wh, a sleep from ``first`` to ``last`` that takes 30 %, and an hour."""
    recording.run(started=first - HOUR)
    recording.database.execute(
        "INSERT INTO battery_health VALUES (?, 'BAT0', 60, 60, 'Wh', 1)", (first - HOUR,)
    )
    recording.samples(first - HOUR + 5, 720, power=-6.0, battery_pct=pct)
    recording.sample(last + 5, suspended=last - first, power=-6.0, battery_pct=pct - 30)
    recording.samples(last + 10, 720, power=-6.0, battery_pct=pct - 30)


def test_a_night_asleep_is_divided_between_its_days(recording: Recording, query: Query) -> None:
    asleep(recording, MIDNIGHT - 3 * HOUR, MIDNIGHT + 6 * HOUR)
    (total,) = energy(query)
    assert (total["asleep_wh"], total["discharged_wh"]) == (18.0, pytest.approx(12.0, abs=0.1))
    days = energy(query, "--by", "day")
    assert [day["asleep_wh"] for day in days] == [6.0, 12.0]
    hours = energy(query, "--by", "hour")
    assert sum(round(hour["asleep_wh"] * 3.6e9) for hour in hours) == 18 * 3_600_000_000


def test_a_window_that_cuts_a_sleep_has_part_of_its_energy(recording: Recording, query: Query) -> None:
    asleep(recording, MIDNIGHT - 3 * HOUR, MIDNIGHT + 6 * HOUR)
    (row,) = energy(query, "--since", str(MIDNIGHT), "--until", str(MIDNIGHT + 6.5 * HOUR))
    assert row["asleep_wh"] == 12.0


def test_a_window_within_a_sleep_has_part_of_its_energy(recording: Recording, query: Query) -> None:
    asleep(recording, MIDNIGHT - 3 * HOUR, MIDNIGHT + 6 * HOUR)
    edges = [MIDNIGHT - 5 * HOUR, MIDNIGHT - HOUR, MIDNIGHT, MIDNIGHT + 2.5 * HOUR, MIDNIGHT + 8 * HOUR]
    parts = {
        report: [
            query(report, "--since", str(first), "--until", str(last)) for first, last in pairwise(edges)
        ]
        for report in ("energy", "blame")
    }
    (of_energy,) = parts["energy"][2].rows
    assert of_energy["asleep_wh"] == pytest.approx(5.0)
    assert (of_energy["discharged_wh"], of_energy["covered_s"], of_energy["uncovered_s"]) == (
        0,
        0,
        2.5 * HOUR,
    )
    assert sum(row["asleep_wh"] for part in parts["energy"] for row in part.rows) == pytest.approx(18.0)
    of_blame = [row["wh"] for part in parts["blame"] for row in part.rows if row["name"] == "(asleep)"]
    assert sum(of_blame) == pytest.approx(18.0)
    assert len(parts["blame"][2].rows) == 1
    assert "no sample in the window: only what was drawn asleep is known" in parts["blame"][2].err
    (row,) = query(
        "energy", "--by", "hour", "--since", str(MIDNIGHT), "--until", str(MIDNIGHT + 2 * HOUR)
    ).rows
    assert row["asleep_wh"] == pytest.approx(4.0)


def test_whole_microjoules_are_shared_and_none_is_lost(recording: Recording, query: Query) -> None:
    asleep(recording, MIDNIGHT - 2 * HOUR - 17.3, MIDNIGHT + 5 * HOUR + 0.7)
    uj = 18 * 3_600_000_000
    for by in ("hour", "day", "week"):
        rows = energy(query, "--by", by)
        assert sum(round(row["asleep_wh"] * 3.6e9) for row in rows) == uj
        assert all(
            row["asleep_wh"] * 3.6e9 == pytest.approx(round(row["asleep_wh"] * 3.6e9), abs=1e-4)
            for row in rows
        )


def test_the_cost_of_a_sleep_may_be_unknown(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 100, power=-6.0)
    recording.sample(NOON + 40_000, suspended=39_000.0, power=-6.0)
    (row,) = energy(query)
    assert row["asleep_wh"] is None


def test_energy_charged_asleep_was_not_drawn(recording: Recording, query: Query) -> None:
    asleep(recording, MIDNIGHT, MIDNIGHT + HOUR, pct=50.0)
    recording.sample(MIDNIGHT + 9 * HOUR, suspended=6.9 * HOUR, power=-6.0, battery_pct=90.0)
    (row,) = energy(query)
    assert row["asleep_wh"] == 18.0
