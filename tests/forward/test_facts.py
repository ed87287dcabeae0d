"""Energy by program, sessions and health: sent once, and again where they change."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.forward.machine import Machine
from tests.query.recordings import NOON, Recording

DAY = 86_400
MIDNIGHT = int(NOON) // DAY * DAY
HOST = ("host", "pi4")


@pytest.fixture
def day(machine: Machine) -> Recording:
    """A closed day with two programs that have several owners each."""
    machine.now = NOON + 2 * DAY
    recording = Recording(machine.database)
    recording.run(started=NOON)
    recording.sample(NOON)
    recording.database.executemany(
        "INSERT INTO process_name (name_id, name, app, user) VALUES (?, ?, ?, ?)",
        [(1, "firefox", "web", "ada"), (2, "firefox", None, "bob"), (3, "vim", "web", "ada")],
    )
    close_day(recording, MIDNIGHT, {-1: 1000, -20: 50, 1: 300, 2: 200, 3: 100})
    return recording


def close_day(recording: Recording, day: int, parts: dict[int, int]) -> None:
    """Store the energy of one hour of a day, as the writer does when it closes the day."""
    database = recording.database
    database.execute("DELETE FROM energy_hour WHERE bucket >= ? AND bucket < ?", (day, day + DAY))
    database.executemany(
        "INSERT INTO energy_hour VALUES (?, ?, ?, ?, ?, 1)",
        [(day + 3600, name, uj, uj // 10, 7) for name, uj in parts.items()],
    )
    database.execute(
        "INSERT OR REPLACE INTO energy_model (day, idle, blocks, battery_us, delay, averaged) "
        "VALUES (?, 1, 1, 1, 0, 1)",
        (day,),
    )
    database.commit()


def energy(machine: Machine, tag: str = "name") -> dict[str, float]:
    return {
        dict(tags)[tag]: fields["uj"]
        for (_, tags, _), fields in machine.engine.of("telemetry_energy_hour").items()
    }


def test_energy_by_program_and_hour_sums_to_the_stored_energy(machine: Machine, day: Recording) -> None:
    machine.send()
    assert energy(machine) == {"(idle)": 1000, "(unattributed)": 50, "firefox": 500, "vim": 100}
    key = ("telemetry_energy_hour", (HOST, ("name", "firefox")), (MIDNIGHT + 3600) * 1_000_000_000)
    assert machine.engine.points[key] == {"uj": 500, "pm_uj": 50, "cpu_us": 14}
    assert machine.send(after=300) == 0


def test_energy_is_tagged_by_app_if_processes_are(machine: Machine, day: Recording) -> None:
    machine.choice = machine.choice._replace(by="app")
    machine.send()
    assert energy(machine, "app") == {"(idle)": 1000, "(unattributed)": 50, "web": 400, "firefox": 200}


def test_a_day_that_is_closed_again_is_resent_with_zeros_for_removed_points(
    machine: Machine, day: Recording
) -> None:
    machine.send()
    close_day(day, MIDNIGHT, {-1: 900, -20: 50, 1: 700})
    assert machine.send(after=300) == 1
    assert energy(machine) == {"(idle)": 900, "(unattributed)": 50, "firefox": 700, "vim": 0}
    machine.restart()
    assert machine.send(after=300) == 0
    close_day(day, MIDNIGHT, {-1: 900, -20: 50, 1: 600, 3: 100})
    machine.send(after=300)
    assert energy(machine) == {"(idle)": 900, "(unattributed)": 50, "firefox": 600, "vim": 100}


def test_hours_that_were_folded_into_their_day_stay_as_sent(machine: Machine, day: Recording) -> None:
    machine.send()
    day.database.execute("DELETE FROM energy_hour")
    day.database.execute("UPDATE history SET energy_hour_since = ?", (MIDNIGHT + DAY,))
    day.database.commit()
    assert machine.send(after=300) == 0
    assert sum(energy(machine).values()) == 1650


def test_old_days_are_checked_in_turn(machine: Machine, day: Recording) -> None:
    for back in range(1, 40):
        close_day(day, MIDNIGHT - back * DAY, {-1: back})
    machine.send()
    assert sum(energy_of_all(machine)) == 1650 + sum(range(1, 40))
    close_day(day, MIDNIGHT - 30 * DAY, {-1: 1_000_000})
    for _ in range(5):
        machine.send(after=300)
    assert sum(energy_of_all(machine)) == 1650 + sum(range(1, 40)) - 30 + 1_000_000


def energy_of_all(machine: Machine) -> list[float]:
    return [fields["uj"] for fields in machine.engine.of("telemetry_energy_hour").values()]


def test_recreated_sessions_are_sent_again(machine: Machine, day: Recording) -> None:
    day.session("discharge", NOON - 7200.5, NOON - 3600, wh=1.5, pct_from=90.0, pct_to=80.0, flips=2)
    day.session("hole", NOON - 3600, NOON, awake_us=None, covered_us=0)
    day.database.commit()
    machine.send()
    key = ("telemetry_session", (HOST, ("name", "discharge")), round((NOON - 7200.5) * 1000) * 1_000_000)
    assert machine.engine.points[key] == {
        "duration_s": 3600.5,
        "awake_us": 3_600_500_000,
        "covered_us": 3_600_500_000,
        "discharged_uj": 0,
        "charged_uj": 0,
        "drawn_uj": 5_400_000_000,
        "pct_from": 90.0,
        "pct_to": 80.0,
        "pct_fallen": 10.0,
        "flips": 2,
    }
    assert machine.engine.names("telemetry_session") == {"discharge", "hole"}
    day.database.execute(
        "DELETE FROM session"
    )  # a late row removes the sessions, and the writer recreates them
    day.session("discharge", NOON - 7000, NOON - 3600, wh=1.25)
    day.database.commit()
    machine.send(after=300)
    assert machine.engine.total("telemetry_session", "drawn_uj") == 1.25 * 3.6e9
    assert machine.engine.total("telemetry_session", "duration_s") == 3400.0


def test_battery_health_is_sent_in_its_unit(machine: Machine, day: Recording) -> None:
    day.health(NOON, "BAT0", 3.0, 3.5, 10)
    day.database.execute("INSERT INTO battery_health VALUES (?, 'BAT1', 40.0, NULL, 'Wh', NULL)", (NOON + 1,))
    day.database.commit()
    machine.send()
    found = {
        dict(tags)["name"]: fields for (_, tags, _), fields in machine.engine.of("telemetry_health").items()
    }
    assert found == {"BAT0": {"full_ah": 3.0, "design_ah": 3.5, "cycles": 10}, "BAT1": {"full_wh": 40.0}}


def test_a_restored_database_without_the_points_does_not_zero_them(
    machine: Machine, day: Recording, tmp_path: Path
) -> None:
    day.sample(NOON + 60)
    day.database.commit()
    with sqlite3.connect(tmp_path / "backup") as backup:
        day.database.backup(backup)
    backup.close()
    day.session("discharge", NOON - 7200, NOON - 3600, wh=1.5)
    day.session("rest", NOON - 9200, NOON - 7200)
    day.sample(NOON + 120)
    day.database.commit()
    machine.send()
    day.database.close()
    for part in tmp_path.glob("telemetry.db*"):
        part.unlink()
    shutil.copy(tmp_path / "backup", machine.database)
    with sqlite3.connect(machine.database) as database:
        database.execute(
            "INSERT INTO session "
            "(session_id, kind, start, stop, covered_us, discharged_uj, charged_uj, flips) "
            "VALUES (1, 'rest', ?, ?, 0, 0, 0, 0)",
            (NOON - 9200, NOON - 7200),
        )
    database.close()
    machine.send(after=300)
    machine.send(after=300)
    assert machine.engine.total("telemetry_session", "drawn_uj") == 1.5 * 3.6e9
