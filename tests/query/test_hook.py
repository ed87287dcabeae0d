"""The command of an alert: real processes, with simulated time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from query.crossings import Event, Rule
from query.hook import FACTS, TIMEOUT, Action, Hook, facts, message, notify_action, run_action
from query.limits import KINDS
from telemetry.sample import Battery, Cpu, Sample

BELOW, ABOVE, DRAINS, HOTTER = KINDS
SAMPLE = Sample(
    "pi4",
    "boot",
    "run",
    7,
    1_800_000_000,
    1_800_000_000.25,
    5.0,
    0.0,
    Battery("BAT0", "Discharging", 12.0, -0.5, -6.25, 14.0),
    Cpu(None, (), temp=48.5),
    (None,) * 3,
    (),
    on_ac=False,
)
EVENT = Event(Rule(BELOW, 15.0), 14.0, SAMPLE)
OTHER = Event(Rule(ABOVE, 80.0), 81.0, SAMPLE)


def until(hook: Hook, condition: Callable[[], object], now: float = 0.0) -> None:
    """Run the hook's steps at the given time ``now`` until ``condition`` holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        hook.turn(now)
        time.sleep(0.005)


def done(hook: Hook, now: float = 0.0) -> None:
    until(hook, lambda: not hook.is_busy, now)


def test_the_facts_of_an_alert() -> None:
    assert facts(EVENT) == {
        "TELEMETRY_ALERT": "below",
        "TELEMETRY_MESSAGE": "Battery low: 14 %, 6.2 W out",
        "TELEMETRY_LIMIT": "15",
        "TELEMETRY_VALUE": "14",
        "TELEMETRY_PERCENT": "14",
        "TELEMETRY_STATUS": "Discharging",
        "TELEMETRY_POWER": "-6.25",
        "TELEMETRY_ON_MAINS": "0",
        "TELEMETRY_CPU_TEMP": "48.5",
        "TELEMETRY_HOST": "pi4",
        "TELEMETRY_TIME": "1800000000",
    }


def test_a_value_that_is_not_available_is_an_empty_text() -> None:
    bare = SAMPLE._replace(battery=None, cpu=Cpu(None, ()), on_ac=None)
    found = facts(Event(Rule(DRAINS), 1.5, bare))
    assert {name for name, value in found.items() if not value} == {
        *("TELEMETRY_LIMIT", "TELEMETRY_PERCENT", "TELEMETRY_STATUS", "TELEMETRY_POWER"),
        *("TELEMETRY_ON_MAINS", "TELEMETRY_CPU_TEMP"),
    }


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EVENT, "Battery low: 14 %, 6.2 W out"),
        (Event(Rule(DRAINS), 2.25, SAMPLE), "Battery drains on mains: 2.2 W"),
        (Event(Rule(HOTTER, 80.0), 82.5, SAMPLE), "CPU hot: 82 °C"),
    ],
)
def test_the_line_that_is_printed(event: Event, text: str) -> None:
    assert message(event) == text


def test_the_environment_of_a_command_has_the_facts(tmp_path: Path) -> None:
    with Hook(run_action(f"env >{tmp_path}/out")) as hook:
        hook.add(EVENT)
        done(hook)
    lines = (tmp_path / "out").read_text().splitlines()
    assert {f"{name}={value}" for name, value in facts(EVENT).items()} <= set(lines)
    assert f"PATH={os.environ['PATH']}" in lines


