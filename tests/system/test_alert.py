"""telemetry-query alert as a process, with a sampler whose battery changes and with a simulated stream."""

from __future__ import annotations

import os
import select
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.sample import encode
from tests.strategies import sample
from tests.system.processes import BATTERY, System, stop, wait_until
from tests.telemetry.streams import Station


class Alert:
    """The process, which appends rule and percent to a file at each alert."""

    def __init__(self, system: System, directory: Path, *options: str) -> None:
        self.file = directory / "alerts"
        command = f'echo "$TELEMETRY_ALERT $TELEMETRY_PERCENT" >>{self.file}'
        self.process = system.start("query.main", "alert", *options, "--run", command)

    def given(self) -> list[str]:
        """Return one line for each alert so far."""
        return self.file.read_text().splitlines() if self.file.exists() else []

    def stop(self) -> list[str]:
        """Stop it; return what it printed, without the times."""
        self.process.terminate()
        output, error = self.process.communicate(timeout=30)
        assert (self.process.returncode, error) == (0, "")
        return [line.split("  ", 1)[1] for line in output.splitlines()]


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """A battery at 29 %, whose percent the test can change."""
    root = tmp_path / "sys"
    shutil.copytree(BATTERY, root)
    for path in (root, *root.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    return root


def set_percent(sysfs: Path, percent: int) -> None:
    """Set the percent atomically, as a gauge does: a reader sees the old value or the new one."""
    pack = sysfs / "class/power_supply/BAT0"
    (pack / "new").write_text(f"{percent}\n")
    (pack / "new").rename(pack / "capacity")


def test_a_crossing_gives_one_alert_even_if_the_sampler_restarts(
    system: System, sysfs: Path, tmp_path: Path
) -> None:
    alert = Alert(system, tmp_path, "--below", "28", "--below", "26", "--below", "24")
    given = []
    for percent in (27, 26, 24):
        sampler = system.start("sampler.main", "--interval", "1", "--sysfs", str(sysfs))
        set_percent(sysfs, percent)
        given.append(f"below {percent}")
        wait_until(lambda: len(alert.given()) >= len(given))
        assert alert.given() == given
        sampler.kill()
    assert alert.stop() == [f"Battery low: {percent} %, 8.3 W out" for percent in (27, 26, 24)]


class Stream:
    """A sampler's end that publishes the given percents, one sample a second, up to now."""

    def __init__(self, directory: Path, run: str = "run") -> None:
        self.station = Station(directory, run)
        self.seq = 0

    def publish(self, *percents: float, age: float = 0.0) -> None:
        """Publish samples, the last of which is ``age`` seconds old."""
        begin = time.time() - age - len(percents)
        for number, percent in enumerate(percents, start=1):
            self.seq += 1
            it = sample(self.station.run, self.seq, interval=1.0)
            assert it.battery is not None
            it = it._replace(time=begin + number, battery=it.battery._replace(pct=percent, power=-6.0))
            self.station.publisher.publish(it.topic, it.seq, encode(it))

    def until(self, condition: Callable[[], object]) -> None:
        """Answer requests until ``condition`` holds."""

        def holds() -> object:
            self.station.serve(0.01)
            return condition()

        wait_until(holds)


@pytest.fixture
def stream(system: System) -> Stream:
    return Stream(system.runtime)


@pytest.mark.slow
def test_old_samples_in_the_ring_give_no_alert(system: System, stream: Stream, tmp_path: Path) -> None:
    """Both limits were crossed an hour ago. A new sample gives an alert only for the limit it is below."""
    with stream.station:
        stream.publish(*[16.0] * 40, *[15.0] * 5, *[16.0] * 5, age=3600.0)
        alert = Alert(system, tmp_path, "--below", "15", "--below", "19")
        has_asked = time.monotonic() + 3.0  # any alert would have been given by now
        stream.until(lambda: time.monotonic() > has_asked)
        assert alert.given() == []
        stream.publish(16.0)
        stream.until(alert.given)
        assert alert.given() == ["below 16"]
        assert alert.stop() == ["Battery low: 16 %, 6.0 W out"]


@pytest.mark.slow
def test_a_momentary_zero_gives_no_alert(system: System, stream: Stream, tmp_path: Path) -> None:
    with stream.station:
        stream.publish(*[66.0] * 40)
        alert = Alert(system, tmp_path, "--below", "15", "--below", "65")
        for _ in range(100):
            stream.publish(66.0, 0.0, 66.0)
            stream.station.serve(0.02)
        stream.publish(66.0, 65.0)
        stream.until(alert.given)
        assert alert.given() == ["below 65"]
        alert.stop()


@pytest.mark.slow
def test_without_a_sampler_it_waits_and_says_so_once(system: System, tmp_path: Path) -> None:
    alert = Alert(system, tmp_path, "--below", "30")
    assert alert.process.stderr is not None
    waits = f"telemetry-query: waiting for the sampler at ipc://{system.runtime}/samples and "
    assert alert.process.stderr.readline().startswith(waits)
    system.sampler()
    wait_until(alert.given)
    assert alert.given() == ["below 29"]
    alert.stop()


@pytest.mark.slow
def test_stopping_the_alert_ends_a_hanging_command_too(system: System, tmp_path: Path) -> None:
    """The alert exits at once, and ends its command too."""
    begun = tmp_path / "begun"
    system.sampler()
    process = system.start("query.main", "alert", "--below", "30", "--run", f"echo >{begun}; exec sleep 600")
    wait_until(begun.exists)
    assert stop(process) == (0, "")


def test_notify_without_notify_send(system: System, tmp_path: Path) -> None:
    system.environ["PATH"] = str(tmp_path)
    ran = system.run("query.main", "alert", "--below", "15", "--notify")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "telemetry-query: --notify needs notify-send, which is not in PATH: install it "
        "(Debian: apt install libnotify-bin), or give --run CMD\n"
    )


