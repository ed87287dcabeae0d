"""The energy counters of x86 packages: class/powercap (Documentation/power/powercap/powercap.rst)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from sampler.clock import Clock, Moment
from sampler.rate import in_power_range
from sampler.sysfs import read_attribute
from telemetry.errors import UserError
from telemetry.sample import PowerSource

_PACKAGE: Final = re.compile(r"intel-rapl:[0-9]{1,4}")
"""A package or the whole platform (psys), also on AMD. intel-rapl-mmio is left out, as it counts the same
package again; so is intel-rapl:0:0, a part of the package."""
_COUNTER: Final = re.compile(r"[0-9]{1,19}")


class NoRapl(UserError):
    """There is no energy counter, or no permission to read it; the text says which."""


class _Reading(NamedTuple):
    energy: int
    """µJ"""
    at: Moment


class RaplSource:
    """What the CPU packages draw: a lower bound for the machine, without screen, radios and drives.

    If the platform has a counter (psys), only that one is used. Raises NoRapl, at construction only.
    """

    def __init__(self, sysfs: Path, clock: Clock) -> None:
        root = sysfs / "class" / "powercap"
        self._clock = clock
        try:
            names = sorted(entry.name for entry in root.iterdir() if _PACKAGE.fullmatch(entry.name))
        except OSError:
            names = []
        zones = {name: read_attribute(f"{root}/{name}/name") or "" for name in names}
        platform = [name for name, kind in zones.items() if kind == "psys"]
        self._zones = [root / name for name in platform[:1] or zones]
        self._name = "rapl:psys" if platform else "rapl"
        if not self._zones:
            raise NoRapl(f"no energy counter (intel-rapl:N) in {root}")
        for zone in self._zones:
            if not _may_read(zone / "energy_uj"):
                raise NoRapl(
                    f"{zone / 'energy_uj'} cannot be read: the kernel lets only root read it "
                    "(PLATYPUS, CVE-2020-8694); run as root or with CAP_DAC_READ_SEARCH, or leave rapl out"
                )
        self._before: dict[Path, _Reading] = {}

    def read(self) -> PowerSource | None:
        """Return the mean power since the previous read, None if unknown. Never raises."""
        total: float | None = 0.0
        for zone in self._zones:
            power = self._power(zone)
            total = None if total is None or power is None else total + power
        if total is None or not in_power_range(total):
            return None
        return PowerSource(self._name, total, estimate=True)

    def _power(self, zone: Path) -> float | None:
        energy, most = (_counter(zone / name) for name in ("energy_uj", "max_energy_range_uj"))
        before = self._before.pop(zone, None)
        if energy is None:
            return None
        now = self._before[zone] = _Reading(energy, self._clock.now())
        # What the counter gained during a sleep was not drawn while awake.
        if before is None or now.at.asleep_since(before.at) >= 1.0:
            return None
        return mean_power(energy - before.energy, most, now.at.awake_since(before.at))


def mean_power(difference: int, most: int | None, seconds: float) -> float | None:
    """Return W from the difference of two counts in µJ, which is negative after a wrap at ``most``. Pure.

    If the counter wraps more than once between two reads, the result is too low. At 50 W, a counter of 262 kJ
    wraps every 87 minutes.
    """
    if difference < 0:
        if most is None or difference + most < 0:
            return None
        difference += most
    if seconds <= 0:
        return None
    watts = difference / 1e6 / seconds
    return watts if in_power_range(watts) else None


def _may_read(path: Path) -> bool:
    """Return whether the file can be opened. os.access() would ignore the process's capabilities."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except PermissionError:
        return False
    except OSError:
        return True  # the error may be temporary; each reading handles its own
    return True


def _counter(path: Path) -> int | None:
    text = read_attribute(str(path))
    return int(text) if text and _COUNTER.fullmatch(text) else None
