"""Many simulated machines that forward into one local VictoriaMetrics: losses and costs.

    python -m benchmarks.fleet --hosts 1 50 200 --minutes 2

One process stores a sample for each machine every five seconds, with the writer's code, into one database per
machine. One telemetry-forward per machine sends them. It prints one line of a Markdown table for each number
of machines. The start of the forwarders is not counted. It needs victoria-metrics in PATH (Debian's package).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from telemetry.sample import Battery, Cpu, Process, Sample
from writer.store import Store

INTERVAL: Final = 5.0
NAMES: Final = 40
"""Programs of a machine; ten of them are in each sample"""
PATIENCE: Final = 120.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
HEAD: Final = (
    "| hosts | samples stored | lost | samples/s | forwarder: CPU a sample, memory each "
    "| engine: CPU, memory, series, disk |"
)


def sample(host: int, seq: int, chance: random.Random) -> Sample:
    """Return a made-up sample. Every value is random, the worst case for an engine that compresses."""
    now = time.time()
    power = round(-chance.uniform(1.5, 6), 3)
    percent = float(chance.randrange(100))
    programs = chance.sample(range(NAMES), 10)
    return Sample(
        host=f"host-{host}",
        boot_id="boot",
        run=f"run-{host}",
        seq=seq,
        ts=int(now),
        time=now,
        interval=INTERVAL,
        suspended=0.0,
        battery=Battery("BAT0", "Discharging", 3.8, round(power / 3.8, 3), power, percent),
        cpu=Cpu(
            round(chance.uniform(0, 60), 1),
            tuple(round(chance.uniform(0, 100), 1) for _ in range(4)),
            1500.0,
            round(chance.uniform(40, 60), 1),
        ),
        load=(0.5, 0.25, 0.125),
        processes=tuple(
            Process(1000 + at, 1, f"program-{name}", round(chance.uniform(0, 30), 2), 1.5)
            for at, name in enumerate(programs)
        ),
    )


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


class Engine:
    """VictoriaMetrics with its own data directory."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        options = ["-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s", "-retentionPeriod=1y"]
        self.directory = directory / "engine"
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "victoria-metrics",
                    f"-storageDataPath={self.directory}",
                    f"-httpListenAddr=127.0.0.1:{self.port}",
                    *options,
                ],
                stdout=log,
                stderr=log,
            )

    def get(self, path: str, **parameters: str) -> bytes:
        query = urllib.parse.urlencode(parameters).encode() if parameters else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", query, timeout=30) as answer:
            return bytes(answer.read())

    def value(self, query: str) -> int:
        """Return the value of a query; 0 if there is none, or if the engine does not answer yet."""
        with suppress(OSError):
            self.get("/internal/force_flush")
            result = json.loads(self.get("/api/v1/query", query=query))["data"]["result"]
            return int(float(result[0]["value"][1])) if result else 0
        return 0

    def disk(self) -> int:
        return sum(path.stat().st_size for path in (self.directory / "data").rglob("*") if path.is_file())


def measure(hosts: int, seconds: float) -> str:
    """Let ``hosts`` machines record for the given seconds; return the row of the table."""
    chance = random.Random(hosts)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        directory = Path(place)
        engine = Engine(directory)
        stack.callback(engine.process.wait)
        stack.callback(engine.process.terminate)
        stores = [stack.enter_context(Store(directory / f"{host}.db")) for host in range(hosts)]
        forwarders = []
        for host in range(hosts):
            options = [
                "--url",
                f"http://127.0.0.1:{engine.port}/write",
                "--db",
                str(directory / f"{host}.db"),
            ]
            options += ["--cursor", str(directory / f"{host}.cursor")]
            process = subprocess.Popen(
                [sys.executable, "-m", "forward.main", *options], stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            forwarders.append(process.pid)
        time.sleep(5 + hosts * 0.3)
        begun = time.monotonic()
        cpu_before = sum(map(cpu_seconds, forwarders))
        engine_before = cpu_seconds(engine.process.pid)
        stored = 0
        while (now := time.monotonic()) < begun + seconds:
            for host, store in enumerate(stores):
                store.append([sample(host, stored // hosts + 1, chance)], 0.0)
            stored += hosts
            time.sleep(max(0.0, now + INTERVAL - time.monotonic()))
        end = time.monotonic() + PATIENCE
        query = "sum(count_over_time(telemetry_system_power[1d]))"
        while (arrived := engine.value(query)) < stored and time.monotonic() < end:
            time.sleep(1)
        elapsed = time.monotonic() - begun
        cpu = sum(map(cpu_seconds, forwarders)) - cpu_before
        engine_cpu = cpu_seconds(engine.process.pid) - engine_before
        memory = max(map(peak_memory, forwarders))
        series = engine.value('count({__name__=~"telemetry_.*"}[1d])') or engine.value(
            'count(last_over_time({__name__=~"telemetry_.*"}[1d]))'
        )
        return (
            f"| {hosts} | {stored:,} | {stored - arrived} | {stored / seconds:.1f} "
            f"| {1000 * cpu / stored:.1f} ms, {memory:.0f} MB "
            f"| {100 * engine_cpu / elapsed:.1f} % of a core, {peak_memory(engine.process.pid):.0f} MB, "
            f"{series:,}, {engine.disk() / stored:.0f} bytes a sample |"
        )


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return a parser of option values above 0."""

    def read(text: str) -> float:
        number = kind(text)
        if not 0 < number < float("inf"):
            raise ValueError
        return number

    read.__name__ = "number above 0"
    return read


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--hosts", type=positive(int), nargs="+", required=True, help="numbers of machines")
    parser.add_argument("--minutes", type=positive(float), default=10.0, help="for each number (default: 10)")
    options = parser.parse_args()
    if shutil.which("victoria-metrics") is None:
        parser.error("victoria-metrics is not in PATH (Debian's package victoria-metrics)")
    print(HEAD)
    print("|---|---|---|---|---|---|")
    for number in options.hosts:
        print(measure(int(number), 60 * options.minutes), flush=True)


if __name__ == "__main__":
    main()
