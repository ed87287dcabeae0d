"""The table of sensors, and the sampler that makes samples from their readings.

A new sensor is one module and one line in ``SENSORS``: the key is the field of ``telemetry.sample.Sample``
that it fills. The one value that needs two sensors is computed in ``with_unowned``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from sampler import vcgencmd
from sampler.background import Background, Slowly
from sampler.backlight import BrightnessSensor
from sampler.choice import Choice, make_battery, make_source
from sampler.clock import Clock, next_ts
from sampler.cpu import CpuSensor, unowned_share
from sampler.driver_sign import DriverSigns
from sampler.governor import GovernorSensor
from sampler.guard import Guard
from sampler.load import LoadSensor
from sampler.mains import MainsSensor
from sampler.processes import Processes, ProcessSensor
from sampler.rfkill import RadioSensor
from sampler.sysfs import read_attribute
from sampler.throttling import ThrottlingSensor
from telemetry.sample import Cpu, Sample


class Settings(NamedTuple):
    """The settings of all sensors."""

    sysfs: Path
    procfs: Path
    top_procs: int
    interval: float
    """s between samples"""
    power: Choice = Choice()
    reverse_current: bool = False
    """The power monitor reports a discharge as positive."""
    signs: DriverSigns | None = None
    """What is known about battery drivers; None: nothing."""


class Sensor(Protocol):
    """Reads one field of a sample. Does not raise whatever it finds: what is not available is None."""

    def read(self) -> object: ...


def _battery(settings: Settings, clock: Clock) -> Sensor:
    signs = settings.signs or DriverSigns()
    sensor = make_battery(
        settings.sysfs,
        settings.power.battery,
        clock,
        signs,
        interval=settings.interval,
        reverse=settings.reverse_current,
    )
    return Background(sensor, settings.interval)


def _source(settings: Settings, clock: Clock) -> Sensor | None:
    if settings.power.source is None:
        return None
    return Background(make_source(settings.sysfs, settings.power.source, clock), settings.interval)


def _throttling(settings: Settings, clock: Clock) -> Sensor | None:
    try:
        ask = vcgencmd.find(settings.sysfs)
    except vcgencmd.NoFirmware:
        ask = None
    sensor = ThrottlingSensor(settings.sysfs, clock.boottime, ask)
    if not sensor.tells:
        return None
    return Background(sensor, settings.interval) if ask else sensor


SENSORS: Final[Mapping[str, Callable[[Settings, Clock], Sensor | None]]] = {
    "load": lambda settings, clock: LoadSensor(settings.procfs),
    # These two are read one after the other, so that both cover the same time.
    "cpu": lambda settings, clock: CpuSensor(settings.sysfs, settings.procfs, clock.monotonic),
    "processes": lambda settings, clock: ProcessSensor(
        settings.procfs, settings.top_procs, clock.monotonic, clock.boottime
    ),
    "governor": lambda settings, clock: Slowly(GovernorSensor(settings.sysfs), 10.0, clock.boottime),
    "radios": lambda settings, clock: Slowly(RadioSensor(settings.sysfs), 10.0, clock.boottime),
    "brightness": lambda settings, clock: BrightnessSensor(settings.sysfs),
    "throttled": _throttling,
    "on_ac": lambda settings, clock: Background(MainsSensor(settings.sysfs), settings.interval),
    "battery": _battery,
    "source": _source,
}
"""In reading order. The slow ones are last, so that they can answer while the others are read. A result of
None means that this machine has no such sensor."""


NOTHING: Final[Mapping[str, object]] = {
    "battery": None,
    "cpu": Cpu(None, ()),
    "load": (None, None, None),
    "processes": Processes((), None),
}
"""The values of mandatory fields whose sensor fails; other fields are None."""


class Sampler:
    """One run: takes samples with seq 1, 2, 3 …; each covers the time since the previous one."""

    def __init__(self, sensors: Mapping[str, Sensor], clock: Clock, host: str, boot_id: str) -> None:
        """Read every sensor once, so that the first sample covers a whole interval."""
        self.run = os.urandom(8).hex()  # the module secrets would load OpenSSL: 4 MB
        self._sensors = sensors
        self._slow = {field: it for field, it in sensors.items() if isinstance(it, Background)}
        self._guards = {field: Guard(field, NOTHING.get(field)) for field in (*sensors, *NOTHING)}
        self._clock = clock
        self._host = host
        self._boot_id = boot_id
        self._seq = 0
        self._ts = 0
        self._before = clock.now()
        self._read()

    def sample(self) -> Sample:
        """Return the sample of the time since the previous one."""
        now = self._clock.now()
        readings = self._read()
        self._seq += 1
        self._ts = next_ts(self._ts, now.time)
        before, self._before = self._before, now
        return Sample(
            host=self._host,
            boot_id=self._boot_id,
            run=self.run,
            seq=self._seq,
            ts=self._ts,
            time=round(max(now.time, 0.0), 6),
            interval=round(now.awake_since(before), 6),
            suspended=round(now.asleep_since(before), 6),
            **with_unowned(readings),
        )

    def _read(self) -> dict[str, Any]:
        guards = self._guards
        for field, slow in self._slow.items():
            guards[field].call(slow.start)
        return {**NOTHING} | {field: guards[field].call(it.read) for field, it in self._sensors.items()}


def with_unowned(readings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a sample: ``cpu`` has the share that no process accounts for added."""
    cpu: Cpu = readings["cpu"]
    processes: Processes = readings["processes"]
    unowned = unowned_share(cpu, processes.owned)
    return {**readings, "cpu": cpu._replace(unowned=unowned), "processes": processes.top}


def make_sensors(settings: Settings, clock: Clock) -> dict[str, Sensor]:
    """Return the sensors by the field they fill. Raises UserError if a requested one does not exist."""
    made = {field: Guard(field).call(partial(make, settings, clock)) for field, make in SENSORS.items()}
    return {field: sensor for field, sensor in made.items() if sensor is not None}


def read_boot_id(procfs: Path) -> str:
    """Return the kernel's boot id, ``unknown`` if it cannot be read."""
    return read_attribute(f"{procfs}/sys/kernel/random/boot_id") or "unknown"
