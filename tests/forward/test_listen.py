"""``--listen``: the newest sample, read by Prometheus, by its parser and by promtool."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from forward.listen import MOST_AT_A_TIME, address
from telemetry.errors import UsageError
from tests.forward.test_command import RECENT, record
from tests.forward.test_real_engines import free_port
from tests.system.processes import System, stop, wait_until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
needs_client = pytest.mark.skipif(
    importlib.util.find_spec("prometheus_client") is None, reason="prometheus-client is not installed"
)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path) as system:
        yield system


class Service:
    """A forwarder that only listens."""

    def __init__(self, system: System) -> None:
        self.port = free_port()
        self.process = system.start("forward.main", "--listen", f"127.0.0.1:{self.port}")
        wait_until(self._listens)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        assert self.process.poll() is None
        return False

    def get(self, accept: str = OPENMETRICS, path: str = "/metrics") -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


def values(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


@needs_client
def test_the_newest_sample_is_served_in_base_units(system: System) -> None:
    record(system, 1, 20)
    service = Service(system)
    text = service.get()
    assert text.endswith("# EOF\n")
    found = values(text)
    assert found["telemetry_sample_time_seconds"] == RECENT + 100.25
    assert found["telemetry_battery_charge_ratio"] == 0.57
    assert found["telemetry_cpu_frequency_hertz"] == 1.5e9
    assert found["telemetry_battery_power_watts"] == -2.0
    assert found['telemetry_core_usage_ratio{core="0"}'] == 0.2
    assert found['telemetry_process_cpu_ratio{name="python3"}'] == 0.2
    assert found["telemetry_battery_discharged_joules_total"] == 200.0
    record(system, 21, 1500)  # by now some hours are rolled up
    found = values(service.get())
    assert found["telemetry_sample_time_seconds"] == RECENT + 7500.25
    assert found["telemetry_battery_discharged_joules_total"] == 15_000.0
    assert stop(service.process) == (0, "")


@needs_client
def test_the_parser_of_prometheus_reads_it(system: System) -> None:
    openmetrics = importlib.import_module(
        "prometheus_client.openmetrics.parser"
    ).text_string_to_metric_families
    plain = importlib.import_module("prometheus_client.parser").text_string_to_metric_families
    record(system, 1, 2)
    service = Service(system)
    names = {family.name for family in openmetrics(service.get())}
    assert "telemetry_battery_discharged_joules" in names
    same = {family.name.removesuffix("_total") for family in plain(service.get("text/plain"))}
    assert same == names
    with pytest.raises(urllib.error.HTTPError, match="404"):
        service.get(path="/")


@needs_client
def test_without_a_database_it_answers_503_and_keeps_running(system: System) -> None:
    service = Service(system)
    with pytest.raises(urllib.error.HTTPError) as refused:
        service.get()
    assert refused.value.code == 503
    assert b"no such database" in refused.value.read()
    refused.value.close()
    record(system, 1, 1)
    assert values(service.get())


@needs_client
def test_silent_peers_are_bounded_and_disconnected(system: System) -> None:
    record(system, 1, 1)
    service = Service(system)
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            for _ in range(MOST_AT_A_TIME + 20)
        ]
        threads = len(list(Path(f"/proc/{service.process.pid}/task").iterdir()))
        assert threads <= MOST_AT_A_TIME + 2
        for peer in silent:
            peer.settimeout(30)
            with suppress(ConnectionResetError):
                assert peer.recv(1) == b""
    assert values(service.get())
    assert stop(service.process) == (0, "")


@needs_client
def test_an_address_in_use_gives_a_one_line_error(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = system.run("forward.main", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert ran.returncode == 1
    assert re.fullmatch(r"telemetry-forward: --listen 127\.0\.0\.1:\d+: Address already in use\n", ran.stderr)


@pytest.mark.parametrize(
    "text", ["", "9101", ":9101", "localhost:9101", "127.0.0.1:", "127.0.0.1:99999", "::1:x"]
)
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"as in 127\.0\.0\.1:9101"):
        address(text)


def test_an_address_may_be_ipv6() -> None:
    assert address("[::1]:9101") == ("::1", 9101)
    assert address("127.0.0.1:9101") == ("127.0.0.1", 9101)


@needs_client
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_no_problem(system: System) -> None:
    record(system, 1, 2)
    text = Service(system).get("text/plain")
    ran = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@needs_client
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_scrapes_it(system: System, tmp_path: Path) -> None:
    record(system, 1, 20)
    service = Service(system)
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs:\n- job_name: telemetry\n  scrape_interval: 1s\n"
        f"  static_configs:\n  - targets: ['127.0.0.1:{service.port}']\n"
    )
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]

    def answer() -> list[Any]:
        query = "telemetry_battery_discharged_joules_total"
        with suppress(OSError):
            address = f"http://127.0.0.1:{port}/api/v1/query?query={query}"
            with urllib.request.urlopen(address, timeout=5) as response:
                found: list[Any] = json.load(response)["data"]["result"]
                return found
        return []

    with (tmp_path / "log").open("wb") as log:
        prometheus = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(answer)
        assert float(answer()[0]["value"][1]) == 200.0
    finally:
        prometheus.send_signal(signal.SIGKILL)
        prometheus.wait()
