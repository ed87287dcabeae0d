"""The command as a process: kills, signals, exit statuses, and sums that match telemetry-query."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.forward.engine import Engine, Refusal, certificates
from tests.system.processes import System, stop, wait_until
from tests.writer.samples import row_of
from writer.store import Store

RECENT = int(time.time()) - 3 * 86_400
"""Samples from the future are not sent yet"""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path) as system:
        system.environ["STATE_DIRECTORY"] = str(tmp_path)
        yield system


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def record(system: System, first: int, last: int) -> None:
    samples = [
        it._replace(
            ts=RECENT + 5 * it.seq,
            time=RECENT + 5 * it.seq + 0.25,
            cpu=it.cpu._replace(temp=it.seq / 7),
        )
        for it in row_of(first, last)
    ]
    with Store(system.database) as store:
        store.append(samples, 0)


def has(engine: Engine, count: int) -> Callable[[], bool]:
    return lambda: len(engine.of("telemetry_system")) >= count


def test_everything_arrives_whichever_process_is_killed(system: System, engine: Engine) -> None:
    chance = random.Random(1)
    record(system, 1, 800)
    options = ("--url", engine.url, "--batch", "20", "--interval", "1")
    for kill in range(4):
        forwarder = system.start("forward.main", *options)
        wait_until(has(engine, 200 * (kill + 1)), every=0.002)
        engine.kill()
        time.sleep(chance.uniform(0, 0.2))
        engine.refusals = [Refusal(hangs_up=True, takes=True)]
        engine.start()
        time.sleep(chance.uniform(0, 0.2))
        forwarder.kill()
        forwarder.communicate()
    record(system, 801, 850)
    forwarder = system.start("forward.main", *options)
    wait_until(has(engine, 850))
    assert stop(forwarder)[0] == 0
    assert engine.changed == []
    temperatures = sorted(fields["cpu_temp"] for fields in engine.of("telemetry_system").values())
    assert temperatures == [seq / 7 for seq in range(1, 851)]
    (energy,) = system.query("energy")
    sent = engine.total("telemetry_system", "discharged_uj") / 3.6e9
    assert sent == pytest.approx(energy["discharged_wh"], rel=1e-9)


def test_once_sends_all_unsent_samples_and_status_reports_them(system: System, engine: Engine) -> None:
    record(system, 1, 120)
    ran = system.run("forward.main", "--url", engine.url, "--once")
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert len(engine.of("telemetry_system")) == 120
    record(system, 121, 130)
    ran = system.run("forward.main", "--status")
    newest = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(RECENT + 600))
    assert ran.stdout.splitlines() == [
        f"to       {engine.url}",
        f"sent     120 samples, the newest of {newest} UTC",
        "waiting  10 samples",
        "refused  0 points",
    ]


def test_once_exits_with_1_if_the_engine_refuses(system: System, engine: Engine) -> None:
    record(system, 1, 5)
    engine.refusals = [Refusal(401, text="unauthorized")] * 10
    ran = system.run("forward.main", "--url", engine.url, "--once")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        f"telemetry-forward: {engine.url}: it answers 401 (unauthorized): check --auth"
    )
    assert "Traceback" not in ran.stderr


def test_it_uses_tls_and_credentials_from_a_file(system: System, tmp_path: Path) -> None:
    certificate, context = certificates(tmp_path)
    secret = tmp_path / "auth"
    secret.write_text("Basic pi:raspberry\n")
    secret.chmod(0o600)
    record(system, 1, 5)
    with Engine(tls=context) as engine:
        options = ("--url", engine.url, "--once", "--auth", str(secret))
        ran = system.run("forward.main", *options)
        assert ran.returncode == 1
        assert "its certificate does not verify" in ran.stderr
        ran = system.run("forward.main", *options, "--ca", str(certificate))
        assert (ran.returncode, ran.stderr) == (0, "")
        assert engine.headers[0]["Authorization"] == "Basic cGk6cmFzcGJlcnJ5"
        assert len(engine.of("telemetry_system")) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_also_while_it_waits(system: System, engine: Engine, number: signal.Signals) -> None:
    record(system, 1, 5)
    engine.refusals = [Refusal(503, (("Retry-After", "3000"),))] * 100
    forwarder = system.start("forward.main", "--url", engine.url)
    wait_until(lambda: engine.requests)
    status, error = stop(forwarder, number)
    assert status == 0
    assert "it answers 503" in error
    assert "Traceback" not in error


def test_two_processes_cannot_share_a_cursor(system: System, engine: Engine) -> None:
    record(system, 1, 5)
    system.start("forward.main", "--url", engine.url)
    wait_until(lambda: engine.requests)
    ran = system.run("forward.main", "--url", engine.url, "--once")
    assert ran.returncode == 1
    assert "another telemetry-forward uses" in ran.stderr


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        ([], 2, "--url is required"),
        (["--url", "localhost"], 2, "give a full URL"),
        (["--url", "http://x/", "--interval", "0"], 2, "from 1 to 3600"),
        (["--url", "http://x/", "--top", "1000"], 2, "from 0 to 100"),
        (["--url", "http://x/", "--top", "²"], 2, "from 0 to 100"),
        (["--url", "http://x/", "--host", ""], 2, "--host is empty"),
        (["--url", "http://x/", "--auth", "/dev/null"], 1, "is not a file"),
        (["--url", "https://x/", "--ca", "/nonexistent"], 1, "cannot read certificates"),
        (["--url", "http://x/", "--cursor", "/nonexistent/cursor"], 1, "--cursor PATH"),
        (["--url", "http://x/", "--once"], 1, "no such database"),
        (["--status"], 1, "no such database"),
    ],
)
def test_each_wrong_option_gives_a_one_line_error(
    system: System, options: list[str], status: int, told: str
) -> None:
    ran = system.run("forward.main", *options)
    assert ran.returncode == status
    assert told in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_the_files_that_it_writes_are_readable_only_by_their_owner(
    system: System, engine: Engine, tmp_path: Path
) -> None:
    record(system, 1, 5)
    before = set(tmp_path.iterdir())
    assert system.run("forward.main", "--url", engine.url, "--once").returncode == 0
    made = set(tmp_path.iterdir()) - before
    assert {path.name for path in made if path.is_file()} >= {"cursor.db", "cursor.db.lock"}
    assert {path.stat().st_mode & 0o777 for path in made if "cursor" in path.name} == {0o600}
    assert os.geteuid() == (tmp_path / "cursor.db").stat().st_uid
