"""Every CPU second has an owner: the real sampler beside real loads of short-lived processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telemetry.sample import Sample, decode
from tests.system.processes import System


@contextmanager
def load(*command: str) -> Iterator[int]:
    """Run a load; yield its pid."""
    started = subprocess.Popen(command, start_new_session=True)
    try:
        yield started.pid
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def measured(system: System) -> Sample:
    """Return a sample of three seconds that lists every process."""
    ran = system.run("sampler.main", "--once", "--interval", "3", "--top-procs", "1000")
    assert ran.returncode == 0, ran.stderr
    return decode(json.dumps(json.loads(ran.stdout)).encode())


def busy(sample: Sample) -> float:
    """Return the busy time of the machine, in percent of one core, from /proc/stat."""
    return sum(usage for usage in sample.cpu.cores if usage is not None)


def own(sample: Sample) -> float:
    return sum(process.cpu for process in sample.processes)


def children(sample: Sample) -> float:
    return sum(process.children or 0.0 for process in sample.processes)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize(
    "loop",
    [
        "while :; do /bin/true; done",
        "while :; do /bin/true | /bin/true; done",
        "while :; do (/bin/true); done",
    ],
    ids=["commands", "pipes", "commands of subshells"],
)
def test_a_loop_of_short_commands_is_covered(system: System, loop: str) -> None:
    with load("sh", "-c", loop) as shell:
        sample = measured(system)
    (row,) = [process for process in sample.processes if process.pid == shell]
    assert row.children is not None
    assert row.children > 4 * row.cpu  # its own CPU use is only a small part
    assert 0.9 <= (own(sample) + children(sample)) / busy(sample) <= 1.1
    assert sample.cpu.unowned is not None
    assert sample.cpu.total is not None
    assert sample.cpu.unowned <= sample.cpu.total * 0.1


DEAF = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if not os.fork():
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
"""


@pytest.mark.alone
@pytest.mark.slow
def test_cpu_time_of_children_without_a_wait_is_unowned(system: System) -> None:
    """If a parent ignores SIGCHLD, the kernel adds its children's CPU time to no process."""
    with load(sys.executable, "-c", DEAF) as parent:
        sample = measured(system)
    (row,) = [process for process in sample.processes if process.pid == parent]
    assert row.children == 0.0
    assert sample.cpu.unowned is not None
    assert sample.cpu.total is not None
    cores = sum(usage is not None for usage in sample.cpu.cores)
    assert sample.cpu.unowned * cores >= 10.0  # the load uses a whole core, if other programs leave one
    assert sample.cpu.unowned <= sample.cpu.total
