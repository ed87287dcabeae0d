"""The time left that drain shows: telemetry.time_left, with data from the database.

It reads a bounded part: the writer's state of the current session and the rows since, what earlier
discharges gave per percent, and hours of power on battery.
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

MOST_ROWS: Final = 2_000
"""Most samples that are read since the writer's newest state; usually an hour or two"""
_ROWS: Final = 400
"""Samples read if no state is near; MOST_ROWS if these do not show when the current percent began"""
MOST_DISCHARGES: Final = 60
"""Newest discharges to learn from: a battery wears"""
MOST_DEATHS: Final = 10
HIGHEST_DEATH: Final = 20
"""A machine that went off above this percent was shut down"""
NOW: Final = 600.0
"""s awake over which the current power is averaged"""
RECENT: Final = 28 * 86_400.0
"""s of history over which the usual power is averaged"""
_FEW: Final = 5.0
"""Weight of the nominal Wh of a percent, in percents of a charge."""
LITTLE: Final = "little data: few percents of this battery have been seen to run down, so the range is wide"
_UNKNOWN: Final = dict.fromkeys(("hours_left", "hours_left_low", "hours_left_high", "hours_to_full"))


def ahead(
    connection: sqlite3.Connection, bound: Mapping[str, Any]
) -> tuple[dict[str, float | None], str | None]:
    """Return the figures on the time left by name (None: not known), and the remarks.

    ``bound``: newest and last of the window. With an end of the window, only data from before it count.
    """
    now = _now(connection, bound["newest"], bound["last"])
    if now is None:
        return dict(_UNKNOWN), None
    if now.rows[-1].direction == CHARGE and now.session.kind == CHARGE:
        return _UNKNOWN | {"hours_to_full": _to_full(now)}, None
    known = _known(connection, now)
    found = time_left(*known) if known else None
    if found is None:
        return dict(_UNKNOWN), None
    figures = (found.hours, found.low, found.high, None)
    return dict(zip(_UNKNOWN, figures, strict=True)), LITTLE if found.little else None


def discharge_now(
    connection: sqlite3.Connection, newest: int | None, moment: float | None
) -> tuple[Discharge, Past] | None:
    """Return the discharge in progress at a sample and what earlier ones gave; None: there is none."""
    now = _now(connection, newest, moment)
    return _known(connection, now) if now else None


def _known(connection: sqlite3.Connection, now: _Now) -> tuple[Discharge, Past] | None:
    discharge = _discharge(now) if now.rows[-1].direction == DISCHARGE else None
    return (discharge, _past(connection, now)) if discharge else None


class _Now(NamedTuple):
    """The newest row, and the session that it belongs to."""

    rows: Sequence[Row]
    """The newest ones, of ten minutes or more"""
    known: Known
    """Of the battery"""
    session: Session
    """The current session"""
    shown: Percent | None
    """The state of that discharge"""

    @property
    def full(self) -> float | None:
        """Wh of a full battery, as the driver reports it."""
        return self.known.full_wh(self.rows[-1].voltage)


def _now(connection: sqlite3.Connection, newest: int | None, moment: float | None) -> _Now | None:
    """Return the session in progress at a sample; None: there is no sample, or no direction is known."""
    if newest is None or moment is None:
        return None
    until, state = connection.execute(_STATE, (moment,)).fetchone() or (0, None)
    (count,) = connection.execute(_SINCE, (until, moment, MOST_ROWS + 1)).fetchone()
    if isinstance(state, str) and count <= MOST_ROWS:
        known = connection.execute(_HEALTH_SINCE, (until, moment)).fetchall()
        rows = _rows(connection, newest, MOST_ROWS, since=until - 2 * NOW)
        return _after(Sessions.read(state), [row for row in rows if row.time >= until], known, rows)
    # The state is from another day. The newest rows are enough for most of it.
    known = connection.execute(_HEALTH, (moment,)).fetchall()
    for most in (_ROWS, MOST_ROWS):
        rows = _rows(connection, newest, most)
        now = _after(Sessions(), rows, known, rows)
        if now is None or len(rows) < most or now.session.start > rows[0].time:
            break
        if now.session.kind != DISCHARGE or (now.shown is not None and now.shown.visits):
            break
    return now


def _after(
    sessions: Sessions, newer: Sequence[Row], known: Sequence[tuple[Any, ...]], rows: Sequence[Row]
) -> _Now | None:
    sessions.follow(newer, known)
    ended = sessions.now()
    return _Now(rows, sessions.known, ended[-1], sessions.shown) if ended and rows else None


def _rows(connection: sqlite3.Connection, newest: int, most: int, since: float = 0.0) -> list[Row]:
    bound = {"newest": newest, "most": most, "since": since}
    return [Row(*values) for values in connection.execute(_NEWEST_ROWS, bound)][::-1]


_NEWEST_ROWS: Final = sql_text("newest_rows").replace(
    "{{fields}}", ", ".join(f"row.{it}" for it in Row._fields)
)
_STATE: Final = "SELECT until, state FROM session_state WHERE until <= ? ORDER BY until DESC LIMIT 1"
_SINCE: Final = "SELECT COUNT(*) FROM (SELECT 1 FROM system_sample WHERE time >= ? AND time <= ? LIMIT ?)"
_OF_HEALTH: Final = "SELECT time, name, full, unit FROM battery_health"
_HEALTH: Final = f"{_OF_HEALTH} WHERE time <= ? ORDER BY time DESC LIMIT 1"
_HEALTH_SINCE: Final = f"{_OF_HEALTH} WHERE time >= ? AND time <= ? ORDER BY time, name"


# --- a discharge -----------------------------------------------------------------------------------


def _discharge(now: _Now) -> Discharge | None:
    """Return the discharge of the newest row; None: power or percent is not known."""
    rows, session, shown = now.rows, now.session, now.shown
    is_session = session.kind == DISCHARGE  # in its first two minutes it does not count as one yet
    others = (row.time for row in reversed(rows) if row.direction not in (DISCHARGE, None))
    since = session.start if is_session else next(others, 0.0)
    energy, seconds = _newest_energy(rows, DISCHARGE, since)
    pct = shown.percent if shown else session.pct_to
    if pct is None or not seconds:
        return None
    own_uj, own_us = (session.discharged_uj, session.covered_us) if is_session else (energy, 1e6 * seconds)
    if not own_us:  # a long interval reached back over a charge: the energy is that of earlier rows
        return None
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
    """Return the µJ and s of the newest rows in that direction with known energy, NOW s in all."""
    energy = covered = 0.0
    for row in reversed(rows):
        if covered >= NOW or row.time <= since:
            break
        if row.direction == direction and row.covered_us:
            energy += row.discharged_uj if direction == DISCHARGE else row.charged_uj
            covered += row.covered_us / 1e6
    return energy, covered


def _past(connection: sqlite3.Connection, now: _Now) -> Past:
    """Return what is known about this machine and battery."""
    moment = now.rows[-1].time
    bound = {"moment": moment, "pack": now.known.pack}
    visits: dict[int, tuple[int, int]] = {}
    learned = connection.execute(sql_text("learned_percents"), bound | {"most": MOST_DISCHARGES})
    for percent, drawn, count in (*learned, *(it for it in now.session.percents if it.visits)):
        before = visits.get(percent, (0, 0))
        visits[percent] = before[0] + drawn, before[1] + count
    died = connection.execute(sql_text("died_at"), bound | {"most": MOST_DEATHS, "highest": HIGHEST_DEATH})
    watts, spread, hours = _usual_power(connection, moment)
    return Past(visits, [pct for (pct,) in died], watts, spread, hours)


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