def test_no_value_is_executed(tmp_path: Path) -> None:
    """Text from a driver or host is never executed. NUL, which an environment cannot contain, is escaped."""
    evil = f"$(touch {tmp_path}/evil); `touch {tmp_path}/evil`\x00\n'\""
    battery = Battery("BAT0", evil, None, None, None, 14.0)
    with Hook(run_action(f'printf %s "$TELEMETRY_STATUS" >{tmp_path}/out')) as hook:
        hook.add(Event(EVENT.rule, 14.0, SAMPLE._replace(battery=battery, host=evil)))
        done(hook)
    assert (tmp_path / "out").read_text() == evil.replace("\x00", "\\x00").replace("\n", "\\n")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [("exit 3", "exit status 3"), ("kill -9 $$", "signal 9"), ("nonesuch 2>&-", "exit status 127")],
)
def test_a_failure_is_reported_in_one_line_and_the_next_command_runs(
    command: str, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = f'[ "$TELEMETRY_ALERT" = above ] && {{ echo >{tmp_path}/out; exit 0; }}; {command}'
    with Hook(run_action(script)) as hook:
        hook.add(EVENT)
        hook.add(OTHER)
        done(hook)
    assert (tmp_path / "out").exists()
    assert capfd.readouterr().err == f"telemetry-query: the command of --run for --below 15 failed: {told}\n"


def test_a_program_that_cannot_be_started_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Hook(Action("--notify", lambda _: (str(tmp_path / "nonesuch"),))) as hook:
        hook.add(EVENT)
        hook.turn(0.0)
        assert not hook.is_busy
    assert capfd.readouterr().err == (
        "telemetry-query: the command of --notify for --below 15 failed: "
        "cannot start: No such file or directory\n"
    )


def test_one_command_runs_at_a_time_and_only_the_newest_of_each_rule_waits(tmp_path: Path) -> None:
    wait = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done"
    with Hook(run_action(f"echo $TELEMETRY_VALUE >>{tmp_path}/out; {wait}")) as hook:
        hook.add(EVENT)
        until(hook, (tmp_path / "out").exists)
        for value in range(20):
            hook.add(EVENT._replace(value=float(value)))
            hook.add(OTHER)
            hook.turn(1.0)
        assert (tmp_path / "out").read_text().split() == ["14"]
        (tmp_path / "go").touch()
        done(hook, 1.0)
    assert (tmp_path / "out").read_text().split() == ["14", "19", "81"]


def has_ended(pid: int) -> bool:
    """Return whether a process is gone, or is a zombie that init has not reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_a_hanging_command_is_killed_with_its_children_and_the_next_one_runs(
    is_stubborn: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = tmp_path / "pid"
    hangs = f"sleep 600 & echo $! >{pid}.new; mv {pid}.new {pid}; wait; sleep 600"
    if is_stubborn:
        hangs = f"trap '' TERM; {hangs}"
    script = f"if [ $TELEMETRY_ALERT = above ]; then echo >{tmp_path}/out; else {hangs}; fi"
    with Hook(run_action(script)) as hook:
        hook.add(EVENT)
        hook.add(OTHER)
        until(hook, pid.exists)
        hook.turn(TIMEOUT - 0.1)
        assert not has_ended(int(pid.read_text()))
        hook.turn(TIMEOUT)
        done(hook, TIMEOUT + 5.0 if is_stubborn else TIMEOUT)
        until(hook, lambda: has_ended(int(pid.read_text())))
    assert (tmp_path / "out").exists()
    assert capfd.readouterr().err == (
        "telemetry-query: the command of --run for --below 15 failed: still running after 60 s, and stopped\n"
    )


def test_a_command_ends_with_the_alert(tmp_path: Path) -> None:
    trap = f"trap 'echo >{tmp_path}/ended; exit' TERM"
    with Hook(run_action(f"{trap}; echo >{tmp_path}/begun; sleep 600 & wait")) as hook:
        hook.add(EVENT)
        until(hook, (tmp_path / "begun").exists)
    assert (tmp_path / "ended").exists()
    assert not hook.is_busy


def test_a_notification_has_title_text_and_urgency() -> None:
    action = notify_action("/usr/bin/notify-send")
    assert action.arguments(EVENT) == (
        *("/usr/bin/notify-send", "--app-name=telemetry-logger", "--urgency=critical"),
        *("--", "Battery low", "14 %, 6.2 W out"),
    )
    assert "--urgency=normal" in action.arguments(Event(Rule(DRAINS), 2.0, SAMPLE))


def test_no_two_facts_have_the_same_name() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)
