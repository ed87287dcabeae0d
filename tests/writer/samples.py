"""Handmade samples of a machine with a battery."""

from __future__ import annotations

from typing import Final

from telemetry.sample import Battery, Cpu, Process, Sample

NOW: Final = 1_800_000_000
"""The Unix time of these tests."""

BATTERY: Final = Battery("axp20x-battery", "Discharging", 4.0, -0.5, -2.0, 57.0)

ORDINARY: Final = Sample(
    host="pi4",
    boot_id="3c9c0f0e-7b1c-4a7f-9d56-0d9e5f0a1b2c",
    run="run-a",
    seq=1,
    ts=NOW,
    time=NOW + 0.25,
    interval=5.0,
    suspended=0.0,
    battery=BATTERY,
    cpu=Cpu(12.5, (20.0, 5.0), 1500.0, 48.5, 1.5),
    load=(0.5, 0.25, 0.125),
    processes=(
        Process(100, 7000, "python3", 20.0, 1.5, 0.5, None, "root"),
        Process(42, 60, "firefox", 5.0, 12.0, app="firefox", user="ada"),
    ),
)


def sample(seq: int = 1, run: str = "run-a", *, ts: int | None = None) -> Sample:
    """Return one sample of a series, 5 s apart unless ``ts`` is given."""
    ts = NOW + 5 * seq if ts is None else ts
    return ORDINARY._replace(run=run, seq=seq, ts=ts, time=ts + 0.25)


def row_of(first: int, last: int, run: str = "run-a") -> list[Sample]:
    return [sample(seq, run) for seq in range(first, last + 1)]
