"""CPU use by core from /proc/stat, with frequency and temperature.

Busy is user + nice + system + irq + softirq (user includes guest, proc_stat(5)); iowait is idle time, and
steal was used by other virtual machines. /proc/stat is read here and not by psutil because it names the
cores: if core 1 is offline, psutil's list moves up and core 2 appears as core 1.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path

from sampler.frequency import FrequencySensor
from sampler.sysfs import read_whole
from sampler.thermal import TemperatureSensor
from sampler.ticks import TICKS_A_SECOND, advanced, believed
from telemetry.sample import MAX_LIST, Cpu

_BUSY_FIELDS = (0, 1, 2, 5, 6)
"""user nice system idle iowait irq softirq steal guest guest_nice"""


class CpuSensor:
    """Use of each core since the previous read, in percent of the elapsed time."""

    def __init__(self, sysfs: Path, procfs: Path, monotonic: Callable[[], float]) -> None:
        self._stat = procfs / "stat"
        self._monotonic = monotonic
        self._frequency = FrequencySensor(sysfs, procfs)
        self._temperature = TemperatureSensor(sysfs)
        self._before: dict[int, int] = {}
        self._read_at = 0.0

    def read(self) -> Cpu:
        """Return the use since the previous read; the first read has nothing to compare with."""
        frequency, temperature = self._frequency.read(), self._temperature.read()
        # Last, because the processes are read next: the unowned share is the difference of the two.
        busy = read_busy_ticks(self._stat)
        now = self._monotonic()
        cores = core_usage(self._before, busy, now - self._read_at)
        counted = self._before.keys() & busy.keys()
        self._before, self._read_at = busy, now
        return Cpu(
            total=mean_usage(cores, len(counted)),
            cores=cores,
            freq=frequency,
            temp=temperature,
        )


def unowned_share(cpu: Cpu, owned: float | None) -> float | None:
    """Return the part of ``cpu.total`` (percent, mean of the cores) that no process accounts for.

    ``owned`` is what all processes used, percent of one core. The rest was used by interrupts and by
    short-lived processes that no parent waited for. None if ``cpu.total`` or ``owned`` is unknown.
    """
    online = sum(usage is not None for usage in cpu.cores)
    if cpu.total is None or owned is None or not online:
        return None
    return round(max(cpu.total - owned / online, 0.0), 2)


def read_busy_ticks(stat: Path) -> dict[int, int]:
    """Return the ticks that each online core was busy since boot, by core; empty if they cannot be read."""
    return parse_busy_ticks(read_whole(str(stat)).decode(errors="replace"))


def parse_busy_ticks(text: str) -> dict[int, int]:
    """Return busy ticks by core from the text of /proc/stat; other lines are skipped."""
    busy: dict[int, int] = {}
    for line in text.splitlines():
        label, *fields = line.split()[:11] or [""]
        if not label.startswith("cpu"):
            if busy:
                break  # the cpu lines come first; the interrupt line after them is long
            continue
        try:
            core = int(label[3:])
            ticks = [int(fields[index]) for index in _BUSY_FIELDS]
        except (ValueError, IndexError):  # the sum of all, "cpu"; or damage
            continue
        # A core number above the most that a sample can list means damage.
        if 0 <= core < MAX_LIST and min(ticks) >= 0:
            busy[core] = sum(ticks)
    return busy


def core_usage(before: dict[int, int], after: dict[int, int], elapsed: float) -> tuple[float | None, ...]:
    """Return the use of cores 0, 1, 2 … in percent, at most 100 each.

    None for a core that was not online at both times, and for a counter that gained more than is possible.
    """
    if elapsed <= 0:
        return ()
    most = elapsed * TICKS_A_SECOND

    def usage(core: int) -> float | None:
        if core not in before or core not in after:
            return None
        ticks = believed(advanced(after[core] - before[core]), ceil(most))
        return None if ticks is None else min(round(ticks / most * 100.0, 2), 100.0)

    return tuple(usage(core) for core in range(max(after, default=-1) + 1) if before)


def mean_usage(cores: tuple[float | None, ...], counted: int) -> float | None:
    """Return the mean over the ``counted`` cores online at both times; None if one has no reading."""
    known = [usage for usage in cores if usage is not None]
    return round(sum(known) / counted, 2) if known and len(known) == counted else None
