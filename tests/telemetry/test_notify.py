"""Notifications to the service manager, as they arrive at a real datagram socket."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.notify import Supervisor


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        yield end


def notifications(manager: socket.socket) -> list[list[str]]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def environ(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(manager.getsockname()), **more}


def test_ready_and_stopping_are_sent(manager: socket.socket) -> None:
    with closing(Supervisor(environ(manager))) as supervisor:
        supervisor.ready("a sample every 5 s")
        supervisor.alive("a sample every 5 s")
        supervisor.stopping()
    assert notifications(manager) == [["READY=1", "STATUS=a sample every 5 s"], ["STOPPING=1"]]


def test_an_abstract_socket_works() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        name = f"telemetry-test-{os.getpid()}"
        end.bind(f"\0{name}")
        with closing(Supervisor({"NOTIFY_SOCKET": f"@{name}"})) as supervisor:
            supervisor.stopping()
        assert end.recv(100, socket.MSG_DONTWAIT) == b"STOPPING=1"


def test_the_watchdog_is_fed_each_quarter_of_its_time(manager: socket.socket) -> None:
    with closing(Supervisor(environ(manager, WATCHDOG_USEC="60000000"))) as supervisor:
        assert supervisor.beat == 15.0
        for now in (100.0, 101.0, 114.9, 115.0, 129.0, 130.0):
            supervisor.alive(now=now)
    assert notifications(manager) == [["WATCHDOG=1"]] * 3


def test_a_status_is_sent_when_it_changes(manager: socket.socket) -> None:
    with closing(Supervisor(environ(manager))) as supervisor:
        supervisor.ready("storing")
        for status in ("storing", "disk full", "disk full", "storing"):
            supervisor.alive(status)
    assert [lines[-1] for lines in notifications(manager)] == [
        "STATUS=storing",
        "STATUS=disk full",
        "STATUS=storing",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_nothing_is_fed(manager: socket.socket, given: dict[str, str]) -> None:
    with closing(Supervisor(environ(manager, **given))) as supervisor:
        assert supervisor.beat == math.inf
        supervisor.alive()
    assert notifications(manager) == []


def test_the_watchdog_is_for_this_process(manager: socket.socket) -> None:
    given = environ(manager, WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid()))
    with closing(Supervisor(given)) as supervisor:
        assert supervisor.beat == 1.0


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative", "/no/such/socket"])
def test_without_a_service_manager_nothing_fails(address: str) -> None:
    with closing(Supervisor({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})) as supervisor:
        supervisor.ready("x")
        supervisor.alive("y")
        supervisor.stopping()


def test_a_notification_that_failed_is_sent_again(tmp_path: Path) -> None:
    given = {"NOTIFY_SOCKET": str(tmp_path / "late"), "WATCHDOG_USEC": "60000000"}
    with closing(Supervisor(given)) as supervisor:
        supervisor.alive("a", now=10.0)  # the manager is being restarted
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(str(tmp_path / "late"))
            end.setblocking(False)
            supervisor.alive("a", now=11.0)
            assert notifications(end) == [["WATCHDOG=1", "STATUS=a"]]


def test_the_signal_of_the_watchdog_prints_the_stack(manager: socket.socket) -> None:
    code = (
        "import os, signal\nfrom telemetry.notify import Supervisor\nSupervisor()\n"
        "def stuck(): os.kill(os.getpid(), signal.SIGABRT)\nstuck()"
    )
    given = {**os.environ, **environ(manager, WATCHDOG_USEC="60000000")}
    ran = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert ran.returncode == -6
    assert 'File "<string>", line 4 in stuck' in ran.stderr
