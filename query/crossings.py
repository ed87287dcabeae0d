"""Decides which sample crosses a limit: once per crossing, with hysteresis. It uses no clock and no sockets.

A percent that ``telemetry.steady`` calls momentary is skipped. A sample that arrives late gives no alert,
but may arm one again. If the very first sample is beyond a limit, a second one must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from query.limits import DEGREES_MARGIN, DRAIN_WATTS, KINDS, PERCENT_MARGIN, Kind
from query.options import PROGRAM
from telemetry.errors import UsageError
from telemetry.steady import SteadyPercent

if TYPE_CHECKING:
    from telemetry.sample import Battery, Sample

_DRAIN_WATTS_FULL: Final = 2.0
"""W out of a full battery; a charger that holds the charge may draw less"""
_SMALLEST_FLOW: Final = 0.05
"""W; below it the direction follows the status"""
_LATE_INTERVALS: Final = 2
_LATE_SECONDS: Final = 15.0
_LONGEST_INTERVAL: Final = 3600.0
"""Longest interval of a sampler, s; after a stop of a day, the next sample covers that day"""


class Look(NamedTuple):
    """What a sample means for one alert."""

    beyond: bool | None
    """True: beyond the limit; False: far enough on the other side to arm it again; None: between the two"""
    value: float
    """What the limit is compared with, in the unit of the alert"""


class Rule(NamedTuple):
    """One alert that a user asked for."""

    kind: Kind
    limit: float = 0.0

    @property
    def option(self) -> str:
        """As it is typed."""
        return f"--{self.kind.name}" + ("" if self.kind.least is None else f" {self.limit:g}")

    def look(self, sample: Sample, *, is_steady: bool) -> Look | None:
        """Return what ``sample`` means for it; None: nothing. ``is_steady``: its percent is not momentary."""
        return _LOOKS[self.kind.name](sample, self.limit, is_steady)


class Alarm(NamedTuple):
    """The state of one alert."""

    is_given: bool = False
    """It was given, and is not armed again yet."""
    was_clear: bool = False
    """A sample short of the limit was seen, so a sample beyond it is a crossing, not just the first one."""
    samples: int = 0
    """Number of samples in a row that contradict ``is_given``"""
    seconds: float = 0.0
    """s that these samples span"""


class Event(NamedTuple):
    """A limit was crossed."""

    rule: Rule
    value: float
    sample: Sample


def next_alarm(alarm: Alarm, kind: Kind, look: Look | None, interval: float, *, may_give: bool) -> Alarm:
    """Return the state of an alert after a sample that covers ``interval`` seconds.

    The alert is due if ``is_given`` became true, which needs ``may_give``.
    """
    if look is None:
        return alarm
    alarm = alarm._replace(was_clear=alarm.was_clear or not look.beyond)
    if look.beyond is None:
        return alarm
    if look.beyond is alarm.is_given:
        return Alarm(alarm.is_given, alarm.was_clear)
    waiting = alarm._replace(
        samples=alarm.samples + 1, seconds=alarm.seconds + (interval if alarm.samples else 0.0)
    )
    needed = kind.samples if alarm.was_clear else max(kind.samples, 2)
    if waiting.samples < needed or waiting.seconds < kind.seconds or (look.beyond and not may_give):
        return waiting
    return Alarm(look.beyond, waiting.was_clear)


class Watch:
    """All alerts over one stream, whose samples are given in their order."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._alarms = {rule: Alarm() for rule in rules}
        self._percent = SteadyPercent()

    def take(self, sample: Sample, now: float) -> list[Event]:
        """Take the next sample, at Unix time ``now``; return the limits that it crosses."""
        is_steady = self._percent.take(sample)
        may_give = not is_late(sample, now)
        events = []
        for rule, alarm in self._alarms.items():
            look = rule.look(sample, is_steady=is_steady)
            self._alarms[rule] = next_alarm(alarm, rule.kind, look, sample.interval, may_give=may_give)
            if look is not None and self._alarms[rule].is_given and not alarm.is_given:
                events.append(Event(rule, look.value, sample))
        return events


def is_late(sample: Sample, now: float) -> bool:
    """Return whether ``sample`` is older than 2 intervals (at least 15 s): replayed, delayed or misdated."""
    intervals = _LATE_INTERVALS * min(sample.interval, _LONGEST_INTERVAL)
    return abs(now - sample.time) > max(_LATE_SECONDS, intervals)


# --- the rules ---


def direction(battery: Battery) -> int:
    """Return 1 while charging, -1 while discharging, else 0."""
    if battery.power is not None and abs(battery.power) >= _SMALLEST_FLOW:
        return 1 if battery.power > 0 else -1
    return {"Charging": 1, "Discharging": -1}.get(battery.status or "", 0)


def _below(sample: Sample, limit: float, is_steady: bool) -> Look | None:
    battery = sample.battery
    if not is_steady or battery is None or battery.pct is None:
        return None
    if battery.pct <= limit:
        return None if direction(battery) > 0 else Look(True, battery.pct)
    return Look(False if battery.pct >= min(limit + PERCENT_MARGIN, 100.0) else None, battery.pct)


def _above(sample: Sample, limit: float, is_steady: bool) -> Look | None:
    battery = sample.battery
    if not is_steady or battery is None or battery.pct is None:
        return None
    if battery.pct >= limit:
        unplugged = direction(battery) < 0 or sample.on_ac is False
        return None if unplugged else Look(True, battery.pct)
    return Look(False if battery.pct <= max(limit - PERCENT_MARGIN, 0.0) else None, battery.pct)


def _drains(sample: Sample, limit: float, is_steady: bool) -> Look | None:
    battery = sample.battery
    if battery is None or sample.on_ac is None or battery.power is None:
        return None
    least = _DRAIN_WATTS_FULL if battery.status == "Full" else DRAIN_WATTS
    return Look(sample.on_ac and battery.power <= -least, max(-battery.power, 0.0))


def _hotter(sample: Sample, limit: float, is_steady: bool) -> Look | None:
    temperature = sample.cpu.temp
    if temperature is None:
        return None
    if temperature >= limit:
        return Look(True, temperature)
    return Look(False if temperature <= limit - DEGREES_MARGIN else None, temperature)


_LOOKS: Final[Mapping[str, Callable[[Sample, float, bool], Look | None]]] = {
    "below": _below,
    "above": _above,
    "drains-on-mains": _drains,
    "hotter": _hotter,
}


def rules(given: Mapping[str, Any]) -> list[Rule]:
    """Return the limits that ``alert`` watches. Raises UsageError if there are none."""
    found: list[Rule] = []
    for kind in KINDS:
        value = given[kind.name]
        if kind.least is not None:
            found += [Rule(kind, limit) for limit in dict.fromkeys(value or ())]
        elif value:
            found.append(Rule(kind))
    if not found:
        options = [f"--{kind.name}{f' {kind.metavar}' if kind.metavar else ''}" for kind in KINDS]
        raise UsageError(f"alert: give at least one of {', '.join(options)}; see {PROGRAM} alert --help")
    return found
