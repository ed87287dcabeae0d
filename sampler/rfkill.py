"""Which radios are on, from class/rfkill (Documentation/ABI/stable/sysfs-class-rfkill)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute

_SWITCH: Final = re.compile(r"rfkill[0-9]{1,9}")
_TYPE: Final = re.compile(r"[a-z]{1,20}")
_STATE: Final = {"0": False, "1": True, "2": False}
"""Blocked by software, on, blocked by a switch."""


class RadioSensor:
    """The radios by type: wlan, bluetooth, wwan, gps … ."""

    def __init__(self, sysfs: Path) -> None:
        self._root = sysfs / "class" / "rfkill"

    def read(self) -> dict[str, bool] | None:
        """Return whether any radio is on, by type; None if there are no radios. Never raises."""
        try:
            switches = sorted(entry.name for entry in self._root.iterdir() if _SWITCH.fullmatch(entry.name))
        except OSError:
            return None
        radios: dict[str, bool] = {}
        for switch in switches:
            kind = self._attribute(switch, "type") or ""
            on = self._is_on(switch)
            if on is not None and _TYPE.fullmatch(kind):
                radios[kind] = on or radios.get(kind, False)
        return radios or None

    def _is_on(self, switch: str) -> bool | None:
        state = _STATE.get(self._attribute(switch, "state") or "")
        if state is not None:
            return state
        blocked = [self._attribute(switch, name) for name in ("soft", "hard")]  # kernels without `state`
        return blocked == ["0", "0"] if {"0", "1"} >= {*blocked} else None

    def _attribute(self, switch: str, name: str) -> str | None:
        return read_attribute(f"{self._root}/{switch}/{name}")
