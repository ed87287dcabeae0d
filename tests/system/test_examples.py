"""Each example runs as a user would run it, on a real sampler."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from telemetry.sample import encode
from tests.strategies import sample
from tests.system.processes import DATA, ROOT, System, stop, wait_until
from tests.telemetry.streams import Station

EXAMPLES = ROOT / "examples"


@pytest.fixture
def sampled(system: System) -> System:
    system.sampler()
    wait_until((system.runtime / "replay").exists)
    return system


def first_lines(system: System, command: Sequence[str], count: int, cwd: Path | None = None) -> list[str]:
    """Return the first lines that an example prints, then kill it."""
    process = subprocess.Popen(command, env=system.environ, stdout=subprocess.PIPE, text=True, cwd=cwd)
    assert process.stdout is not None
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_bare_pyzmq(sampled: System) -> None:
    command = [sys.executable, str(EXAMPLES / "bare_pyzmq.py"), f"ipc://{sampled.runtime}/samples"]
    one, two = first_lines(sampled, command, 2)
    assert int(two.split()[0]) == int(one.split()[0]) + 1
    assert float(one.split()[2]) == pytest.approx(-8.274249)
    code = (EXAMPLES / "bare_pyzmq.py").read_text().splitlines()
    assert sum(1 for line in code if line and not line.startswith('"""')) <= 12


def test_every_sample(sampled: System) -> None:
    lines = first_lines(sampled, [sys.executable, str(EXAMPLES / "every_sample.py")], 3)
    assert [line.split()[1] for line in lines] == ["1", "2", "3"]


@pytest.mark.slow
def test_low_battery(sampled: System) -> None:
    """The recorded battery is at 29 % and discharging."""
    (line,) = first_lines(sampled, [sys.executable, str(EXAMPLES / "low_battery.py"), "30"], 1)
    assert line == "battery low: 29 %\n"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed")
def test_node(sampled: System, tmp_path: Path) -> None:
    project = tmp_path / "node"
    shutil.copytree(EXAMPLES / "node", project, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    command = ["node", "live.js", f"ipc://{sampled.runtime}/samples"]
    one, two = first_lines(sampled, command, 2, cwd=project)
    assert one.split()[0] == f"sample/{os.uname().nodename}/"
    assert int(two.split()[1]) == int(one.split()[1]) + 1


# --- telemetry-query live ---


def live(system: System, *options: str) -> subprocess.Popen[str]:
    return system.start("query.main", "live", *options)


@pytest.mark.slow
def test_live_shows_the_newest_sample_of_the_ring_at_once(system: System) -> None:
    """The interval is an hour, so the sample comes from the ring."""
    sampler = system.sampler()
    writer = system.writer()
    wait_until(lambda: system.stored() >= 1)
    stop(sampler)
    stop(writer)
    system.start("sampler.main", "--interval", "3600")
    wait_until((system.runtime / "replay").exists)
    shown = live(system, "--format", "json")
    assert shown.stdout is not None
    sample = json.loads(shown.stdout.readline())
    assert sample["battery"]["pct"] == 29
    status, error = stop(shown, 2)
    assert (status, error) == (0, "")


@pytest.mark.slow
def test_live_json_prints_one_object_per_line_and_survives_a_restart(system: System) -> None:
    sampler = system.sampler()
    shown = live(system, "--format", "json")
    assert shown.stdout is not None
    samples = [json.loads(shown.stdout.readline()) for _ in range(2)]
    sampler.kill()
    system.sampler()
    samples += [json.loads(shown.stdout.readline()) for _ in range(2)]
    runs = [sample["run"] for sample in samples]
    assert runs[0] == runs[1] != runs[-1]
    status, error = stop(shown)
    assert status == 0
    assert "Traceback" not in error


def test_live_json_keeps_unknown_fields_of_a_newer_sampler(system: System) -> None:
    it = sample("later", 1)
    newer = json.loads(encode(it)) | {"fan": {"rpm": 1200}}
    with Station(system.runtime, "later") as station:
        station.publisher.publish(it.topic, it.seq, json.dumps(newer, indent=1).encode())
        shown = live(system, "--format", "json")
        output = shown.stdout
        assert output is not None

        def has_come() -> bool:
            station.serve(0.01)
            return bool(select.select([output], [], [], 0)[0])

        wait_until(has_come)
        assert json.loads(output.readline()) == newer
        stop(shown)


def test_live_ends_when_its_output_is_closed(system: System) -> None:
    system.start("sampler.main", "--interval", "3600", "--sysfs", str(DATA))
    wait_until((system.runtime / "replay").exists)
    shown = live(system)
    assert shown.stdout is not None
    shown.stdout.close()
    assert shown.wait(timeout=30) == 0
    assert shown.stderr is not None
    assert shown.stderr.read() == ""
    shown.stdout = None


@pytest.mark.slow
def test_live_table_shows_battery_cpu_and_processes(sampled: System) -> None:
    shown = live(sampled, "--limit", "3")
    assert shown.stdout is not None
    lines = [shown.stdout.readline() for _ in range(10)]
    assert lines[1].startswith("battery  29.0 %  Discharging  8.27 W out")
    assert lines[5].split() == ["pid", "name", "cpu", "%", "mem", "%", "children", "%"]
    assert lines[10 - 1] == lines[10 - 1].rstrip() + "\n"
    stop(shown)
