"""The record for a column of a report, and the columns that several reports share."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from query.declared import EXPORTED, FIELDS


class Column(NamedTuple):
    """One column: its name in every format, its unit, and how a table shows it."""

    name: str
    unit: str
    """As people write it; empty: no unit."""
    help: str
    digits: int = 0
    """Digits after the decimal point in a table. Data formats show full precision."""
    kind: Literal["number", "time", "minute", "date", "duration", "size", "text"] = "number"
    """time: local date and time in tables; minute: the same without seconds; date: the local date alone;
    duration: ``2 h 05 min`` in tables, of s or h; size: ``43 MB`` in tables, of bytes"""
    in_table: bool = True
    """False: shown only in data formats, where width costs nothing, and in a table if --columns names it."""
    adds_up: bool = False
    """In a table, the rounded figures have the same sum as the values, rounded."""
    rank: int = 0
    """A table that would be wider than the terminal leaves out the column of the highest rank first. 0: it
    stays, and its text is cut if there is no room."""
    low: float | None = None
    """A value of this or less is red on a terminal."""
    high: float | None = None
    """A value of this or more is red on a terminal."""

    @property
    def header(self) -> str:
        """Its name, with its unit if neither the name nor the way of showing it implies the unit."""
        if self.kind not in ("number", "text") or not self.unit:
            return self.name
        told = _SPELLED.get(self.unit, self.unit.lower())
        return self.name if f"_{told}_" in f"_{self.name}_" else f"{self.name} {self.unit}"


_SPELLED: Final = {
    "%": "pct",
    "%/h": "pct_per_hour",
    "W": "watts",
    "Wh/%": "wh_per_pct",
    "mAh/min": "mah_per_min",
}
"""Units as they appear in names of columns, if that is not the unit in small letters"""
UNIX: Final = "Unix s"


def stored(field: str, digits: int = 1) -> Column:
    """Return the column of a field of the stream, such as ``Cpu.temp``.

    Its name, unit and help are declared in telemetry/records.py. ``digits`` is of a number that is not whole.
    """
    name, unit, text, kind = FIELDS[field]
    fraction = digits if kind in ("number", "row") else 0
    return Column(name, unit, text, fraction, "text" if kind in ("text", "list", "entries") else "number")


def exported() -> tuple[Column, ...]:
    """Return the columns that are declared as exported; only data formats show them."""
    return tuple(stored(field)._replace(in_table=False) for field in EXPORTED)


TS: Final = Column("ts", "s", "key of the sample: Unix time, made unique and increasing")
TIME: Final = Column("time", UNIX, "wall clock when the sample was taken", kind="time")
BATTERY_PCT: Final = stored("Battery.pct")._replace(low=15)
STATUS: Final = stored("Battery.status")._replace(help="the status reported by the battery's driver", rank=3)
WATTS: Final = Column("watts", "W", "power into or out of the battery, always positive", 2)
DRAIN: Final = Column("drain_mah_per_min", "mAh/min", "current while discharging, 0 while not", 1, rank=6)
CHARGE: Final = Column("charge_mah_per_min", "mAh/min", "current while charging, 0 while not", 1, rank=7)
CPU_TOTAL: Final = stored("Cpu.total")._replace(rank=1)
CPU_FREQ: Final = stored("Cpu.freq", 0)._replace(rank=5)
LOAD1: Final = Column("load1", "", "load average over 1 minute", 2, rank=4)
LOAD5: Final = Column("load5", "", "load average over 5 minutes", 2, rank=9)
LOAD15: Final = Column("load15", "", "load average over 15 minutes", 2, rank=9)
CPU_TEMP: Final = stored("Cpu.temp")._replace(rank=2, high=80)
INTERVAL: Final = stored("Sample.interval")._replace(rank=8)
PID: Final = stored("Process.pid")._replace(rank=3)
NAME: Final = stored("Process.name")
CPU: Final = stored("Process.cpu")
MEM: Final = stored("Process.mem")._replace(rank=1)
CHILDREN: Final = stored("Process.children")._replace(rank=5)
APP: Final = stored("Process.app")._replace(rank=4)
USER: Final = stored("Process.user")
GOVERNOR: Final = stored("Sample.governor")._replace(in_table=False)
BRIGHTNESS: Final = stored("Sample.brightness", 0)._replace(in_table=False)
COVERED: Final = Column(
    "covered_s", "s", "time awake that the figures of this row cover", kind="duration", rank=4
)
FULL: Final = Column("full", "", "what a full charge holds now", 2, rank=4)
DESIGN: Final = Column("design", "", "what it held when new", 2)
UNIT: Final = Column("unit", "", "unit of full and design: Ah or Wh", kind="text", rank=5)
HEALTH_PCT: Final = Column(
    "health_pct", "%", "what a full charge holds now, as a share of what it held when new", 1
)
CYCLES: Final = Column("cycles", "", "how often it was charged", rank=6)
TOLD: Final = Column("told", UNIX, "since when full, design and cycles have had these values", kind="time")
