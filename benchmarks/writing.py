"""The writer under load: importing, catching up with a full ring, and bytes written to the disk."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

import zmq

from benchmarks import readings
from benchmarks.children import disk_directory, environment, module, running, runtime_directory
from benchmarks.samples import INTERVAL, RUN, lines, samples
from telemetry import places
from telemetry.sample import encode
from telemetry.stream.publisher import Publisher
from telemetry.stream.ring import DEFAULT_CAPACITY, Ring

_PATIENCE: Final = 60.0
"""s after which a process that does not answer is given up"""
_PER_COMMIT: Final = 12
"""Samples per commit with the defaults: 60 s with one every 5 s."""


class Rate(NamedTuple):
    """Samples per second of wall clock time and per second of the writer's CPU time."""

    by_clock: float
    by_cpu: float


# --- import ----------------------------------------------------------------------------------------


def import_rate(count: int) -> Rate:
    """Import ``count`` samples from a file into a new database; the whole process is measured."""
    with disk_directory() as directory, runtime_directory() as runtime:
        source = directory / "samples.jsonl"
        with source.open("wb") as file:
            file.writelines(lines(1, count, time.time() - count * INTERVAL))
        command = module("writer.main", "--db", directory / "telemetry.db", "--import", source)
        cpu_before, begun = os.times(), time.monotonic()
        subprocess.run(command, env=environment(runtime), check=True, capture_output=True)
        seconds, cpu_after = time.monotonic() - begun, os.times()
    cpu = cpu_after.children_user + cpu_after.children_system
    cpu -= cpu_before.children_user + cpu_before.children_system
    return Rate(count / seconds, count / cpu)


# --- from the ring ---------------------------------------------------------------------------------


class CatchUp(NamedTuple):
    """A writer that starts after the sampler's ring is full."""

    held: int
    """Samples in the ring."""
    rate: Rate
    sampler: readings.Memory
    """The sampler's memory with a full ring, including the index of the ring."""
    writer: readings.Memory
    """The writer's memory after it has caught up."""
    ring: int
    """The size of the ring's file in bytes."""


def catch_up(times: int = 3) -> CatchUp:
    """Measure ``times`` times; return the run with the median rate."""
    return sorted((_catch_up() for _ in range(times)), key=lambda found: found.rate.by_clock)[times // 2]


def _catch_up() -> CatchUp:
    with disk_directory() as directory, runtime_directory() as runtime:
        held = _fill_ring(places.ring_file(runtime))
        log = directory / "writer.log"
        sampler_command = module("sampler.main")
        writer_command = module("writer.main", "--db", directory / "telemetry.db", "--verbose")
        with running(sampler_command, runtime, directory / "sampler.log") as sampler:
            _wait_for(log=directory / "sampler.log", pattern=r"a sample every")
            with running(writer_command, runtime, log) as writer:
                _wait_for(log, r"storing into")
                cpu_before, begun = readings.cpu_seconds(writer.pid), time.monotonic()
                whole_batches = held // 500 * 500
                while sum(map(int, re.findall(r"committed (\d+) samples", log.read_text()))) < whole_batches:
                    time.sleep(0.005)
                    if time.monotonic() - begun > _PATIENCE:
                        raise RuntimeError("the writer does not catch up")
                seconds = time.monotonic() - begun
                cpu = readings.cpu_seconds(writer.pid) - cpu_before
                return CatchUp(
                    held,
                    Rate(whole_batches / seconds, whole_batches / cpu),
                    readings.memory(sampler.pid),
                    readings.memory(writer.pid),
                    places.ring_file(runtime).stat().st_size,
                )


def _fill_ring(path: Path) -> int:
    """Fill a ring with samples of an earlier run; return their number."""
    ring = Ring(path)
    size = seq = 0
    while size < DEFAULT_CAPACITY:
        seq += 1
        (sample,) = samples(seq, 1, time.time() - 86400)
        body = encode(sample)
        ring.append(RUN, seq, body)
        size += len(body)
    (held,) = ring.runs
    ring.close()
    return held.last - held.first + 1


def _wait_for(log: Path, pattern: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not re.search(pattern, log.read_text(errors="replace")):
        if time.monotonic() > end:
            raise RuntimeError(f"{log.name} does not say {pattern!r}")
        time.sleep(0.005)


# --- bytes -----------------------------------------------------------------------------------------


def bytes_written(commits: int, *, index: bool = True) -> float:
    """Return the bytes that the kernel writes for a writer per sample, with the default options.

    A real writer, and a real publisher that does not wait 5 s between two samples: it publishes twelve at
    once, which the writer commits after 0.05 s instead of 60 s. What it wrote goes to the disk before the
    next twelve, as the kernel would see to within 30 s. ``index``: the -shm file too, which SQLite maps to
    share the index of the WAL with readers; the kernel writes it back as it does any other.
    """
    with disk_directory() as directory, runtime_directory() as runtime:
        database = directory / "telemetry.db"
        command = module("writer.main", "--db", database, "--commit-interval", "0.05")
        with running(command, runtime, directory / "writer.log") as writer, _Feed(runtime) as feed:
            _wait_for(directory / "writer.log", r"storing into")
            feed.publish(_PER_COMMIT)
            feed.commit()
            _to_disk(directory, index=index)
            before = readings.written_bytes(writer.pid)
            for _ in range(commits):
                feed.publish(_PER_COMMIT)
                feed.commit()
                _to_disk(directory, index=index)
            return (readings.written_bytes(writer.pid) - before) / (commits * _PER_COMMIT)


class _Feed:
    """The sampler's end of the stream, and a client of the writer's control socket."""

    def __init__(self, runtime: Path) -> None:
        self._never, self._far_end = socket.socketpair()
        publish, replay = places.publish_endpoint(runtime), places.replay_endpoint(runtime)
        self._publisher = Publisher([publish], replay, Ring(None), RUN)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._control = self._context.socket(zmq.REQ)
        self._control.connect(places.control_endpoint(runtime))
        self._seq = 0
        self._start = time.time() - 7 * 86400

    def __enter__(self) -> _Feed:
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.destroy(linger=0)
        self._publisher.close()
        self._never.close()
        self._far_end.close()

    def publish(self, count: int) -> None:
        for sample in samples(self._seq + 1, count, self._start):
            self._publisher.publish(sample.topic, sample.seq, encode(sample))
        self._seq += count
        # The writer reads them while it has no requests.
        self._publisher.serve(time.monotonic() + 0.004, self._never)

    def commit(self) -> None:
        """Wait until everything published is committed."""
        end = time.monotonic() + _PATIENCE
        while self._newest() != [RUN, self._seq]:
            if time.monotonic() > end:
                raise RuntimeError("the writer does not store the published samples")
            self._publisher.serve(time.monotonic() + 0.05, self._never)

    def _newest(self) -> object:
        self._control.send(json.dumps({"v": 1, "op": "commit"}).encode())
        if not self._control.poll(int(_PATIENCE * 1000)):
            raise RuntimeError("the writer does not answer")
        return json.loads(self._control.recv()).get("newest")


def _to_disk(directory: Path, *, index: bool) -> None:
    names = ("telemetry.db", "telemetry.db-wal", *(["telemetry.db-shm"] if index else []))
    for path in (directory / name for name in names):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(file)
        finally:
            os.close(file)
