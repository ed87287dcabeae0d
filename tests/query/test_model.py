"""The report model: a known machine is learned, and held-out hours are predicted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from query.learning import learned
from query.what_if import NEVER, NOT_LEARNED, NOT_ON_BATTERY
from telemetry.energy_model.columns import AWAKE
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording, nine_days
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


def test_the_uncertainty_of_a_program_matches_that_of_its_energy(recording: Recording, query: Query) -> None:
    """It is uncertain whether the first busy core or its program takes the power, but their sum is known."""
    nine_days(recording.path)
    model = {row["item"]: row for row in query("model", now=NOON + 5_400).rows}
    blame = {row["name"]: row for row in query("blame", now=NOON + 5_400).rows}
    for name in ("firefox", "emacs"):
        shares = model[name]["pm"] / model[name]["value"], blame[name]["pm"] / blame[name]["wh"]
        assert shares[0] == pytest.approx(shares[1], rel=0.25)
    known = learned(recording.database, NOON + 5_400).model
    assert known
    # Nine in ten values of a normal distribution are within 1.64 standard deviations.
    assert model["awake"]["pm"] >= 1.6 * known.deviation(AWAKE)


@pytest.mark.slow
def test_held_out_hours_are_predicted_better_than_by_other_rules(recording: Recording, query: Query) -> None:
    known_load(recording, 4320)
    found = values(query)
    error = found["error on held-out hours"]
    for other in (
        "error of the mean power",
        "error of a line in CPU use",
        "error of a linear fit of training_view",
    ):
        assert error < found[other]


def test_the_linear_fit_uses_the_columns_of_training_view(recording: Recording, query: Query) -> None:
    """Power follows only the load average, which is independent of CPU use and programs."""
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
    assert found["error of a linear fit of training_view"] < 1.0
    assert found["error of a line in CPU use"] > 10


def test_little_data_is_reported(recording: Recording, query: Query) -> None:
    known_load(recording, 720)
    ran = query("model")
    assert "little data" in ran.err
    assert "error on held-out hours" not in {row["item"] for row in ran.rows}


def test_the_limit_is_the_number_of_programs(recording: Recording, query: Query) -> None:
    known_load(recording, 720)
    found = values(query, "--limit", "1")
    assert len({"cheap", "dear"} & found.keys()) == 1
    assert "idle" in found


def with_screen(recording: Recording, brightness: Callable[[int], float | None], count: int = 720) -> None:
    """A machine of 3 W plus a screen that takes 2 W at full brightness; a pack of 60 Wh at 80 %."""
    recording.health(NOON - 1, "BAT0", 5.0, 5.0)
    recording.run()
    for index in range(count):
        bright = brightness(index)
        recording.sample(
            NOON + 5 * index,
            power=-(3 + 0.02 * (bright or 0.0)),
            status="Discharging",
            voltage=12.0,
            battery_pct=80.0,
            brightness=bright,
            cpu_total=1.0,
            cores=[1.0],
            processes=[(1, "a", 0.5 + index % 2, 1.0)],
        )


def in_turns(index: int) -> float:
    """Return brightness with a mean of 60 %, also over each ten minutes."""
    return 100.0 if index // 60 % 2 else 20.0


def test_the_screen_is_shown_if_brightness_is_known(recording: Recording, query: Query) -> None:
    with_screen(recording, in_turns)
    assert values(query)["screen at full brightness"] == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize("wanted", [20, 60, 100])
def test_another_brightness_is_shown_in_minutes(recording: Recording, query: Query, wanted: int) -> None:
    """The mean is 4.2 W, so the time left is multiplied by 4.2 / (3 + the new power of the screen)."""
    with_screen(recording, in_turns)
    left = 60 * query("drain").rows[0]["hours_left"]
    found = values(query, "--what-if", f"brightness={wanted}")
    assert found["time left"] == pytest.approx(left)
    more = found[f"additional time at {wanted} % brightness"]
    assert more == pytest.approx(left * (4.2 / (3 + 0.02 * wanted) - 1), abs=0.02 * left)
    assert found[f"screen at {wanted} % brightness"] == pytest.approx(0.02 * wanted, abs=0.15)


def test_the_current_brightness_applies_to_the_current_power(recording: Recording, query: Query) -> None:
    """The screen is bright now and was dim before, so at first the whole difference is saved."""
    with_screen(recording, lambda index: 100.0 if index >= 600 or index // 60 % 5 == 0 else 20.0)
    left = 60 * query("drain").rows[0]["hours_left"]
    found = values(query, "--what-if", "brightness=20")
    assert left + found["additional time at 20 % brightness"] == pytest.approx(60 * 48 * 0.97 / 3.4, rel=0.05)


@pytest.mark.parametrize(
    ("brightness", "said"),
    [
        (lambda _: None, NEVER),
        (lambda _: 70.0, NOT_LEARNED),
        (lambda index: 70.0 if index // 60 % 2 else 0.0, NOT_LEARNED),
    ],
    ids=["not recorded", "one", "one and off"],
)
def test_a_constant_brightness_is_reported(
    recording: Recording, query: Query, brightness: Callable[[int], float | None], said: str
) -> None:
    with_screen(recording, brightness)
    ran = query("model", "--what-if", "brightness=40")
    assert said in ran.err
    assert not [row for row in ran.rows if "40 %" in row["item"]]


def test_on_mains_watts_are_shown_but_no_minutes(recording: Recording, query: Query) -> None:
    with_screen(recording, in_turns)
    recording.samples(NOON + 3600, 60, power=5.0, status="Charging", voltage=12.0, battery_pct=80.0)
    ran = query("model", "--what-if", "brightness=40")
    assert NOT_ON_BATTERY in ran.err
    assert {row["unit"] for row in ran.rows if "brightness" in row["item"]} == {"W"}


def test_without_a_discharge_there_is_no_model(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 20, power=5.0, status="Charging")
    ran = query("model")
    assert ran.rows == []
    assert "nothing was discharged" in ran.err
