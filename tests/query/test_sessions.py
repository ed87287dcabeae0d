"""The report sessions: stored and computed sessions in one list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query.battery_reports import SESSION_KINDS as KINDS
from telemetry import sessions as rules
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.strategies import or_none
from tests.telemetry.fortnight import Laptop, fortnight
from writer.rollups import sessions as stored
from writer.rollups.marks import sessions_until

HOUR = 3600


def record(recording: Recording, laptop: Laptop) -> None:
    """Store the samples of a simulated laptop."""
    recording.database.execute(
        "INSERT INTO battery_health VALUES (?, 'BAT0', ?, ?, 'Wh', 1)",
        (laptop.rows[0].time, laptop.known.full, laptop.known.full),
    )
    run_id: int | None = None
    for row in laptop.rows:
        if row.run_id != run_id:
            run_id = row.run_id
            recording.run(started=row.time - 30)
        recording.sample(
            row.time,
            interval=row.interval,
            suspended=row.asleep,
            power=row.watts,
            status=row.status,
            battery_pct=row.pct,
            battery_level=row.level,
            voltage=row.voltage,
        )


def roll_up(recording: Recording, until: float) -> None:
    """Store sessions up to this hour, as the writer does."""
    until = int(until) // HOUR * HOUR
    while step := stored.read(recording.database, until):
        stored.write(recording.database, step)


@pytest.fixture(scope="module")
def laptop() -> Laptop:
    return fortnight(seed=11)


@pytest.fixture(scope="module")
def recorded(laptop: Laptop) -> Iterator[Recording]:
    """Two weeks of the simulated laptop, to copy."""
    with Recording(Path(":memory:")) as recording:
        record(recording, laptop)
        yield recording


@pytest.mark.slow
def test_the_work_left_by_the_writer_is_bounded(
    recording: Recording, query: Query, laptop: Laptop, recorded: Recording
) -> None:
    """After an upgrade of a large database: the newest sessions, and what is missing."""
    recording.copy(recorded)
    whole = query("sessions").rows
    for back in (1, 2, 3):  # the same two weeks, earlier
        earlier = [row._replace(time=row.time - back * 15 * 86_400) for row in laptop.rows]
        recording.run(started=earlier[0].time - 30)
        for row in earlier:
            recording.sample(row.time, power=row.watts, status=row.status, battery_pct=row.pct)
    found = query("sessions")
    assert "are missing until telemetry-writer has stored them\n" in found.err
    assert query("energy").err == found.err
    assert found.rows[-len(whole) + 1 :] == whole[1:]
    roll_up(recording, laptop.time)
    assert query("sessions").err == ""


def test_health_knows_discharges_that_are_not_stored_yet(
    recording: Recording, query: Query, laptop: Laptop, recorded: Recording
) -> None:
    recording.copy(recorded)
    before = query("health", "--by", "charge").rows
    assert len(before) > 5
    roll_up(recording, laptop.time)
    assert query("health", "--by", "charge").rows == before


def test_two_weeks_give_the_true_sessions_in_the_report(
    recording: Recording, query: Query, laptop: Laptop, recorded: Recording
) -> None:
    recording.copy(recorded)
    roll_up(recording, laptop.time)
    rows = query("sessions").rows
    assert [(row["kind"], row["start"], row["end"], row["flips"]) for row in rows] == [
        (true.kind, true.start, true.end, true.flips) for true in laptop.truth
    ]
    for row, true in zip(rows, laptop.truth, strict=True):
        if true.kind in ("discharge", "charge"):
            assert row["wh"] == (true.discharged_uj - true.charged_uj) / 3.6e9
            assert row["watts"] == pytest.approx(abs(row["wh"]) * 3600 / row["awake_s"])


@pytest.mark.parametrize("hours", [0, 100, 1, 30, 200])
@pytest.mark.fast_cases(2)
def test_stored_and_computed_sessions_are_one_list(
    recording: Recording, query: Query, laptop: Laptop, recorded: Recording, hours: int
) -> None:
    recording.copy(recorded)
    before = query("sessions").out
    roll_up(recording, laptop.rows[0].time + hours * HOUR)
    assert query("sessions").out == before


@pytest.mark.slow
def test_kind_selects_sessions(recording: Recording, query: Query, recorded: Recording) -> None:
    recording.copy(recorded)
    rows = query("sessions").rows
    for kind in KINDS:
        found = query("sessions", "--kind", kind).rows
        assert found == [row for row in rows if row["kind"] == kind] != []


def test_sessions_that_overlap_the_window(recording: Recording, query: Query, recorded: Recording) -> None:
    recording.copy(recorded)
    rows = query("sessions").rows
    sleep = next(row for row in rows if row["kind"] == "sleep")
    within = str(sleep["start"] + 60), str(sleep["start"] + 120)
    found = query("sessions", "--since", within[0], "--until", within[1]).rows
    assert sleep in found
    assert {row["kind"] for row in found} == {"discharge", "sleep"}


@pytest.mark.slow
def test_a_limit_shows_the_newest(recording: Recording, query: Query, recorded: Recording) -> None:
    recording.copy(recorded)
    rows = query("sessions").rows
    assert query("sessions", "--limit", "3").rows == rows[-3:]
    assert query("sessions", "--limit", "999").rows == rows
    ran = query("sessions", "--limit", "3", "--since", "2026-01-01")
    assert ran.rows == rows[-3:]
    assert "there are more rows than the 3 shown" in ran.err


@pytest.mark.slow
def test_a_table_fits_80_columns(recording: Recording, query: Query, recorded: Recording) -> None:
    recording.copy(recorded)
    for width, shown in ((80, []), (95, ["wh_from"]), (200, ["end", "wh_from", "flips"])):
        out = query("sessions", "--format", "table", "--width", str(width)).out
        assert max(map(len, out.splitlines())) <= width
        head = out.split("---")[0]
        assert [name for name in ("end", "wh_from", "flips") if name in head] == shown


def test_it_has_the_documented_columns(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 200, power=-8.0, battery_pct=60.0)
    (row,) = query("sessions").rows
    assert list(row) == [
        *("kind", "start", "end", "awake_s", "asleep_s", "pct_from", "pct_to"),
        *("wh", "wh_from", "watts", "pct_per_hour", "flips"),
    ]


def test_a_machine_without_a_battery_has_none(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 200, cpu_total=5.0)
    ran = query("sessions")
    assert ran.rows == []
    assert "no session" in ran.err


def test_no_session_of_a_kind_does_not_mean_no_battery(recording: Recording, query: Query) -> None:
    recording.samples(NOON, 200, power=-8.0, battery_pct=60.0)
    ran = query("sessions", "--kind", "sleep")
    assert (ran.status, ran.rows) == (0, [])
    assert ran.err == "telemetry-query: no session\n"


def test_the_kinds_are_those_of_telemetry_sessions() -> None:
    assert KINDS == rules.KINDS


ROW = st.fixed_dictionaries(
    {
        "step": st.sampled_from([5.0, 5.0, 5.0, 60.0, 300.0, 700.0, 40_000.0]),
        "interval": or_none(st.sampled_from([5.0, 60.0, 130.0, -3.0])),
        "suspended": or_none(st.sampled_from([0.0, 0.0, 59.0, 30_000.0])),
        "power": or_none(st.sampled_from([0.0, 0.04, -0.05, 1.0, 12.0, -8.0])),
        "status": or_none(st.sampled_from(["Discharging", "Charging", "Full", "Not charging", "Unknown"])),
        "battery_pct": or_none(st.sampled_from([0.0, 12.0, 38.5, 66.0, 95.0, 100.0])),
        "battery_level": or_none(st.sampled_from([0.0, 5.0, 20.0])),
        "new_run": st.booleans(),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=40), st.integers(0, 3))
def test_every_microjoule_of_energy_is_in_exactly_one_session(
    tmp_path: Path, drawn: list[dict[str, Any]], hours: int
) -> None:
    path = tmp_path / "drawn.db"
    path.unlink(missing_ok=True)
    with Recording(path) as recording:
        time = NOON
        recording.run()
        for row in drawn:
            values = dict(row)
            time += values.pop("step")
            if values.pop("new_run"):
                recording.run(started=time)
            recording.sample(time, **values)
        roll_up(recording, NOON + hours * HOUR)
        machine = rules.Sessions.read(
            *recording.database.execute(
                "SELECT (SELECT state FROM session_state ORDER BY until DESC LIMIT 1)"
            ).fetchone()
        )
        since = sessions_until(recording.database)
        names = ", ".join(rules.Row._fields)
        rows = recording.database.execute(
            f"SELECT {names} FROM session_row WHERE time >= ? ORDER BY time, ts", (since,)
        ).fetchall()
        found = [*machine.follow(rows, []), *machine.now()]
        for name in ("discharged_uj", "charged_uj"):
            (total,) = recording.database.execute(f"SELECT TOTAL({name}) FROM session").fetchone()
            total += sum(getattr(session, name) for session in found)
            assert recording.database.execute(f"SELECT TOTAL({name}) FROM system_sums").fetchone() == (total,)
