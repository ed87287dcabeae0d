"""The kinds of alert, declared once: options, help and rules of ``telemetry-query alert`` follow from them.

It is separate from the rules because reports load it for the command line and must start fast.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PERCENT_MARGIN: Final = 3.0
"""Percent beyond the limit at which an alert is armed again"""
DEGREES_MARGIN: Final = 3.0
"""°C below the limit at which an alert is armed again"""
DRAIN_WATTS: Final = 0.5
"""W out of the battery: 1 % an hour of a 50 Wh pack. Less is noise of the gauge, or the pack's own use."""
DRAIN_SECONDS: Final = 120.0
"""s awake that a drain, or its absence, must last: after a change, drivers lag behind"""


class Kind(NamedTuple):
    """A kind of alert: its option on the command line, and how long its limit must be crossed."""

    name: str
    title: str
    unit: str
    help: str
    least: float | None = None
    """The lowest limit; None: it takes no limit"""
    most: float = 0.0
    metavar: str = ""
    is_critical: bool = False
    samples: int = 1
    """How many samples in a row must agree"""
    seconds: float = 0.0
    """s awake that these samples must span"""


KINDS: Final = (
    Kind(
        "below",
        "Battery low",
        "%",
        "the battery is at P percent or below, and not charging",
        least=1.0,
        most=99.0,
        metavar="P",
        is_critical=True,
    ),
    Kind(
        "above",
        "Battery charged",
        "%",
        "the battery is at P percent or above, and not discharging",
        least=1.0,
        most=100.0,
        metavar="P",
    ),
    Kind(
        "drains-on-mains",
        "Battery drains on mains",
        "W",
        f"on mains, the battery has given {DRAIN_WATTS:g} W or more for {DRAIN_SECONDS / 60:.0f} minutes",
        samples=2,
        seconds=DRAIN_SECONDS,
    ),
    Kind(
        "hotter",
        "CPU hot",
        "°C",
        "the CPU is at C °C or above, in two samples in a row",
        least=1.0,
        most=200.0,
        metavar="C",
        is_critical=True,
        samples=2,
    ),
)
