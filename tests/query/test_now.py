"""The reports battery and status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from query.database import KNOWN_SCHEMA
from query.main import main
from telemetry.sample import Health
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.writer.samples import BATTERY, NOW, sample
from writer.store import Store

# --- battery ---------------------------------------------------------------------------------------


def test_battery_shows_the_newest_sample(recording: Recording, query: Query) -> None:
    recording.health(NOON - 100, "BAT0", 4.5, 5.0, 80)
    recording.health(NOON - 50, "BAT0", 4.0, 5.0, 81)
    recording.sample(NOON - 60, battery_pct=51)
    recording.sample(NOON, power=-6.0, voltage=3.8, battery_pct=50, status="Discharging", battery_level=2.0)
    assert query("battery").rows == [
        {
            "name": "BAT0",
            "status": "Discharging",
            "battery_pct": 50,
            "watts": 6,
            "voltage": 3.8,
            "full": 4,
            "design": 5,
            "unit": "Ah",
            "health_pct": 80,
            "cycles": 81,
            "told": NOON - 50,
            "level": 2,
            "time": NOON,
        }
    ]
    (row,) = query("battery", "--at", str(NOON - 60)).rows
    assert (row["battery_pct"], row["health_pct"], row["cycles"]) == (51, 90, 80)
    assert query("status").rows[0]["battery_health_pct"] == 80


def test_each_pack_has_a_row(recording: Recording, query: Query) -> None:
    recording.health(NOON, "BAT1", 40.0, 50.0)
    recording.sample(NOON, power=-6.0, battery_pct=50, status="Discharging")
    recording.pack("BAT1", status="Discharging", power=-6.0, pct=20.0)
    recording.pack("BAT0", status="Unknown", power=0.0, pct=80.0)
    columns = ("name", "status", "watts", "battery_pct", "health_pct")
    assert [tuple(row[column] for column in columns) for row in query("battery").rows] == [
        ("all packs", "Discharging", 6, 50, 80),
        ("BAT0", "Unknown", 0, 80, None),
        ("BAT1", "Discharging", 6, 20, None),
    ]


@pytest.mark.parametrize("name", ["BAT0", "BAT1"])
def test_battery_shows_the_pack_that_is_inserted_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Packs A, B, A with ten samples each, imported; in one bay and in two."""
    a, b = Health(40.0, 50.0, "Wh", 210), Health(60.0, 64.0, "Wh", 12)
    with Store(tmp_path / "telemetry.db") as store:
        for number, (bay, health) in enumerate([("BAT0", a)] * 10 + [(name, b)] * 10 + [("BAT0", a)] * 10):
            one = sample(number + 1)
            store.append([one._replace(battery=BATTERY._replace(name=bay, health=health))], NOW)
    argv = ["--db", str(tmp_path / "telemetry.db"), "battery", "--format", "json"]
    assert main(argv, lambda: NOW + 200.0) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["full"], row["design"], row["cycles"]) == ("BAT0", 40, 50, 210)


def test_a_battery_without_health(recording: Recording, query: Query) -> None:
    recording.sample(NOON, battery_pct=50)
    (row,) = query("battery").rows
    assert (row["name"], row["battery_pct"], row["health_pct"]) == (None, 50, None)


def test_a_machine_without_a_battery(recording: Recording, query: Query) -> None:
    recording.sample(NOON, cpu_total=5.0)
    assert query("battery").err == "telemetry-query: no battery seen\n"


# --- the age of the newest sample ---


@pytest.mark.parametrize("report", ["battery", "drain", "top", "recent"])
@pytest.mark.parametrize(
    ("interval", "age", "said"),
    [
        (5.0, 50, ""),
        (5.0, 51, "51 s old"),
        (60.0, 600, ""),
        (60.0, 601, "10.0 min old"),
        (5.0, 3 * 3600, "3.0 h old"),
        (5.0, 72 * 3600, "3.0 d old"),
        (5.0, -3600, ""),
        (None, 600, ""),
        (None, 601, "10.0 min old"),
    ],
)
def test_an_old_sample_is_reported(
    recording: Recording, query: Query, report: str, interval: float | None, age: float, said: str
) -> None:
    on_battery(recording, NOON, interval=interval)
    ran = query(report, now=NOON + age)
    shown = "2026-11-21 12:00:00"
    told = [line for line in ran.err.splitlines() if "newest sample" in line]
    assert told == ([f"telemetry-query: the newest sample is {said}: {shown}"] if said else [])
    assert [row["time"] for row in ran.rows] == [NOON]
    assert "12:00:00" in query(report, "--format", "table", now=NOON + age).out


