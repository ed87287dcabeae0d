"""The report model: a known machine is learned, and hours that it did not learn from are foretold."""

from __future__ import annotations

import pytest

from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.test_blame import known_load, load


def values(query: Query, *argv: str) -> dict[str, float]:
    return {row["item"]: row["value"] for row in query("model", *argv).rows}


def test_a_known_machine_is_learned(recording: Recording, query: Query) -> None:
    known_load(recording, 2880, lag=2)
    found = values(query)
    assert found["idle"] == pytest.approx(3.0, rel=0.05)
    assert found["cheap"] == pytest.approx(2.0, rel=0.1)
    assert found["dear"] == pytest.approx(5.0, rel=0.1)
    middle = found["gauge: samples of delay"] + (found["gauge: samples averaged"] - 1) / 2
    assert middle == pytest.approx(2, abs=1)
    assert found["learned from"] == pytest.approx(4.0)


def test_held_out_hours_are_foretold_better_than_by_other_rules(recording: Recording, query: Query) -> None:
    known_load(recording, 4320)
    found = values(query)
    error = found["error on held-out hours"]
    for other in (
        "of the mean power instead",
        "of a line in CPU use",
        "of a linear fit of training_view",
    ):
        assert error < found[other]


def test_the_linear_fit_takes_what_training_view_tells(recording: Recording, query: Query) -> None:
    """Power follows the load average alone, which neither the CPU use nor any program shows."""
    recording.run()
    for index in range(2880):
        load1 = load(index, 1.0) / 10
        recording.sample(
            NOON + 5 * index,
            power=-(3 + load1 + index // 720),
            status="Discharging",
            cpu_total=load(index, 2.5),
            load1=load1,
            load5=None if index % 7 else "x",
            battery_pct=90.0 - index // 720,
            cores=[1.0],
            processes=[(1, "a", load(index, 2.0), 1.0)],
        )
    found = values(query)
    assert found["of a linear fit of training_view"] < 1.0
    assert found["of a line in CPU use"] > 10


def test_little_data_is_told(recording: Recording, query: Query) -> None:
    known_load(recording, 720)
    ran = query("model")
    assert "little data" in ran.err
    assert "error on held-out hours" not in {row["item"] for row in ran.rows}


def test_the_limit_is_of_programs(recording: Recording, query: Query) -> None:
    known_load(recording, 720)
    found = values(query, "--limit", "1")
    assert len({"cheap", "dear"} & found.keys()) == 1
    assert "idle" in found


def test_the_screen_is_told_where_brightness_is_known(recording: Recording, query: Query) -> None:
    recording.run()
    for index in range(720):
        bright = 100.0 if index // 60 % 2 else 20.0
        recording.sample(
            NOON + 5 * index,
            power=-(3 + 0.02 * bright),
            status="Discharging",
            brightness=bright,
            cpu_total=1.0,
            cores=[1.0],
            processes=[(1, "a", 0.5 + index % 2, 1.0)],
        )
    assert values(query)["screen at full brightness"] == pytest.approx(2.0, rel=0.2)


def test_without_a_discharge_there_is_no_model(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 20, power=5.0, status="Charging")
    ran = query("model")
    assert ran.rows == []
    assert "nothing was discharged" in ran.err
