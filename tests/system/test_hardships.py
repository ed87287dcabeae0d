"""Problems seen on real machines: few file descriptors, odd bytes, lost directories and sessions, floods."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from telemetry.stream.replay import request
from tests.system.processes import PATIENCE, System, stop, wait_until
from tests.telemetry.streams import Context, has_ipv6

FEWEST = 5
"""The file descriptors that Python itself needs to start"""
COMMANDS = {
    "sampler": ["sampler.main", "--interval", "1"],
    "writer": ["writer.main"],
    "live": ["query.main", "live"],
    "report": ["query.main", "status"],
}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path) as system:
        yield system


# --- few file descriptors --------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "limits", [range(FEWEST, 21, 5), pytest.param(range(FEWEST, 41), marks=pytest.mark.slow)]
)
@pytest.mark.fast_cases(1)
def test_too_few_file_descriptors_give_a_one_line_error(system: System, command: str, limits: range) -> None:
    """It either works or says why not. ZeroMQ alone would abort."""
    for limit in limits:
        process = subprocess.Popen(
            ["prlimit", f"--nofile={limit}:{limit}", sys.executable, "-m", *COMMANDS[command]],
            env=system.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, error = process.communicate(timeout=PATIENCE if limit <= 24 else 3)
        except subprocess.TimeoutExpired:
            process.terminate()
            _, error = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, (limit, error)
            continue
        assert process.returncode == 1, (limit, error)
        assert len(error.splitlines()) == 1, (limit, error)
        if limit <= 20:
            assert f"only {limit} files may be open at a time" in error
            assert "ulimit -n 1024" in error


@pytest.mark.slow
def test_more_connections_than_the_soft_limit_do_not_end_a_service(system: System) -> None:
    """ZeroMQ aborts the process if it cannot accept on an ipc:// socket."""
    services = [
        subprocess.Popen(
            ["prlimit", "--nofile=64:1024", sys.executable, "-m", *COMMANDS[command]],
            env=system.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in ("sampler", "writer")
    ]
    try:
        wait_until(lambda: system.stored() >= 1)
        with ExitStack() as peers:
            for name in ("samples", "writer"):
                for _ in range(100):
                    peer = peers.enter_context(socket.socket(socket.AF_UNIX))
                    peer.connect(str(system.runtime / name))
            stored = system.stored()
            wait_until(lambda: system.stored() >= stored + 2)
    finally:
        for service in services:
            service.terminate()
    ended = [(service.communicate(timeout=PATIENCE)[1], service.returncode) for service in services]
    assert [status for _, status in ended] == [0, 0], ended


# --- bytes, places, sessions -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_directory_name_may_contain_any_bytes(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9\xff")
    odd.mkdir()
    with System(odd) as system:
        sampler, writer = system.sampler(), system.writer()
        wait_until(lambda: system.stored() >= 2)
        (told,) = system.query("status")
        assert told["samples"] >= 2
        names = sorted(os.listdir(os.fsencode(system.runtime)))
        assert {b"ring", b"samples", b"replay", b"writer"} <= set(names)
        for process in (sampler, writer):
            status, error = stop(process)
            assert (status, "Traceback" in error) == (0, False), error


@pytest.mark.parametrize(
    "endpoint", ["tcp://[::1]:99999", "tcp://::1:5555", "ipc:///nowhere/x", "inproc://x"]
)
@pytest.mark.parametrize("option", ["--publish", "--replay", "--control"])
@pytest.mark.fast_cases(4)
def test_an_error_at_the_start_ends_the_process(system: System, option: str, endpoint: str) -> None:
    ran = system.run("writer.main" if option == "--control" else "sampler.main", option, endpoint)
    assert ran.returncode == (1 if endpoint.startswith("ipc") else 2)
    assert "Traceback" not in ran.stderr
    assert endpoint.rpartition("//")[2].removesuffix("/x") in ran.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_ipv6_from_end_to_end(system: System) -> None:
    ports = []
    for _ in range(3):
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            ports.append(probe.getsockname()[1])
    publish, replay, control = (f"tcp://[::1]:{port}" for port in ports)
    system.sampler("--publish", publish, "--replay", replay)
    writer = system.writer("--subscribe", publish, "--replay", replay, "--control", control)

    def newest() -> bool:
        ran = system.run("query.main", "--control", control, "status", "--format", "json")
        return ran.returncode == 0 and json.loads(ran.stdout)[0]["samples"] >= 2

    wait_until(newest, every=0.5)
    assert stop(writer)[0] == 0


@pytest.mark.slow
def test_the_end_of_the_session_commits_what_was_received(system: System) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        sampler, writer = system.sampler(), system.writer()
        live = system.start("query.main", "live", "--format", "json")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: system.stored() >= 2)
    for process in (live, sampler, writer):
        status, error = stop(process, signal.SIGHUP)
        assert (status, "Traceback" in error) == (0, False), error
    assert not Path(f"{system.database}-wal").exists(), "closed cleanly"