@pytest.mark.parametrize("report", ["battery", "drain", "top", "recent"])
def test_the_age_in_a_window_counts_to_its_end(recording: Recording, query: Query, report: str) -> None:
    on_battery(recording, NOON)
    on_battery(recording, NOON + 90_000)
    now = NOON + 90_000
    assert query(report, "--until", str(NOON + 50), now=now).err == ""
    assert query(report, "--until", str(NOON + 7200), now=now).err == (
        "telemetry-query: the newest sample is 2.0 h older than the end of the window: 2026-11-21 12:00:00\n"
    )
    assert query(report, "--until", str(now + 3600), now=now).err == ""


def test_other_reports_do_not_report_its_age(recording: Recording, query: Query) -> None:
    on_battery(recording, NOON, cores=[5.0])
    for report in ("energy", "hotspots", "cores", "correlate --rows", "export", "status"):
        assert query(*report.split(), now=NOON + 90_000).err == ""


def on_battery(recording: Recording, time: float, **columns: Any) -> None:
    row: dict[str, Any] = {"power": -6.0, "battery_pct": 50, "status": "Discharging"} | columns
    recording.sample(time, **{"processes": [(1, "a", 1.0, 1.0)]} | row)


# --- the sign of watts ---


@pytest.mark.parametrize("power", [-6.0, 6.0, 0.0])
def test_watts_are_positive_in_every_report(recording: Recording, query: Query, power: float) -> None:
    on_battery(recording, NOON, power=power, energy_uj=round(power * 5e6))
    recording.pack("BAT0", power=power)
    for report in ("battery", "recent", "correlate --rows", "export"):
        assert {row["watts"] for row in query(*report.split()).rows} == {abs(power)}
    (row,) = query("drain").rows
    assert row["avg_watts"] == (6 if power < 0 else None)
    (row,) = query("energy").rows
    assert min(row["discharged_wh"], row["charged_wh"]) == 0
    assert row["discharged_wh"] + row["charged_wh"] == pytest.approx(abs(power) * 5 / 3600)


# --- status ----------------------------------------------------------------------------------------


def test_status(recording: Recording, query: Query) -> None:
    recording.run()
    recording.samples(NOON - 100, 10)
    recording.run()
    recording.samples(NOON - 50, 5, skip=2)
    recording.database.execute("INSERT INTO gap VALUES (1, 3, 5, 0), (2, 1, 10, 0)")
    (row,) = query("status").rows
    size = sum(
        path.stat().st_size for path in recording.path.parent.glob("telemetry.db*") if "shm" not in path.name
    )
    assert row == {
        "database": str(recording.path),
        "bytes": size,
        "schema": KNOWN_SCHEMA,
        "runs": 2,
        "samples": 15,
        "oldest": NOON - 100,
        "newest": NOON - 30,
        "newest_age_s": 30,
        "last_gap": NOON - 30,
        "last_gap_cause": "sampler stopped",
        "gaps": 2,
        "samples_lost": 13,
        "misdated": 0,
        "rollup_differences": 0,
        "losses": 0,
        "rolled_up_until": None,
        "raw_since": NOON - 100,
        "dropped_for": None,
        "days_fit": None,
        "on_ac": None,
        "throttled": None,
        "battery_health_pct": None,
    }
    (row,) = query("status", "--since", str(NOON - 60), "--until", str(NOON - 40)).rows
    assert (row["samples"], row["oldest"], row["newest"]) == (4, NOON - 60, NOON - 45)


def test_status_shows_the_current_state_of_the_machine(recording: Recording, query: Query) -> None:
    recording.sample(NOON - 5, on_ac=0, throttled="")
    recording.sample(NOON, on_ac=1, throttled="undervoltage")
    (row,) = query("status").rows
    assert (row["on_ac"], row["throttled"]) == (1, "undervoltage")


def test_status_of_an_empty_database(recording: Recording, query: Query) -> None:
    ran = query("status")
    (row,) = ran.rows
    assert (row["samples"], row["oldest"], row["newest"], row["newest_age_s"]) == (0, None, None, None)
    assert ran.err == "telemetry-query: database is empty: is telemetry-writer running?\n"
