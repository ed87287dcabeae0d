"""The sample contract: what the sampler measures, what travels on the stream, what the writer stores.

One sample is one UTF-8 JSON object (``sample-v1.schema.json`` beside this file says the same for other
languages; a test holds the two together). ``None`` is "not available"; 0 is a reading.

``decode`` is the gate of every reader: what it returns is safe to store and to show, what it refuses
raises ``InvalidSample`` and nothing else.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from telemetry import END_OF_TIME
from telemetry.strict_json import (
    MAX_BYTES,
    MAX_LIST,
    MAX_TEXT,
    InvalidSample,
    entries,
    integer,
    items,
    load,
    number,
    number_or_none,
    record,
    short,
    text,
    text_or_none,
    truth,
)

__all__ = [
    "END_OF_TIME",
    "LARGEST",
    "MAX_BYTES",
    "MAX_LIST",
    "MAX_TEXT",
    "TOPIC_PREFIX",
    "VERSION",
    "Battery",
    "BatteryPack",
    "Cpu",
    "Health",
    "InvalidSample",
    "PowerSource",
    "Process",
    "Sample",
    "decode",
    "encode",
]

VERSION: Final = 1
TOPIC_PREFIX: Final = "sample/"

LARGEST: Final = 1e6
"""Bound of V, A, W and s: their product in µJ still fits 64 bits. No machine comes near it."""


class BatteryPack(NamedTuple):
    """One of several packs, as ``Battery`` is all of them together."""

    name: str
    """No two packs of a battery have the same."""
    status: str | None
    voltage: float | None
    current: float | None
    power: float | None
    pct: float | None
    raw: dict[str, str] | None = None


class Health(NamedTuple):
    """What a full battery holds now, what it was designed to hold, and how often it has been charged."""

    full: float | None = None
    """In ``unit``"""
    design: float | None = None
    """In ``unit``"""
    unit: str | None = None
    """Ah or Wh"""
    cycles: int | None = None


class Battery(NamedTuple):
    """A battery at one instant. Negative current and power: discharging (kernel ABI of power_supply)."""

    name: str | None
    status: str | None
    """The driver's word: Charging, Discharging, Not charging, Full, Unknown."""
    voltage: float | None
    """V"""
    current: float | None
    """A"""
    power: float | None
    """W"""
    pct: float | None
    """0 to 100"""
    method: str | None = None
    """How power was got; None where there is none."""
    raw: dict[str, str] | None = None
    """Attributes as the driver gave them, in a reading of which something was refused."""
    packs: tuple[BatteryPack, ...] | None = None
    """Where there are several."""
    health: Health | None = None


class PowerSource(NamedTuple):
    """Something that tells what the machine draws, and is no battery."""

    name: str
    power: float
    """W, positive: drawn by the machine"""
    voltage: float | None = None
    """V"""
    current: float | None = None
    """A"""
    estimate: bool = False
    """It leaves a part of the machine out."""


class Cpu(NamedTuple):
    """CPU use over the sample's interval, percent of elapsed time."""

    total: float | None
    """Mean of the cores."""
    cores: tuple[float | None, ...]
    """By core number; None for a core that is offline."""
    freq: float | None = None
    """MHz, mean of the cores"""
    temp: float | None = None
    """°C"""
    unowned: float | None = None
    """Percent busy that no process accounts for, on the scale of ``total``."""


class Process(NamedTuple):
    """One of the processes that used the most CPU."""

    pid: int
    start: int
    """Clock ticks since boot: (pid, start) is a process's identity."""
    name: str
    cpu: float
    """Percent of one core over the interval: may pass 100."""
    mem: float | None
    """Resident memory, percent of RAM; None where the amount of RAM is not known."""
    children: float | None = None
    """Percent of one core burned by children that it reaped and nobody saw."""


