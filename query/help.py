"""Parts of ``--help``: the reports in groups, with an example for each group, and the forms of a time.

Only --help loads this module, because textwrap takes long to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Final, NamedTuple

from query.times import FORMS


class Group(NamedTuple):
    """Reports that answer similar questions."""

    title: str
    names: tuple[str, ...]
    example: str


GROUPS: Final = (
    Group(
        "now",
        ("battery", "drain", "recent", "top", "cores", "at", "live"),
        "telemetry-query drain",
    ),
    Group(
        "what took the energy",
        ("energy", "blame", "model", "hotspots", "correlate", "compare"),
        "telemetry-query blame --since today",
    ),
    Group(
        "history of the battery",
        ("sessions", "health", "plot", "page"),
        "telemetry-query sessions --since 7d --kind sleep",
    ),
    Group(
        "data for other programs",
        ("export", "sql", "snapshot"),
        "telemetry-query export --since yesterday --until today > day.csv",
    ),
    Group(
        "is it recording, and what needs attention",
        ("status", "gaps", "alert"),
        "telemetry-query alert --below 20 --notify",
    ),
)


def listed(help_of: Mapping[str, str], width: int, column: int) -> str:
    """Return the reports with their one-line help, group by group; the help starts at ``column``."""
    grouped = {name for group in GROUPS for name in group.names}
    rest = Group("more", tuple(name for name in help_of if name not in grouped), "")
    lines: list[str] = []
    for group in (*GROUPS, rest):
        names = [name for name in group.names if name in help_of]
        if not names:
            continue
        lines.append(f"  {group.title}:")
        for name in names:
            head = f"    {name} ".ljust(column)
            lines.append(fill(help_of[name], width, initial_indent=head, subsequent_indent=" " * column))
        if group.example:
            lines.append(f"      $ {group.example}")
        lines.append("")
    return "\n".join(lines)


def times_described(width: int) -> str:
    """Return the forms of a time, as the end of a --help."""
    return fill(f"A time T is {FORMS}, in the local time zone (--utc: in UTC).", width)
