"""The report correlate: a known slope is found, and little data gives no result."""

from __future__ import annotations

import random
from typing import Any

import pytest

import query.correlate
from query.correlate import line_through
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

of_correlate = query.correlate


def bouts(recording: Recording, count: int, lag: int = 0, **columns: Any) -> None:
    """A machine of 3 W with programs that run in bouts: two take 2 and 5 W a core, one takes nothing."""
    generator = random.Random(3)
    loads = [[0.0, 0.0, 0.0]]
    for index in range(count - 1):
        loads.append(
            [generator.uniform(0, 90) for _ in range(3)] if index % 25 == 0 else loads[-1]  # two minutes
        )
    recording.run(started=NOON - 5 * count)
    for index, (cheap, dear, free) in enumerate(loads):
        before = loads[max(0, index - lag)]
        watts = 3 + 0.02 * before[0] + 0.05 * before[1] + generator.gauss(0, 0.2)
        row: dict[str, Any] = {
            "power": -watts,
            "status": "Discharging",
            "cpu_total": (cheap + dear + free) / 4,
            "cpu_unowned": 0.0,
            "cores": [1.0, 1.0, 1.0, 1.0],
            "processes": [(1, "cheap", cheap, 1.0), (2, "dear", dear, 1.0), (3, "free", free, 1.0)],
        }
        recording.sample(NOON - 5 * (count - 1 - index), **row | columns)


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("lag", [0, 4])
def test_a_known_slope_is_recovered(recording: Recording, query: Query, lag: int) -> None:
    bouts(recording, 4_320, lag)
    ran = query("correlate")
    rows = by_name(ran.rows)
    assert list(rows)[:2] == ["(all CPU)", "dear"]
    for name, slope in (("cheap", 2.0), ("dear", 5.0), ("free", 0.0)):
        assert abs(rows[name]["w_per_core"] - slope) <= 1.5 * rows[name]["pm"]
        assert rows[name]["pm"] < 1.2
        assert rows[name]["avg_cpu"] == pytest.approx(45, abs=5)
    assert rows["dear"]["r"] > 0.8
    assert 0.15 < rows["cheap"]["r"] < 0.6
    assert abs(rows["free"]["r"]) < 0.2
    assert ran.err == (
        "telemetry-query: a correlation is not a cause: a slope includes what ran at the same time; "
        "see blame\n"
    )


def test_samples_on_mains_do_not_count(recording: Recording, query: Query) -> None:
    bouts(recording, 900)
    before = query("correlate").rows
    recording.samples(
        NOON + 5, 400, power=20.0, status="Charging", processes=[(1, "cheap", 0.5, 1.0)], cores=[1.0]
    )
    for ours, theirs in zip(query("correlate", now=NOON + 3_000).rows, before, strict=True):
        assert ours.pop("name") == theirs.pop("name")
        assert ours == pytest.approx(theirs)


def test_a_few_wrong_readings_do_not_matter(recording: Recording, query: Query) -> None:
    bouts(recording, 900)
    before = by_name(query("correlate").rows)
    recording.database.execute(
        "UPDATE system_sample SET power = -600, energy_uj = -3000000000 WHERE seq BETWEEN 400 AND 402"
    )
    after = by_name(query("correlate").rows)
    assert after["dear"]["w_per_core"] == pytest.approx(before["dear"]["w_per_core"], rel=0.1)


def test_little_data_gives_no_result(recording: Recording, query: Query) -> None:
    bouts(recording, 120)
    ran = query("correlate")
    (row,) = ran.rows
    assert (row["name"], row["r"], row["w_per_core"], row["blocks"]) == ("(all CPU)", None, None, 10)
    assert ran.err == "telemetry-query: too little to tell: 10 of 30 blocks of 12 samples on battery\n"


def test_a_program_that_was_seldom_listed_is_not_shown(recording: Recording, query: Query) -> None:
    bouts(recording, 900)
    recording.database.execute("DELETE FROM process_sample WHERE pid = 3 AND ts > ?", (NOON - 5 * 850,))
    assert list(by_name(query("correlate").rows)) == ["(all CPU)", "dear", "cheap"]


def test_without_processes_the_cpu_is_shown(recording: Recording, query: Query) -> None:
    bouts(recording, 900, processes=[])
    ran = query("correlate")
    assert [row["name"] for row in ran.rows] == ["(all CPU)"]
    assert ran.err.endswith("no process recorded (does telemetry-sampler run with --top-procs 0?)\n")


def test_the_default_is_a_day_and_ten_minutes_for_rows(recording: Recording, query: Query) -> None:
    bouts(recording, 900)
    (all_cpu, *_) = query("correlate").rows
    assert all_cpu["blocks"] >= 70
    rows = query("correlate", "--rows").rows
    assert len({row["ts"] for row in rows}) == 120
    assert list(rows[0]) == ["time", "ts", "watts", "pid", "name", "cpu", "mem", "children"]


def test_the_samples_read_are_bounded_and_reported(
    recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    bouts(recording, 900)
    monkeypatch.setattr(of_correlate, "MOST", 480)
    ran = query("correlate")
    assert ran.rows[0]["blocks"] <= 40
    assert "the newest 480 samples on battery were read, from 2026-11-21 11:20:00 on; " in ran.err


def test_a_line_worked_out_by_hand() -> None:
    found = line_through([0, 1, 2, 3], [1.0, 3.5, 4.5, 7.0])
    assert found is not None
    assert found.slope == pytest.approx(1.9)
    assert found.r == pytest.approx(9.5 / (5 * 18.5) ** 0.5)
    assert line_through([1, 1, 1], [1, 2, 3]) is None
    assert line_through([1, 2, 3], [5, 5, 5]) is None