class Sample(NamedTuple):
    """One reading of the whole machine. ``(run, seq)`` is its identity."""

    host: str
    boot_id: str
    run: str
    seq: int
    ts: int
    """Unix time, s, rising within a run."""
    time: float
    """Wall clock as read, s."""
    interval: float
    """Seconds awake (CLOCK_MONOTONIC) that this sample covers."""
    suspended: float
    """Seconds asleep inside that span."""
    battery: Battery | None
    cpu: Cpu
    load: tuple[float | None, float | None, float | None]
    """1, 5 and 15 minutes"""
    processes: tuple[Process, ...]
    source: PowerSource | None = None
    on_ac: bool | None = None
    """Whether any supply that is no battery feeds the machine."""
    governor: str | None = None
    """Of cpufreq"""
    brightness: float | None = None
    """Of the screen, percent of its maximum"""
    radios: dict[str, bool] | None = None
    """Whether each type of radio (wlan, bluetooth) is on."""
    throttled: tuple[str, ...] | None = None
    """What holds the CPU back now: undervoltage, frequency-capped, throttled, soft-temperature-limit."""

    @property
    def topic(self) -> str:
        """The first frame of the message: ``sample/<host>/``."""
        return f"{TOPIC_PREFIX}{self.host.replace('/', '_')}/"


