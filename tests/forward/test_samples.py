"""Each stored sample is sent once and unchanged, whatever order and database file it comes in."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forward.samples import top
from telemetry.sample import BatteryPack, Process, Sample
from telemetry.stream.joiner import Gap
from tests.forward.machine import Machine
from tests.query.recordings import NOON, Recording
from tests.writer.samples import BATTERY, ORDINARY, row_of, sample


def seqs(machine: Machine) -> list[int]:
    """Return the seqs of tests.writer.samples that the engine has."""
    sent = machine.engine.of("telemetry_system")
    return sorted((ns // 1_000_000_000 - 1_800_000_000) // 5 for _, _, ns in sent)


def shifted(samples: list[Sample], seconds: int) -> list[Sample]:
    return [it._replace(ts=it.ts + seconds, time=it.time + seconds) for it in samples]


def stored(machine: Machine, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(machine.database)) as database:
        return database.execute(query).fetchall()


def change(machine: Machine, *statements: str) -> None:
    with closing(sqlite3.connect(machine.database)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_every_value_of_a_sample_is_in_its_points(machine: Machine) -> None:
    packs = (
        BatteryPack("BAT0", "Discharging", 4.0, -0.25, -1.0, 50.0),
        BatteryPack("BAT1", "Discharging", 4.1, None, None, 60.0),
    )
    battery = BATTERY._replace(packs=packs)
    with machine.store() as store:
        store.append([ORDINARY._replace(battery=battery, on_ac=False, throttled=("undervoltage",))], 0)
        machine.send()
    ns, host = 1_800_000_000_250_000_000, ("host", "pi4")
    system = {"interval": 5.0, "suspended": 0.0, "load1": 0.5, "load5": 0.25, "load15": 0.125, "on_ac": 0}
    system |= {"voltage": 4.0, "current": -0.5, "power": -2.0, "battery_pct": 57.0}
    system |= {"cpu_total": 12.5, "cpu_freq": 1500.0, "cpu_temp": 48.5, "cpu_unowned": 1.5}
    system |= {"throttled": 1, "discharging": 1, "discharged_uj": 10_000_000, "charged_uj": 0}
    pack = {"voltage": 4.0, "current": -0.25, "power": -1.0, "pct": 50.0}
    python3 = {"cpu": 20.0, "mem": 1.5, "children": 0.5, "processes": 1}
    assert machine.engine.points == {
        ("telemetry_system", (host,), ns): system,
        ("telemetry_cpu", (host,), ns): {"core0": 20.0, "core1": 5.0},
        ("telemetry_pack", (host, ("name", "BAT0")), ns): pack,
        ("telemetry_pack", (host, ("name", "BAT1")), ns): {"voltage": 4.1, "pct": 60.0},
        ("telemetry_process", (host, ("name", "python3")), ns): python3,
        ("telemetry_process", (host, ("name", "firefox")), ns): {"cpu": 5.0, "mem": 12.0, "processes": 1},
    }


def test_without_a_battery_no_zeros_are_sent(machine: Machine) -> None:
    with machine.store() as store:
        store.append([ORDINARY._replace(battery=None, processes=())], 0)
        machine.send()
    ((_, fields),) = machine.engine.of("telemetry_system").items()
    assert not fields.keys() & {"power", "battery_pct", "discharged_uj", "charged_uj", "throttled", "on_ac"}


def test_only_new_samples_are_sent(machine: Machine) -> None:
    with machine.store() as store:
        store.append(row_of(1, 250), 0)
        assert machine.send() == 3
        assert machine.send() == 0
        store.append(row_of(251, 252), 0)
        assert machine.send() == 1
        machine.restart()
        assert machine.send() == 0
    assert seqs(machine) == list(range(1, 253))


def test_samples_from_an_import_or_a_filled_gap_are_sent_when_they_arrive(machine: Machine) -> None:
    with machine.store() as store:
        store.append([*row_of(1, 10), Gap("run-a", 11, 20), *row_of(21, 30)], 0)
        machine.send()
        assert seqs(machine) == [*range(1, 11), *range(21, 31)]
        store.import_samples(row_of(15, 20))  # into the gap of the run that is running
        machine.send()
        assert seqs(machine) == [*range(1, 11), *range(15, 31)]
        store.append(shifted(row_of(31, 35, "run-b"), 0), 0)
        store.import_samples(shifted(row_of(1, 5, "old-run"), -40_000_000))  # from a year earlier
        machine.send()
        assert len(machine.engine.of("telemetry_system")) == 26 + 5 + 5
        store.import_samples(row_of(11, 12))  # into a run that has ended
        machine.send(after=600)  # by now every run has been checked
    sent = sorted(ns // 1_000_000 for _, _, ns in machine.engine.of("telemetry_system"))
    assert sent == [
        round(time * 1000) for (time,) in stored(machine, "SELECT time FROM system_sample ORDER BY 1")
    ]
    assert machine.engine.changed == []


def test_a_restored_database_is_reported_and_no_sent_value_changes(
    machine: Machine, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with machine.store() as store:
        store.append(row_of(1, 100), 0)
        machine.send()
    backup = tmp_path / "backup"
    shutil.copy(machine.database, backup)
    with machine.store() as store:
        store.append(row_of(101, 200), 0)
        machine.send()
    for part in tmp_path.glob("telemetry.db-*"):
        part.unlink()
    shutil.copy(backup, machine.database)
    assert machine.send() == 0
    assert machine.send(after=600) == 0
    (said,) = [it.message for it in caplog.records]
    assert said == (
        "an older copy of the database was restored: it lacks the newest samples that were sent; "
        "samples that were already sent are not sent again"
    )
    with machine.store() as store:  # the ring still had some of them; they get other keys now
        store.append([it._replace(ts=it.ts + 3) for it in row_of(150, 250)], 0)
        machine.send()
    assert seqs(machine) == list(range(1, 251))
    assert machine.engine.changed == []


def test_after_a_replacement_only_unsent_samples_of_the_new_database_are_sent(
    machine: Machine, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with machine.store() as store:
        store.append(row_of(1, 100), 0)
        machine.send()
    for part in tmp_path.glob("telemetry.db*"):
        part.unlink()
    with machine.store() as store:
        store.append([it._replace(host="laptop") for it in row_of(1, 20, "run-z")], 0)
        store.import_samples(row_of(1, 10))
        machine.send()
        machine.send(after=600)
    assert caplog.text.count("the database was replaced by another one") == 1
    of_laptop = [key for key in machine.engine.of("telemetry_system") if ("host", "laptop") in key[1]]
    assert len(of_laptop) == 20
    assert len(machine.engine.of("telemetry_system")) == 120
    assert machine.engine.changed == []


def test_samples_dated_by_a_wrong_clock_wait(machine: Machine) -> None:
    with machine.store() as store:
        store.append(shifted(row_of(1, 5), -1_800_000_000), 0)
        store.append([*row_of(6, 10), *shifted(row_of(11, 15), 1_000_000_000)], 0)
        machine.send()
        assert seqs(machine) == list(range(6, 11))
        machine.now += 1_000_000_000  # now this machine's clock, which was behind, is right
        machine.send(after=600)
    assert len(machine.engine.of("telemetry_system")) == 10


def test_a_clock_that_steps_back_loses_nothing(machine: Machine) -> None:
    with machine.store() as store:
        store.append(row_of(1, 10), 0)
        machine.send()
        store.append([it._replace(time=it.time - 3600.5) for it in row_of(11, 20)], 0)
        machine.now -= 3600.5
        machine.send()
    assert len(machine.engine.of("telemetry_system")) == 20
    assert machine.engine.changed == []


def test_rows_of_the_original_logger_are_sent(machine: Machine) -> None:
    with Recording(machine.database) as recording:
        recording.samples(NOON, 300, power=-2.0)
        recording.run(started=NOON + 3000)
        recording.samples(NOON + 3000, 10, power=-2.0)
        recording.database.commit()
        assert machine.send() == 4
        assert len(machine.engine.of("telemetry_system")) == 310
        assert machine.engine.total("telemetry_system", "discharged_uj") == 310 * 10_000_000
        recording.samples(NOON + 3100, 10, power=-2.0)
        recording.database.commit()
        assert machine.send(after=600) == 1
        machine.restart()
        assert machine.send() == 0
    with closing(sqlite3.connect(machine.cursor)) as cursor:
        assert cursor.execute("SELECT COUNT(*) FROM sent").fetchone() == (2,)
    assert {dict(tags)["host"] for _, tags, _ in machine.engine.points} == {"pi4"}


def test_a_damaged_value_costs_only_itself(machine: Machine) -> None:
    with machine.store() as store:
        store.append(row_of(1, 2), 0)
    change(
        machine,
        "UPDATE system_sample SET voltage = 'x', current = 1e999, power = x'00', load1 = NULL WHERE seq = 1",
        "UPDATE system_sample SET time = 'never' WHERE seq = 2",
        "UPDATE process_name SET name = CAST(x'ff41' AS TEXT) WHERE name = 'firefox'",
    )
    machine.send()
    ((_, fields),) = machine.engine.of("telemetry_system").items()
    assert not fields.keys() & {"voltage", "current", "power", "load1"}
    assert fields["battery_pct"] == 57.0
    assert machine.engine.names("telemetry_process") == {"python3", "\ufffdA"}


@pytest.mark.parametrize(
    ("by", "names"), [("name", {"python3", "firefox", "(no name)"}), ("app", {"web", "python3"})]
)
def test_processes_are_tagged_by_name_or_app_and_never_by_pid(
    machine: Machine, by: str, names: set[str]
) -> None:
    machine.choice = machine.choice._replace(by=by)
    processes = (
        Process(1, 1, "firefox", 10.0, 1.0, app="web"),
        Process(2, 1, "firefox", 20.0, 2.0, app="web"),
        Process(3, 1, "python3", 5.0, 0.5),
        Process(4, 1, "", 1.0, 0.25, app="web"),
    )
    with machine.store() as store:
        store.append([ORDINARY._replace(processes=processes)], 0)
        machine.send()
    assert machine.engine.names("telemetry_process", by) == names
    assert {name for _, tags, _ in machine.engine.points for name, _ in tags} == {"host", by}
    assert machine.engine.total("telemetry_process", "cpu") == 36.0
    assert machine.engine.total("telemetry_process", "processes") == 4


def test_the_number_of_names_is_bounded_across_restarts(machine: Machine) -> None:
    machine.choice = machine.choice._replace(most_names=3, top=2)
    with machine.store() as store:
        for seq in range(1, 11):
            pair = tuple(Process(pid, 1, f"job-{seq}-{pid}", 50.0, 1.0) for pid in (1, 2))
            store.append([sample(seq)._replace(processes=pair)], 0)
            machine.send()
            machine.restart()
    assert machine.engine.names("telemetry_process") == {"job-1-1", "job-1-2", "job-2-1", "(other names)"}
    assert machine.engine.total("telemetry_process", "cpu") == 1000.0


PERCENT = st.none() | st.integers(0, 100)
NAMES = st.sampled_from(["a", "b", "c", "", None])


@given(st.lists(st.tuples(st.just(0), NAMES, PERCENT, PERCENT, PERCENT), max_size=12), st.integers(0, 4))
def test_the_top_names_have_the_most_cpu(rows: list[tuple[Any, ...]], most: int) -> None:
    found, every = top(rows, most), top(rows, 100)
    assert len(found) == min(most, len(every))
    cpu = {name: fields.get("cpu", 0) + fields.get("children", 0) for name, fields in every.items()}
    assert sorted(cpu[name] for name in found) == sorted(cpu.values())[len(cpu) - len(found) :]
    for at, field in ((2, "cpu"), (3, "children"), (4, "mem")):
        assert sum(fields.get(field, 0) for fields in every.values()) == sum(row[at] or 0 for row in rows)
    assert sum(fields["processes"] for fields in every.values()) == len(rows)
