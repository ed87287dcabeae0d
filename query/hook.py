"""The action of an alert: a user's command or a notification. One runs at a time, with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Self

from query.crossings import Event, Rule
from query.limits import DEGREES_MARGIN, PERCENT_MARGIN
from telemetry.command import printable, say

TIMEOUT: Final = 60.0
"""s that a command may take"""
_GRACE: Final = 5.0
"""s between SIGTERM and SIGKILL"""


class Action(NamedTuple):
    """What an option of ``alert`` runs."""

    option: str
    arguments: Callable[[Event], Sequence[str]]
    """The program and its arguments; no shell is added"""


def run_action(command: str) -> Action:
    """Return the action of ``--run``: /bin/sh runs the command unchanged."""
    return Action("--run", lambda _: ("/bin/sh", "-c", command))


def notify_action(program: str) -> Action:
    """Return the action of ``--notify``; ``program``: the path of notify-send."""

    def arguments(event: Event) -> Sequence[str]:
        urgency = "critical" if event.rule.kind.is_critical else "normal"
        options = ("--app-name=telemetry-logger", f"--urgency={urgency}")
        return (program, *options, "--", event.rule.kind.title, reading(event))

    return Action("--notify", arguments)


def reading(event: Event) -> str:
    """Return what was measured, for people."""
    kind, battery = event.rule.kind, event.sample.battery
    parts = [f"{event.value:.{1 if kind.unit == 'W' else 0}f} {kind.unit}"]
    if kind.unit == "%" and battery is not None and battery.power:
        parts.append(f"{abs(battery.power):.1f} W {'in' if battery.power > 0 else 'out'}")
    return ", ".join(parts)


def message(event: Event) -> str:
    """Return the line for people."""
    return f"{event.rule.kind.title}: {reading(event)}"


class Fact(NamedTuple):
    """An environment variable of the command."""

    name: str
    help: str
    value: Callable[[Event], str | float | None]


FACTS: Final = (
    Fact("TELEMETRY_ALERT", "below, above, drains-on-mains or hotter", lambda it: it.rule.kind.name),
    Fact("TELEMETRY_MESSAGE", "the line that is printed, without its time", message),
    Fact(
        "TELEMETRY_LIMIT",
        "the limit, in % or °C",
        lambda it: None if it.rule.kind.least is None else it.rule.limit,
    ),
    Fact("TELEMETRY_VALUE", "the value that crossed it, in %, W or °C", lambda it: it.value),
    Fact(
        "TELEMETRY_PERCENT",
        "charge of the battery, %",
        lambda it: it.sample.battery and it.sample.battery.pct,
    ),
    Fact(
        "TELEMETRY_STATUS",
        "the status reported by the battery's driver",
        lambda it: it.sample.battery and it.sample.battery.status,
    ),
    Fact(
        "TELEMETRY_POWER",
        "W, negative: discharging",
        lambda it: it.sample.battery and it.sample.battery.power,
    ),
    Fact("TELEMETRY_ON_MAINS", "1: an external supply is online; 0: none is", lambda it: it.sample.on_ac),
    Fact("TELEMETRY_CPU_TEMP", "temperature of the CPU, °C", lambda it: it.sample.cpu.temp),
    Fact("TELEMETRY_HOST", "host name", lambda it: it.sample.host),
    Fact("TELEMETRY_TIME", "Unix time of the sample, s", lambda it: int(it.sample.time)),
)


def facts(event: Event) -> dict[str, str]:
    """Return the environment variables of an event; the empty text is "not available"."""
    return {fact.name: _text(fact.value(event)) for fact in FACTS}


def _text(value: str | float | None) -> str:
    if value is None:
        return ""
    return printable(value) if isinstance(value, str) else f"{value:.10g}"


class _Running(NamedTuple):
    """A command, and the monotonic time of its next signal."""

    process: subprocess.Popen[bytes]
    rule: Rule
    ends: float
    is_over: bool = False
    """It has received SIGTERM."""


class Hook:
    """Runs the action of each event. While one runs, the newest event of each rule waits."""

    def __init__(self, action: Action, environ: Mapping[str, str] = os.environ) -> None:
        self._action = action
        self._environ = environ
        self._waiting: dict[Rule, Event] = {}
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_busy(self) -> bool:
        """Whether ``turn`` will soon have something to do."""
        return self._running is not None or bool(self._waiting)

    def add(self, event: Event) -> None:
        """Queue the action for ``event``: it runs at one of the next turns."""
        self._waiting[event.rule] = event

    def turn(self, now: float) -> None:
        """Check the running command, then start the next one; ``now`` is monotonic time, s."""
        if self._running is not None:
            self._running = self._looked_after(self._running, now)
        while self._running is None and self._waiting:
            self._running = self._started(self._waiting.pop(next(iter(self._waiting))), now)

    def close(self) -> None:
        """End the running command."""
        if self._running is None:
            return
        process, self._running = self._running.process, None
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()

    def _started(self, event: Event, now: float) -> _Running | None:
        try:
            process = subprocess.Popen(
                self._action.arguments(event),
                env={**self._environ, **facts(event)},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # signals then reach its children too, and Ctrl-C does not reach it
            )
        except OSError as error:
            self._tell(event.rule, f"cannot start: {error.strerror}")
            return None
        return _Running(process, event.rule, now + TIMEOUT)

    def _looked_after(self, running: _Running, now: float) -> _Running | None:
        status = running.process.poll()
        if status is not None:
            if status and not running.is_over:
                self._tell(running.rule, f"exit status {status}" if status > 0 else f"signal {-status}")
            return None
        if now < running.ends:
            return running
        if running.is_over:
            _signal(running.process, signal.SIGKILL)
        else:
            self._tell(running.rule, f"still running after {TIMEOUT:.0f} s, and stopped")
            _signal(running.process, signal.SIGTERM)
        return running._replace(ends=now + _GRACE, is_over=True)

    def _tell(self, rule: Rule, what: str) -> None:
        say("telemetry-query", f"the command of {self._action.option} for {rule.option} failed: {what}")


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the command and to everything it started in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def described(width: int) -> str:
    """Return the end of ``alert --help``: the rules for alerts, and the environment of the command."""
    from textwrap import fill  # noqa: PLC0415  (for --help alone)

    rule = (
        f"An alert is given once. It is armed again when the value is {PERCENT_MARGIN:g} % or "
        f"{DEGREES_MARGIN:g} °C on the other side of the limit. A step of the percent that power does not "
        "explain gives no alert unless it lasts for 30 s. A sample that arrives late gives no alert."
    )
    command = (
        f"One command runs at a time, for at most {TIMEOUT:.0f} s. Its environment has these variables; an "
        'empty value means "not available":'
    )
    lines = [f"  {fact.name:<18} {fact.help}" for fact in FACTS]
    return "\n".join([fill(rule, width), fill(command, width), *lines])
