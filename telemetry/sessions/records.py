"""The records that sessions are made from, and those that describe sessions."""

from __future__ import annotations

from typing import Final, NamedTuple

from telemetry.steady import watt_hours

DISCHARGE: Final = "discharge"
CHARGE: Final = "charge"
REST: Final = "rest"
SLEEP: Final = "sleep"
HOLE: Final = "hole"
KINDS: Final = (DISCHARGE, CHARGE, REST, SLEEP, HOLE)

SHORTEST_SLEEP: Final = 60.0
"""The shortest suspend that is a session of its own, s"""
_LEAST_WATTS: Final = 0.05
"""W: a smaller power has no direction."""
_TRICKLE: Final = 2.0
"""W: at Full, a smaller power only keeps the battery full."""
_BY_STATUS: Final = {"Discharging": DISCHARGE, "Charging": CHARGE, "Full": REST, "Not charging": REST}
_LARGEST: Final = 1e9
"""As in the view system_sums: no sensor reports a greater number."""
_LONGEST_STEP: Final = 600.0
"""The longest time that a row without an interval covers, s"""


class Row(NamedTuple):
    """One sample: a row of the view ``session_row``."""

    time: float
    """Unix time at its end, s"""
    interval: float | None
    """s awake that it covers"""
    asleep: float
    """s suspended before that"""
    interval_us: int
    covered_us: int
    """The part of ``interval_us`` with a known energy, µs"""
    discharged_uj: int
    charged_uj: int
    """Both positive"""
    watts: float | None
    """Negative: discharging"""
    status: str | None
    on_ac: int | None
    pct: float | None
    level: float | None
    """The battery's level, in ``Known.unit``"""
    voltage: float | None
    run_id: int | None
    seq: int | None
    """Consecutive within a run if no sample is missing, whatever the clock did"""

    @property
    def is_after_sleep(self) -> bool:
        """Whether the row begins with a suspend that is a session of its own."""
        return self.asleep >= SHORTEST_SLEEP

    @property
    def dozed(self) -> float:
        """s suspended that belong to the row's own session."""
        return 0.0 if self.is_after_sleep else self.asleep

    @property
    def start(self) -> float:
        """Unix time at which the row began, s; after a sleep, the time at which the sleep ended."""
        return self.time - (self.interval or 0.0) - self.dozed

    def seconds_since(self, earlier: float) -> float:
        """Return the time awake that the row covers, s: its interval, else the time since ``earlier``."""
        if self.interval is not None:
            return self.interval
        return min(max(0.0, self.time - earlier), _LONGEST_STEP)

    def follows(self, run_id: int | None, seq: int | None) -> bool:
        """Return whether it is the next sample of the same run."""
        return None not in (seq, self.seq, run_id) and (self.run_id, self.seq) == (run_id, (seq or 0) + 1)

    @property
    def direction(self) -> str | None:
        """discharge, charge or rest; None if unknown."""
        if self.watts is not None and abs(self.watts) >= _LEAST_WATTS:
            if self.status == "Full" and abs(self.watts) < _TRICKLE:
                return REST
            return DISCHARGE if self.watts < 0 else CHARGE
        if self.watts is None and self.discharged_uj != self.charged_uj:  # a row without power
            return DISCHARGE if self.discharged_uj > self.charged_uj else CHARGE
        told = _BY_STATUS.get(self.status or "")
        if told is None and self.on_ac is not None:
            told = REST if self.on_ac else DISCHARGE
        return REST if told is None and self.watts is not None else told


class Known(NamedTuple):
    """What is known about the battery in use: a row of ``battery_health``."""

    pack: str | None = None
    """Its name"""
    full: float | None = None
    unit: str | None = None
    """Ah or Wh"""

    @classmethod
    def stored(cls, pack: object, full: object, unit: object) -> Known:
        """Return the values of a row; impossible ones, as in a damaged row, count as None."""
        return cls(
            pack if isinstance(pack, str) else None,
            full if isinstance(full, (int, float)) and 0 < full < _LARGEST else None,
            unit if isinstance(unit, str) else None,
        )

    def full_wh(self, voltage: float | None) -> float | None:
        """Return the Wh of a full battery, computed with ``voltage`` if ``full`` is in Ah."""
        held = watt_hours(self.full, self.unit, voltage)
        return held if held and held > 0 else None


class Percent(NamedTuple):
    """The energy drawn while a discharge was at one percent."""

    percent: int
    drawn_uj: int
    visits: int
    """How often it was entered and left by a step down; ``drawn_uj`` counts only these visits. 0: it was seen
    only in part, or with a sleep, a flip or an unexplained step in it, so nothing can be learned from it."""


class Session(NamedTuple):
    """One session. Its figures are whole numbers if sums of them must agree exactly."""

    kind: str
    start: float
    """Unix time, s"""
    end: float
    awake_us: int | None
    """None for a hole: unknown"""
    asleep_us: int | None
    """For a discharge: the sum of all sleeps after which it continued"""
    covered_us: int
    """The part of ``awake_us`` with a known energy"""
    discharged_uj: int
    charged_uj: int
    """Measured awake, both positive. Each row of the recording is in exactly one session."""
    drawn_uj: int | None
    """Discharged less charged; for a sleep or hole, an estimate. None: unknown."""
    wh_from: str | None
    """Where ``drawn_uj`` comes from: measured (power × time), level, learned, nominal"""
    pct_from: float | None
    pct_to: float | None
    pct_fallen: float | None
    """By how much the percentage fell during ``awake_us`` (for a sleep or hole: from start to end), without
    steps that no power explains. Negative: it rose."""
    level_from: float | None
    level_to: float | None
    """In ``unit`` of ``battery_health``"""
    flips: int
    """How often another direction occurred for less than 120 s"""
    pack: str | None
    """Name in ``battery_health`` of the battery in use"""
    percents: tuple[Percent, ...] = ()
    """For a discharge, in increasing order"""
