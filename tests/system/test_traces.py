"""Real discharges from end to end: sysfs, sensor, wire format, writer, report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from sampler.battery import PowerSupplySensor
from sampler.cpu import CpuSensor
from sampler.load import LoadSensor
from sampler.processes import ProcessSensor
from sampler.sensors import Sampler, Sensor
from telemetry.sample import encode
from tests.sampler.fakes import SetClock
from tests.system.processes import DATA, System

BEGAN = 1_750_000_000.0
"""Unix time of a trace's first row."""


class Instant(NamedTuple):
    """One row of a trace: seconds since its start, and the values in sysfs."""

    at: float
    attributes: dict[str, str]


def samples(trace: Iterable[Instant], tree: Path, began: float = BEGAN) -> Iterator[bytes]:
    """Yield the messages that a sampler on the traced machine would have published."""
    supply = tree / "sys" / "class" / "power_supply" / "battery"
    supply.mkdir(parents=True, exist_ok=True)
    (tree / "proc").mkdir(exist_ok=True)
    clock = SetClock()
    sampler: Sampler | None = None
    before: dict[str, str] = {}
    for instant in trace:
        clock.wall, clock.awake = began + instant.at, instant.at
        attributes = {"type": "Battery", **instant.attributes}
        for name, value in attributes.items() - before.items():
            (supply / name).unlink(missing_ok=True)  # ext4 syncs a file that is truncated and rewritten
            (supply / name).write_text(f"{value}\n")
        before = attributes
        if sampler is None:
            sensors: dict[str, Sensor] = {
                "battery": PowerSupplySensor(tree / "sys"),
                "cpu": CpuSensor(tree / "sys", tree / "proc", clock.monotonic),
                "load": LoadSensor(tree / "proc"),
                "processes": ProcessSensor(Path("/proc"), 0, clock.monotonic, clock.boottime),
            }
            sampler = Sampler(sensors, clock, "traced", "boot")
        else:
            yield encode(sampler.sample())


def raspberry_pi() -> Iterator[Instant]:
    with (DATA / "traces" / "rpi4-upsplus-v5-discharge.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        yield Instant(
            float(row["Time (s)"]),
            {
                "status": "Discharging",
                "voltage_now": str(int(row["Volts (mV)"]) * 1000),
                "power_now": str(int(row["Power (mW)"]) * 1000),
                "capacity": row["Remaining %"],
            },
        )


def phone_rows() -> list[dict[str, str]]:
    with (DATA / "traces" / "phone-every-fifth-second.csv").open() as file:
        return list(csv.DictReader(file))


def phone() -> Iterator[Instant]:
    words = {
        "DISCHARGING": "Discharging",
        "CHARGING": "Charging",
        "FULL": "Full",
        "NOT_CHARGING": "Not charging",
    }
    for row in phone_rows():
        yield Instant(
            float(row["time"]),
            {
                "status": words[row["status"]],
                "voltage_now": str(int(row["voltage_mv"]) * 1000),
                "current_now": row["current_ua"],
                "capacity": row["percent"],
            },
        )


def imported(messages: Iterable[bytes], directory: Path) -> System:
    """Return a system whose database contains the messages."""
    lines = directory / "samples.jsonl"
    lines.write_bytes(b"".join(body + b"\n" for body in messages))
    system = System(directory)
    ran = system.run("writer.main", "--import", str(lines))
    assert ran.returncode == 0, ran.stderr
    return system


