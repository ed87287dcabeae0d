"""Energy by program of a window: hours and days as stored, and the rest divided by what is known now.

A part is what one column of the model took (telemetry/energy_model/columns.py); a program is a name_id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from query.energy_samples import Recorded, Span, hours
from query.learning import Learned
from query.window import History
from telemetry import DAY, END_OF_TIME, HOUR
from telemetry.energy_model.cells import cell, divide, largest_remainders
from telemetry.energy_model.columns import UNATTRIBUTED
from telemetry.energy_model.day import divided
from telemetry.energy_model.features import features
from telemetry.energy_model.learner import busiest, cpu_time

MOST_RAW: Final = 17_280
"""Samples that are divided on request: at most a day of them, every 5 s; usually an hour or two."""
_STORED: Final = (
    "SELECT name_id, SUM(uj), SUM(pm_uj), SUM(cpu_us) FROM {} WHERE bucket >= ? AND bucket < ? GROUP BY 1"
)
_HELD: Final = "SELECT bucket FROM system_hour WHERE bucket >= ? AND bucket < ? ORDER BY bucket"
_MEASURED: Final = "SELECT TOTAL(discharged_uj) FROM system_{} WHERE bucket >= ? AND bucket < ?"


class Row(NamedTuple):
    """The figures of one row."""

    uj: int
    pm_uj: int
    """Nine in ten true values are within ± this"""
    cpu_us: int
    predicted: float = 0.0
    """J"""

    def plus(self, other: Row) -> Row:
        """Return the sum of both."""
        return Row(
            self.uj + other.uj,
            self.pm_uj + other.pm_uj,
            self.cpu_us + other.cpu_us,
            self.predicted + other.predicted,
        )


Rows = dict[int, Row]


def parts_of(
    connection: sqlite3.Connection, start: float, stop: float, history: History, known: Learned
) -> tuple[Rows, bool]:
    """Return the parts of ``start`` <= time < ``stop``, and whether they are complete.

    The caller adds what is missing to the energy of the window.
    """
    rows: Rows = {}
    start, stop = min(start, END_OF_TIME), min(stop, END_OF_TIME)
    first = -(-start // HOUR) * HOUR
    last = min(stop, history.energy_until) // HOUR * HOUR
    if first >= last:
        first = last = stop
    _add(rows, _of_stored_hours(connection, first, last, history))
    for bucket, taught in known.open_hours.items():
        if first <= bucket < last:
            found, used = divided(taught, known.known, known.idle), taught.learned.cpu_us
            _add(rows, ((it, Row(*found.get(it, (0, 0)), used.get(it, 0))) for it in {*found, *used}))
    left = MOST_RAW
    for begin, end in ((start, first), (last, stop)):
        raw = max(begin, history.raw_since)
        gone = min(end, raw)
        held = connection.execute(_HELD, (begin // HOUR * HOUR, gone)).fetchall() if begin < gone else ()
        for (bucket,) in held:  # and not each hour since 1970
            _add(rows, _share(connection, max(begin, bucket), min(gone, bucket + HOUR), history))
        for hour in hours(connection, Span(raw, end, MOST_RAW)) if raw < end else ():
            _add(rows, _of_samples(hour, known))
            left -= len(hour.readings)
    return rows, left > 0


def _of_stored_hours(
    connection: sqlite3.Connection, first: float, last: float, history: History
) -> Iterator[tuple[int, Row]]:
    """Yield the parts of the whole hours of closed days; whole days as one part."""
    day, end = -(-first // DAY) * DAY, last // DAY * DAY
    spans = [("energy_day", day, end), ("energy_hour", end, last)] if day <= end else []
    for table, begin, until in [("energy_hour", first, day if spans else last), *spans]:
        since = history.energy_hour_since if table == "energy_hour" else 0
        if begin < min(since, until):
            yield from _share(connection, begin, min(since, until), history)
        for column, *values in connection.execute(_STORED.format(table), (max(begin, since), until)):
            yield column, Row(*values)


def _share(
    connection: sqlite3.Connection, start: float, stop: float, history: History
) -> Iterator[tuple[int, Row]]:
    """Yield the parts of a fraction of an hour or a day for which only the sums exist.

    Their power is assumed to be constant.
    """
    size, table = (HOUR, "energy_hour") if start >= history.energy_hour_since else (DAY, "energy_day")
    bucket = start // size * size
    (whole,) = connection.execute(_MEASURED.format("hour"), (bucket, bucket + size)).fetchone()
    finest = "minute" if start % HOUR or stop % HOUR else "hour"
    (part,) = connection.execute(_MEASURED.format(finest), (start, stop)).fetchone()
    for column, *values in connection.execute(_STORED.format(table), (bucket, bucket + size)):
        yield column, Row(*(int(value * part / whole) if whole else 0 for value in values))


def _of_samples(hour: Recorded, known: Learned) -> Iterator[tuple[int, Row]]:
    columns = busiest(hour.readings)
    used = cpu_time(hour.readings, columns)
    weighed = cell(hour.readings, [features(it, known.exponent, columns) for it in hour.readings])
    found = divide(weighed, hour.discharged_uj, known.model, known.idle)
    for column in {*found, *used}:
        yield column, Row(*found.get(column, (0, 0)), used.get(column, 0))


def _add(rows: Rows, more: Iterable[tuple[int, Row]]) -> None:
    for column, row in more:
        rows[column] = rows[column].plus(row) if column in rows else row


def completed(rows: Mapping[int, Row], measured_uj: int) -> Rows:
    """Return parts that sum to what was measured: a missing rest is unattributed, an excess is scaled down.

    There is an excess if rows of a day were deleted after it was closed.
    """
    told = sum(row.uj for row in rows.values())
    if told <= measured_uj:
        rest = rows.get(UNATTRIBUTED, Row(0, 0, 0))
        more = measured_uj - told
        return {**rows, UNATTRIBUTED: rest._replace(uj=rest.uj + more)} if more else dict(rows)
    whole = largest_remainders({it: row.uj * measured_uj / told for it, row in rows.items()}, measured_uj)
    return {column: row._replace(uj=whole[column]) for column, row in rows.items()}
