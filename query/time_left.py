"""What drain says of the time ahead: telemetry.time_left, asked of the database.

It reads a bounded part of it: the newest rows of the discharge that goes on, what earlier discharges told of
each percent, and hours of power on battery.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, Final, NamedTuple

from query.report import sql_text
from telemetry.sessions import Known, Percent, Row, Session, Sessions
from telemetry.sessions.records import CHARGE, DISCHARGE
from telemetry.time_left import Discharge, Past, hours_to_full, time_left, typical_wh

_ROWS: Final = 400
"""Rows that are read of a session that goes on, 33 min of samples every 5 s, and"""
MOST_ROWS: Final = 2_000
"""where that does not tell when the percent that is shown began"""
NOW: Final = 600.0
"""s awake whose mean power is that of now"""
RECENT: Final = 28 * 86_400.0
"""s of history whose mean power is the usual one"""
_FEW: Final = 5.0
"""The nominal Wh of a percent count as so many percents of a charge."""
LITTLE: Final = "little data: few percents of this battery were seen to run down, so that the range is wide"
_UNKNOWN: Final = dict.fromkeys(("hours_left", "hours_left_low", "hours_left_high", "hours_to_full"))


def ahead(
    connection: sqlite3.Connection, bound: Mapping[str, Any]
) -> tuple[dict[str, float | None], str | None]:
    """Return the figures on the time ahead by name, each None where it is not known, and what to say beside.

    ``bound``: newest and last of the window. With an end of the window only what was known then counts.
    """
    now = _now(connection, bound["newest"])
    if now is None:
        return dict(_UNKNOWN), None
    direction = now.rows[-1].direction
    if direction == CHARGE and now.session.kind == CHARGE:
        return _UNKNOWN | {"hours_to_full": _to_full(now)}, None
    discharge = _discharge(now) if direction == DISCHARGE else None
    found = time_left(discharge, _past(connection, now)) if discharge else None
    if found is None:
        return dict(_UNKNOWN), None
    figures = (found.hours, found.low, found.high, None)
    return dict(zip(_UNKNOWN, figures, strict=True)), LITTLE if found.little else None


class _Now(NamedTuple):
    """The newest rows, and what they are part of."""

    rows: Sequence[Row]
    known: Known
    """Of the battery"""
    session: Session
    """The one that goes on"""
    shown: Percent | None
    """What that discharge is at"""

    @property
    def full(self) -> float | None:
        """Wh of a full battery, as the driver tells it."""
        return self.known.full_wh(self.rows[-1].voltage)


def _now(connection: sqlite3.Connection, newest: int | None) -> _Now | None:
    """Read so many rows that the percent which is shown is seen to begin, but no more than MOST_ROWS."""
    now = _read(connection, newest, _ROWS)
    if now is None or len(now.rows) < _ROWS or now.session.start > now.rows[0].time:
        return now
    if now.session.kind != DISCHARGE or (now.shown is not None and now.shown.visits):
        return now
    return _read(connection, newest, MOST_ROWS)


def _read(connection: sqlite3.Connection, newest: int | None, count: int) -> _Now | None:
    found = connection.execute(sql_text("newest_rows"), {"newest": newest, "most": count})
    rows = [Row(*values) for values in found][::-1]
    if not rows:
        return None
    row = connection.execute(_HEALTH, (rows[-1].time,)).fetchone()
    known = Known(*row) if row else Known()
    sessions = Sessions()
    sessions.learn_of(known)
    for it in rows:
        sessions.take(it)
    ended = sessions.now()
    return _Now(rows, known, ended[-1], sessions.shown) if ended else None


_HEALTH: Final = """
SELECT name, iif(full > 0 AND full < 1e9, full, NULL), unit FROM battery_health WHERE time <= ?
ORDER BY time DESC LIMIT 1"""


# --- a discharge -----------------------------------------------------------------------------------


def _discharge(now: _Now) -> Discharge | None:
    """Return the discharge that the newest row is in; None where power or percent are not known."""
    rows, session, shown = now.rows, now.session, now.shown
    is_session = session.kind == DISCHARGE  # in its first two minutes it is not one yet
    others = (row.time for row in reversed(rows) if row.direction not in (DISCHARGE, None))
    since = session.start if is_session else next(others, 0.0)
    energy, seconds = _newest_energy(rows, DISCHARGE, since)
    pct = shown.percent if shown else session.pct_to
    if pct is None or not seconds:
        return None
    own_uj, own_us = (session.discharged_uj, session.covered_us) if is_session else (energy, 1e6 * seconds)
    return Discharge(
        pct,
        energy / seconds / 1e6,
        seconds,
        own_uj / own_us,
        own_us / 3.6e9,
        shown.drawn_uj / 3.6e9 if shown else 0.0,
        bool(shown and shown.visits),
        now.full,
        rows[-1].voltage,
    )


def _newest_energy(rows: Sequence[Row], direction: str, since: float) -> tuple[float, float]:
    """Return µJ and s of the newest rows of that direction whose energy is known: of NOW in all."""
    energy = covered = 0.0
    for row in reversed(rows):
        if covered >= NOW or row.time <= since:
            break
        if row.direction == direction and row.covered_us:
            energy += row.discharged_uj if direction == DISCHARGE else row.charged_uj
            covered += row.covered_us / 1e6
    return energy, covered


def _past(connection: sqlite3.Connection, now: _Now) -> Past:
    """Return what is known of this machine and battery."""
    visits = {it.percent: (it.drawn_uj, it.visits) for it in now.session.percents if it.visits}
    watts, spread, hours = _usual_power(connection, now.rows[-1].time)
    return Past(visits, (), watts, spread, hours)


def _usual_power(connection: sqlite3.Connection, moment: float) -> tuple[float | None, float | None, float]:
    bound = {"since": moment - RECENT, "until": moment}
    row = connection.execute(sql_text("power_on_battery"), bound).fetchone()
    return (row[0], sqrt(row[1]), row[2]) if row else (None, None, 0.0)


# --- a charge --------------------------------------------------------------------------------------


def _to_full(now: _Now) -> float | None:
    session, nominal = now.session, now.full or typical_wh(now.rows[-1].voltage)
    charged, seconds = _newest_energy(now.rows, CHARGE, session.start)
    if not seconds or not nominal or session.pct_from is None or session.pct_to is None:
        return None
    risen = max(session.pct_to - session.pct_from, 0.0)
    per_percent = ((session.charged_uj - session.discharged_uj) / 3.6e9 + _FEW * nominal / 100) / (
        risen + _FEW
    )
    return hours_to_full(session.pct_to, charged / seconds / 1e6, per_percent)
