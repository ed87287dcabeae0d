"""Whether the machine has external power: the supplies in class/power_supply that are not batteries."""

from __future__ import annotations

from pathlib import Path

from sampler.supply import SOURCES
from sampler.sysfs import read_attribute, read_number


class MainsSensor:
    """Mains adapters, USB ports that charge, and charging pads."""

    def __init__(self, sysfs: Path) -> None:
        self._root = sysfs / "class" / "power_supply"
        self._sources: dict[str, bool] = {}
        """For each supply: whether it feeds the machine. A supply's type never changes while it exists."""

    def read(self) -> bool | None:
        """Return whether any source is online, None if no source reports it. Never raises."""
        try:
            names = [entry.name for entry in self._root.iterdir()]
        except OSError:
            return None
        known = self._sources
        self._sources = {
            name: feeds
            for name in names
            if (feeds := known[name] if name in known else self._feeds(name)) is not None
        }
        told = [read_number(f"{self._root}/{name}/online") for name, feeds in self._sources.items() if feeds]
        # `online` is 0, 1, or 2 for a source whose voltage can be programmed (USB PD PPS).
        return any(told_ >= 1 for told_ in told if told_ is not None) if set(told) - {None} else None

    def _feeds(self, name: str) -> bool | None:
        kind = read_attribute(f"{self._root}/{name}/type")
        if kind is None:
            return None
        # A pad that charges a mouse does not feed the machine.
        return kind.startswith(SOURCES) and read_attribute(f"{self._root}/{name}/scope") != "Device"
