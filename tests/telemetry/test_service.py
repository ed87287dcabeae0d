"""Services: the stop signal and the log."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
import zmq

from telemetry.service import RateLimited, StopSignal, start_log


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore the handlers: StopSignal leaves its signals ignored, but pytest continues."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


# --- the stop signal -------------------------------------------------------------------------------


def after(seconds: float, number: int) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    return timer


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_wakes_a_poll(number: int) -> None:
    with StopSignal() as stop:
        poller = zmq.Poller()
        poller.register(stop.fileno(), zmq.POLLIN)
        assert poller.poll(0) == []
        timer = after(0.05, number)
        before = time.monotonic()
        assert poller.poll(10_000) == [(stop.fileno(), zmq.POLLIN)]
        assert stop.requested
        assert time.monotonic() - before < 5
        assert poller.poll(10_000), "and the poll stays ready"
        timer.join()


@pytest.mark.usefixtures("handlers")
def test_wait_returns_whether_a_signal_came() -> None:
    with StopSignal() as stop:
        assert not stop.wait(0.0)
        assert not stop.wait(0.01)
        timer = after(0.02, signal.SIGTERM)
        before = time.monotonic()
        assert stop.wait(10.0)
        assert time.monotonic() - before < 5
        assert stop.wait(10.0)
        timer.join()


@pytest.mark.usefixtures("handlers")
def test_several_signals_count_as_one() -> None:
    with StopSignal() as stop:
        for _ in range(2000):  # more than the socket holds
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(0.0)


@pytest.mark.usefixtures("handlers")
def test_a_signal_during_close_is_ignored() -> None:
    with StopSignal() as stop:
        file = stop.fileno()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert not stop.requested
    assert signal.set_wakeup_fd(-1) == -1, "no other signal is written to a closed file"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


# --- the log ---------------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("telemetry-test")
    yield log
    log.handlers.clear()


def test_one_line_a_minute_with_the_number_of_suppressed_lines(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    limited = RateLimited(log)
    limited.warning("first", now=0.0)  # immediately, even just after boot
    for second in range(1, 60):
        limited.warning("more", now=float(second))
    limited.warning("last", now=60.0)
    limited.warning("alone", now=200.0)
    assert [record.getMessage() for record in caplog.records] == [
        "first",
        "last (and 59 more since the last such line)",
        "alone",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert limited.count == 62


def test_the_rate_can_be_set(log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    limited = RateLimited(log, every=5.0)
    for now in (100.0, 104.9, 105.0):
        limited.warning("text", now)
    assert len(caplog.records) == 2
    limited.warning("now")  # by default the machine's clock is used
    assert limited.count == 4


LOG = """
import os, sys
from telemetry.service import start_log
stream = os.fstat(2)
if sys.argv[1] == "journal":
    os.environ["JOURNAL_STREAM"] = f"{stream.st_dev}:{stream.st_ino}"
log = start_log("telemetry-x", sys.argv[2] == "verbose")
log.debug("d %d", 1)
log.info("i")
log.warning("w")
log.error("e")
log.critical("c")
"""


def logged(where: str, verbose: str, environ: Mapping[str, str]) -> list[str]:
    command = [sys.executable, "-c", LOG, where, verbose]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environ})
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_lines_for_the_journal_have_a_priority() -> None:
    assert logged("journal", "verbose", {}) == ["<7>d 1", "<6>i", "<4>w", "<3>e", "<3>c"]
    assert logged("journal", "quiet", {}) == ["<6>i", "<4>w", "<3>e", "<3>c"]


def test_lines_for_a_person_have_the_programs_name() -> None:
    """A desktop's terminal inherits JOURNAL_STREAM from its unit, but it is not the journal."""
    for environ in ({}, {"JOURNAL_STREAM": "8:12345"}, {"JOURNAL_STREAM": ""}):
        lines = logged("terminal", "quiet", environ)
        assert lines == [f"telemetry-x: {text}" for text in "iwec"]


def test_a_log_that_is_started_twice_logs_each_line_once(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    start_log("telemetry-test", verbose=False)
    log = start_log("telemetry-test", verbose=True)
    log.debug("once")
    log.handlers.clear()
    log.propagate, propagated = True, log.propagate  # other tests use the root logger
    assert capsys.readouterr().err == "telemetry-test: once\n"
    assert not propagated
    assert caplog.records == []
