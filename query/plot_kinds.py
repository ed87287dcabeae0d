"""The pictures that ``plot`` draws, as data: options and help follow from them.

It is separate from the drawing because reports load it for the command line and must start fast.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from telemetry import DAY


class Kind(NamedTuple):
    """A picture."""

    name: str
    """Also the name of the function in query/pictures.py that makes it"""
    help: str
    days: float
    """Days up to now, if --since is not given"""
    nothing: str = "no battery was seen"
    """What standard error says if there is no picture"""

    @property
    def window(self) -> float:
        """Return the same as ``days`` in s."""
        return self.days * DAY


KINDS: Final = (
    Kind("battery", "charge and power, with charges, sleeps and holes", 1),
    Kind("power", "power alone", 1, "no power was measured"),
    Kind("cpu", "CPU use and temperature", 1),
    Kind("cores", "use of each core", 1, "no core was recorded"),
    Kind("energy", "Wh by day, awake and asleep", 30),
    Kind("programs", "Wh by day and program, an estimate", 30, "nothing was discharged"),
    Kind("sleep", "W of each sleep of an hour and more", 30, "no such sleep with a known power"),
    Kind("health", "what a full charge holds, by month", 3_650, "no health was reported"),
    Kind("discharges", "discharges of 10 % and more, laid over each other", 90, "no such discharge"),
)


def described(width: int) -> str:
    """Return what each picture shows, as the end of ``plot --help``."""
    from query.help import times_described  # noqa: PLC0415  (for --help alone)

    told = [f"  {kind.name:<11} {kind.help}; the last {_span(kind.days)}" for kind in KINDS]
    return "\n".join(["pictures, and the window where --since is not given:", *told, times_described(width)])


def _span(days: float) -> str:
    if days >= 365:
        return f"{days / 365:.0f} years"
    return f"{days:.0f} days" if days > 1 else "24 h"
