"""``telemetry-query alert``: follow the stream, and act when a limit is crossed."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from query.access import keys_of
from query.crossings import Rule, Watch, is_late, rules
from query.hook import Action, Hook, message, notify_action, run_action
from query.live import default_endpoints, waiting
from query.values import shown_time
from telemetry.command import printable, say
from telemetry.errors import UserError
from telemetry.sample import Sample
from telemetry.service import StopSignal
from telemetry.stream.joiner import Position
from telemetry.stream.keys import ClientKeys
from telemetry.stream.subscriber import Subscriber

_SAY_THAT_IT_WAITS: Final = 3.0
"""s without a sampler after which standard error says so, once"""
_LOOK_AGAIN: Final = 5.0
"""s between two checks whether a sampler has started"""
_LOOK_AFTER_COMMAND: Final = 0.2
"""s between two checks of a running command"""
_KNOWN_BEFORE: Final = 150.0
"""s of samples before the newest one that are requested at the start: the rules look back this far"""
_LATE_IN_A_ROW: Final = 3
"""If this many live samples in a row look late, a clock is wrong."""


def notification() -> Action:
    """Return the action of ``--notify``. Raises UserError if notify-send is not installed."""
    program = shutil.which("notify-send")
    if program is None:
        raise UserError(
            "--notify needs notify-send, which is not in PATH: install it "
            "(Debian: apt install libnotify-bin), or give --run CMD"
        )
    return notify_action(program)


def run(given: Mapping[str, Any], now: float) -> None:
    """Run ``telemetry-query alert`` with the system's clock. Raises UserError."""
    watched = rules(given)
    command: str | None = given["run"]
    action = None if command is None else run_action(command)
    if given["notify"]:
        action = notification()
    named = [it for it in (given["subscribe"], given["replay"]) if it]
    follow(watched, action, given["subscribe"], given["replay"], keys=keys_of(given, named))


def follow(
    rules: Sequence[Rule],
    action: Action | None,
    subscribe: str | None,
    replay: str | None,
    clock: Callable[[], float] = time.time,
    *,
    keys: ClientKeys | None = None,
) -> None:
    """Print a line for each crossing, and run ``action``, until SIGINT, SIGTERM or SIGHUP.

    None as an endpoint means this machine's sampler, wherever it starts; ``keys`` are for those
    of ``tcp://``. Raises UserError if this user may not read the stream, BrokenPipeError if nobody
    reads what is printed.
    """
    with StopSignal() as stop, ExitStack() as stack:
        hook = stack.enter_context(Hook(action)) if action else None
        listener = _Listener(rules, hook, clock)
        while not stop.requested:
            endpoints = _endpoints(subscribe, replay)
            with Subscriber(*endpoints, keys=keys) as subscriber:
                # A sampler that has not been heard yet may start as a service, or as this user's own process.
                while not stop.requested and (
                    subscriber.quiet_for is not None or endpoints == _endpoints(subscribe, replay)
                ):
                    listener.turn(subscriber, stop)


def _endpoints(subscribe: str | None, replay: str | None) -> tuple[str, str]:
    if subscribe and replay:
        return subscribe, replay
    of_this_machine = default_endpoints()
    return subscribe or of_this_machine[0], replay or of_this_machine[1]


class _Listener:
    """The state of following the stream, from the first sample on."""

    def __init__(self, rules: Sequence[Rule], hook: Hook | None, clock: Callable[[], float]) -> None:
        self._watch = Watch(rules)
        self._hook = hook
        self._clock = clock
        self._begun = time.monotonic()
        self._is_waiting_told = False
        self._has_begun = False
        self._late_in_a_row = 0

    def turn(self, subscriber: Subscriber, stop: StopSignal) -> None:
        """Wait for samples, a signal or the end of a command, and do what is due."""
        is_busy = self._hook is not None and self._hook.is_busy
        items = subscriber.receive(_LOOK_AFTER_COMMAND if is_busy else self._patience(), [stop])
        samples = [item for item in items if isinstance(item, Sample)]
        if samples and not self._has_begun:
            self._has_begun = True
            first = samples[0]
            before = math.ceil(_KNOWN_BEFORE / first.interval)
            subscriber.restart(Position(first.run, max(0, first.seq - 1 - before)))
            samples = []
        for sample in samples:
            self._take(sample)
        if samples:
            self._check_clock(samples[-1], is_live=subscriber.caught_up)
        elif not self._has_begun:
            self._say_that_it_waits(subscriber)
        if self._hook is not None:
            self._hook.turn(time.monotonic())

    def _patience(self) -> float:
        return _LOOK_AGAIN if self._is_waiting_told or self._has_begun else _SAY_THAT_IT_WAITS

    def _take(self, sample: Sample) -> None:
        for event in self._watch.take(sample, self._clock()):
            if self._hook is not None:
                self._hook.add(event)
                self._hook.turn(
                    time.monotonic()
                )  # before anything that may fail: printing fails if the reader has gone
            print(f"{shown_time(sample.time)}  {printable(message(event))}", flush=True)

    def _say_that_it_waits(self, subscriber: Subscriber) -> None:
        if not self._is_waiting_told and time.monotonic() - self._begun >= _SAY_THAT_IT_WAITS:
            self._is_waiting_told = True
            say("telemetry-query", waiting(subscriber.where))

    def _check_clock(self, newest: Sample, *, is_live: bool) -> None:
        """Report once per spell that every sample is late; a sample in time ends the spell."""
        now = self._clock()
        if not is_late(newest, now):
            self._late_in_a_row = 0
        elif is_live:
            self._late_in_a_row += 1
            if self._late_in_a_row == _LATE_IN_A_ROW:
                away = now - newest.time
                say(
                    "telemetry-query",
                    f"samples of {newest.host} are dated {abs(away):.0f} s {'ago' if away > 0 else 'ahead'}, "
                    "so they give no alert: set the clock there or here",
                )
