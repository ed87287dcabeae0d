"""The load averages from /proc/loadavg."""

from __future__ import annotations

from pathlib import Path

from sampler.sysfs import read_attribute

Load = tuple[float | None, float | None, float | None]


class LoadSensor:
    """Load over 1, 5 and 15 minutes."""

    def __init__(self, procfs: Path) -> None:
        self._loadavg = f"{procfs}/loadavg"

    def read(self) -> Load:
        """Return the three averages, or three times None if they cannot be read."""
        return parse_load(read_attribute(self._loadavg) or "")


def parse_load(text: str) -> Load:
    """Return the averages from the text of /proc/loadavg (``0.20 0.18 0.12 1/80 11206``)."""
    try:
        one, five, fifteen = (float(field) for field in text.split()[:3])
    except ValueError:
        return None, None, None
    sound = all(0.0 <= average < 1e6 for average in (one, five, fifteen))  # false for nan too
    return (one, five, fifteen) if sound else (None, None, None)
