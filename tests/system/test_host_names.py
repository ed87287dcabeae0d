"""Samples are stored whatever host name the kernel accepted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.processes import BATTERY, System, wait_until

NAMED = """
import os, socket, sys
socket.sethostname(bytes.fromhex(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


def in_namespace(name: bytes) -> list[str]:
    """Return a command prefix that runs a program in its own UTS namespace with that host name."""
    for namespace in (["unshare", "--uts"], ["unshare", "--user", "--map-root-user", "--uts"]):
        command = [*namespace, sys.executable, "-c", NAMED, name.hex()]
        try:
            done = subprocess.run([*command, sys.executable, "-c", ""], check=False, capture_output=True)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            return command
    pytest.skip("unshare may not make a UTS namespace here")


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("café".encode("latin-1"), "caf\ufffd"),
        (b"", "unknown"),
        ("café".encode(), "café"),
        (b"a/b", "a/b"),
    ],
    ids=["latin-1", "empty", "UTF-8", "slash"],
)
@pytest.mark.slow
@pytest.mark.fast_cases(1)
def test_a_sample_of_a_host_with_any_name_reaches_a_report(
    system: System, tmp_path: Path, name: bytes, published: str
) -> None:
    sampler = [sys.executable, "-m", "sampler.main", "--once", "--sysfs", str(BATTERY)]
    done = subprocess.run(
        [*in_namespace(name), *sampler], env=system.environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sample = json.loads(done.stdout)
    assert sample["host"] == published

    recorded = tmp_path / "sample.jsonl"
    recorded.write_text(json.dumps(sample) + "\n")
    assert system.run("writer.main", "--import", str(recorded)).returncode == 0
    shown = system.run("query.main", "status", "--format", "json")
    assert json.loads(shown.stdout)[0]["samples"] == 1


@pytest.mark.slow
def test_a_sample_of_a_host_name_that_is_not_utf8_is_stored(system: System) -> None:
    """From end to end: published under a topic, received by the writer, stored."""
    command = in_namespace("café".encode("latin-1"))
    options = ["--interval", "1", "--sysfs", str(BATTERY)]
    sampler = subprocess.Popen(
        [*command, sys.executable, "-m", "sampler.main", *options],
        env=system.environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        system.writer()
        wait_until(lambda: system.stored() >= 1)
    finally:
        sampler.terminate()
        _, told = sampler.communicate(timeout=30)
    assert told.count("host: replaced or left out a value that readers would refuse") == 1
    assert "Traceback" not in told
