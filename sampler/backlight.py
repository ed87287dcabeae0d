"""The screen's brightness, from class/backlight (Documentation/ABI/stable/sysfs-class-backlight)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute, read_number

_PREFERENCE: Final = ("firmware", "platform", "raw")
"""Values of `type`, in the order that the kernel's document recommends: two devices may drive one screen."""


class BrightnessSensor:
    """The backlight that the kernel's document prefers. If it disappears, the sensor looks for another."""

    def __init__(self, sysfs: Path) -> None:
        self._root = sysfs / "class" / "backlight"
        self._chosen: Path | None = None
        self._most = 0.0

    def read(self) -> float | None:
        """Return percent of the maximum, 0 for a screen that is off, None without one. Never raises."""
        level = self._level()
        # Above the maximum: another screen took the same name, or the driver changed its scale.
        if level is None or level > self._most:
            self._choose()
            level = self._level()
        # Not actual_brightness: amdgpu has reported it on another scale than max_brightness.
        if self._chosen is None or level is None or not 0 <= level <= self._most:
            return None
        off = read_number(f"{self._chosen}/bl_power") or 0.0
        return 0.0 if off > 0 else 100.0 * level / self._most

    def _level(self) -> float | None:
        return None if self._chosen is None else read_number(f"{self._chosen}/brightness")

    def _choose(self) -> None:
        self._chosen = None
        try:
            names = sorted(entry.name for entry in self._root.iterdir())
        except OSError:
            return
        for name in sorted(names, key=self._rank):
            most = read_number(f"{self._root}/{name}/max_brightness")
            if most is not None and most > 0 and read_number(f"{self._root}/{name}/brightness") is not None:
                self._chosen, self._most = self._root / name, most
                return

    def _rank(self, name: str) -> int:
        kind = read_attribute(f"{self._root}/{name}/type")
        return _PREFERENCE.index(kind) if kind in _PREFERENCE else len(_PREFERENCE)