@pytest.mark.slow
def test_notify_calls_notify_send(system: System, tmp_path: Path) -> None:
    """A script that records its arguments replaces the desktop's notify-send."""
    program = tmp_path / "notify-send"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/called.new\nmv {tmp_path}/called.new {tmp_path}/called\n'
    )
    program.chmod(0o755)
    system.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    system.sampler()
    process = system.start("query.main", "alert", "--below", "30", "--notify")
    wait_until((tmp_path / "called").exists)
    assert (tmp_path / "called").read_text().splitlines() == [
        *("--app-name=telemetry-logger", "--urgency=critical"),
        *("--", "Battery low", "29 %, 8.3 W out"),
    ]
    assert stop(process) == (0, "")


def test_it_reports_clocks_that_disagree(system: System, stream: Stream, tmp_path: Path) -> None:
    with stream.station:
        alert = Alert(system, tmp_path, "--below", "15")
        assert alert.process.stderr is not None
        error = alert.process.stderr.fileno()
        said = ""

        def has_warned() -> bool:
            nonlocal said
            stream.publish(10.0, age=7200.0)
            if select.select([error], [], [], 0)[0]:
                said += os.read(error, 4096).decode()
            return "dated 7200 s ago" in said

        stream.until(has_warned)
        assert alert.given() == []
        assert said.count("dated") == 1


def test_without_a_rule_the_error_lists_the_rules(system: System) -> None:
    ran = system.run("query.main", "alert", "--run", "true")
    assert ran.returncode == 2
    assert ran.stderr.startswith("telemetry-query: alert: give at least one of --below P, --above P, ")


@pytest.mark.parametrize("limit", ["0", "100", "-1", "nan", "1e1", "15 %", "0x10"])
def test_an_invalid_limit_is_refused(system: System, limit: str) -> None:
    ran = system.run("query.main", "alert", f"--below={limit}")
    assert ran.returncode == 2
    assert ran.stderr == (
        f"telemetry-query: argument --below: {limit!r} is not a number from 1 to 99; "
        "see telemetry-query alert --help\n"
    )
