"""The reports on a battery, as data: now and ahead, its wear, what it delivered and took."""

from __future__ import annotations

from typing import Final

from query.columns import (
    BATTERY_PCT,
    COVERED,
    CYCLES,
    DESIGN,
    FULL,
    HEALTH_PCT,
    STATUS,
    TIME,
    TOLD,
    UNIT,
    UNIX,
    WATTS,
    Column,
)
from query.report import TEN_MINUTES, Option, Report, Variant
from query.rollups import SYSTEM

NO_BATTERY: Final = "no battery seen"
SESSION_KINDS: Final = ("discharge", "charge", "rest", "sleep", "hole")
"""Same as in telemetry.sessions, which only few reports import"""

BATTERY: Final = Report(
    "battery",
    "the battery now: its charge, its health, its packs",
    (
        Column("name", "", "name of the battery or of one of its packs", kind="text"),
        STATUS,
        BATTERY_PCT,
        WATTS,
        Column("voltage", "V", "of the battery", 2),
        *(FULL, DESIGN, UNIT._replace(help="unit of full, design and level: Ah or Wh")),
        *(HEALTH_PCT, CYCLES, TOLD),
        Column("level", "", "what is in the battery now, in the unit that the column unit names", 2),
        TIME,
    ),
    nothing=NO_BATTERY,
    takes_at=True,
    tells_age=True,
    vertical=True,
)

DRAIN: Final = Report(
    "drain",
    "how fast the battery drains, and how long it lasts",
    (
        Column("avg_drain_mah_per_min", "mAh/min", "mean current while discharging", 2),
        Column("avg_watts", "W", "mean power while discharging", 2),
        Column(
            "pct_per_hour",
            "%/h",
            "slope of the charge, negative: falling; a gauge steps by whole percents, so this reaches "
            "back beyond the window, up to 3 % or 1 h of the same discharge",
            2,
        ),
        *(
            Column(name, "h", text, kind="duration")
            for name, text in (
                ("hours_left", "time until the machine goes off, if the newest sample is discharging"),
                (
                    "hours_left_low",
                    "four times in five, the battery lasts between this long and hours_left_high",
                ),
                ("hours_left_high", "the upper end of that range"),
                ("hours_to_full", "time until 100 %, if the newest sample is charging"),
            )
        ),
        COVERED._replace(help="time awake and discharging within the window"),
        TIME._replace(help="wall clock when the newest sample was taken"),
    ),
    window=TEN_MINUTES,
    nothing=NO_BATTERY,
    sums=SYSTEM,
    note="drain_note",
    finds="query.time_left:ahead",
    tells_age=True,
    vertical=True,
)

HEALTH: Final = Report(
    "health",
    "how the battery wears: capacity, cycles and what discharges gave",
    (
        Column("start", UNIX, "start of the month, week or discharge", kind="date"),
        Column("end", UNIX, "its end, exclusive", kind="time", in_table=False),
        Column("name", "", "name of the battery; for several packs, all their names", kind="text", rank=3),
        *(FULL, DESIGN._replace(in_table=False), UNIT),
        *(HEALTH_PCT, CYCLES),
        TOLD._replace(in_table=False),
        Column(
            "full_runs",
            "",
            "complete discharges that ended then: from 90 % or more to 10 % or less",
            rank=7,
        ),
        Column("run_wh", "Wh", "mean energy that one of those gave", 1, rank=1),
        Column(
            "wh_per_pct",
            "Wh/%",
            "energy per percent that discharges of 5 % or more gave while awake",
            3,
            rank=2,
        ),
    ),
    nothing="no battery reported its capacity or cycles, and no discharge ended",
    sums=SYSTEM,
    finds="query.sessions:open_sessions",
    options=(
        Option(
            "--by",
            "a row for each month or week (from Monday) and each battery inserted then, or for each "
            "discharge of 5 % and more (charge)",
            choices={
                "month": Variant("health", by="month"),
                "week": Variant("health", by="week"),
                "charge": Variant(
                    "health_by_charge",
                    columns=(
                        Column(
                            "pct_from", "%", "charge of the battery at the start of the discharge", rank=1
                        ),
                        Column("pct_to", "%", "charge of the battery at its end", rank=1),
                    ),
                ),
            },
        ),
    ),
)

ENERGY: Final = Report(
    "energy",
    "watt-hours out of and into the battery",
    (
        Column("start", UNIX, "start of the span", kind="time"),
        Column("end", UNIX, "end of the span, exclusive", kind="time", rank=3),
        Column("discharged_wh", "Wh", "taken out of the battery while awake", 3),
        Column("charged_wh", "Wh", "put into the battery", 3, rank=1),
        Column("asleep_wh", "Wh", "taken out of the battery while suspended, as in sessions", 3, rank=2),
        COVERED._replace(help="time awake with a power reading"),
        Column(
            "uncovered_s",
            "s",
            "rest of the span: asleep, off, not recorded, or no power",
            kind="duration",
            rank=5,
        ),
    ),
    nothing=NO_BATTERY,
    sums=SYSTEM,
    finds="query.sessions:asleep",
    options=(
        Option(
            "--by",
            "one row for the window (total), or for each hour, day, week (from Monday) or month",
            choices={
                "total": Variant("energy"),
                "hour": Variant("energy", by="hour"),
                "day": Variant("energy", by="day"),
                "week": Variant("energy", by="week"),
                "month": Variant("energy", by="month"),
            },
        ),
    ),
)

SESSIONS: Final = Report(
    "sessions",
    "each discharge, charge, rest on mains, sleep and hole",
    (
        Column("kind", "", "discharge, charge, rest, sleep, or hole: nothing was recorded", kind="text"),
        Column("start", UNIX, "its start", kind="minute"),
        Column("end", UNIX, "its end, or that of the newest sample", kind="minute", rank=9),
        Column("awake_s", "s", "time awake", kind="duration", rank=1),
        Column(
            "asleep_s",
            "s",
            "time asleep; for a discharge, in sleeps after which it continued",
            kind="duration",
            rank=5,
        ),
        Column("pct_from", "%", "charge of the battery at its start", rank=4),
        Column("pct_to", "%", "charge of the battery at its end", rank=2),
        Column("wh", "Wh", "drawn; negative: charged", 1),
        Column(
            "wh_from",
            "",
            "how wh is known: measured (power × time), by the level in the battery, by the percent and "
            "learned Wh per percent, or by the percent of the nominal capacity",
            kind="text",
            rank=7,
        ),
        WATTS._replace(rank=6, help="mean power while awake (for a sleep: while asleep); always positive"),
        Column(
            "pct_per_hour",
            "%/h",
            "how fast the charge fell while awake (for a sleep: while asleep); negative: it rose",
            1,
            rank=3,
        ),
        Column("flips", "", "changes of direction within it that lasted less than 2 minutes", rank=8),
    ),
    nothing="no session",
    newest_last=True,
    limit_first=True,
    outlasts_samples=True,
    finds="query.sessions:open_sessions",
    options=(
        Option(
            "--kind",
            "only sessions of this kind",
            choices={
                "all": Variant("sessions", {"kind": None}),
                **{kind: Variant("sessions", {"kind": kind}) for kind in SESSION_KINDS},
            },
        ),
    ),
)