def encode(sample: Sample) -> bytes:
    """Return the sample as it travels: UTF-8 JSON, without the optional fields that are not available.

    Raises ValueError for NaN or infinity: a sensor that lets one through is a bug.
    """
    wire: dict[str, Any] = {"v": VERSION} | _present(sample)
    wire["battery"] = sample.battery and _battery_on_wire(sample.battery)
    wire["cpu"] = _present(sample.cpu)
    wire["processes"] = [_present(process) for process in sample.processes]
    if sample.source:
        wire["source"] = _present(sample.source)
    return json.dumps(wire, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _battery_on_wire(battery: Battery) -> dict[str, Any]:
    wire = _present(battery)
    if battery.packs:
        wire["packs"] = [_present(pack) for pack in battery.packs]
    if battery.health:
        wire["health"] = _present(battery.health)
    return wire


def _present(fields: Sample | Battery | BatteryPack | Health | PowerSource | Cpu | Process) -> dict[str, Any]:
    """The fields of a record, without the optional ones that are not available."""
    wire: dict[str, Any] = fields._asdict()
    for name in fields._field_defaults:
        if wire[name] is None:
            del wire[name]
    return wire


def decode(body: bytes) -> Sample:
    """Return the sample in ``body``, checked; fields that this version does not know are ignored.

    Raises InvalidSample where ``body`` is anything else. Bounds: at most 1 MiB, strict UTF-8, no NaN, no
    lone surrogate, integers of 64 bits, finite floats, lists of at most 4096.
    """
    wire = load(body)
    version = wire.get("v")
    if type(version) is not int or version != VERSION:
        raise InvalidSample(f"v: this reader knows version {VERSION}, not {short(version)}")
    try:
        return Sample(
            host=text(wire["host"], "host", shortest=1),
            boot_id=text(wire["boot_id"], "boot_id"),
            run=text(wire["run"], "run", shortest=1),
            seq=integer(wire["seq"], "seq", least=1),
            ts=integer(wire["ts"], "ts", most=int(END_OF_TIME) - 1),
            time=number(wire["time"], "time", 0.0, END_OF_TIME - 1),
            interval=number(wire["interval"], "interval", 1e-6, LARGEST),
            suspended=number(wire["suspended"], "suspended", 0.0, END_OF_TIME),
            battery=_battery(wire["battery"]),
            cpu=_cpu(wire["cpu"]),
            load=_load_averages(wire["load"]),
            processes=_processes(wire["processes"]),
            source=_source(wire.get("source")),
            on_ac=None if (on_ac := wire.get("on_ac")) is None else truth(on_ac, "on_ac"),
            governor=text_or_none(wire.get("governor"), "governor"),
            brightness=number_or_none(wire.get("brightness"), "brightness", 0.0, 100.0),
            radios=_radios(wire.get("radios")),
            throttled=_throttled(wire.get("throttled")),
        )
    except KeyError as missing:
        raise InvalidSample(f"field {missing} is missing") from None


# --- fields ----------------------------------------------------------------------------------------


def _battery(value: object) -> Battery | None:
    if value is None:
        return None
    wire = record(value, "battery")
    return Battery(
        text_or_none(wire["name"], "battery.name"),
        text_or_none(wire["status"], "battery.status"),
        number_or_none(wire["voltage"], "battery.voltage", -LARGEST, LARGEST),
        number_or_none(wire["current"], "battery.current", -LARGEST, LARGEST),
        number_or_none(wire["power"], "battery.power", -LARGEST, LARGEST),
        number_or_none(wire["pct"], "battery.pct", 0.0, 100.0),
        text_or_none(wire.get("method"), "battery.method"),
        _raw(wire.get("raw"), "battery.raw"),
        _packs(wire.get("packs")),
        _health(wire.get("health")),
    )


def _raw(value: object, field: str) -> dict[str, str] | None:
    if value is None:
        return None
    return {name: text(given, field) for name, given in entries(value, field).items()}


def _packs(value: object) -> tuple[BatteryPack, ...] | None:
    if value is None:
        return None
    packs = tuple([_pack(item) for item in items(value, "battery.packs")])
    if len({pack.name for pack in packs}) != len(packs):
        raise InvalidSample("battery.packs: one name twice")
    return packs


def _pack(value: object) -> BatteryPack:
    wire = record(value, "battery.packs")
    return BatteryPack(
        text(wire["name"], "battery.packs.name"),
        text_or_none(wire.get("status"), "battery.packs.status"),
        number_or_none(wire.get("voltage"), "battery.packs.voltage", -LARGEST, LARGEST),
        number_or_none(wire.get("current"), "battery.packs.current", -LARGEST, LARGEST),
        number_or_none(wire.get("power"), "battery.packs.power", -LARGEST, LARGEST),
        number_or_none(wire.get("pct"), "battery.packs.pct", 0.0, 100.0),
        _raw(wire.get("raw"), "battery.packs.raw"),
    )


def _health(value: object) -> Health | None:
    if value is None:
        return None
    wire = record(value, "battery.health")
    cycles = wire.get("cycles")
    return Health(
        number_or_none(wire.get("full"), "battery.health.full", 0.0, LARGEST),
        number_or_none(wire.get("design"), "battery.health.design", 0.0, LARGEST),
        text_or_none(wire.get("unit"), "battery.health.unit"),
        None if cycles is None else integer(cycles, "battery.health.cycles"),
    )


def _cpu(value: object) -> Cpu:
    wire = record(value, "cpu")
    cores = items(wire["cores"], "cpu.cores")
    return Cpu(
        number_or_none(wire["total"], "cpu.total", 0.0),
        tuple([number_or_none(usage, "cpu.cores", 0.0) for usage in cores]),
        number_or_none(wire.get("freq"), "cpu.freq", 0.0),
        number_or_none(wire.get("temp"), "cpu.temp"),
        number_or_none(wire.get("unowned"), "cpu.unowned", 0.0),
    )


def _load_averages(value: object) -> tuple[float | None, float | None, float | None]:
    wire = items(value, "load")
    if len(wire) != 3:
        raise InvalidSample(f"load: {len(wire)} numbers, not 3")
    one, five, fifteen = (number_or_none(average, "load", 0.0) for average in wire)
    return one, five, fifteen


def _processes(value: object) -> tuple[Process, ...]:
    processes = tuple([_process(item) for item in items(value, "processes")])
    if len({process.pid for process in processes}) != len(processes):
        raise InvalidSample("processes: one pid twice")
    return processes


def _process(value: object) -> Process:
    wire = record(value, "processes")
    return Process(
        integer(wire["pid"], "processes.pid"),
        integer(wire["start"], "processes.start"),
        text(wire["name"], "processes.name"),
        number(wire["cpu"], "processes.cpu", 0.0),
        number_or_none(wire["mem"], "processes.mem", 0.0),
        number_or_none(wire.get("children"), "processes.children", 0.0),
    )


def _source(value: object) -> PowerSource | None:
    if value is None:
        return None
    wire = record(value, "source")
    return PowerSource(
        text(wire["name"], "source.name"),
        number(wire["power"], "source.power", -LARGEST, LARGEST),
        number_or_none(wire.get("voltage"), "source.voltage", -LARGEST, LARGEST),
        number_or_none(wire.get("current"), "source.current", -LARGEST, LARGEST),
        truth(wire.get("estimate", False), "source.estimate"),
    )


def _radios(value: object) -> dict[str, bool] | None:
    if value is None:
        return None
    return {kind: truth(on, "radios") for kind, on in entries(value, "radios").items()}


def _throttled(value: object) -> tuple[str, ...] | None:
    return (
        None if value is None else tuple([text(reason, "throttled") for reason in items(value, "throttled")])
    )
