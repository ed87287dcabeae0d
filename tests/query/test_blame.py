"""The report blame: the rows sum to the energy, and a known formula is recovered."""

from __future__ import annotations

import re
from itertools import pairwise
from math import sin
from typing import Any

import pytest
from hypothesis import given

from query.answer import ask
from query.report import Variant
from query.reports import BY_NAME
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import by_the_writer, drop
from tests.query.test_window import database_of, recorded

LATER = NOON + 5_000


def load(index: int, phase: float) -> float:
    """Return CPU use in percent of a core, in bouts of some minutes."""
    return round(max(0.0, 60 * sin(index / 37 + phase) + 30 * sin(index / 11 + 3 * phase)), 2)


def known_load(recording: Recording, count: int, lag: int = 0, **columns: Any) -> None:
    """A machine of 3 W whose programs take 2 and 5 W a core; its gauge reports it ``lag`` samples later."""
    recording.run()
    for index in range(count):
        a, b = load(index, 0.0), load(index, 2.0)
        before = max(0, index - lag)
        watts = 3 + 2 * load(before, 0.0) / 100 + 5 * load(before, 2.0) / 100
        row: dict[str, Any] = {
            "power": -watts,
            "status": "Discharging",
            "cpu_total": (a + b) / 4,
            "cpu_unowned": 0.0,
            "cpu_freq": 1000.0,
            "cores": [1.0, 1.0, 1.0, 1.0],
            "processes": [(1, "cheap", a, 1.0), (2, "dear", b, 1.0)],
        }
        recording.sample(NOON + 5 * index, **row | columns)


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("lag", [0, 3])
def test_a_known_formula_is_recovered(recording: Recording, query: Query, lag: int) -> None:
    known_load(recording, 1440, lag)
    rows = by_name(query("blame").rows)
    cpu = {name: rows[name]["cpu_h"] for name in ("cheap", "dear")}
    assert rows["cheap"]["wh"] == pytest.approx(2 * cpu["cheap"], rel=0.1)
    assert rows["dear"]["wh"] == pytest.approx(5 * cpu["dear"], rel=0.1)
    assert rows["(idle)"]["wh"] == pytest.approx(6.0, rel=0.03)
    assert rows["dear"]["rate"] / rows["cheap"]["rate"] == pytest.approx(2.5, rel=0.15)


@given(recorded)
def test_the_rows_sum_to_the_energy_of_the_window(rows: list[Any]) -> None:
    parameters = dict.fromkeys(("since", "until", "limit", "now", "database", "bytes", "room", "retain")) | {
        "since": 0.0,
        "utc": True,
    }
    with database_of(rows) as database:
        blamed = list(ask(database, BY_NAME["blame"], Variant("blame"), parameters).rows)
        (total,) = database.execute("SELECT SUM(discharged_uj) FROM system_sums WHERE time >= 0").fetchone()
    assert sum(round(3.6e9 * (row[1] or 0.0)) for row in blamed) == (total or 0)


