"""``telemetry-query`` without a report: one screen, or with ``--line`` one line for a status bar."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from query.access import opened
from query.output import can_show, look
from query.overview_facts import gather
from query.overview_lines import BLOCKS, WIDTH, line, lines


def run(given: Mapping[str, Any], now: float) -> None:
    """Print the overview, or its line. Raises UserError."""
    brief: bool = given["line"]
    # A status bar runs --line often, and each commit wears the SD card: it asks for one only with --control.
    with opened(given, now, commit=bool(given["control"]) or not brief) as source:
        writer = None if source.committed is None else not source.committed.silent
        facts = gather(source.connection, source.parameters, writer, brief=brief)
    if brief:
        print(line(facts))
        return
    width = min(look({}, now).width or WIDTH, WIDTH)
    for row in lines(facts, width, ascii_only=not can_show(BLOCKS, sys.stdout.encoding)):
        print(row)
