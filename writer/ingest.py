"""Makes rows of samples, and batches that are due at some time. Pure: no socket, no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from telemetry.records import IN_SYSTEM_SAMPLE, BatteryPack, Health, Process
from telemetry.sample import Sample
from telemetry.steady import SteadyPercent
from telemetry.stream.joiner import Gap
from writer.columns import Columns, listed

Item = Sample | Gap

LOW_PCT = 10.0
"""At this percentage or less, each sample of a discharging battery is committed: power may fail soon."""
BATCH = 100
"""Most samples in a transaction while catching up."""
MOST_PENDING = 5000
"""Most samples that are held while the database cannot be written; the ring keeps later ones."""

_SAMPLE, _BATTERY, _CPU, _SOURCE = map(Columns, IN_SYSTEM_SAMPLE)
_PROCESS, _PACK, _HEALTH = Columns(Process), Columns(BatteryPack), Columns(Health)

SYSTEM_COLUMNS = listed(
    "ts", "run_id", "energy_uj", *_SAMPLE.names, *_BATTERY.names, *_CPU.names, *_SOURCE.names
)
CORE_COLUMNS = listed("ts", "core", "usage")
PROCESS_COLUMNS = listed("ts", *_PROCESS.names)
PACK_COLUMNS = listed("ts", *_PACK.names)
HEALTH_COLUMNS = listed("time", "name", *_HEALTH.names)

PROCESS_SCALES = (None, *(field.wire.scale for field in _PROCESS.fields))
"""The scale of each of ``PROCESS_COLUMNS``: a compact table holds whole numbers of 1/scale."""
CORE_SCALE = 100


def system_row(sample: Sample, ts: int, run_id: int) -> list[object]:
    """Return the values of ``SYSTEM_COLUMNS``."""
    battery = sample.battery
    return [
        ts,
        run_id,
        None if battery is None else energy_uj(battery.power, sample.interval),
        *_SAMPLE.of(sample),
        *_BATTERY.of(battery),
        *_CPU.of(sample.cpu),
        *_SOURCE.of(sample.source),
    ]


def core_rows(sample: Sample, ts: int) -> list[tuple[object, ...]]:
    """Return a row of ``CORE_COLUMNS`` for each core that is online."""
    return [(ts, core, usage) for core, usage in enumerate(sample.cpu.cores) if usage is not None]


def process_rows(sample: Sample, ts: int) -> list[tuple[object, ...]]:
    """Return a row of ``PROCESS_COLUMNS`` for each process."""
    return [(ts, *_PROCESS.of(process)) for process in sample.processes]


def pack_rows(sample: Sample, ts: int) -> list[tuple[object, ...]]:
    """Return a row of ``PACK_COLUMNS`` for each of several packs."""
    packs = (sample.battery and sample.battery.packs) or ()
    return [(ts, *_PACK.of(pack)) for pack in packs]


def health_row(sample: Sample) -> tuple[object, ...] | None:
    """Return the values of ``HEALTH_COLUMNS``, None if the sample has no battery health.

    For several packs the name is made from all their names, because the battery's own name is that of the
    pack that carries the load at the moment.
    """
    battery = sample.battery
    if battery is None or battery.health is None:
        return None
    name = "+".join(pack.name for pack in battery.packs) if battery.packs else battery.name
    return (sample.time, name or "", *_HEALTH.of(battery.health))


_MOST_CYCLES = 2
"""Most charge cycles in an hour: no battery is charged faster."""


def is_another_pack(stored: Sequence[Any], row: Sequence[Any]) -> bool:
    """Return whether two rows of ``HEALTH_COLUMNS`` clearly describe two different packs.

    The rows are less than an hour apart. In that time a pack keeps its name, unit and design capacity, its
    cycle count rises by little, and it loses little capacity.
    """
    _, name, full, design, unit, cycles, *_ = stored
    _, name_now, full_now, design_now, unit_now, cycles_now, *_ = row
    if (name, design, unit) != (name_now, design_now, unit_now):
        return True
    if cycles is not None and cycles_now is not None and not 0 <= cycles_now - cycles <= _MOST_CYCLES:
        return True
    both = full is not None and full_now is not None
    return both and abs(full - full_now) > 0.05 * max(full, full_now)


def energy_uj(power: float | None, interval: float) -> int | None:
    """Return power (W) × interval (s) in µJ, negative = discharged.

    It is an integer, rounded once, because sums of floats depend on their order and sums of integers do not.
    """
    return None if power is None else round(power * interval * 1e6)


def is_urgent(sample: Sample) -> bool:
    """Return whether ``sample`` must be on the disk at once: a discharging battery is low and may fail."""
    battery = sample.battery
    if battery is None or battery.pct is None or battery.pct > LOW_PCT:
        return False
    return battery.status == "Discharging" if battery.power is None else battery.power < 0


class Batch:
    """Items that were received and are not yet committed. ``now`` is monotonic time, s."""

    def __init__(self, commit_interval: float) -> None:
        self.items: list[Item] = []
        self.urgent = False
        """The batch must be committed at once and synced to the disk."""
        self._commit_interval = commit_interval
        self._percent = SteadyPercent()
        self._since = 0.0

    @property
    def full(self) -> bool:
        return len(self.items) >= MOST_PENDING

    def add(self, items: Iterable[Item], now: float) -> None:
        for item in items:
            if not self.items:
                self._since = now
            self.items.append(item)
            if isinstance(item, Sample):
                steady = self._percent.take(item)
                self.urgent = steady and is_urgent(item)

    def due_in(self, now: float, least: float = 0.0) -> float:
        """Return the seconds until the batch must be committed; infinity while it is empty.

        ``least`` is the least time between commits, s, whatever the interval.
        """
        if not self.items:
            return float("inf")
        if self.urgent or len(self.items) >= BATCH:
            return 0.0
        return max(0.0, self._since + max(self._commit_interval, least) - now)

    def clear(self) -> None:
        self.items.clear()
        self.urgent = False
