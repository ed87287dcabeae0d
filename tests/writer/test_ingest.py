"""When a batch is due, and when it is urgent."""

from __future__ import annotations

from math import inf

import pytest

from telemetry.sample import Battery, PowerSource
from telemetry.stream.joiner import Gap
from tests.writer.samples import BATTERY, row_of, sample
from writer.ingest import (
    BATCH,
    CORE_COLUMNS,
    MOST_PENDING,
    PROCESS_COLUMNS,
    SYSTEM_COLUMNS,
    Batch,
    core_rows,
    is_urgent,
    process_rows,
    system_row,
)

LOW = BATTERY._replace(pct=10.0, power=-2.0)


def test_an_empty_batch_is_never_due() -> None:
    batch = Batch(60.0)
    assert batch.due_in(1e9) == inf
    batch.add([], 5.0)
    assert batch.due_in(1e9) == inf


def test_a_batch_is_due_an_interval_after_its_first_item() -> None:
    batch = Batch(60.0)
    batch.add([sample(1)], 100.0)
    batch.add([sample(2)], 130.0)
    assert batch.due_in(100.0) == 60.0
    assert batch.due_in(130.0) == 30.0
    assert batch.due_in(160.0) == 0.0
    assert batch.due_in(1000.0) == 0.0
    batch.clear()
    assert batch.due_in(1000.0) == inf
    batch.add([Gap("run-a", 1, 2)], 1000.0)
    assert batch.due_in(1000.0) == 60.0


def test_an_interval_of_zero_commits_each_sample() -> None:
    batch = Batch(0.0)
    batch.add([sample(1)], 100.0)
    assert batch.due_in(100.0) == 0.0
    assert not batch.urgent


def test_many_samples_are_due_at_once() -> None:
    batch = Batch(60.0)
    batch.add(row_of(1, BATCH - 1), 100.0)
    assert batch.due_in(100.0) == 60.0
    batch.add([sample(BATCH)], 100.0)
    assert batch.due_in(100.0) == 0.0


def test_a_batch_that_cannot_be_written_has_a_maximum_size() -> None:
    batch = Batch(60.0)
    full = []
    for step in (row_of(1, MOST_PENDING - 1), [sample(MOST_PENDING)]):
        batch.add(step, 100.0)
        full.append(batch.full)
    batch.clear()
    assert [*full, batch.full] == [False, True, False]


@pytest.mark.parametrize(
    ("battery", "urgent"),
    [
        (LOW, True),
        (LOW._replace(pct=0.0), True),
        (LOW._replace(pct=10.5), False),
        (LOW._replace(pct=None), False),
        (LOW._replace(power=2.0), False),
        (LOW._replace(power=0.0), False),
        # The sign of the power comes from the sensor's rules, the status from the driver.
        (LOW._replace(power=-2.0, status="Charging"), True),
        (LOW._replace(power=2.0, status="Discharging"), False),
        (LOW._replace(power=None, status="Discharging"), True),
        (LOW._replace(power=None, status="Charging"), False),
        (LOW._replace(power=None, status=None), False),
        (None, False),
    ],
)
def test_a_low_battery_that_discharges_is_urgent(battery: Battery | None, urgent: bool) -> None:
    one = sample(1)._replace(battery=battery)
    assert is_urgent(one) is urgent
    batch = Batch(60.0)
    batch.add([one, Gap("run-a", 2, 3)], 100.0)
    assert batch.urgent is urgent
    assert batch.due_in(100.0) == (0.0 if urgent else 60.0)


def test_urgency_ends_with_the_charger_and_with_the_commit() -> None:
    batch = Batch(60.0)
    batch.add([sample(1)._replace(battery=LOW)], 100.0)
    batch.clear()
    assert not batch.urgent
    batch.add([sample(2)._replace(battery=LOW), sample(3)], 100.0)
    assert not batch.urgent


GLITCH = BATTERY._replace(pct=0.0)


