"""Divides the measured energy of an hour, or of part of one, so that the parts add up to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from telemetry.energy_model.columns import AWAKE, IDLE, KERNEL, OTHERS, SCREEN, SCREEN_ON, UNATTRIBUTED
from telemetry.energy_model.features import Reading
from telemetry.energy_model.fit import Model
from telemetry.energy_model.interval import half_width
from telemetry.energy_model.sums import UNIT

MICRO: Final = 1_000_000


class Cell(NamedTuple):
    """Sums over the discharging samples of an hour or a part of one, in whole numbers of 1/UNIT."""

    seconds: int
    """s"""
    values: dict[int, int]
    """By column: the sum of value × s; for programs, the value includes the frequency"""
    shares: dict[int, int]
    """By column: its part of the s of AWAKE, in proportion to its share of the busy cores"""


class Part(NamedTuple):
    """The energy that a column used."""

    uj: int
    pm_uj: int
    """90 % of true values are within ± this much"""


def cell(readings: Iterable[Reading], rows: Iterable[Mapping[int, float]]) -> Cell:
    """Add up readings; ``rows`` are their features. Readings that are not discharging are left out."""
    total = 0.0
    values: dict[int, float] = {}
    shares: dict[int, float] = {}
    for reading, row in zip(readings, rows, strict=True):
        if reading.watts is None:
            continue
        seconds = reading.seconds
        total += seconds
        awake = row.get(AWAKE, 0.0)
        busy = sum(value for column, value in row.items() if column >= 0 or column in (OTHERS, KERNEL))
        part = awake * seconds / busy if busy > 0 else 0.0
        for column, value in row.items():
            values[column] = values.get(column, 0.0) + value * seconds
            shares[column] = shares.get(column, 0.0) + value * part
    for column in (AWAKE, SCREEN, SCREEN_ON):
        shares.pop(column, None)
    values.pop(AWAKE, None)
    return Cell(
        round(total * UNIT),
        {column: round(value * UNIT) for column, value in values.items()},
        {column: round(value * UNIT) for column, value in shares.items()},
    )


def divide(cell: Cell, discharged_uj: int, model: Model | None, idle: float) -> dict[int, Part]:
    """Divide the measured energy among the columns, IDLE and UNATTRIBUTED; the sum is ``discharged_uj``.

    ``idle``: W of the machine at rest. Without a model, everything is unattributed.
    """
    if model is None:
        return {UNATTRIBUTED: Part(discharged_uj, discharged_uj)}
    joules = modelled(cell, model, idle)
    measured = discharged_uj / MICRO
    told = sum(joules.values())
    scale = 1.0
    if told > measured:
        scale = measured / told if told else 0.0
    else:
        joules[UNATTRIBUTED] = measured - told
    exact = {column: value * scale * MICRO for column, value in joules.items()}
    whole = largest_remainders(exact, discharged_uj)
    return {column: Part(uj, _half_width(cell, model, column, uj)) for column, uj in whole.items()}


def modelled(cell: Cell, model: Model, idle: float) -> dict[int, float]:
    """Return the J that the model predicts for each column and IDLE."""
    joules = {IDLE: idle * cell.seconds / UNIT}
    if SCREEN in cell.values:
        joules[SCREEN] = cell.values[SCREEN] / UNIT * model.rate(SCREEN)
        joules[SCREEN] += cell.values.get(SCREEN_ON, 0) / UNIT * model.rate(SCREEN_ON)
    awake = model.rate(AWAKE)
    for column, value in cell.values.items():
        if column not in (SCREEN, SCREEN_ON):
            joules[column] = (model.rate(column) * value + awake * cell.shares.get(column, 0)) / UNIT
    return joules


def deviation_of(model: Model, column: int, value: float, share: float) -> float:
    """Return the standard deviation of the J that a program took.

    ``value``: its busy cores × GHz^exponent × s; ``share``: its part of the s of AWAKE.
    """
    variance = (value * model.deviation(column)) ** 2 + (share * model.deviation(AWAKE)) ** 2
    variance += 2 * value * share * model.with_awake.get(column, 0.0)
    return float(max(variance, 0.0) ** 0.5)


def _half_width(cell: Cell, model: Model, column: int, uj: int) -> int:
    if column in (IDLE, UNATTRIBUTED):
        deviation = 0.0
    elif column == SCREEN:
        deviation = cell.values[SCREEN] * model.deviation(SCREEN)
        deviation += cell.values.get(SCREEN_ON, 0.0) * model.deviation(SCREEN_ON)
    else:
        deviation = deviation_of(model, column, cell.values[column], cell.shares.get(column, 0))
    return round(half_width(uj, deviation / UNIT * MICRO, model.blocks))


def largest_remainders(parts: Mapping[int, float], total: int) -> dict[int, int]:
    """Round parts to whole numbers that sum to ``total``: the largest remainders are rounded up (Hamilton).

    The parts must sum to about ``total`` and must not be negative.
    """
    whole = {key: int(value) for key, value in parts.items()}
    left = total - sum(whole.values())
    order = sorted(parts, key=lambda key: (whole[key] - parts[key], key))
    if not order:
        return whole
    for key in order[: left % len(order)]:
        whole[key] += 1
    every = left // len(order)
    return {key: value + every for key, value in whole.items()} if every else whole
