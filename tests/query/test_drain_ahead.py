"""The time left that drain shows, worked out by hand. The pack holds 6 Ah at 4 V: 0.24 Wh a percent."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest

from query.time_left import LITTLE
from telemetry.sessions import Row, Sessions
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

PERCENT = 0.24


def row(query: Query, *argv: str) -> dict[str, Any]:
    (found,) = query("drain", *argv).rows
    return dict(found)


def with_pack(recording: Recording) -> None:
    recording.health(NOON - 1, "BAT0", 6.0, 6.0)
    recording.run()


def on_battery(recording: Recording, first: float, count: int, pct: float, **columns: Any) -> None:
    plain: dict[str, Any] = {"power": -6.0, "voltage": 4.0, "status": "Discharging", "battery_pct": pct}
    recording.samples(first, count, **plain | columns)


def on_mains(recording: Recording, first: float, count: int, pct: float, **columns: Any) -> None:
    plain: dict[str, Any] = {"power": 12.0, "voltage": 4.0, "status": "Charging", "battery_pct": pct}
    recording.samples(first, count, **plain | columns)


def test_nominal_energy_over_power(recording: Recording, query: Query) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 120, 60)
    found = row(query)
    # 59 to 3 %, half of the second, and half a twentieth of the 60th: more was drawn than it has
    assert found["hours_left"] == pytest.approx((57 + 0.5 + 0.05 / 2) * PERCENT / 6)
    assert found["hours_left_low"] < found["hours_left"] < found["hours_left_high"]
    assert found["hours_to_full"] is None


def test_a_row_that_reaches_back_over_others_gives_no_hours(recording: Recording, query: Query) -> None:
    """Its interval is longer than the time since they were taken, and its own energy is unknown."""
    recording.run()
    recording.sample(NOON, status="Discharging", energy_uj=-1000)
    recording.sample(NOON + 72, energy_uj=4 * 10**8, interval=3600.0)
    recording.sample(NOON + 118, status="Discharging", battery_pct=46.0, interval=574.0)
    assert row(query)["hours_left"] is None


@pytest.mark.parametrize("after", [0, 1, 5, 30, 200])
def test_an_answer_from_the_first_sample_of_a_discharge(
    recording: Recording, query: Query, after: int
) -> None:
    with_pack(recording)
    # Power before the charge does not count as present power.
    on_battery(recording, NOON, 200, 90, power=-1.0)
    on_mains(recording, NOON + 1000, 200, 85)
    on_battery(recording, NOON + 2000, after + 1, 85)
    ran = query("drain")
    (found,) = ran.rows
    assert found["hours_left"] == pytest.approx(82.75 * PERCENT / 6, rel=0.01)
    assert LITTLE in ran.err


def test_without_a_capacity_the_range_is_wide(recording: Recording, query: Query) -> None:
    recording.run()
    on_battery(recording, NOON, 60, 60)
    ran = query("drain")
    (found,) = ran.rows
    assert found["hours_left_high"] > 5 * found["hours_left_low"]
    assert LITTLE in ran.err


def test_power_returns_to_that_of_the_last_weeks(recording: Recording, query: Query) -> None:
    """20 hours at 6 W, now 18 W: the time is longer than at 18 W and shorter than at 6 W."""
    with_pack(recording)
    for hour in range(2, 22):
        rolled_up(recording, NOON - hour * 3600, 6.0, 3600)
    on_battery(recording, NOON, 60, 60)
    usual = row(query)
    on_battery(recording, NOON + 300, 120, 60, power=-18.0)
    now = row(query)
    assert now["avg_watts"] == pytest.approx(18)
    assert usual["hours_left"] / 3 < now["hours_left"] < usual["hours_left"] - 0.2
    assert usual["hours_left"] == pytest.approx(57.75 * PERCENT / 6, rel=0.01)


def test_hours_that_vary_widen_the_range(recording: Recording, query: Query) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 60, 60)
    widths = []
    for spread in (0.0, 0.2, 0.5):
        recording.database.execute("DELETE FROM system_hour")
        for hour in range(2, 42):
            rolled_up(recording, NOON - hour * 3600, 6 * (1 + spread * (-1) ** hour), 3600)
        found = row(query)
        widths.append(found["hours_left_high"] / found["hours_left_low"])
    assert widths == sorted(widths)
    assert len(set(widths)) == 3


@pytest.mark.parametrize(("hours_ago", "on_battery_s"), [(29 * 24, 3600), (2, 1000)], ids=["old", "short"])
def test_hours_long_ago_or_mostly_on_mains_do_not_count(
    recording: Recording, query: Query, hours_ago: int, on_battery_s: int
) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 60, 60)
    before = row(query)
    rolled_up(recording, NOON - hours_ago * 3600, 60.0, on_battery_s)
    assert row(query) == before


def rolled_up(recording: Recording, bucket: float, watts: float, seconds: float) -> None:
    columns = [name for _, name, *_ in recording.database.execute("PRAGMA table_info(system_hour)")]
    values = dict.fromkeys(columns, 0) | {
        "bucket": int(bucket),
        "discharged_uj": round(watts * seconds * 1e6),
        "drain_us": round(seconds * 1e6),
        "drain_energy_us": round(seconds * 1e6),
    }
    marks = ", ".join(f":{name}" for name in columns)
    recording.database.execute(f"INSERT INTO system_hour VALUES ({marks})", values)


# --- learning from earlier discharges --------------------------------------------------------------


def session(
    recording: Recording,
    kind: str,
    stop: float,
    *,
    pack: str | None = "BAT0",
    wh_per_percent: float = 0.0,
    **columns: Any,
) -> None:
    """Store a finished session; a discharge visited each percent from 99 to 1 once."""
    values = {
        "kind": kind,
        "start": stop - 3600,
        "stop": stop,
        "covered_us": 0,
        "discharged_uj": 0,
        "charged_uj": 0,
        "flips": 0,
        "pack": pack,
        **columns,
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    (number,) = recording.database.execute(
        f"INSERT INTO session ({names}) VALUES ({marks}) RETURNING session_id", tuple(values.values())
    ).fetchone()
    recording.database.executemany(
        "INSERT INTO session_percent VALUES (?, ?, ?, 1)",
        [(number, percent, round(wh_per_percent * 3.6e9)) for percent in range(1, 100) if wh_per_percent],
    )


def hours_left(recording: Recording, query: Query) -> float:
    on_battery(recording, NOON, 120, 60)
    return float(row(query)["hours_left"])


def test_energy_per_percent_is_learned(recording: Recording, query: Query) -> None:
    with_pack(recording)
    for day in range(1, 20):
        session(recording, "discharge", NOON - day * 86_400, wh_per_percent=0.12)
    assert hours_left(recording, query) == pytest.approx(57.5 * 0.12 / 6, rel=0.02)
    assert query("drain").err == ""


@pytest.mark.parametrize(
    ("kind", "pack", "at"),
    [("discharge", "BAT1", -86_400), ("discharge", None, -86_400), ("discharge", "BAT0", 86_400)],
    ids=["another pack", "no pack", "later"],
)
def test_other_discharges_do_not_count(
    recording: Recording, query: Query, kind: str, pack: str | None, at: float
) -> None:
    with_pack(recording)
    for _ in range(20):
        session(recording, kind, NOON + at, pack=pack, wh_per_percent=0.12)
    assert hours_left(recording, query) == pytest.approx(57.5 * PERCENT / 6, rel=0.02)


def test_the_newest_discharges_count(recording: Recording, query: Query) -> None:
    """A battery wears, so its capacity long ago does not matter now."""
    with_pack(recording)
    for day in range(150, 0, -1):
        session(recording, "discharge", NOON - day * 86_400, wh_per_percent=0.12 if day <= 60 else 0.24)
    assert hours_left(recording, query) == pytest.approx(57.5 * 0.12 / 6, rel=0.02)


@pytest.mark.parametrize(
    ("before", "hole", "after", "last"),
    [
        ("discharge", (12, 80), "discharge", 12),
        ("discharge", (12, 12), "charge", 12),
        ("discharge", (12, 12), "discharge", 2),  # switched off and on
        ("rest", (12, 80), "discharge", 2),
        ("discharge", (35, 80), "discharge", 2),  # shut down by its user
        ("discharge", (12, None), "discharge", 2),
    ],
)
def test_the_discharge_ends_at_the_percent_at_which_it_died_before(
    recording: Recording,
    query: Query,
    before: str,
    hole: tuple[float, float | None],
    after: str,
    last: float,
) -> None:
    with_pack(recording)
    for day in range(3, 0, -1):
        end = NOON - day * 86_400
        session(recording, before, end, pct_to=hole[0])
        session(recording, "hole", end + 3600, pct_from=hole[0], pct_to=hole[1])
        session(recording, after, end + 7200)
    assert hours_left(recording, query) == pytest.approx((59.5 - last) * PERCENT / 6, rel=0.02)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE session_percent SET drawn_uj = 'text', visits = x'00'",
        "UPDATE session_percent SET drawn_uj = 1e300",
        "UPDATE session SET stop = 'text', pct_from = x'00'",
        "INSERT INTO session_state VALUES (0, 0, 'no state')",
        "INSERT INTO session_state VALUES (0, 0, '{}')",
        "INSERT INTO session_state VALUES (0, 0, x'00')",
        "INSERT INTO session_state VALUES (0, 0, '[1]')",
    ],
)
def test_damaged_sessions_cost_only_themselves(recording: Recording, query: Query, damage: str) -> None:
    with_pack(recording)
    session(recording, "discharge", NOON - 86_400, wh_per_percent=PERCENT)
    recording.database.execute(damage)
    assert hours_left(recording, query) == pytest.approx(57.5 * PERCENT / 6, rel=0.02)


def test_the_state_of_the_writer_saves_reading(recording: Recording, query: Query) -> None:
    """One hour of rows and the writer's state suffice for a discharge of several hours."""
    with_pack(recording)
    for minute in range(300):
        on_battery(recording, NOON + 60 * minute, 12, 90 - minute // 10)
    whole = row(query)
    known = [(NOON - 1, "BAT0", 6.0, "Ah")]
    sessions = Sessions()
    fields = ", ".join(Row._fields)
    of_rows = f"SELECT {fields} FROM session_row WHERE time < {NOON + 4 * 3600} ORDER BY time"
    sessions.follow(recording.database.execute(of_rows).fetchall(), known)
    state = (int(NOON + 4 * 3600), 0, sessions.text())
    recording.database.execute("INSERT INTO session_state VALUES (?, ?, ?)", state)
    by_state = row(query)
    assert by_state["hours_left"] > whole["hours_left"]  # 29 percents of 1 Wh were seen, not only three
    earlier = "UPDATE system_sample SET battery_pct = 5 WHERE time < ?"
    recording.database.execute(earlier, (NOON + 3 * 3600,))
    assert row(query)["hours_left"] == by_state["hours_left"]


# --- the end of the window -------------------------------------------------------------------------


def test_until_shows_what_was_known_then(recording: Recording, query: Query) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 100, 60)
    then = row(query)
    on_battery(recording, NOON + 500, 400, 59, power=-20.0)
    on_mains(recording, NOON + 2500, 100, 50)
    assert row(query, "--until", str(NOON + 497)) == then


