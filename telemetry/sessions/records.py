"""What goes into sessions and what comes out."""

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
"""s suspended from which on a sleep is a session of its own"""
_LEAST_WATTS: Final = 0.05
"""Less than this has no direction."""
_TRICKLE: Final = 2.0
"""W: less than this at Full only keeps the battery full."""
_BY_STATUS: Final = {"Discharging": DISCHARGE, "Charging": CHARGE, "Full": REST, "Not charging": REST}
_LARGEST: Final = 1e9
"""As in the view system_sums: no sensor reads a greater number."""
_LONGEST_STEP: Final = 600.0
"""s that a row without an interval stands for at most"""


class Row(NamedTuple):
    """One sample, as the view ``session_row`` has it."""

    time: float
    """Unix time at its end, s"""
    interval: float | None
    """s awake that it covers"""
    asleep: float
    """s suspended before that"""
    interval_us: int
    covered_us: int
    """Of it with a known energy, µs"""
    discharged_uj: int
    charged_uj: int
    """Both positive"""
    watts: float | None
    """Negative: discharging"""
    status: str | None
    on_ac: int | None
    pct: float | None
    level: float | None
    """What is in the battery, in ``Known.unit``"""
    voltage: float | None
    run_id: int | None
    seq: int | None
    """Consecutive in a run: no hole, whatever the clock did"""

    @property
    def is_after_sleep(self) -> bool:
        """Whether it begins with a suspend that is a session of its own."""
        return self.asleep >= SHORTEST_SLEEP

    @property
    def dozed(self) -> float:
        """s suspended that belong to the session it is in."""
        return 0.0 if self.is_after_sleep else self.asleep

    @property
    def start(self) -> float:
        """Unix time at which it began, s; behind a sleep, at which that ended."""
        return self.time - (self.interval or 0.0) - self.dozed

    def seconds_since(self, earlier: float) -> float:
        """Return the time awake that it stands for, s: its interval, else the time since ``earlier``."""
        if self.interval is not None:
            return self.interval
        return min(max(0.0, self.time - earlier), _LONGEST_STEP)

    def follows(self, run_id: int | None, seq: int | None) -> bool:
        """Return whether it is the next sample of the same run."""
        return None not in (seq, self.seq, run_id) and (self.run_id, self.seq) == (run_id, (seq or 0) + 1)

    @property
    def direction(self) -> str | None:
        """discharge, charge or rest; None where nothing tells."""
        if self.watts is not None and abs(self.watts) >= _LEAST_WATTS:
            if self.status == "Full" and abs(self.watts) < _TRICKLE:
                return REST
            return DISCHARGE if self.watts < 0 else CHARGE
        if self.watts is None and self.discharged_uj != self.charged_uj:  # of a row that tells no power
            return DISCHARGE if self.discharged_uj > self.charged_uj else CHARGE
        told = _BY_STATUS.get(self.status or "")
        if told is None and self.on_ac is not None:
            told = REST if self.on_ac else DISCHARGE
        return REST if told is None and self.watts is not None else told


class Known(NamedTuple):
    """What is known of the battery that is in: a row of ``battery_health``."""

    pack: str | None = None
    """Its name"""
    full: float | None = None
    unit: str | None = None
    """Ah or Wh"""

    @classmethod
    def stored(cls, pack: object, full: object, unit: object) -> Known:
        """Return what a row says; a value that no battery has, as in a damaged row, counts as None."""
        return cls(
            pack if isinstance(pack, str) else None,
            full if isinstance(full, (int, float)) and 0 < full < _LARGEST else None,
            unit if isinstance(unit, str) else None,
        )

    def full_wh(self, voltage: float | None) -> float | None:
        """Return the Wh of a full battery, at ``voltage`` where it is told in Ah."""
        held = watt_hours(self.full, self.unit, voltage)
        return held if held and held > 0 else None


class Percent(NamedTuple):
    """What was drawn while a discharge was at one percent."""

    percent: int
    drawn_uj: int
    visits: int
    """How often it was entered and left by a step down; ``drawn_uj`` is of these alone. 0: only in part, or
    with a sleep, a flip or a step that no power explains in it: nothing is to be learned of it."""


class Session(NamedTuple):
    """One session. Its figures are whole numbers where sums of them must agree."""

    kind: str
    start: float
    """Unix time, s"""
    end: float
    awake_us: int | None
    """None: not known, of a hole"""
    asleep_us: int | None
    """Of a discharge: of all sleeps that it went on after"""
    covered_us: int
    """Of ``awake_us`` with a known energy"""
    discharged_uj: int
    charged_uj: int
    """Measured awake, both positive. Each row of the recording is in exactly one session."""
    drawn_uj: int | None
    """Discharged less charged; of a sleep or hole, estimated. None: not known."""
    wh_from: str | None
    """Where ``drawn_uj`` comes from: measured (power × time), level, learned, nominal"""
    pct_from: float | None
    pct_to: float | None
    pct_fallen: float | None
    """By how much the percent fell while ``awake_us`` (of a sleep or hole: from start to end), less what no
    power explains. Negative: it rose."""
    level_from: float | None
    level_to: float | None
    """In ``unit`` of ``battery_health``"""
    flips: int
    """Directions in it that did not last 120 s"""
    pack: str | None
    """Name in ``battery_health`` of the battery that was in"""
    percents: tuple[Percent, ...] = ()
    """Of a discharge, in rising order"""
