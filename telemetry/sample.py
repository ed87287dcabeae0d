"""The sample contract: what the sampler measures, what travels on the stream, what the writer stores.

One sample is one UTF-8 JSON object (``sample-v1.schema.json`` beside this file says the same for other
languages; a test holds the two together). ``None`` is "not available"; 0 is a reading.

``decode`` is the gate of every reader: what it returns is safe to store and to show, what it refuses
raises ``InvalidSample`` and nothing else.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final, NamedTuple, NoReturn

VERSION: Final = 1
TOPIC_PREFIX: Final = "sample/"
MAX_BYTES: Final = 1 << 20
MAX_LIST: Final = 4096
MAX_TEXT: Final = 4096
"""Longest text field, characters."""

END_OF_TIME: Final = 253_402_300_800.0
"""Unix time of the year 10000: no calendar function goes past it, so no sample may."""
LARGEST: Final = 1e6
"""Bound of V, A, W and s: their product in µJ still fits 64 bits. No machine comes near it."""


class InvalidSample(ValueError):
    """A message that is not a sample; the text says which field and why."""


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
    """Percent of busy time that no process accounts for."""


class Process(NamedTuple):
    """One of the processes that used the most CPU."""

    pid: int
    start: int
    """Clock ticks since boot: (pid, start) is a process's identity."""
    name: str
    cpu: float
    """Percent of one core over the interval: may pass 100."""
    mem: float
    """Resident memory, percent of RAM."""
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

    @property
    def topic(self) -> str:
        """The first frame of the message: ``sample/<host>/``."""
        return f"{TOPIC_PREFIX}{self.host.replace('/', '_')}/"


