"""What a column of a report is, and the columns that several reports show."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from query.declared import EXPORTED, FIELDS


class Column(NamedTuple):
    """One column: its name in every format, its unit, and how a table shows it."""

    name: str
    unit: str
    """As people write it; empty where there is none."""
    help: str
    digits: int = 0
    """After the point, in a table. Data formats show full precision."""
    kind: Literal["number", "time", "minute", "date", "text"] = "number"
    """time: local date and time in tables; minute: the same without seconds; date: the local date alone"""
    in_table: bool = True
    """False: in the data formats only, where width costs nothing."""
    adds_up: bool = False
    """In a table the figures are rounded so that they add up as the values do."""
    wide: int = 0
    """Not 0: left out of a table that would be wider than the terminal, the greatest first."""


UNIX: Final = "Unix s"


def stored(field: str, digits: int = 1) -> Column:
    """Return the column of a field of the stream, such as ``Cpu.temp``.

    Its name, unit and help are declared in telemetry/records.py. ``digits`` is of a number that is not whole.
    """
    name, unit, text, kind = FIELDS[field]
    fraction = digits if kind in ("number", "row") else 0
    return Column(name, unit, text, fraction, "text" if kind in ("text", "list", "entries") else "number")


def exported() -> tuple[Column, ...]:
    """Return the columns that are declared as exported, which only the data formats show."""
    return tuple(stored(field)._replace(in_table=False) for field in EXPORTED)


TS: Final = Column("ts", "s", "key of the sample: Unix time made unique and rising")
TIME: Final = Column("time", UNIX, "wall clock when the sample was taken", kind="time")
BATTERY_PCT: Final = stored("Battery.pct")
STATUS: Final = stored("Battery.status")._replace(help="the status reported by the battery's driver")
WATTS: Final = Column("watts", "W", "power into or out of the battery, always positive", 2)
DRAIN: Final = Column("drain_mah_per_min", "mAh/min", "current while discharging, 0 while not", 1)
CHARGE: Final = Column("charge_mah_per_min", "mAh/min", "current while charging, 0 while not", 1)
CPU_TOTAL: Final = stored("Cpu.total")
CPU_FREQ: Final = stored("Cpu.freq", 0)
LOAD1: Final = Column("load1", "", "load average over 1 minute", 2)
LOAD5: Final = Column("load5", "", "load average over 5 minutes", 2)
LOAD15: Final = Column("load15", "", "load average over 15 minutes", 2)
CPU_TEMP: Final = stored("Cpu.temp")
INTERVAL: Final = stored("Sample.interval")
PID: Final = stored("Process.pid")
NAME: Final = stored("Process.name")
CPU: Final = stored("Process.cpu")
MEM: Final = stored("Process.mem")
CHILDREN: Final = stored("Process.children")
APP: Final = stored("Process.app")
USER: Final = stored("Process.user")
GOVERNOR: Final = stored("Sample.governor")._replace(in_table=False)
BRIGHTNESS: Final = stored("Sample.brightness", 0)._replace(in_table=False)
COVERED: Final = Column("covered_s", "s", "time awake that the figures of this row cover")
FULL: Final = Column("full", "", "what a full charge holds now", 2)
DESIGN: Final = Column("design", "", "what it held when new", 2)
UNIT: Final = Column("unit", "", "of these: Ah or Wh", kind="text")
HEALTH_PCT: Final = Column("health_pct", "%", "what a full charge holds, of what it held when new", 1)
CYCLES: Final = Column("cycles", "", "how often it was charged")
TOLD: Final = Column("told", UNIX, "when health or cycles were first told so", kind="time")
