"""What a column of a report is, and the columns that several reports show."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Column(NamedTuple):
    """One column: its name in every format, its unit, and how a table shows it."""

    name: str
    unit: str
    """As people write it; empty where there is none."""
    help: str
    digits: int = 0
    """After the point, in a table. Data formats show full precision."""
    kind: Literal["number", "time", "text"] = "number"
    in_table: bool = True
    """False: in the data formats only, where width costs nothing."""


UNIX: Final = "Unix s"

TS: Final = Column("ts", "s", "key of the sample: Unix time made unique and rising")
TIME: Final = Column("time", UNIX, "wall clock when the sample was taken", kind="time")
BATTERY_PCT: Final = Column("battery_pct", "%", "charge of the battery", 1)
STATUS: Final = Column("status", "", "the battery driver's word", kind="text")
WATTS: Final = Column("watts", "W", "power into or out of the battery, always positive", 2)
DRAIN: Final = Column("drain_mah_per_min", "mAh/min", "current while discharging, 0 while not", 1)
CHARGE: Final = Column("charge_mah_per_min", "mAh/min", "current while charging, 0 while not", 1)
CPU_TOTAL: Final = Column("cpu_total", "%", "CPU use, mean of the cores", 1)
CPU_FREQ: Final = Column("cpu_freq", "MHz", "CPU clock, mean of the cores")
LOAD1: Final = Column("load1", "", "load average over 1 minute", 2)
LOAD5: Final = Column("load5", "", "load average over 5 minutes", 2)
LOAD15: Final = Column("load15", "", "load average over 15 minutes", 2)
PID: Final = Column("pid", "", "process id")
NAME: Final = Column("name", "", "process name", kind="text")
CPU: Final = Column("cpu", "%", "CPU use of the process, of one core: may pass 100", 1)
MEM: Final = Column("mem", "%", "resident memory of the process, of RAM", 1)
CHILDREN: Final = Column("children", "%", "CPU use of its children that nobody saw, of one core", 1)
COVERED: Final = Column("covered_s", "s", "time awake that the figures of this row cover")
