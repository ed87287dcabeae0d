"""A flood of connections, half handshakes, garbage and unknown keys on both ports costs no sample."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from telemetry.sample import Sample
from telemetry.stream.gate import FILES
from telemetry.stream.joiner import Gap, Start
from telemetry.stream.subscriber import Subscriber
from tests.system.processes import System, stop
from tests.system.test_network import Network


def memory(pid: int) -> int:
    """Return the resident memory of a process, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.alone])])
def test_a_flood_costs_no_sample_and_little_memory(system: System, tmp_path: Path, seconds: int) -> None:
    network = Network(system, tmp_path, "127.0.0.1")
    sampler = network.sampler()
    items: list[Sample | Gap] = []
    of_friend: list[Sample | Gap] = []
    at_ipc = f"ipc://{system.runtime}/samples", f"ipc://{system.runtime}/replay"
    with (
        Subscriber(*at_ipc, Start.OLDEST) as neighbour,
        Subscriber(
            network.publish, network.replay, Start.OLDEST, keys=network.keys.client("friend")
        ) as friend,
    ):
        while len(items) < 3 or len(of_friend) < 3:
            items += neighbour.receive(0.1)
            of_friend += friend.receive(0.1)
        before, most, files_before, most_files = memory(sampler.pid), 0, files(sampler.pid), 0
        cpu = cpu_time(sampler.pid)
        floods = [
            system.start(
                "tests.system.flood",
                *(str(seconds), str(network.keys.public)),
                *(endpoint.rpartition(":")[2] for endpoint in (network.publish, network.replay)),
            )
            for _ in range(2)
        ]
        begun = time.monotonic()
        while any(flood.poll() is None for flood in floods):
            items += neighbour.receive(0.1)
            of_friend += friend.receive(0.0)
            most = max(most, memory(sampler.pid))
            most_files = max(most_files, files(sampler.pid))
        took = time.monotonic() - begun
        cpu = cpu_time(sampler.pid) - cpu
        end = items[-1].seq + 2 if isinstance(items[-1], Sample) else 0
        while not (of_friend and isinstance(of_friend[-1], Sample) and of_friend[-1].seq >= end):
            items += neighbour.receive(0.1)
            of_friend += friend.receive(0.1)
    counts = [json.loads(flood.communicate()[0]) for flood in floods]
    figures = {
        "attempts": [sum(count.values()) for count in counts],
        "counts": counts,
        "memory before, KiB": before >> 10,
        "memory gained at most, KiB": (most - before) >> 10,
        "files gained at most": most_files - files_before,
        "CPU, s": round(cpu, 2),
        "s": round(took, 1),
    }
    print(json.dumps(figures, indent=1))
    for heard in (items, of_friend):
        samples = [item for item in heard if isinstance(item, Sample)]
        assert [sample.seq for sample in samples] == [*range(1, len(heard) + 1)], "no sample is lost"
        # If the sampler skipped a sample, the interval of the next one would be twice as long.
        assert max(sample.interval for sample in samples) < 2.0
    assert sum(sum(count.values()) for count in counts) > 100 * seconds
    assert most - before < 32 << 20
    assert most_files - files_before <= 2 * FILES
    status, error = stop(sampler)
    assert (status, "Traceback" in error) == (0, False), error


def cpu_time(pid: int) -> float:
    """Return the s of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
