"""The fields of a sample: every field is declared here, and only here.

``None`` is "not available"; 0 is a reading. A field with a default is optional on the wire. See
``telemetry.fields`` for the meaning of a declaration. The annotations are read when the module is imported,
so this module must not postpone them (no ``from __future__ import annotations``).
"""

from typing import Annotated, Final, NamedTuple

from telemetry import END_OF_TIME
from telemetry.fields import LARGEST, Wire, fields_of

SCHEMA: Final = 12
"""Version of the database that has the columns named below: the number of the newest migration."""

TOPIC_PREFIX: Final = "sample/"

_RAW: Final = Wire("attributes as the driver reported them, if a value of the reading was rejected")
_VOLTAGE: Final = Wire("voltage of the battery", "V", -LARGEST, LARGEST, column="voltage")
_CURRENT: Final = Wire("negative: discharging", "A", -LARGEST, LARGEST, column="current")
_POWER: Final = Wire("negative: discharging", "W", -LARGEST, LARGEST, column="power")
_STATUS: Final = Wire(
    "the status reported by the driver: Charging, Discharging, Not charging, Full, Unknown", column="status"
)
_PCT: Final = Wire("charge of the battery", "%", 0, 100, column="pct")
_LEVEL: Final = Wire(
    "remaining charge or energy, in the unit of health (Ah or Wh)", "", 0, LARGEST, column="level"
)


class BatteryPack(NamedTuple):
    """One of several packs; ``Battery`` describes all of them together."""

    name: Annotated[str, Wire("name of the pack, unique in its battery", column="name")]
    status: Annotated[str | None, _STATUS._replace(may_be_absent=True)]
    voltage: Annotated[float | None, _VOLTAGE._replace(may_be_absent=True)]
    current: Annotated[float | None, _CURRENT._replace(may_be_absent=True)]
    power: Annotated[float | None, _POWER._replace(may_be_absent=True)]
    pct: Annotated[float | None, _PCT._replace(may_be_absent=True)]
    raw: Annotated[dict[str, str] | None, _RAW] = None
    level: Annotated[float | None, _LEVEL] = None


class Health(NamedTuple):
    """What a full battery holds now, what it was designed to hold, and how often it has been charged."""

    full: Annotated[
        float | None, Wire("what a full battery holds now, in unit", "", 0, LARGEST, column="full")
    ] = None
    design: Annotated[
        float | None, Wire("what it was designed to hold, in unit", "", 0, LARGEST, column="design")
    ] = None
    unit: Annotated[str | None, Wire("Ah or Wh", column="unit")] = None
    cycles: Annotated[int | None, Wire("how often it was charged", column="cycles")] = None


class Battery(NamedTuple):
    """A battery at one instant. Negative current and power: discharging (kernel ABI of power_supply)."""

    name: Annotated[str | None, Wire("name of the supply")]
    status: Annotated[str | None, _STATUS]
    voltage: Annotated[float | None, _VOLTAGE]
    current: Annotated[float | None, _CURRENT]
    power: Annotated[float | None, _POWER]
    pct: Annotated[float | None, _PCT._replace(column="battery_pct")]
    method: Annotated[
        str | None,
        Wire(
            "how power was determined: power_now, power_avg, voltage*current, slope, power1_input; of "
            "several packs all that were used (power_now+slope); null if there is no power",
            column="method",
        ),
    ] = None
    raw: Annotated[dict[str, str] | None, _RAW] = None
    packs: Annotated[tuple[BatteryPack, ...] | None, Wire("where there are several", unique="name")] = None
    health: Annotated[Health | None, Wire("what a full battery holds")] = None
    level: Annotated[float | None, _LEVEL._replace(column="battery_level")] = None


class PowerSource(NamedTuple):
    """Something that is not a battery and reports what the machine draws."""

    name: Annotated[str, Wire("name of the source", column="source")]
    power: Annotated[
        float, Wire("positive: drawn by the machine", "W", -LARGEST, LARGEST, column="source_power")
    ]
    voltage: Annotated[float | None, Wire("voltage of the source", "V", -LARGEST, LARGEST)] = None
    current: Annotated[float | None, Wire("current of the source", "A", -LARGEST, LARGEST)] = None
    estimate: Annotated[bool, Wire("it does not measure the whole machine")] = False


