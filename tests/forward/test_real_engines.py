"""Debian's VictoriaMetrics and InfluxDB, which are stopped, killed and restarted during the test."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.forward.test_command import record
from tests.system.processes import System, stop, wait_until

pytestmark = pytest.mark.slow

SAMPLES = 2000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Server:
    """An engine that keeps its data in its own directory."""

    def __init__(self, directory: Path, program: str) -> None:
        self.port = free_port()
        self.directory = directory / program
        self.directory.mkdir()
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        log = (self.directory / "log").open("ab")
        with log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory)
        wait_until(self.is_there)

    def is_there(self) -> bool:
        with suppress(OSError):
            self.get(self.ping)
            return True
        return False

    ping = ""

    def get(self, path: str, **parameters: str) -> bytes:
        query = urllib.parse.urlencode(parameters).encode() if parameters else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", query, timeout=10) as answer:
            return bytes(answer.read())

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


class Victoria(Server):
    ping = "/health"

    def command(self) -> list[str]:
        return [
            "victoria-metrics",
            "-storageDataPath=data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=10y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/write"

    def value(self, query: str) -> float:
        """Return the single value of a PromQL query; 0 for none."""
        self.get("/internal/force_flush")
        answer: dict[str, Any] = json.loads(self.get("/api/v1/query", query=query))
        result = answer["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0


class Influx(Server):
    ping = "/ping"

    def command(self) -> list[str]:
        (self.directory / "influxd.conf").write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
            '[meta]\ndir = "meta"\n[data]\ndir = "data"\nwal-dir = "wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n'
        )
        return ["influxd", "-config", "influxd.conf"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/write?db=telemetry"

    def value(self, query: str) -> float:
        answer = json.loads(self.get("/query?db=telemetry", q=query))
        (result,) = answer["results"]
        return float(result["series"][0]["values"][0][1]) if "series" in result else 0.0


def has(engine: Victoria | Influx, query: str, count: float) -> Callable[[], bool]:
    return lambda: engine.value(query) >= count


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path) as system:
        system.environ["STATE_DIRECTORY"] = str(tmp_path)
        record(system, 1, SAMPLES)
        yield system


def server(kind: type[Server], program: str, package: str, directory: Path) -> Iterator[Server]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian's package {package})")
    server = kind(directory, program)
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    yield from server(Victoria, "victoria-metrics", "victoria-metrics", tmp_path)  # type: ignore[misc]


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influx]:
    yield from server(Influx, "influxd", "influxdb", tmp_path)  # type: ignore[misc]


def test_sums_in_promql_match_telemetry_query(system: System, victoria: Victoria) -> None:
    """The engine is stopped and started three times. SIGKILL would lose its last second of data."""
    forwarder = system.start("forward.main", "--url", victoria.url, "--batch", "20", "--interval", "1")
    arrived = "count_over_time(telemetry_system_power[10d])"
    for share in (0.1, 0.4, 0.7):
        wait_until(has(victoria, arrived, share * SAMPLES))
        victoria.end(signal.SIGTERM)
        time.sleep(0.3)
        victoria.start()
    wait_until(has(victoria, arrived, SAMPLES))
    status, error = stop(forwarder)
    assert status == 0
    assert "takes points again" in error
    assert victoria.value(arrived) == SAMPLES
    (energy,) = system.query("energy")
    sent = victoria.value("sum(sum_over_time(telemetry_system_discharged_uj[10d])) / 3.6e9")
    assert sent == pytest.approx(energy["discharged_wh"], rel=1e-6)
    assert victoria.value('sum(sum_over_time(telemetry_process_cpu{name="firefox"}[10d]))') == 5.0 * SAMPLES
    assert victoria.value("sum(sum_over_time(telemetry_cpu_core1[10d]))") == 5.0 * SAMPLES


def test_points_that_are_sent_twice_are_stored_once(system: System, victoria: Victoria) -> None:
    """A lost cursor: everything is sent again."""
    for cursor in ("one", "two"):
        options = ("--url", victoria.url, "--once", "--cursor", str(system.runtime / cursor))
        assert system.run("forward.main", *options).returncode == 0
    assert victoria.value("count_over_time(telemetry_system_power[10d])") == SAMPLES


def test_influxdb_has_each_sample_although_it_was_killed(system: System, influx: Influx) -> None:
    forwarder = system.start("forward.main", "--url", influx.url, "--batch", "20", "--interval", "1")
    time.sleep(1)  # it answers 404 while the database does not exist, and nothing may be lost because of that
    influx.get("/query", q="CREATE DATABASE telemetry")
    arrived = "SELECT COUNT(power) FROM telemetry_system"
    for share in (0.1, 0.4, 0.7):
        wait_until(has(influx, arrived, share * SAMPLES))
        influx.end(signal.SIGKILL)
        time.sleep(0.3)
        influx.start()
    wait_until(has(influx, arrived, SAMPLES))
    assert stop(forwarder)[0] == 0
    assert influx.value(arrived) == SAMPLES
    (energy,) = system.query("energy")
    sent = influx.value("SELECT SUM(discharged_uj) FROM telemetry_system") / 3.6e9
    assert sent == pytest.approx(energy["discharged_wh"], rel=1e-6)
    assert influx.value("SELECT SUM(cpu_temp) FROM telemetry_system") == pytest.approx(
        sum(seq / 7 for seq in range(1, SAMPLES + 1))
    )
