"""An unreachable or misbehaving engine, and a cursor that cannot be written: nothing is lost or changed."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from tests.forward.engine import Refusal
from tests.forward.machine import Machine
from tests.forward.test_samples import seqs
from tests.writer.samples import row_of

UNKIND = [
    Refusal(500),
    Refusal(503, (("Retry-After", "30"),)),
    Refusal(429, (("Retry-After", "7"),)),
    Refusal(401),
    Refusal(404),
    Refusal(302, (("Location", "/elsewhere"),)),
    Refusal(hangs_up=True),
    Refusal(hangs_up=True, takes=True),
    Refusal(500, takes=True),
    Refusal(413),
]


@pytest.mark.parametrize("seed", range(3))
def test_every_sample_is_stored_once_whatever_the_engine_answers(machine: Machine, seed: int) -> None:
    chance = random.Random(seed)
    machine.size = 40
    with machine.store() as store:
        for first in range(1, 600, 60):
            store.append(row_of(first, first + 59), 0)
            machine.engine.refusals = chance.choices(UNKIND, k=4)
            machine.send()
            if chance.random() < 0.5:
                machine.restart()
    machine.engine.refusals = []
    machine.send()
    assert seqs(machine) == list(range(1, 601))
    assert machine.engine.changed == []
    (uj,) = store_sum(machine)
    assert machine.engine.total("telemetry_system", "discharged_uj") == uj


def store_sum(machine: Machine) -> tuple[int]:
    with closing(sqlite3.connect(machine.database)) as database:
        (found,) = database.execute("SELECT SUM(-energy_uj) FROM system_sample").fetchall()
        return (int(found[0]),)


def test_samples_from_weeks_without_the_engine_are_sent_later(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    with machine.store() as store:
        machine.engine.kill()
        store.append(row_of(1, 2000), 0)
        waits = 0

        def wait(seconds: float) -> bool:
            nonlocal waits
            waits += 1
            machine.monotonic += seconds
            if waits == 200:  # 16 h
                machine.engine.start()
            return False

        machine._wait = wait  # type: ignore[method-assign]
        machine.send()
    assert waits == 200
    assert seqs(machine) == list(range(1, 2001))
    lines = [record.message for record in caplog.records]
    assert len(lines) < 120  # one line in ten minutes
    assert lines[0] == "2,000 samples wait to be sent"
    assert lines[1].endswith("Connection refused; nothing is lost, retrying")
    assert any("takes points again" in line for line in lines)
    assert lines[-1] == "caught up: 2,000 samples sent in all"


def test_progress_is_logged_once_a_minute(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    with machine.store() as store:
        store.append(row_of(1, 2000), 0)
        for _ in range(5):
            machine.forwarder().turn()
            machine.monotonic += 25
    assert machine.forwarder().status == "catching up: 1,500 samples wait, 500 sent"
    assert [record.message for record in caplog.records] == [
        "2,000 samples wait to be sent",
        "catching up: 400 of 2,000 samples sent (20 %), 5 a second, about 5 min to go",
    ]


def test_a_point_that_the_engine_refuses_costs_only_itself(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.engine.refuses_lines = b"name=firefox"
    with machine.store() as store:
        store.append(row_of(1, 50), 0)
        machine.send()
    assert seqs(machine) == list(range(1, 51))
    assert machine.engine.names("telemetry_process") == {"python3"}
    assert machine.forwarder()._cursor.counts.refused == 50
    (said,) = [it.message for it in caplog.records]
    assert said == (
        f"{machine.engine.url} refuses a point permanently (400 unable to parse points); it is left out: "
        "telemetry_process,host=pi4,name=firefox cpu=5.0,mem=12.0,processes=1i 1800000005250000000"
    )


def test_if_the_disk_of_the_cursor_is_full_sending_waits_for_space(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    with machine.store() as store:
        store.append(row_of(1, 3), 0)
        cursor = machine.forwarder()._cursor._database
        pages: list[int] = []

        def wait(seconds: float) -> bool:
            pages.append(machine.engine.requests)
            if len(pages) == 6:
                cursor.execute("PRAGMA max_page_count = 1000000")
            return False

        machine.forwarder()._times = machine.forwarder()._times._replace(wait=wait)
        machine.send()
        store.append([it for it in row_of(5, 600) if it.seq % 2], 0)  # each is a separate range
        cursor.execute("PRAGMA max_page_count = 1")
        machine.send()
    assert len(pages) == 6
    assert len(set(pages)) == 1  # nothing was sent meanwhile
    assert seqs(machine) == [1, 2, 3, *range(5, 601, 2)]
    assert machine.engine.changed == []
    (line,) = [it.message for it in caplog.records]
    assert "cursor.db: database or disk is full; nothing more is sent until" in line


def test_it_waits_for_a_database_that_does_not_exist_yet(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = 0

    def wait(seconds: float) -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            with machine.store() as store:
                store.append(row_of(1, 5), 0)
        return rounds == 5

    machine.forwarder()._times = machine.forwarder()._times._replace(wait=wait)
    told: list[str] = []
    machine.forwarder().run(10.0, told.append)
    assert seqs(machine) == [1, 2, 3, 4, 5]
    assert len(caplog.records) == 1
    assert "no such database; is telemetry-writer running?" in caplog.text
    assert told[-1] == "5 samples sent"
