"""The samples of a simulated laptop."""

from __future__ import annotations

from telemetry.sample import Battery, Health, Sample
from telemetry.sessions import Row
from tests.telemetry.fortnight import Laptop
from tests.writer.samples import ORDINARY


def samples_of(laptop: Laptop) -> list[Sample]:
    return [_sample(laptop, row) for row in laptop.rows]


def _sample(laptop: Laptop, row: Row) -> Sample:
    health = Health(laptop.known.full, laptop.known.full, laptop.known.unit, 100)
    battery = Battery("BAT0", row.status, row.voltage, None, row.watts, row.pct)
    return ORDINARY._replace(
        run=f"run-{row.run_id}",
        seq=row.seq or 0,
        ts=int(row.time),
        time=row.time,
        interval=row.interval or 0.0,
        suspended=row.asleep,
        battery=battery._replace(health=health, level=row.level),
        processes=(),
    )
