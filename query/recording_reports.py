"""The report on the recording itself, as data: when nothing was recorded, and why."""

from __future__ import annotations

from typing import Final

from query.columns import UNIX, Column
from query.report import Report

GAPS: Final = Report(
    "gaps",
    "when nothing was recorded, and why",
    (
        Column("start", UNIX, "time of the last sample before it", kind="time"),
        Column("end", UNIX, "start of the first interval after it", kind="time", rank=1),
        Column("seconds", "s", "its length", kind="duration"),
        Column(
            "cause",
            "",
            "asleep; off: the machine was booted again; sampler stopped: on the same boot; lost: samples "
            "were published and not stored; unknown: rows without a run",
            kind="text",
        ),
        Column("samples_lost", "", "samples that were published but lost", rank=2),
    ),
    nothing="no gap",
    newest_last=True,
    outlasts_samples=True,
    finds="query.sessions:open_sessions",
)
