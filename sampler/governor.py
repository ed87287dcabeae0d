"""The governor of cpufreq (Documentation/admin-guide/pm/cpufreq.rst)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute

_POLICY: Final = re.compile(r"policy([0-9]{1,5})")
_GOVERNOR: Final = re.compile(r"[a-z][a-z_-]{0,30}")


class GovernorSensor:
    """The governor of the policies; where they differ, all of them (``performance+schedutil``)."""

    def __init__(self, sysfs: Path) -> None:
        self._root = sysfs / "devices" / "system" / "cpu" / "cpufreq"

    def read(self) -> str | None:
        """Return its name, None where there is no cpufreq. Never raises."""
        try:
            policies = [entry.name for entry in self._root.iterdir() if _POLICY.fullmatch(entry.name)]
        except OSError:
            return None
        texts = [read_attribute(f"{self._root}/{policy}/scaling_governor") or "" for policy in policies]
        return "+".join(sorted({text for text in texts if _GOVERNOR.fullmatch(text)})) or None