def encode(sample: Sample) -> bytes:
    """Return the sample as it travels: UTF-8 JSON, without the optional fields that are not available.

    Raises ValueError for NaN or infinity: a sensor that lets one through is a bug.
    """
    wire: dict[str, Any] = {"v": VERSION} | sample._asdict()
    wire["battery"] = sample.battery and sample.battery._asdict()
    wire["cpu"] = _without_absent(sample.cpu, "freq", "temp", "unowned")
    wire["processes"] = [_without_absent(process, "children") for process in sample.processes]
    return json.dumps(wire, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()


def _without_absent(record: Cpu | Process, *optional: str) -> dict[str, Any]:
    fields: dict[str, Any] = record._asdict()
    for name in optional:
        if fields[name] is None:
            del fields[name]
    return fields


def decode(body: bytes) -> Sample:
    """Return the sample in ``body``, checked; fields that this version does not know are ignored.

    Raises InvalidSample where ``body`` is anything else. Bounds: at most 1 MiB, strict UTF-8, no NaN, no
    lone surrogate, integers of 64 bits, finite floats, lists of at most 4096.
    """
    wire = _load(body)
    version = wire.get("v")
    if type(version) is not int or version != VERSION:
        raise InvalidSample(f"v: this reader knows version {VERSION}, not {_short(version)}")
    try:
        return Sample(
            host=_text(wire["host"], "host", shortest=1),
            boot_id=_text(wire["boot_id"], "boot_id"),
            run=_text(wire["run"], "run", shortest=1),
            seq=_integer(wire["seq"], "seq", least=1),
            ts=_integer(wire["ts"], "ts", most=int(END_OF_TIME) - 1),
            time=_number(wire["time"], "time", 0.0, END_OF_TIME - 1),
            interval=_number(wire["interval"], "interval", 1e-6, LARGEST),
            suspended=_number(wire["suspended"], "suspended", 0.0, END_OF_TIME),
            battery=_battery(wire["battery"]),
            cpu=_cpu(wire["cpu"]),
            load=_load_averages(wire["load"]),
            processes=_processes(wire["processes"]),
        )
    except KeyError as missing:
        raise InvalidSample(f"field {missing} is missing") from None


# --- reading the JSON ------------------------------------------------------------------------------


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidSample(f"not JSON: {constant}")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise InvalidSample(f"{len(body)} bytes, more than {MAX_BYTES}")
    try:
        wire = _DECODER.decode(body.decode())
        if _SURROGATE_ESCAPE.search(body):  # a pair is a character; one alone cannot be stored as UTF-8
            json.dumps(wire, ensure_ascii=False).encode()
    except InvalidSample:
        raise
    except UnicodeDecodeError:
        raise InvalidSample("not UTF-8") from None
    except UnicodeEncodeError:
        raise InvalidSample("a lone surrogate in a text") from None
    except RecursionError:  # 100,000 brackets; the C scanner stops long before the stack ends
        raise InvalidSample("nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, or an integer of over 4,300 digits
        raise InvalidSample(f"not JSON: {error}") from None
    if type(wire) is not dict:
        raise InvalidSample(f"not an object: {_short(wire)}")
    return wire


def _short(value: object) -> str:
    """A piece of ``value`` for a log line, whatever a stranger put in it."""
    if isinstance(value, (dict, list)):
        return type(value).__name__
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else "an integer over 64 bits"
    return ascii(value)[:40]


# --- fields ----------------------------------------------------------------------------------------
# Exact types, not isinstance: True is an int to Python and no number to us. This path runs for each of
# some hundred fields of each sample, so it is plain code.


def _text(value: object, field: str, shortest: int = 0) -> str:
    if type(value) is str and shortest <= len(value) <= MAX_TEXT:
        return value
    raise InvalidSample(f"{field}: {_short(value)} is not a text of {shortest} to {MAX_TEXT} characters")


def _integer(value: object, field: str, least: int = 0, most: int = (1 << 63) - 1) -> int:
    if type(value) is int and least <= value <= most:
        return value
    raise InvalidSample(f"{field}: {_short(value)} is not an integer from {least} to {most}")


def _number(value: object, field: str, least: float = -1e12, most: float = 1e12) -> float:
    if type(value) is float:
        if least <= value <= most and isfinite(value):
            return value
    elif type(value) is int and least <= value <= most:
        return float(value)
    raise InvalidSample(f"{field}: {_short(value)} is not a number from {least:g} to {most:g}")


def _number_or_none(value: object, field: str, least: float = -1e12, most: float = 1e12) -> float | None:
    return None if value is None else _number(value, field, least, most)


def _object(value: object, field: str) -> dict[str, Any]:
    if type(value) is dict:
        return value
    raise InvalidSample(f"{field}: {_short(value)} is not an object")


def _list(value: object, field: str) -> list[Any]:
    if type(value) is list and len(value) <= MAX_LIST:
        return value
    raise InvalidSample(f"{field}: {_short(value)} is not a list of at most {MAX_LIST}")


def _battery(value: object) -> Battery | None:
    if value is None:
        return None
    wire = _object(value, "battery")
    name, status = wire["name"], wire["status"]
    return Battery(
        name if name is None else _text(name, "battery.name"),
        status if status is None else _text(status, "battery.status"),
        _number_or_none(wire["voltage"], "battery.voltage", -LARGEST, LARGEST),
        _number_or_none(wire["current"], "battery.current", -LARGEST, LARGEST),
        _number_or_none(wire["power"], "battery.power", -LARGEST, LARGEST),
        _number_or_none(wire["pct"], "battery.pct", 0.0, 100.0),
    )


def _cpu(value: object) -> Cpu:
    wire = _object(value, "cpu")
    cores = _list(wire["cores"], "cpu.cores")
    return Cpu(
        _number_or_none(wire["total"], "cpu.total", 0.0),
        tuple([_number_or_none(usage, "cpu.cores", 0.0) for usage in cores]),
        _number_or_none(wire.get("freq"), "cpu.freq", 0.0),
        _number_or_none(wire.get("temp"), "cpu.temp"),
        _number_or_none(wire.get("unowned"), "cpu.unowned", 0.0),
    )


def _load_averages(value: object) -> tuple[float | None, float | None, float | None]:
    wire = _list(value, "load")
    if len(wire) != 3:
        raise InvalidSample(f"load: {len(wire)} numbers, not 3")
    one, five, fifteen = (_number_or_none(average, "load", 0.0) for average in wire)
    return one, five, fifteen


def _processes(value: object) -> tuple[Process, ...]:
    processes = tuple([_process(item) for item in _list(value, "processes")])
    if len({process.pid for process in processes}) != len(processes):
        raise InvalidSample("processes: one pid twice")
    return processes


def _process(value: object) -> Process:
    wire = _object(value, "processes")
    return Process(
        _integer(wire["pid"], "processes.pid"),
        _integer(wire["start"], "processes.start"),
        _text(wire["name"], "processes.name"),
        _number(wire["cpu"], "processes.cpu", 0.0),
        _number(wire["mem"], "processes.mem", 0.0),
        _number_or_none(wire.get("children"), "processes.children", 0.0),
    )
