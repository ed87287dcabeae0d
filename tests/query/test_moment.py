"""``at``: what happened at one moment, on one screen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.main import main
from query.moment import Event, Moment
from query.moment_lines import lines
from query.render import Look
from query.width import display_width
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

STATE: dict[str, Any] = {
    "power": -6.5,
    "battery_pct": 82.0,
    "status": "Discharging",
    "on_ac": 0,
    "cpu_total": 34.0,
    "cpu_freq": 1800.0,
    "cpu_temp": 61.2,
    "load1": 1.2,
    "governor": "ondemand",
    "brightness": 40.0,
    "radios": "wlan",
    "throttled": "",
}
PROCESSES = [(1, "firefox", 135.0, 12.0), (2, "Xorg", 12.0, 3.0)]


def shown(recording: Recording, capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    recording.database.commit()
    assert main(["--db", str(recording.path), "at", *argv, "--width", "53"], lambda: NOON + 3_600) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) <= 24
    assert all(display_width(row) <= 53 for row in rows)
    return [" ".join(row.split()) for row in rows]


def found(query: Query, moment: float) -> dict[str, Any]:
    ran = query("at", str(moment))
    assert (ran.status, ran.err) == (0, "")
    told: dict[str, Any] = json.loads(ran.out)
    return told


def test_one_screen_shows_measurements_and_processes(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.run(started=NOON - 5)
    for index in range(30):
        recording.sample(NOON + 5 * index, **STATE, processes=PROCESSES, cores=[80.0, None, 3.0])
    rows = shown(recording, capsys, "12:01:03")
    assert rows[:5] == [
        "2026-11-21 12:01:03",
        "battery 82 %, discharging, 6.50 W out, no mains",
        "CPU 34.0 %, 1800 MHz, 61.2 °C, not throttled",
        "cores 80 - 3 %",
        "machine governor ondemand, load 1.20,",
    ]
    assert rows[5] == "screen 40 %, radios wlan"
    around = [row for row in rows if row.startswith("12:")]
    assert [row.split()[0] for row in around] == [f"12:0{at}" for at in ("0:50", "0:55", "1:00")] + [
        f"12:01:{at}" for at in ("05", "10", "15", "20")
    ]
    assert [row.endswith("<") for row in around] == [False] * 3 + [True] + [False] * 3
    assert rows[-3:] == ["firefox 135.0 12.0 -", "Xorg 12.0 3.0 -", "no event within 10 min"]


@pytest.mark.parametrize(
    ("moment", "sample"),
    [
        (NOON + 10, NOON + 10),
        (NOON + 10.1, NOON + 15),
        (NOON + 14.9, NOON + 15),
        (NOON - 4, NOON),
        (NOON + 45, NOON + 45),
        (NOON + 94, NOON + 45),  # there is no later sample, and this one is not old yet
    ],
)
def test_the_sample_of_a_moment_is_the_one_whose_interval_contains_it(
    recording: Recording, query: Query, moment: float, sample: float
) -> None:
    recording.samples(NOON, 10, power=-5.0)
    told = found(query, moment)
    assert told["sample"]["time"] == sample
    assert told["sample"] in told["around"]


def test_events_have_the_time_of_the_sample_that_shows_them_first(recording: Recording, query: Query) -> None:
    recording.run(started=NOON - 5)
    recording.sample(NOON, **STATE)
    recording.sample(NOON + 5, **STATE | {"on_ac": 1, "status": "Charging"})
    recording.sample(NOON + 10, **STATE | {"on_ac": 1, "status": "Charging", "throttled": "frequency capped"})
    recording.sample(NOON + 15, **STATE | {"on_ac": 1, "status": "Charging", "brightness": 80.0})
    recording.run(started=NOON + 60)
    recording.sample(NOON + 65, **STATE | {"governor": "performance", "radios": ""})
    assert [(event["time"] - NOON, event["what"]) for event in found(query, NOON + 5)["events"]] == [
        (5, "plugged in, battery: charging"),
        (10, "throttled: frequency capped"),
        (15, "no longer throttled, brightness 80 %"),
        (15, "sampler stopped for 45 s"),
        (
            65,
            ", ".join(
                (
                    "the sampler started",
                    "unplugged",
                    "battery: discharging",
                    "governor performance",
                    "brightness 40 %",
                    "radios on: none",
                )
            ),
        ),
    ]


def test_a_value_that_was_unknown_before_is_not_a_change(recording: Recording, query: Query) -> None:
    recording.sample(NOON, **STATE | {"governor": None, "on_ac": None})
    recording.sample(NOON + 5, **STATE)
    recording.sample(NOON + 10, **STATE | {"status": None})
    recording.sample(NOON + 15, **STATE)
    assert found(query, NOON + 5)["events"] == []


def test_a_moment_without_a_sample_shows_its_hole(
    recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.run(started=NOON - 5)
    recording.samples(NOON, 5, power=-5.0)
    recording.sample(NOON + 1_200, interval=5.0, suspended=1_175.0, power=-5.0)
    recording.samples(NOON + 1_205, 5, power=-5.0)
    rows = shown(recording, capsys, "12:10")
    assert rows[1] == "no record asleep, 12:00:20 to 12:19:55"
    assert rows[-1] == "12:00:20 asleep for 19.6 min"


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("11:00", "nothing was recorded at 2026-11-21 11:00:00; the nearest sample is 60.0 min after it: "),
        ("12:30", "nothing was recorded at 2026-11-21 12:30:00; the nearest sample is 29.2 min before it: "),
        ("soon", "'soon' is not a time; give 2026-11-24"),
    ],
)
def test_a_moment_without_any_data_is_reported(
    recording: Recording, query: Query, time: str, told: str
) -> None:
    recording.samples(NOON, 10, power=-5.0)
    ran = query("at", time, now=NOON + 3_600)
    assert ran.status in (1, 2)
    assert ran.err.startswith(f"telemetry-query: at: {told}")
    assert ran.err.count("\n") == 1


def test_an_empty_database_says_so(query: Query) -> None:
    assert query("at", "now").err == "telemetry-query: at: database is empty: is telemetry-writer running?\n"


def test_dropped_samples_are_reported_as_dropped(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 10, power=-5.0)
    recording.database.execute("UPDATE history SET raw_since = ?", (int(NOON),))
    ran = query("at", "11:00")
    assert "at: single samples are kept from 2026-11-21 12:00:00 on" in ran.err


_values = (
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=60)
    | st.binary(max_size=9)
)
_samples = st.fixed_dictionaries(
    dict.fromkeys(("time", "interval", *STATE), _values),
)
_processes = st.fixed_dictionaries(dict.fromkeys(("name", "cpu", "mem", "app"), _values))
_holes = st.fixed_dictionaries(
    {"start": st.floats(0, 1e10), "end": st.floats(0, 1e10), "cause": st.text(max_size=60)}
)


@given(
    st.builds(
        Moment,
        time=st.floats(0, 1e11),
        sample=st.none() | _samples,
        hole=st.none() | _holes,
        around=st.lists(_samples, max_size=7),
        cores=st.lists(st.none() | st.floats(0, 100), max_size=300),
        processes=st.lists(_processes, max_size=5),
        events=st.lists(st.builds(Event, time=st.floats(0, 1e11), what=st.text(max_size=70)), max_size=9),
    ),
    st.integers(20, 120),
)
def test_the_screen_fits_whatever_is_stored(moment: Moment, width: int) -> None:
    rows = list(lines(moment, Look(width)))
    assert rows
    assert all(row.isprintable() and display_width(row) <= width for row in rows)