@pytest.mark.slow
def test_under_nohup_it_keeps_running(system: System) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does: a child inherits it
    try:
        sampler, writer = system.sampler(), system.writer()
        wait_until(lambda: system.stored() >= 1)
        for process in (sampler, writer):
            process.send_signal(signal.SIGHUP)
        stored = system.stored()
        wait_until(lambda: system.stored() > stored + 1)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert [stop(process)[0] for process in (sampler, writer)] == [0, 0]


@pytest.mark.slow
def test_a_runtime_directory_that_vanishes_is_recreated(system: System) -> None:
    sampler, writer = system.sampler(), system.writer()
    wait_until(lambda: system.stored() >= 2)
    shutil.rmtree(system.runtime)
    names = ("ring", "samples", "replay", "writer")
    wait_until(lambda: all((system.runtime / name).exists() for name in names))
    second = system.run("sampler.main", "--interval", "1")
    assert second.returncode == 1
    assert "another telemetry-sampler" in second.stderr
    # A writer that starts now gets everything, because the ring is still the same.
    assert stop(writer)[0] == 0
    system.database.unlink()
    again = system.writer()
    wait_until(lambda: system.stored() >= 4)
    (status,) = system.query("status")
    assert (status["gaps"], status["runs"]) == (0, 1)
    code, error = stop(sampler)
    assert code == 0
    assert len([line for line in error.splitlines() if "recreated" in line]) == 1
    assert stop(again)[0] == 0


@pytest.mark.slow
def test_if_its_directory_vanished_only_one_of_two_samplers_keeps_running(system: System) -> None:
    first = system.sampler()
    writer = system.writer()
    wait_until(lambda: system.stored() >= 2)
    shutil.rmtree(system.runtime)
    second = system.sampler()
    wait_until(lambda: first.poll() is not None or second.poll() is not None)
    ended, stays = (first, second) if first.poll() is not None else (second, first)
    _, error = ended.communicate()
    assert ended.returncode == 1
    assert "another telemetry-sampler" in error.splitlines()[-1]
    stored = system.stored()
    wait_until(lambda: system.stored() >= stored + 3)
    assert stays.poll() is None
    assert stop(stays)[0] == 0
    assert stop(writer)[0] == 0


# --- processes that never reach each other ---------------------------------------------------------


@pytest.mark.slow
def test_live_in_a_pipe_reports_that_it_waits(system: System) -> None:
    live = system.start("query.main", "live", "--format", "json")
    assert live.stderr is not None
    waiting = f"telemetry-query: waiting for the sampler at ipc://{system.runtime}/samples\n"
    assert live.stderr.readline() == waiting
    system.sampler()
    assert live.stdout is not None
    assert json.loads(live.stdout.readline())["seq"] == 1
    assert stop(live) == (0, "")


@pytest.mark.slow
def test_a_writer_without_samples_reports_it(system: System) -> None:
    writer = system.writer()
    assert writer.stderr is not None
    assert "storing into" in writer.stderr.readline()
    line = writer.stderr.readline()
    assert f"received nothing in 30 s, listening at ipc://{system.runtime}/samples" in line
    ran = system.run("query.main", "status")
    assert "telemetry-writer runs and has received nothing since it started" in ran.stderr
    system.sampler()
    assert "now receiving from a sampler" in writer.stderr.readline()
    wait_until(lambda: system.stored() >= 1)
    ran = system.run("query.main", "status")
    assert ran.stderr == ""
    assert stop(writer)[0] == 0


# --- floods ----------------------------------------------------------------------------------------


def cpu_of(process: subprocess.Popen[str]) -> int:
    """Return the CPU ticks that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident(process: subprocess.Popen[str]) -> int:
    """Return the resident memory of a process, kB."""
    found = [
        int(line.split()[1])
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    ]
    return found[0]


@pytest.mark.slow
def test_a_flood_of_replay_requests_costs_little_and_delays_nothing(system: System) -> None:
    sampler = system.sampler()
    endpoint = f"ipc://{system.runtime}/replay"
    wait_until((system.runtime / "replay").is_socket)
    before = resident(sampler)
    with Context() as context:
        floods: list[zmq.Socket[bytes]] = [context.socket(zmq.DEALER) for _ in range(4)]
        honest = context.socket(zmq.REQ)
        try:
            for client in (*floods, honest):
                client.setsockopt(zmq.LINGER, 0)
                client.connect(endpoint)
            end, sent, begun, used = time.monotonic() + 3.0, 0, time.monotonic(), cpu_of(sampler)
            answers = 0
            while time.monotonic() < end:
                for client in floods:
                    for _ in range(100):
                        try:
                            client.send(request(1, None, 0, 500), zmq.DONTWAIT)
                            sent += 1
                        except zmq.Again:
                            break
                    while client.poll(0):
                        client.recv_multipart()
                if answers == 0 or honest.poll(0):
                    if answers:
                        honest.recv_multipart()
                    honest.send(request(2, None, None))
                    answers += 1
            ticks = cpu_of(sampler) - used
            seconds = time.monotonic() - begun
        finally:
            for client in (*floods, honest):
                client.close()
    assert sent > 5000
    assert answers > 5, "the honest client is answered too"
    assert ticks / os.sysconf("SC_CLK_TCK") < seconds / 2, "not a core"
    assert resident(sampler) < before + 20_000
    assert stop(sampler)[0] == 0
