"""CPU frequency, from cpufreq (Documentation/admin-guide/pm/cpufreq.rst), else from /proc/cpuinfo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from sampler.sysfs import read_attribute, read_text, read_whole

_CURRENT: Final = ("scaling_cur_freq", "cpuinfo_cur_freq")
"""kHz. The second is read from the hardware, by root only; it is used if the first has no value. Not
cpuinfo_avg_freq: it exceeds the CPU's maximum (recorded: 3184097 where 2400000 is the maximum)."""

_POLICY: Final = re.compile(r"policy\d+")
_CPU: Final = re.compile(r"cpu\d+")
_KILOHERTZ: Final = re.compile(r"[0-9]{1,9}")
_CPUINFO_MHZ: Final = re.compile(rb"^cpu MHz[ \t]*:[ \t]*([0-9]{1,6}(?:\.[0-9]{1,9})?)[ \t]*$", re.MULTILINE)
_HIGHEST: Final = 20_000.0
"""MHz: about twice the highest clock that any CPU has reached."""


class FrequencySensor:
    """The mean frequency of the cores."""

    def __init__(self, sysfs: Path, procfs: Path) -> None:
        self._cpus = sysfs / "devices" / "system" / "cpu"
        self._cpuinfo = f"{procfs}/cpuinfo"

    def read(self) -> float | None:
        """Return MHz, None if the machine does not report it (often a virtual machine). Never raises."""
        # cpuinfo is last because it is expensive: the kernel formats some 1.5 KB for every core of an x86
        # CPU, and may wait 10 ms for a fresh value.
        for source in (self._of_policies, self._of_cores, self._of_cpuinfo):
            if (megahertz := mean(source())) is not None:
                return megahertz
        return None

    def _of_policies(self) -> Iterator[tuple[float, int]]:
        """Cores that share a clock share a policy: a big.LITTLE chip has two, with four cores each."""
        for policy in _entries(self._cpus / "cpufreq", _POLICY):
            directory = f"{self._cpus}/cpufreq/{policy}"
            if (megahertz := _current(directory)) is not None:
                yield megahertz, _online_cpus(directory)

    def _of_cores(self) -> Iterator[tuple[float, int]]:
        for cpu in _entries(self._cpus, _CPU):
            directory = f"{self._cpus}/{cpu}/cpufreq"
            is_offline = read_attribute(f"{self._cpus}/{cpu}/online") == "0" or not _online_cpus(directory)
            if not is_offline and (megahertz := _current(directory)) is not None:
                yield megahertz, 1

    def _of_cpuinfo(self) -> Iterator[tuple[float, int]]:
        for megahertz in parse_cpuinfo(read_whole(self._cpuinfo)):
            yield megahertz, 1


def mean(weighted: Iterable[tuple[float, int]]) -> float | None:
    """Return the mean of (value, weight) pairs, None if the weights sum to 0."""
    total, weights = 0.0, 0
    for value, weight in weighted:
        total += value * weight
        weights += weight
    return total / weights if weights else None


def parse_frequency(text: str | None) -> float | None:
    """Return MHz from a cpufreq attribute (kHz), None for `<unknown>` and other texts, and for 0."""
    if text is None or not _KILOHERTZ.fullmatch(text):
        return None
    megahertz = int(text) / 1000
    return megahertz if 0 < megahertz <= _HIGHEST else None


def count_cpus(text: str) -> int:
    """Return how many CPUs `affected_cpus` lists: numbers separated by spaces, online CPUs only."""
    return sum(cpu.isdecimal() for cpu in text.split())


def parse_cpuinfo(content: bytes) -> list[float]:
    """Return MHz for each `cpu MHz` line (x86 has one for each core, ARM has none)."""
    frequencies = [float(text) for text in _CPUINFO_MHZ.findall(content)]
    return [megahertz for megahertz in frequencies if 0 < megahertz <= _HIGHEST]


def _online_cpus(directory: str) -> int:
    """Return how many CPUs of a policy are online, 1 if that cannot be read.

    The list of an offline cluster is empty, but some drivers still report a frequency for it.
    """
    affected = read_text(f"{directory}/affected_cpus")
    return 1 if affected is None else count_cpus(affected)


def _current(directory: str) -> float | None:
    for name in _CURRENT:
        if (megahertz := parse_frequency(read_attribute(f"{directory}/{name}"))) is not None:
            return megahertz
    return None


def _entries(directory: Path, numbered: re.Pattern[str]) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir() if numbered.fullmatch(entry.name)]
    except OSError:
        return []
