"""Databases for these tests, made from the writer's own SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.query.rollups import by_the_writer
from writer import schema

NOON = 1_795_262_400.0
"""2026-11-21 12:00:00 UTC, s"""

Process = (
    tuple[int, str | None, float | None, float | None]
    | tuple[int, str | None, float | None, float | None, float | None]
    | tuple[int, str | None, float | None, float | None, float | None, str | None, str | None]
)
"""pid, name, cpu, mem; children, app and user if known"""


@cache
def empty() -> sqlite3.Connection:
    """Return an empty database with the writer's schema, to copy: creating the schema takes 20 ms of CPU."""
    database = sqlite3.connect(":memory:")
    schema.fresh(database)
    database.commit()
    return database


class Recording:
    """A database under construction: rows as a writer stores them, with defaults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = sqlite3.connect(path)
        self.database.execute("PRAGMA synchronous = OFF")
        empty().backup(self.database)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.run_id: int | None = None
        self.seq = 0
        self.ts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.database.commit()
        self.database.close()

    def copy(self, other: Recording) -> None:
        """Replace the content by a copy of ``other``, for rows that many tests read."""
        other.database.commit()
        other.database.backup(self.database)
        self.run_id, self.seq, self.ts = other.run_id, other.seq, other.ts

    def run(self, name: str = "run", started: float = NOON) -> None:
        """Begin another run of the sampler."""
        self.run_id = (self.run_id or 0) + 1
        self.seq = 0
        self.database.execute(
            "INSERT INTO run (run_id, run, host, boot_id, first_ts, started, version) "
            "VALUES (?, ?, 'pi4', 'boot', ?, ?, 1)",
            (self.run_id, f"{name}-{self.run_id}", int(started), started),
        )

    def sample(
        self,
        time: float,
        *,
        interval: float | None = 5.0,
        suspended: float | None = 0.0,
        power: float | None = None,
        skip: int = 0,
        processes: Iterable[Process] = (),
        cores: Iterable[float | None] = (),
        **columns: Any,
    ) -> None:
        """Add one sample. energy_uj follows from power in W; ``skip`` leaves a hole in seq before it."""
        self.seq += 1 + skip
        self.ts = max(int(time), self.ts + 1)
        row: dict[str, Any] = {
            "ts": self.ts,
            "time": time,
            "interval": interval,
            "suspended": suspended,
            "power": power,
            "run_id": self.run_id,
            "seq": self.seq if self.run_id else None,
        }
        if power is not None and interval is not None:
            row["energy_uj"] = round(power * interval * 1e6)
        row |= columns
        marks = ", ".join("?" * len(row))
        self.database.execute(
            f"INSERT INTO system_sample ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )
        self.database.executemany(
            "INSERT INTO process_sample (ts, pid, name, cpu, mem, children, app, user) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(self.ts, *(*process, None, None, None)[:7]) for process in processes],
        )
        self.database.executemany(
            "INSERT INTO cpu_core VALUES (?, ?, ?)",
            [(self.ts, core, usage) for core, usage in enumerate(cores)],
        )

    def samples(self, first: float, count: int, step: float = 5.0, **columns: Any) -> None:
        """Add ``count`` samples that differ only in their time."""
        for index in range(count):
            self.sample(first + index * step, interval=step, **columns)

    def health(self, time: float, name: str, full: float, design: float, cycles: int | None = None) -> None:
        """Record the health of a battery, in Ah."""
        self.database.execute(
            "INSERT INTO battery_health VALUES (?, ?, ?, ?, 'Ah', ?)", (time, name, full, design, cycles)
        )

    def session(self, kind: str, start: float, stop: float, **columns: Any) -> None:
        """Record a session in which ``wh`` was drawn and always measured, unless columns say otherwise."""
        (ended,) = self.database.execute("SELECT COUNT(*) FROM session").fetchone()
        row = {"session_id": ended + 1, "kind": kind, "start": start, "stop": stop, "flips": 0}
        row |= {"awake_us": round((stop - start) * 1e6), "covered_us": round((stop - start) * 1e6)}
        row |= {"discharged_uj": 0, "charged_uj": 0}
        if (wh := columns.pop("wh", None)) is not None:
            row["drawn_uj"] = round(wh * 3.6e9)
        if "pct_from" in columns:
            row["pct_fallen"] = columns["pct_from"] - columns["pct_to"]
        row |= columns
        marks = ", ".join("?" * len(row))
        self.database.execute(f"INSERT INTO session ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

    def pack(self, name: str, **columns: Any) -> None:
        """Add a pack to the newest sample."""
        names = ", ".join(["ts", "name", *columns])
        marks = ", ".join("?" * (len(columns) + 2))
        values = (self.ts, name, *columns.values())
        self.database.execute(f"INSERT INTO battery_pack ({names}) VALUES ({marks})", values)


def example(path: Path) -> None:
    """The database of docs/reports.md: 70 minutes on battery, ten of them before a break, then mains."""
    names = ["firefox", "Xorg", "telemetry-sampler", "pulseaudio"]
    with Recording(path) as recording:
        recording.run(started=NOON - 5)
        for index in range(120):
            recording.sample(NOON + 5 * index, **_example_row(index, names))
        recording.run(started=NOON + 1795)
        for index in range(360, 1080):
            recording.sample(NOON + 5 * index, **_example_row(index, names))
        recording.database.execute("INSERT INTO gap VALUES (1, 121, 124, ?)", (NOON + 1800,))
        recording.health(NOON, "axp20x-battery", 5.2, 6.0, 312)


_OWNERS = {
    "firefox": ("firefox", "ada"),
    "Xorg": (None, "root"),
    "telemetry-sampler": ("telemetry-sampler", "telemetry"),
    "pulseaudio": ("pulseaudio", "ada"),
}


def _example_row(index: int, names: list[str]) -> dict[str, Any]:
    """Return a row that looks like a machine in use, by simple arithmetic."""
    busy = index * 37 % 60
    current = -(1.10 + busy / 100)
    return {
        "voltage": 3.8,
        "current": current,
        "power": 3.8 * current,
        "battery_pct": 80.0 - index // 45,
        "battery_level": 5.2 * (80.0 - index / 45) / 100,
        "status": "Discharging",
        "on_ac": 0,
        "throttled": "undervoltage" if busy > 55 else "",
        "cpu_total": 4.0 + busy / 2,
        "cpu_freq": 1500.0 if busy > 30 else 600.0,
        "cpu_temp": 48.0 + busy / 10,
        "load1": 0.3 + busy / 100,
        "load5": 0.35,
        "load15": 0.3,
        "cores": [busy * 0.8, busy / 2.0, busy / 4.0, 1.5],
        "processes": [
            (
                *(800 + 100 * rank, name, round(busy * 1.5 / (rank + 1) + 0.4, 1), 12.0 / (rank + 1)),
                *(rank * 0.4, *_OWNERS[name]),
            )
            for rank, name in enumerate(names)
            if rank < 3 or index % 3 == 0
        ],
    }


def nine_days(path: Path) -> None:
    """The third database of docs/reports.md: 61 minutes a day with the screen on, three with 0.4 W more."""
    with Recording(path) as recording:
        recording.health(NOON - 8 * 86_400, "BAT0", 5.0, 5.4, 88)
        for day in range(9):
            first = NOON + 86_400 * (day - 8)
            recording.run(started=first)
            for index in range(732):
                phase = index + 100 * day
                browser = phase * 7 % 60 if phase // 20 % 3 else 0.5
                editor = 25.0 if phase // 50 % 4 == 1 else 1.0
                bright = (80.0, 30.0, 55.0)[phase // 90 % 3]
                watts = 4.1 + 0.4 * (day > 5) + 0.031 * browser + 0.012 * editor + 0.022 * bright
                recording.sample(
                    first + 5 * index,
                    power=-round(watts + 0.05 * (phase * 11 % 7 - 3), 3),
                    voltage=11.8,
                    battery_pct=90.0 - index // 75,
                    status="Discharging",
                    brightness=bright,
                    cpu_total=(browser + editor) / 4,
                    cpu_freq=1000.0,
                    load1=(browser + editor) / 100,
                    cores=[browser, editor, 0.0, 0.0],
                    processes=[(31, "firefox", browser, 9.0), (32, "emacs", editor, 2.0)],
                )
        by_the_writer(recording.database)


def a_day(path: Path) -> None:
    """The overview of docs/reports.md: an evening on battery, a night asleep, a charge, and battery again."""
    names = ["firefox", "python3", "Xorg", "pulseaudio"]
    with Recording(path) as recording:
        end = NOON + 5_400
        first = end - 1_439 * 60
        recording.run(started=first - 60)
        recording.health(first, "BAT0", 10.0, 10.8, 212)
        pct = 88.0
        for minute in range(1_440):
            time = first + 60.0 * minute
            if 570 <= minute < 1_020:
                continue  # asleep, from 23:00 to 6:30
            charging = 1_030 <= minute < 1_180
            busy = minute * 37 % 60
            watts = 12.0 if charging else -(1.8 + busy / 40)
            suspended = 450 * 60.0 if minute == 1_020 else 0.0
            pct = min(100.0, pct + watts / 60 / 0.38) - (4.0 if suspended else 0.0)
            recording.sample(
                time,
                interval=60.0,
                suspended=suspended,
                power=watts,
                voltage=3.8,
                battery_pct=float(round(pct)),
                battery_level=pct / 10,
                status="Charging" if charging else "Discharging",
                on_ac=int(charging),
                throttled="",
                cpu_total=4.0 + busy / 2,
                cpu_temp=46.0 + busy / 10,
                processes=[
                    (800 + rank, name, busy * 1.5 / (rank + 1) + 0.4, 12.0 / (rank + 1))
                    for rank, name in enumerate(names)
                ],
            )


def half_a_year(path: Path) -> None:
    """The other database of docs/reports.md: a battery that wears, and one that was inserted for ten days."""
    day = 86_400.0
    with Recording(path) as recording:
        first = NOON - 165 * day
        recording.run(started=first)
        for hour in range(165 * 24 + 1):
            recording.sample(first + 3_600 * hour, battery_pct=50.0, status="Discharging")
        for days in range(0, 165, 11):
            if days == 110:
                recording.health(first + 110 * day, "BAT1", 3.9, 4.0, 12)
            else:
                recording.health(first + days * day, "BAT0", 5.4 - days / 400, 6.0, 251 + days // 3)
        for days in range(2, 165, 9):
            pct_from, pct_to = 100.0 - days % 3 * 4, 30.0 - days % 4 * 8
            start, hours = first + days * day, (pct_from - pct_to) / 16
            watt_hours = (pct_from - pct_to) * (0.196 - days / 12_000)
            used = {"pct_from": pct_from, "pct_to": pct_to, "wh": watt_hours}
            recording.session("discharge", start, start + hours * 3_600, **used)