@pytest.fixture(scope="module")
def discharge(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The messages that a sampler on the Raspberry Pi would have published."""
    return list(samples(raspberry_pi(), tmp_path_factory.mktemp("discharge")))


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory, discharge: list[bytes]) -> System:
    return imported(discharge, tmp_path_factory.mktemp("pi"))


def test_the_raspberry_pi_uses_33_59_wh(pi: System) -> None:
    (energy,) = pi.query("energy")
    assert energy["discharged_wh"] == pytest.approx(33.59, rel=0.005)
    assert energy["charged_wh"] == 0
    assert energy["covered_s"] == pytest.approx(14911 - 78)
    assert energy["uncovered_s"] == pytest.approx(0, abs=1e-3)


def test_the_raspberry_pi_by_the_hour_adds_up_to_the_total(pi: System) -> None:
    (total,) = pi.query("energy")
    hours = pi.query("energy", "--by", "hour")
    assert len(hours) == 5  # 4 h 7 min, starting in the middle of an hour
    assert sum(hour["discharged_wh"] for hour in hours) == pytest.approx(total["discharged_wh"], rel=1e-12)
    assert sum(hour["covered_s"] for hour in hours) == pytest.approx(total["covered_s"], rel=1e-12)


def test_drain_of_the_raspberry_pi_matches_its_last_ten_minutes(pi: System) -> None:
    (drain,) = pi.query("drain")
    rows = [row for row in raspberry_pi() if row.at >= 14911 - 600]
    watts = [int(row.attributes["power_now"]) / 1e6 for row in rows]
    assert drain["avg_watts"] == pytest.approx(sum(watts) / len(watts), rel=0.005)
    assert drain["pct_per_hour"] < 0
    assert drain["hours_left"] < 0.1


@pytest.fixture(scope="module")
def pi_again(tmp_path_factory: pytest.TempPathFactory, discharge: list[bytes]) -> System:
    """The same discharge twice: by the second one, the first was learned."""
    directory = tmp_path_factory.mktemp("pi again")
    return imported([*discharge, *samples(raspberry_pi(), directory, AGAIN)], directory)


AGAIN = BEGAN + 86_400


@pytest.mark.parametrize("percent", [50, 75, 20])
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_time_left_of_the_raspberry_pi_is_right_the_second_time(pi_again: System, percent: int) -> None:
    rows = list(raspberry_pi())
    reached = next(row.at for row in rows if int(row.attributes["capacity"]) <= percent)
    truth = (rows[-1].at - reached) / 3600
    (drain,) = pi_again.query("drain", "--until", str(AGAIN + reached + 1))
    assert drain["hours_left"] == pytest.approx(truth, rel=0.15)
    assert drain["hours_left_low"] < truth < drain["hours_left_high"]


@pytest.mark.slow
def test_time_left_of_the_raspberry_pi_has_a_wide_range_at_first(pi_again: System) -> None:
    ran = pi_again.run("query.main", "drain", "--until", str(BEGAN + 200), "--format", "json")
    assert "little data" in ran.stderr
    (drain,) = json.loads(ran.stdout)
    assert drain["hours_left_high"] > 5 * drain["hours_left_low"]


@pytest.mark.parametrize("percent", [50, 30, 70, 80, 90])
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_time_to_full_of_the_phone_is_right(phone_recorded: System, percent: int) -> None:
    rows = [(float(row["time"]), int(row["percent"])) for row in phone_rows()]
    charging = [(at, pct) for at, pct in rows if at > PLUGGED_IN]
    reached = next(at for at, pct in charging if pct >= percent)
    full = next(at for at, pct in charging if pct == 100)
    (drain,) = phone_recorded.query("drain", "--until", str(BEGAN + reached + 60))
    assert drain["hours_to_full"] == pytest.approx((full - reached - 60) / 3600, rel=0.3)
    assert drain["hours_left"] is None


PLUGGED_IN = 700.0
"""s after which the phone is charging"""


@pytest.fixture(scope="module")
def phone_recorded(tmp_path_factory: pytest.TempPathFactory) -> System:
    directory = tmp_path_factory.mktemp("phone")
    return imported(samples(phone(), directory), directory)


@pytest.mark.slow
def test_the_phone_takes_its_direction_from_the_status(phone_recorded: System) -> None:
    """The driver's sign is inverted. The expected values are computed independently from the recording."""
    (energy,) = phone_recorded.query("energy")
    discharged = charged = 0.0
    rows = phone_rows()
    for before, row in pairwise(rows):
        watts = int(row["current_ua"]) * int(row["voltage_mv"]) / 1e9
        watt_hours = watts * (float(row["time"]) - float(before["time"])) / 3600
        # FULL gives no direction: a negative rate is a discharge, a positive rate is neither.
        sign = {"DISCHARGING": -abs(watt_hours), "CHARGING": abs(watt_hours)}.get(
            row["status"], min(watt_hours, 0.0)
        )
        discharged -= min(sign, 0.0)
        charged += max(sign, 0.0)
    assert discharged > 3  # Wh
    assert charged > 10
    assert energy["discharged_wh"] == pytest.approx(discharged, rel=1e-4)
    assert energy["charged_wh"] == pytest.approx(charged, rel=1e-4)
