"""Recomputes the roll-ups of a database from its raw rows in Python, as database.md defines them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.writer.reading import reading, rows

Row = dict[str, Any]
Bucket = dict[str, Any]
RollUps = dict[str, dict[tuple[Any, ...], Bucket]]
"""Table: (bucket, key): columns"""

SIZES = {
    "system_minute": 60,
    "system_hour": 3600,
    "core_hour": 3600,
    "process_hour": 3600,
    "process_day": 86400,
}
MARKS = {"system_minute": "minute_until", "process_day": "day_until"}


def rounded(value: float) -> int:
    """Round like SQLite: halves away from 0."""
    return int(value + 0.5) if value >= 0 else -int(-value + 0.5)


def total(rows: Iterable[Row], of: Callable[[Row], float | None]) -> int:
    return sum(rounded(value) for value in map(of, rows) if value is not None)


def least(rows: Iterable[Row], name: str) -> float | None:
    return min((row[name] for row in rows if row[name] is not None), default=None)


def most(rows: Iterable[Row], name: str) -> float | None:
    return max((row[name] for row in rows if row[name] is not None), default=None)


def system_bucket(rows: list[Row]) -> Bucket:
    def microseconds(row: Row) -> float | None:
        return None if row["interval"] is None else row["interval"] * 1e6

    energy = [row for row in rows if row["energy_uj"] is not None]
    spent = [row for row in energy if row["energy_uj"] < 0]
    gained = [row for row in energy if row["energy_uj"] > 0]
    by_word = [row for row in rows if row["energy_uj"] is None and row["status"] == "Discharging"]
    drain = spent + by_word
    flowing = [row for row in drain if row["current"] is not None]
    told = ("battery_pct", "energy_uj", "voltage", "current", "power", "status")
    busy = [row for row in rows if row["cpu_total"] is not None]
    return {
        "samples": len(rows),
        "first_start": min(row["time"] - (row["interval"] or 0.0) for row in rows),
        "last_time": max(row["time"] for row in rows),
        "interval_us": total(rows, microseconds),
        "covered_us": total(energy, microseconds),
        "discharged_uj": sum(-row["energy_uj"] for row in spent),
        "charged_uj": sum(row["energy_uj"] for row in gained),
        "drain_us": total(drain, microseconds),
        "drain_energy_us": total(spent, microseconds),
        "drain_current_us": total(flowing, microseconds),
        "drain_uc": total(
            flowing,
            lambda row: None if row["interval"] is None else abs(row["current"]) * row["interval"] * 1e6,
        ),
        "drain_newest_ts": max((row["ts"] for row in drain), default=None),
        "battery_samples": sum(any(row[name] is not None for name in told) for row in rows),
        "cpu_samples": len(busy),
        "cpu_sum": total(busy, lambda row: row["cpu_total"] * 100),
        "cpu_max": most(rows, "cpu_total"),
        "power_min": least(rows, "power"),
        "power_max": most(rows, "power"),
        "pct_min": least(rows, "battery_pct"),
        "pct_max": most(rows, "battery_pct"),
        "temp_min": least(rows, "cpu_temp"),
        "temp_max": most(rows, "cpu_temp"),
    }


def core_bucket(rows: list[Row]) -> Bucket:
    known = [row for row in rows if row["usage"] is not None]
    return {
        "samples": len(known),
        "usage_sum": total(known, lambda row: row["usage"] * 100),
        "usage_max": most(known, "usage"),
    }


def cpu_us(row: Row) -> int:
    """Return µs: hundredths of a percent times µs, with the product rounded."""
    used = rounded((row["cpu"] or 0.0) * 100) + rounded((row["children"] or 0.0) * 100)
    return (used * rounded((row["interval"] or 0.0) * 1e6) + 5000) // 10000


def process_bucket(rows: list[Row]) -> Bucket:
    return {
        "appearances": len(rows),
        "cpu_samples": sum(row["cpu"] is not None for row in rows),
        "cpu_sum": total(rows, lambda row: None if row["cpu"] is None else row["cpu"] * 100),
        "cpu_max": most(rows, "cpu"),
        "mem_samples": sum(row["mem"] is not None for row in rows),
        "mem_sum": total(rows, lambda row: None if row["mem"] is None else row["mem"] * 1000),
        "children_sum": total(rows, lambda row: (row["children"] or 0.0) * 100),
        "cpu_us": sum(map(cpu_us, rows)),
    }


OF_BUCKET = {"system": system_bucket, "core": core_bucket, "process": process_bucket}
RAW = {
    "system": "SELECT *, NULL AS key FROM system_sample",
    "core": "SELECT time, core AS key, usage FROM system_sample JOIN cpu_core USING (ts)",
    "process": """
        SELECT time, interval, p.*, NULL AS key,
               (SELECT max(core) + 1 FROM cpu_core WHERE cpu_core.ts = s.ts) AS cores
        FROM system_sample AS s JOIN process_sample AS p USING (ts)""",
}


MOST = {"cpu_total": 100, "usage": 100, "mem": 100, "cpu": 100, "children": 100}
"""Upper bounds in percent. CPU and children: times the cores in the sample, or times 4,096 without any."""


SINCE = {"system_minute": "minute_since", "process_hour": "process_hour_since"}
"""Columns of history: buckets before these marks were folded into coarser ones"""


def believed(row: Row) -> Row:
    cores = row.get("cores") or 4096

    def bounded(name: str, value: Any) -> Any:
        most = MOST.get(name, 0) * (cores if name in {"cpu", "children"} else 1)
        return None if most and isinstance(value, float) and not 0 <= value <= most else value

    return {name: bounded(name, value) for name, value in row.items()}


def marks(path: Path) -> dict[str, int]:
    with reading(path) as database:
        cursor = database.execute("SELECT * FROM history")
        return dict(zip([name for name, *_ in cursor.description], cursor.fetchone(), strict=True))


def recomputed(path: Path, until: dict[str, int] | None = None) -> RollUps:
    """Return the expected roll-ups, if no raw row was dropped, with names instead of name ids.

    ``until``: use these marks instead of those in ``path``.
    """
    until = until or marks(path)
    found: RollUps = {}
    for table, size in SIZES.items():
        end = until[MARKS.get(table, "hour_until")]
        kind = table.split("_")[0]
        buckets: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        with reading(path) as database:
            cursor = database.execute(RAW[kind])
            names = [name for name, *_ in cursor.description]
            for values in cursor:
                row = believed(dict(zip(names, values, strict=True)))
                if kind == "process" and row["name"] is not None:
                    row["key"] = row["name"], row["app"] or None, row["user"] or None
                since = until.get(SINCE.get(table, ""), 0)
                if isinstance(row["time"], float) and since <= row["time"] < end:
                    buckets[int(row["time"]) // size * size, row["key"]].append(row)
        found[table] = {key: OF_BUCKET[kind](rows) for key, rows in buckets.items()}
    return found


def rolled_up(path: Path) -> RollUps:
    """Return the stored roll-ups in the same form."""
    names = {0: None} | {
        number: (name, app or None, user or None)
        for number, name, app, user in rows(path, "SELECT name_id, name, app, user FROM process_name")
    }
    found: RollUps = {}
    for table in SIZES:
        with reading(path) as database:
            cursor = database.execute(f"SELECT * FROM {table}")
            columns = [name for name, *_ in cursor.description]
            found[table] = {}
            for values in cursor:
                row = dict(zip(columns, values, strict=True))
                key = names[row.pop("name_id")] if "name_id" in row else row.pop("core", None)
                found[table][row.pop("bucket"), key] = row
    return found
