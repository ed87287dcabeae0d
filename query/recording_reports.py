"""The reports on the recording itself, as data: what is held, when nothing was recorded, and why."""

from __future__ import annotations

from typing import Final

from query.columns import HEALTH_PCT, UNIX, Column
from query.report import Report
from query.rollups import SYSTEM

GAPS: Final = Report(
    "gaps",
    "when nothing was recorded, and why",
    (
        Column("start", UNIX, "time of the last sample before the gap", kind="time"),
        Column("end", UNIX, "start of the first interval after the gap", kind="time", rank=1),
        Column("seconds", "s", "its length", kind="duration"),
        Column(
            "cause",
            "",
            "asleep; off: the machine was off between two boots; sampler stopped: within one boot; lost: "
            "samples were published but not stored; unknown: the rows belong to no run",
            kind="text",
        ),
        Column("samples_lost", "", "samples that were published but lost", rank=2),
    ),
    nothing="no gap",
    newest_last=True,
    outlasts_samples=True,
    finds="query.sessions:open_sessions",
)

STATUS: Final = Report(
    "status",
    "what the database holds, and how fresh it is",
    (
        Column("database", "", "the file", kind="text"),
        Column("bytes", "B", "its size on disk, with its -wal", kind="size"),
        Column("schema", "", "version of the schema"),
        Column("runs", "", "starts of the sampler in the database"),
        Column("samples", "", "number of samples, within the window if one is given"),
        Column("oldest", UNIX, "time of the oldest sample", kind="time"),
        Column("newest", UNIX, "time of the newest sample", kind="time"),
        Column("newest_age_s", "s", "age of the newest sample", kind="duration"),
        Column("last_gap", UNIX, "when the newest gap began: see gaps", kind="time"),
        Column("last_gap_cause", "", "why nothing was recorded then", kind="text"),
        Column("gaps", "", "stretches of samples that were published but lost for good"),
        Column("samples_lost", "", "samples lost in those gaps"),
        Column("misdated", "", "samples dated by a wrong clock; no other figure includes them"),
        Column("rollup_differences", "", "hours and days whose sums disagree with their samples"),
        Column("losses", "", "stretches lost to a damaged file: see the table loss"),
        Column("rolled_up_until", UNIX, "how far the roll-ups reach", kind="time"),
        Column("raw_since", UNIX, "time of the oldest sample that was not dropped", kind="time"),
        Column("dropped_for", "", "why older samples were dropped; empty: none were", kind="text"),
        Column("days_fit", "d", "days of samples that fit, at the rate so far", 1),
        Column("on_ac", "", "1: a supply from outside is online"),
        Column("throttled", "", "what holds the CPU back; empty: nothing", kind="text"),
        HEALTH_PCT._replace(name="battery_health_pct"),
    ),
    sums=SYSTEM,
    note="status_note",
    finds="query.sessions:open_sessions",
    vertical=True,
)
