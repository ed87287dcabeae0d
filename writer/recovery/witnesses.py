"""Relations that hold between the columns of a row: a row in which one is broken is damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from telemetry import DAY, HOUR, MINUTE

Named = Mapping[str, Any]
"""A row by the names of its columns"""

_NOT_MORE: Final = [
    ("covered_us", "interval_us"),
    ("drain_us", "interval_us"),
    ("drain_energy_us", "drain_us"),
    ("drain_energy_us", "covered_us"),
    ("drain_current_us", "drain_us"),
    ("battery_samples", "samples"),
    ("cpu_samples", "samples"),
    ("cpu_samples", "appearances"),
    ("mem_samples", "appearances"),
]
"""Pairs of columns of one row: the first must not be greater than the second."""


def _is_sample(row: Named) -> bool:
    """Check that energy is power × interval, rounded once. The upgrade chose the sign of old rows' energy."""
    energy, power, interval = row.get("energy_uj"), row.get("power"), row.get("interval")
    if energy is None or power is None or interval is None:
        return energy is None or row.get("run_id") is None
    if not all(isinstance(value, int | float) for value in (energy, power, interval)):
        return True  # from the original logger, whose columns had no numeric type
    expected = power * interval * 1e6
    if row.get("run_id") is None:
        return bool(abs(abs(energy) - abs(expected)) <= 1)
    return bool(energy == round(expected))


def _is_bucket(size: int) -> Callable[[Named], bool]:
    def check(row: Named) -> bool:
        ordered = all(0 <= row[a] <= row[b] for a, b in _NOT_MORE if a in row and b in row)
        return ordered and int(row["bucket"]) % size == 0

    return check


def _is_system_bucket(size: int) -> Callable[[Named], bool]:
    is_bucket = _is_bucket(size)

    def check(row: Named) -> bool:
        first, bucket, last = float(row["first_start"]), int(row["bucket"]), float(row["last_time"])
        ordered = all(
            least is most is None or (least is not None and most is not None and least <= most)
            for least, most in ((row[f"{name}_min"], row[f"{name}_max"]) for name in ("power", "pct", "temp"))
        )
        return bool(is_bucket(row) and ordered and first <= last and bucket <= last < bucket + size)

    return check


def _is_core_bucket(row: Named) -> bool:
    """Check that no core is busy for more than 100 % of a sample."""
    return _is_bucket(HOUR)(row) and row["usage_sum"] <= 10_000 * row["samples"]


def _is_history(row: Named) -> bool:
    sizes = {"minute_until": MINUTE, "hour_until": HOUR, "day_until": DAY, "raw_since": DAY}
    return all(row[name] % size == 0 for name, size in sizes.items()) and bool(
        row["minute_until"] >= row["hour_until"] >= row["day_until"] >= 0
    )


WITNESSES: Final[Mapping[str, Callable[[Named], bool]]] = {
    "system_sample": _is_sample,
    "history": _is_history,
    "system_minute": _is_system_bucket(MINUTE),
    "system_hour": _is_system_bucket(HOUR),
    "core_hour": _is_core_bucket,
    "process_hour": _is_bucket(HOUR),
    "process_day": _is_bucket(DAY),
    "energy_hour": _is_bucket(HOUR),
    "energy_day": _is_bucket(DAY),
    "energy_lesson": _is_bucket(HOUR),
}
