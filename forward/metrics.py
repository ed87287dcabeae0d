"""The newest sample as metrics, with names and units that follow prometheus.io/docs/practices/naming."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from forward.samples import top
from telemetry.errors import UserError


class Gauge(NamedTuple):
    """A column of system_sample that is exposed as a metric."""

    column: str
    name: str
    help: str
    times: float = 1.0
    per: float = 1.0
    """value × times / per is in the base unit"""


GAUGES: Final = (
    Gauge("time", "telemetry_sample_time_seconds", "Unix time of the newest stored sample"),
    Gauge("interval", "telemetry_sample_interval_seconds", "time awake that the sample covers"),
    Gauge("voltage", "telemetry_battery_voltage_volts", "voltage of the battery"),
    Gauge("current", "telemetry_battery_current_amperes", "negative: discharging"),
    Gauge("power", "telemetry_battery_power_watts", "negative: discharging"),
    Gauge("battery_pct", "telemetry_battery_charge_ratio", "charge of the battery, 0 to 1", per=100),
    Gauge("cpu_total", "telemetry_cpu_usage_ratio", "CPU use, mean of the cores, 0 to 1", per=100),
    Gauge("cpu_unowned", "telemetry_cpu_unowned_ratio", "busy time that no process accounts for", per=100),
    Gauge("cpu_freq", "telemetry_cpu_frequency_hertz", "CPU clock, mean of the cores", times=1e6),
    Gauge("cpu_temp", "telemetry_cpu_temperature_celsius", "temperature of the CPU"),
    Gauge("load1", "telemetry_load1", "load average over 1 minute"),
    Gauge("load5", "telemetry_load5", "load average over 5 minutes"),
    Gauge("load15", "telemetry_load15", "load average over 15 minutes"),
    Gauge("on_ac", "telemetry_on_ac", "1: an external supply is online"),
    Gauge("brightness", "telemetry_screen_brightness_ratio", "brightness of the screen, 0 to 1", per=100),
    Gauge(
        "source_power", "telemetry_source_power_watts", "drawn, reported by a source that is not a battery"
    ),
)
CORE: Final = ("telemetry_core_usage_ratio", "CPU use of a core, 0 to 1")
PROCESSES: Final = (
    ("cpu", "telemetry_process_cpu_ratio", "CPU use of all processes with this name, in cores: may exceed 1"),
    (
        "mem",
        "telemetry_process_memory_ratio",
        "resident memory of all processes with this name, as a part of RAM",
    ),
)
COUNTERS: Final = (
    (
        "discharged_uj",
        "telemetry_battery_discharged_joules",
        "energy drawn from the battery, over the whole history",
    ),
    ("charged_uj", "telemetry_battery_charged_joules", "energy put into the battery, over the whole history"),
)
"""Names without the suffix _total, which the format adds"""

_BY: Final = {"name": "name", "app": "coalesce(nullif(app, ''), name)"}
_TOTALS: Final = " UNION ALL ".join(
    f"SELECT TOTAL(discharged_uj) AS discharged_uj, TOTAL(charged_uj) AS charged_uj FROM {rows}"
    for rows in ("system_hour", "system_sums WHERE time >= (SELECT hour_until FROM history)")
)


class Reading(NamedTuple):
    """What is exposed, in base units; a value that is not available is left out."""

    gauges: Mapping[str, float]
    """By name of the metric"""
    cores: Mapping[str, float]
    processes: Mapping[str, Mapping[str, float]]
    """By name of the metric, then by name of the process"""
    counters: Mapping[str, float]


def read(connection: sqlite3.Connection, by: str, most: int) -> Reading:
    """Read the newest sample, with the ``most`` processes that used the most CPU, ``by`` name or app."""
    columns = ", ".join(gauge.column for gauge in GAUGES)
    row = connection.execute(f"SELECT ts, {columns} FROM system_sample ORDER BY ts DESC LIMIT 1").fetchone()
    if row is None:
        return Reading({}, {}, {}, {})
    ts, *values = row
    gauges = {
        gauge.name: float(value) * gauge.times / gauge.per
        for gauge, value in zip(GAUGES, values, strict=True)
        if isinstance(value, int | float)
    }
    cores = {
        str(core): usage / 100
        for core, usage in connection.execute("SELECT core, usage FROM cpu_core WHERE ts = ?", (ts,))
        if isinstance(usage, int | float)
    }
    listed = top(
        connection.execute(
            f"SELECT ts, {_BY[by]}, cpu, children, mem FROM process_sample WHERE ts = ? ORDER BY pid", (ts,)
        ),
        most,
    )
    processes = {
        metric: {name: fields[field] / 100 for name, fields in listed.items() if field in fields}
        for field, metric, _ in PROCESSES
    }
    discharged, charged = connection.execute(
        f"SELECT SUM(discharged_uj), SUM(charged_uj) FROM ({_TOTALS})"
    ).fetchone()
    counters = {COUNTERS[0][1]: discharged / 1e6, COUNTERS[1][1]: charged / 1e6}
    return Reading(gauges, cores, processes, counters)


def prometheus() -> ModuleType:
    """Return the prometheus_client package. Raises UserError if it is missing."""
    try:
        import prometheus_client  # noqa: PLC0415  (an optional package)
    except ImportError:
        raise UserError(
            "--listen needs prometheus-client: apt install python3-prometheus-client, "
            "or pip install prometheus-client"
        ) from None
    found: ModuleType = prometheus_client
    return found


def rendered(reading: Reading, accept: str) -> tuple[bytes, str]:
    """Return the text and its content type: OpenMetrics if ``accept`` names it, else Prometheus's format."""
    package = prometheus()
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

    registry = package.CollectorRegistry(auto_describe=False)
    registry.register(_Collector(lambda: _families(package, reading)))
    encoder, kind = choose_encoder(accept)
    text: bytes = encoder(registry)
    return text, str(kind)


class _Collector:
    def __init__(self, collect: Callable[[], Iterable[Any]]) -> None:
        self.collect = collect


def _families(package: ModuleType, reading: Reading) -> Iterator[Any]:
    gauge, counter = package.metrics_core.GaugeMetricFamily, package.metrics_core.CounterMetricFamily
    for each in GAUGES:
        if each.name in reading.gauges:
            yield gauge(each.name, each.help, value=reading.gauges[each.name])
    for name, text in (COUNTERS[0][1:], COUNTERS[1][1:]):
        if name in reading.counters:
            yield counter(name, text, value=reading.counters[name])
    labelled = [(*CORE, "core", reading.cores)]
    labelled += [(metric, text, "name", reading.processes.get(metric, {})) for _, metric, text in PROCESSES]
    for name, text, label, values in labelled:
        family = gauge(name, text, labels=[label])
        for value_of, value in values.items():
            family.add_metric([value_of], value)
        if values:
            yield family