@pytest.mark.parametrize("odd", ["text", b"blob", 1e300, float("inf")])
@pytest.mark.parametrize(
    "column", ["battery_pct", "power", "voltage", "interval", "suspended", "battery_level"]
)
@pytest.mark.fast_cases(8)
def test_a_damaged_value_does_not_damage_the_rest(
    recording: Recording, query: Query, column: str, odd: object
) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 200, 60)
    before = row(query)
    recording.database.execute(f"UPDATE system_sample SET {column} = ? WHERE time = ?", (odd, NOON + 900))
    assert row(query)["hours_left"] == pytest.approx(before["hours_left"], rel=0.02)


@pytest.mark.parametrize("odd", ["text", b"blob", 1e300, float("inf"), -1.0])
@pytest.mark.parametrize("column", ["full", "unit", "time", "name"])
@pytest.mark.parametrize("report", ["drain", "sessions"])
@pytest.mark.fast_cases(10)
def test_a_damaged_health_costs_only_itself(
    recording: Recording, query: Query, report: str, column: str, odd: object
) -> None:
    with_pack(recording)
    on_battery(recording, NOON, 200, 60)
    recording.database.execute(f"UPDATE battery_health SET {column} = ?", (odd,))
    assert len(query(report).rows) == 1


# --- charging --------------------------------------------------------------------------------------


def test_hours_to_full(recording: Recording, query: Query) -> None:
    """12 W for ten minutes are 2 Wh. A percent takes 0.24 Wh by the driver, and 0.4 Wh as learned."""
    with_pack(recording)
    for minute in range(10):
        on_mains(recording, NOON + 60 * minute, 12, 50 + minute // 2)
    found = row(query)
    per_percent = (2 + 5 * PERCENT) / (4 + 5)
    assert found["hours_to_full"] == pytest.approx(per_percent * (26 + 15 * (exp(20 / 15) - 1)) / 12)
    assert found["hours_left"] is None


@pytest.mark.parametrize(
    ("pct", "power", "status"), [(80, 0.5, "Full"), (100, 12.0, "Charging"), (80, None, "Charging")]
)
def test_full_or_without_power_there_are_no_hours_to_full(
    recording: Recording, query: Query, pct: float, power: float | None, status: str
) -> None:
    with_pack(recording)
    on_mains(recording, NOON, 100, pct, power=power, status=status)
    assert row(query)["hours_to_full"] is None
