"""The recorded discharges in tests/data/traces, minute by minute."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

from tests.telemetry.machines import STEP, Minute

_TRACES: Final = Path(__file__).parents[1] / "data" / "traces"
PI_FULL: Final = 37.0
"""Rated Wh of the cells in the Raspberry Pi's UPS"""
PHONE_FULL: Final = 15.0
"""Wh that the phone took from 2 % to full: the capacity that a method would learn from charges"""
PHONE_UNPLUGGED: Final = 5.75 * 3600
"""s after which the phone's discharge from full begins"""


def pi() -> list[Minute]:
    """Return the discharge of the Raspberry Pi, from 79 % until it switches off."""
    with (_TRACES / "rpi4-upsplus-v5-discharge.csv").open() as file:
        rows = csv.DictReader(file)
        return _minutes(
            (float(row["Time (s)"]), int(row["Power (mW)"]) / 1e3, int(row["Remaining %"])) for row in rows
        )


def phone() -> list[Minute]:
    """Return the newest discharge of the phone, from full down to 78 %."""
    with (_TRACES / "phone-every-fifth-second.csv").open() as file:
        rows = csv.DictReader(file)
        return _minutes(
            (
                float(row["time"]),
                abs(int(row["current_ua"])) * int(row["voltage_mv"]) / 1e9,
                int(row["percent"]),
            )
            for row in rows
            if float(row["time"]) >= PHONE_UNPLUGGED
        )


def _minutes(rows: Iterable[tuple[float, float, int]]) -> list[Minute]:
    """``rows``: time in s, W, percent."""
    found = []
    for _, group in groupby(rows, lambda row: row[0] // STEP):
        minute = list(group)
        found.append(Minute(minute[-1][2], sum(watts for _, watts, _ in minute) / len(minute)))
    assert all(after.percent <= before.percent for before, after in pairwise(found))
    return found