class Cpu(NamedTuple):
    """CPU use over the sample's interval, percent of elapsed time."""

    total: Annotated[float | None, Wire("CPU use, mean of the cores", "%", 0, column="cpu_total")]
    cores: Annotated[tuple[float | None, ...], Wire("by core number; null: the core is offline", "%", 0)]
    freq: Annotated[float | None, Wire("CPU clock, mean of the cores", "MHz", 0, column="cpu_freq")] = None
    temp: Annotated[float | None, Wire("temperature of the CPU", "°C", column="cpu_temp")] = None
    unowned: Annotated[
        float | None,
        Wire("busy time that no process accounts for, mean of the cores", "%", 0, column="cpu_unowned"),
    ] = None


class Process(NamedTuple):
    """One of the processes that used the most CPU."""

    pid: Annotated[int, Wire("process id", column="pid")]
    start: Annotated[int, Wire("clock ticks since boot: (pid, start) identifies a process", column="start")]
    name: Annotated[str, Wire("process name", column="name")]
    cpu: Annotated[
        float,
        Wire("CPU use of the process, of one core: may pass 100", "%", 0, column="cpu", scale=100),
    ]
    mem: Annotated[
        float | None,
        Wire("resident memory of the process, of RAM", "%", 0, column="mem", scale=1000),
    ]
    children: Annotated[
        float | None,
        Wire(
            "CPU use of its children that no sample lists, of one core", "%", 0, column="children", scale=100
        ),
    ] = None
    app: Annotated[
        str | None, Wire("systemd unit, app or container that it belongs to", least=1, column="app")
    ] = None
    user: Annotated[str | None, Wire("user that it runs as", least=1, column="user")] = None


class Sample(NamedTuple):
    """One reading of the whole machine. ``(run, seq)`` is its identity."""

    host: Annotated[str, Wire("host name", least=1)]
    boot_id: Annotated[str, Wire("the kernel's id of the boot (/proc/sys/kernel/random/boot_id)")]
    run: Annotated[str, Wire("new at each start of the sampler", least=1)]
    seq: Annotated[
        int,
        Wire("1, 2, 3 ... without holes within a run; (run, seq) is the identity", least=1, column="seq"),
    ]
    ts: Annotated[int, Wire("Unix time, rising within a run", "s", 0, END_OF_TIME - 1)]
    time: Annotated[float, Wire("Unix time as the clock read it", "s", 0, END_OF_TIME - 1, column="time")]
    interval: Annotated[
        float,
        Wire("time awake that the sample covers", "s", 1e-6, LARGEST, column="interval"),
    ]
    suspended: Annotated[
        float, Wire("time asleep within the sample's span", "s", 0, END_OF_TIME, column="suspended")
    ]
    battery: Annotated[Battery | None, Wire("null: no battery")]
    cpu: Annotated[Cpu, Wire("CPU use")]
    load: Annotated[
        tuple[float | None, float | None, float | None],
        Wire("load average over 1, 5 and 15 minutes", "", 0, column="load1 load5 load15"),
    ]
    processes: Annotated[tuple[Process, ...], Wire("the processes that used the most CPU", unique="pid")]
    source: Annotated[
        PowerSource | None, Wire("sources that report the machine's power and are not batteries")
    ] = None
    on_ac: Annotated[bool | None, Wire("whether an external supply is online", column="on_ac")] = None
    governor: Annotated[str | None, Wire("frequency governor of the kernel", column="governor")] = None
    brightness: Annotated[
        float | None, Wire("brightness of the screen", "%", 0, 100, column="brightness")
    ] = None
    radios: Annotated[
        dict[str, bool] | None,
        Wire("whether each type of radio (wlan, bluetooth) is on", column="radios"),
    ] = None
    throttled: Annotated[
        tuple[str, ...] | None,
        Wire(
            "what limits the CPU now: undervoltage, frequency-capped, throttled, soft-temperature-limit",
            column="throttled",
        ),
    ] = None

    @property
    def topic(self) -> str:
        """The first frame of the message: ``sample/<host>/``."""
        return f"{TOPIC_PREFIX}{self.host.replace('/', '_')}/"


IN_SYSTEM_SAMPLE: Final = (Sample, Battery, Cpu, PowerSource)
"""The records whose columns are in the table system_sample; other records have their own tables."""


def exported() -> list[str]:
    """Return the columns that are appended to ``training_view``."""
    return [
        name
        for record in IN_SYSTEM_SAMPLE
        for field in fields_of(record)
        if field.wire.exported
        for name in field.columns
    ]