def test_no_row_exceeds_the_total_or_is_negative(recording: Recording, query: Query) -> None:
    """The programs never pause, and power changes independently of them, so their share cannot be learned."""
    recording.run()
    for index in range(720):
        watts = (4.5, 6.0, 9.0)[index // 6 * 7 % 31 % 3]
        recording.sample(
            NOON + 5 * index,
            power=-watts,
            status="Discharging",
            cpu_total=10 + watts * (index % 5) / 3,
            cpu_freq=1800.0,
            cores=[5.0, 8.0],
            processes=[(1, "one", 30.0, 1.0), (2, "other", 4.0, 1.0)],
        )
    rows = query("blame").rows
    total = sum(row["wh"] for row in rows)
    assert {"one", "other"} <= by_name(rows).keys()
    for row in rows:
        assert row["pm"] <= max(row["wh"], total - row["wh"]) * (1 + 1e-9)


def test_the_rows_sum_to_those_of_energy(recording: Recording, query: Query) -> None:
    known_load(recording, 300)
    recording.sample(NOON + 1500, power=4.0, status="Charging")
    recording.sample(NOON + 4000, power=-4.0, status="Discharging")
    for window in ([], ["--since", "12:07"], ["--since", "12:07", "--until", str(NOON + 1202)]):
        told = sum(round(3.6e9 * row["wh"]) for row in query("blame", *window, now=LATER).rows)
        (energy,) = query("energy", *window, now=LATER).rows
        assert told == round(3.6e9 * energy["discharged_wh"])


def test_parts_of_a_window_sum_to_it(recording: Recording, query: Query) -> None:
    known_load(recording, 300)
    edges = ["12:00", "12:05", str(NOON + 663), "12:40"]
    parts = [
        query("blame", "--since", since, "--until", until, now=LATER).rows for since, until in pairwise(edges)
    ]
    whole = query("blame", "--since", edges[0], "--until", edges[-1], now=LATER).rows
    assert sum(round(3.6e9 * row["wh"]) for rows in parts for row in rows) == sum(
        round(3.6e9 * row["wh"]) for row in whole
    )


def test_the_printed_digits_add_up(recording: Recording, query: Query) -> None:
    known_load(recording, 733)
    lines = query("blame", "--format", "table").out.splitlines()[2:]
    printed = [re.split(r"  +", line) for line in lines]
    (energy,) = query("energy").rows
    assert sum(round(1000 * float(cells[1])) for cells in printed) == round(1000 * energy["discharged_wh"])
    assert sum(round(10 * float(cells[3])) for cells in printed) == 1000


def test_programs_beyond_the_limit_are_in_others(recording: Recording, query: Query) -> None:
    known_load(recording, 300)
    every, one = by_name(query("blame").rows), by_name(query("blame", "--limit", "1").rows)
    assert [name for name in one if name[0] != "("] == ["dear"]
    others = every.get("(others)", {"wh": 0.0})["wh"]
    assert one["(others)"]["wh"] == pytest.approx(others + every["cheap"]["wh"], abs=1e-9)


def test_the_screen_has_a_row_if_brightness_is_known(recording: Recording, query: Query) -> None:
    known_load(recording, 60)
    assert "(screen)" not in by_name(query("blame").rows)
    recording.sample(NOON + 300, power=-4.0, status="Discharging", brightness=50.0, cpu_total=1.0)
    assert "(screen)" in by_name(query("blame").rows)


def test_an_estimate_says_so_and_names_its_basis(recording: Recording, query: Query) -> None:
    known_load(recording, 720)
    said = query("blame").err
    assert "estimate, learned from 1.0 h on battery" in said
    assert "GPU, disk" in said
    assert "share one rate" in said


def test_on_mains_only_cpu_hours_are_shown_with_the_reason(recording: Recording, query: Query) -> None:
    known_load(recording, 120, power=None, status="Charging")
    ran = query("blame")
    rows = by_name(ran.rows)
    assert ran.status == 0
    assert rows["dear"]["wh"] is None
    assert rows["dear"]["cpu_h"] > 0
    assert "nothing was discharged in the window" in ran.err


def test_on_mains_the_watts_can_be_predicted(recording: Recording, query: Query) -> None:
    known_load(recording, 1440)
    recording.run()
    later = NOON + 20_000
    for index in range(60):
        recording.sample(
            later + 5 * index,
            power=1.0,
            status="Charging",
            cpu_total=25.0,
            cpu_unowned=0.0,
            cpu_freq=1000.0,
            cores=[1.0, 1.0, 1.0, 1.0],
            processes=[(2, "dear", 100.0, 1.0)],
        )
    rows = by_name(query("blame", "--predict", "--since", str(int(later - 10))).rows)
    assert rows["dear"]["wh"] is None
    assert rows["dear"]["predicted_watts"] == pytest.approx(5.0, rel=0.1)
    assert rows["(idle)"]["predicted_watts"] == pytest.approx(3.0, rel=0.05)


def test_a_database_without_a_battery_shows_cpu_hours(recording: Recording, query: Query) -> None:
    recording.sample(NOON, processes=[(1, "a", 50.0, 1.0)], cpu_total=50.0, cores=[50.0])
    assert query("blame").rows[0]["name"] == "a"


def test_damaged_values_do_not_damage_the_sum(recording: Recording, query: Query) -> None:
    known_load(recording, 60)
    recording.database.execute("UPDATE system_sample SET cpu_total = 'x', cpu_freq = -1 WHERE seq = 7")
    recording.database.execute("UPDATE system_sample SET interval = 'y', brightness = 1e30 WHERE seq = 9")
    recording.database.execute(
        "UPDATE process_row SET cpu = 'z' WHERE ts = (SELECT MIN(ts) FROM process_row)"
    )
    assert query("blame").status == 0


def test_energy_drawn_asleep_has_a_row(recording: Recording, query: Query) -> None:
    recording.health(NOON, "BAT0", 5.0, 5.0)
    row: dict[str, Any] = {"voltage": 12.0, "status": "Discharging"}
    recording.run()
    for index in range(120):
        recording.sample(NOON + 5 * index, power=-5.0, battery_pct=80.0, **row)
    for index in range(120):
        asleep = 30_000.0 if index == 0 else 0.0
        time = NOON + 30_600 + 5 * index
        recording.sample(time, suspended=asleep, power=-5.0, battery_pct=60.0, **row)
    (energy,) = query("energy", now=LATER).rows
    rows = by_name(query("blame", now=LATER).rows)
    assert energy["asleep_wh"] > 0
    assert rows["(asleep)"]["wh"] == energy["asleep_wh"]
    told = sum(round(3.6e9 * row["wh"]) for row in rows.values())
    assert told == round(3.6e9 * (energy["discharged_wh"] + energy["asleep_wh"]))


def test_a_sleep_before_the_clock_was_set_back_has_a_row(recording: Recording, query: Query) -> None:
    """The newest sample is then not the one with the greatest time, at which the report energy ends."""
    recording.health(NOON, "BAT0", 5.0, 5.0)
    row: dict[str, Any] = {"voltage": 12.0, "status": "Discharging", "power": -5.0}
    recording.run()
    for index in range(120):
        recording.sample(NOON + 5 * index, battery_pct=80.0, **row)
    for index in range(120):
        asleep = 3_600.0 if index == 0 else 0.0
        recording.sample(NOON + 4_200 + 5 * index, suspended=asleep, battery_pct=60.0, **row)
    recording.sample(NOON + 302, battery_pct=60.0, **row)
    (energy,) = query("energy", now=LATER).rows
    assert energy["asleep_wh"] > 0
    assert by_name(query("blame", now=LATER).rows)["(asleep)"]["wh"] == energy["asleep_wh"]


def test_cpu_hours_of_a_dropped_hour_name_their_window(recording: Recording, query: Query) -> None:
    known_load(recording, 1440, power=None, status="Charging")
    recording.sample(NOON + 86_400)
    by_the_writer(recording.database)
    whole = query("blame", "--since", "2026-11-21 12:00", "--until", "2026-11-21 13:00").rows
    drop(recording.database, NOON + 43_200)
    recording.database.execute("UPDATE history SET raw_since = ?", (int(NOON) + 43_200,))
    ran = query("blame", "--since", "2026-11-21 12:20", "--until", "2026-11-21 12:40")
    assert ran.rows == whole
    assert (
        "CPU hours: raw samples before 2026-11-22 00:00:00 were dropped: the window begins at "
        "2026-11-21 12:00:00 and ends at 2026-11-21 13:00:00" in ran.err
    )


def test_a_prediction_of_the_newest_samples_alone_says_so(
    recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_load(recording, 1440)
    for index in range(60):
        recording.sample(NOON + 10_000 + 5 * index, power=1.0, status="Charging", cpu_total=25.0)
    words = "blame", "--predict", "--since", str(int(NOON + 10_000))
    assert "prediction" not in query(*words, now=LATER + 9_000).err
    monkeypatch.setattr("query.blame.MOST_RAW", 50)
    ran = query(*words, now=LATER + 9_000)
    assert "the prediction is of the samples from 2026-11-21 14:47:30 on" in ran.err


def test_a_cut_name_shares_a_row_with_the_whole_one(recording: Recording, query: Query) -> None:
    recording.run()
    for index in range(120):
        name = "telemetry-sampl" if index < 60 else "telemetry-sampler"
        processes = [(1, name, 10.0 + load(index, 1.0), 1.0), (2, "python3.11-conf", load(index, 2.0), 1.0)]
        recording.sample(
            NOON + 5 * index,
            power=-4.0,
            status="Discharging",
            cpu_total=20.0,
            cores=[1.0],
            processes=processes,
        )
    rows = by_name(query("blame").rows)
    assert {name for name in rows if name[0] != "("} == {"telemetry-sampler", "python3.11-conf"}
    (hot,) = (row for row in query("hotspots").rows if row["name"] == "telemetry-sampler")
    assert rows["telemetry-sampler"]["cpu_h"] == pytest.approx(hot["cpu_h"])


@pytest.mark.parametrize("by", ["app", "user"])
def test_apps_and_users_have_rows(recording: Recording, query: Query, by: str) -> None:
    known_load(recording, 60)
    names = {row["name"] for row in query("blame", "--by", by).rows}
    assert None in names
    assert "dear" not in names
