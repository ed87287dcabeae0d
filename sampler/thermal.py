"""CPU temperature, from the kernel's thermal zones (Documentation/driver-api/thermal/sysfs-api.rst)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute

_PREFERENCE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"cpu[-_]thermal",  # Raspberry Pi, Allwinner, Amlogic, ...
        r"bcm2835_thermal",  # Raspberry Pi before 5.x
        r"x86_pkg_temp",  # Intel: the whole package
        r"cpu.*",  # cpu0-thermal, cpu-0-0-usr, cpuss: one of several zones, close enough
        r"(big|little|bigcore|littlecore|cluster)\d*[-_].*",  # each cluster has its own zone
        r"soc.*|package[-_]thermal",  # Rockchip and others: the die that the CPU is on
        r"TCPU|B0D4",  # Intel DPTF, where x86_pkg_temp is not built
        r"acpitz",  # last: it may be anywhere on the board, and some firmware never updates it
    )
)
"""Types of zones with the CPU's temperature, best first. Other types (battery, iwlwifi_1, gpu) are not used.
Zones are never chosen by number, because the number is only the order of probing."""

_ZONE: Final = re.compile(r"thermal_zone(\d+)")
_MILLIDEGREES: Final = re.compile(r"-?[0-9]{1,9}")
_RANGE: Final = (-100.0, 250.0)
"""°C. The kernel's value for "no reading" is -274 °C; some firmware reports 0 K."""


class TemperatureSensor:
    """The CPU's zone: chosen at the first read, kept, and chosen again when it disappears."""

    def __init__(self, sysfs: Path) -> None:
        self._root = sysfs / "class" / "thermal"
        self._chosen: tuple[str, str] | None = None
        """Zone and its type."""

    def read(self) -> float | None:
        """Return the temperature in °C, None if it cannot be read. Never raises."""
        # The type is read each time: after a driver is reloaded, the number may belong to another zone.
        kind = None if self._chosen is None else self._attribute(self._chosen[0], "type")
        # A zone that exists but returns an error now (EAGAIN while suspended) is kept: switching to another
        # zone would show as a jump.
        if self._chosen is not None and kind is None and (self._root / self._chosen[0]).is_dir():
            return None
        if self._chosen is None or kind != self._chosen[1]:
            self._chosen = self._best_zone()
        return None if self._chosen is None else self._temperature(self._chosen[0])

    def _best_zone(self) -> tuple[str, str] | None:
        candidates = []
        for number, zone in self._zones():
            kind = self._attribute(zone, "type") or ""
            for rank, pattern in enumerate(_PREFERENCE):
                if pattern.fullmatch(kind):
                    candidates.append((rank, number, zone, kind))
                    break
        for _, _, zone, kind in sorted(candidates):
            if self._temperature(zone) is not None:
                return zone, kind
        return None

    def _zones(self) -> list[tuple[int, str]]:
        try:
            names = [entry.name for entry in self._root.iterdir()]
        except OSError:
            return []
        return [(int(match[1]), name) for name in names if (match := _ZONE.fullmatch(name))]

    def _temperature(self, zone: str) -> float | None:
        return parse_temperature(self._attribute(zone, "temp"))

    def _attribute(self, zone: str, name: str) -> str | None:
        return read_attribute(f"{self._root}/{zone}/{name}")


def parse_temperature(text: str | None) -> float | None:
    """Return °C from the text of `temp` (millidegrees, may be negative), None if it is not a reading."""
    if text is None or not _MILLIDEGREES.fullmatch(text):
        return None
    celsius = int(text) / 1000
    return celsius if _RANGE[0] <= celsius <= _RANGE[1] else None