def urgencies(*batteries: Battery | None, interval: float = 5.0) -> list[bool]:
    batch, seen = Batch(60.0), []
    for seq, battery in enumerate(batteries, start=1):
        batch.add([sample(seq)._replace(battery=battery, interval=interval)], 100.0)
        seen.append(batch.urgent)
        batch.clear()
    return seen


def test_a_percent_that_no_power_explains_is_not_urgent() -> None:
    """0 % between 57 % and 57 %, for as long as some gauges report it after a resume."""
    assert urgencies(BATTERY, GLITCH, BATTERY, *[GLITCH] * 5, BATTERY) == [False] * 9


def test_a_percent_that_lasts_is_urgent() -> None:
    assert urgencies(BATTERY, *[GLITCH] * 8) == [False] * 7 + [True] * 2
    assert urgencies(BATTERY, *[GLITCH] * 2, interval=60.0) == [False, False, True]
    assert urgencies(GLITCH) == [True]


def test_a_discharge_to_the_end_is_urgent_at_each_percent() -> None:
    falling = [BATTERY._replace(pct=float(percent)) for percent in range(12, -1, -1)]
    assert urgencies(*falling) == [False] * 2 + [True] * 11


def test_rows_have_a_value_for_each_column() -> None:
    one = sample(7)
    names = SYSTEM_COLUMNS.split(", ")
    row = dict(zip(names, system_row(one, 99, 3), strict=True))
    assert row == {
        "ts": 99,
        "voltage": 4.0,
        "current": -0.5,
        "power": -2.0,
        "battery_pct": 57.0,
        "cpu_total": 12.5,
        "cpu_freq": 1500.0,
        "load1": 0.5,
        "load5": 0.25,
        "load15": 0.125,
        "time": one.time,
        "interval": 5.0,
        "suspended": 0.0,
        "status": "Discharging",
        "cpu_temp": 48.5,
        "energy_uj": -10_000_000,
        "run_id": 3,
        "seq": 7,
        "method": None,
        "cpu_unowned": 1.5,
        "on_ac": None,
        "governor": None,
        "brightness": None,
        "radios": None,
        "throttled": None,
        "source": None,
        "source_power": None,
        "battery_level": None,
    }
    assert all(len(row) == len(CORE_COLUMNS.split(", ")) for row in core_rows(one, 99))
    assert dict(zip(PROCESS_COLUMNS.split(", "), process_rows(one, 99)[0], strict=True)) == {
        "ts": 99,
        "pid": 100,
        "name": "python3",
        "cpu": 20.0,
        "mem": 1.5,
        "start": 7000,
        "children": 0.5,
        "app": None,
        "user": "root",
    }


def test_every_optional_value_of_a_sample_has_a_column() -> None:
    it = sample(7)._replace(
        battery=BATTERY._replace(method="voltage*current"),
        on_ac=False,
        governor="schedutil",
        brightness=40.0,
        radios={"wlan": True, "nfc": False, "bluetooth": True},
        throttled=("undervoltage", "throttled"),
        source=PowerSource("pmic", 3.5),
    )
    row = dict(zip(SYSTEM_COLUMNS.split(", "), system_row(it, 99, 3), strict=True))
    assert row["method"] == "voltage*current"
    assert (row["on_ac"], row["governor"], row["brightness"]) == (0, "schedutil", 40.0)
    assert (row["radios"], row["throttled"]) == ("bluetooth wlan", "undervoltage throttled")
    assert (row["source"], row["source_power"]) == ("pmic", 3.5)
    none = it._replace(radios={"wlan": False}, throttled=())
    row = dict(zip(SYSTEM_COLUMNS.split(", "), system_row(none, 99, 3), strict=True))
    assert (row["radios"], row["throttled"]) == ("", "")


def test_a_core_that_is_offline_has_no_row_and_the_others_keep_their_numbers() -> None:
    one = sample(1)
    one = one._replace(cpu=one.cpu._replace(cores=(None, 5.0, None, 0.0)))
    assert core_rows(one, 99) == [(99, 1, 5.0), (99, 3, 0.0)]
