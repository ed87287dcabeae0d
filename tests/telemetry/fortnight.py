"""A simulated laptop over two weeks, with its true sessions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from telemetry.sessions import Known, Row

BEGAN = 1_795_262_400.0
FULL_WH = 50.0
STEP = 30.0
"""s between two samples"""


@dataclass
class Truth:
    """A true session."""

    kind: str
    start: float
    end: float
    discharged_uj: int = 0
    charged_uj: int = 0
    flips: int = 0
    drawn_wh: float = 0.0
    """Asleep too"""


@dataclass
class Laptop:
    """Its battery, its gauge, and what was recorded. Power in W, negative: discharging."""

    seed: int = 0
    time: float = BEGAN
    wh: float = FULL_WH
    full: float = FULL_WH
    rows: list[Row] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)
    glitches: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.known = Known("BAT0", self.full, "Wh")
        self.run_id, self.seq = 1, 0
        self.asleep = 0.0

    @property
    def pct(self) -> float:
        return float(round(100 * self.wh / self.full))

    def sample(self, watts: float, status: str, *, glitch: bool = False, with_level: bool = True) -> Row:
        """Record the next ``STEP`` seconds awake."""
        self.seq += 1
        self.time += STEP
        self.wh = min(self.full, max(0.0, self.wh + watts * STEP / 3600))
        energy = round(watts * STEP * 1e6)
        row = Row(
            time=self.time,
            interval=STEP,
            asleep=self.asleep,
            interval_us=round(STEP * 1e6),
            covered_us=round(STEP * 1e6),
            discharged_uj=max(0, -energy),
            charged_uj=max(0, energy),
            watts=watts,
            status=status,
            on_ac=None,
            pct=0.0 if glitch else self.pct,
            level=(0.0 if glitch else self.wh) if with_level else None,
            voltage=11.4,
            run_id=self.run_id,
            seq=self.seq,
        )
        self.asleep = 0.0
        self.glitches += glitch
        self.rows.append(row)
        return row

    def awake(self, kind: str, seconds: float, watts: float, status: str, *, goes_on: bool = False) -> None:
        """Charge, rest or discharge while awake; ``goes_on``: continue the discharge before a sleep."""
        if not goes_on:
            self.truth.append(Truth(kind, self.time, self.time))
        last = next(it for it in reversed(self.truth) if it.kind == kind)
        for _ in range(round(seconds / STEP)):
            busy = watts * self.random.uniform(0.7, 1.3)
            row = self.sample(busy, status, glitch=kind == "discharge" and self.random.random() < 0.005)
            self._count(last, row)

    def flip(self, watts: float, status: str) -> None:
        """For less than 120 s, change to another direction than that of the newest session awake."""
        last = next(it for it in reversed(self.truth) if it.kind in ("discharge", "charge", "rest"))
        for _ in range(self.random.randint(1, 3)):
            self._count(last, self.sample(watts, status))
        last.flips += 1

    def sleep(self, seconds: float, watts: float) -> None:
        self.truth.append(Truth("sleep", self.time, self.time + seconds, drawn_wh=-watts * seconds / 3600))
        self.time += seconds
        self.asleep = seconds
        self.wh += watts * seconds / 3600

    def wake_up(self) -> None:
        """Wake up; the gauge first reports 0 %."""
        last = next(it for it in reversed(self.truth) if it.kind == "discharge")
        self._count(last, self.sample(-6.0, "Discharging", glitch=True))

    def top_up(self) -> None:
        """Charge for ten minutes during a rest, as a charger does at 97 %, and rest again."""
        last = self.truth[-1]
        self.wh = 0.97 * self.full
        for _ in range(20):
            self._count(last, self.sample(5.0, "Charging"))
        self.wh = self.full
        for _ in range(20):
            self._count(last, self.sample(0.0, "Full"))

    def off(self, seconds: float) -> None:
        """Record nothing."""
        self.truth.append(Truth("hole", self.time, self.time + seconds))
        self.time += seconds
        self.run_id, self.seq = self.run_id + 1, 0

    def _count(self, session: Truth, row: Row) -> None:
        session.end = row.time
        session.discharged_uj += row.discharged_uj
        session.charged_uj += row.charged_uj
        session.drawn_wh = (session.discharged_uj - session.charged_uj) / 3.6e9


def fortnight(seed: int = 0, days: int = 14) -> Laptop:
    """Return two weeks of work on battery, naps, charges, mains and nights."""
    it = Laptop(seed)
    draw = it.random
    for day in range(days):
        it.awake("rest", draw.uniform(1, 3) * 3600, 0.0, "Full")
        it.awake("discharge", draw.uniform(0.5, 2) * 3600, -8.0, "Discharging")
        if day % 2:
            it.flip(20.0, "Charging")
            it.awake("discharge", 1800, -8.0, "Discharging", goes_on=True)
        it.sleep(draw.uniform(300, 7200), -0.6)
        it.wake_up()
        it.awake("discharge", draw.uniform(0.5, 1) * 3600, -6.0, "Discharging", goes_on=True)
        it.awake("charge", (FULL_WH - it.wh) / 30 * 3600, 30.0, "Charging")
        it.wh = FULL_WH
        it.awake("rest", draw.uniform(0.5, 2) * 3600, 0.3, "Full")
        it.top_up()
        if day % 3 == 2:
            it.off(draw.uniform(6, 9) * 3600)
        else:
            it.awake("discharge", 1800, -7.0, "Discharging")
            it.sleep(draw.uniform(7, 9) * 3600, -1.05)
            it.awake("charge", (FULL_WH - it.wh) / 30 * 3600, 30.0, "Charging")
            it.wh = FULL_WH
    return it
