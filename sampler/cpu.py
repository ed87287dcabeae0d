"""CPU use by core from /proc/stat, and beside it frequency and temperature.

Busy is user + nice + system + irq + softirq (user holds guest, proc_stat(5)); iowait is idle time, and steal
is somebody else's. /proc/stat is read here rather than by psutil because it names the cores: where one is
offline, psutil's list moves up and core 2 reads as core 1.
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
    """Use of each core since the read before, in percent of the time elapsed."""

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
        # Last, as the processes are read next: what is unowned is the difference.
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

    ``owned`` is what all processes used, percent of one core. What is left over is what interrupts and
    short-lived processes took whom nobody waited for; None where either is not known.
    """
    online = sum(usage is not None for usage in cpu.cores)
    if cpu.total is None or owned is None or not online:
        return None
    return round(max(cpu.total - owned / online, 0.0), 2)


def read_busy_ticks(stat: Path) -> dict[int, int]:
    """Return the ticks that each online core was busy since boot, by core; empty where it is not told."""
    return parse_busy_ticks(read_whole(str(stat)).decode(errors="replace"))


def parse_busy_ticks(text: str) -> dict[int, int]:
    """Return busy ticks by core from the text of /proc/stat; lines of another kind are skipped."""
    busy: dict[int, int] = {}
    for line in text.splitlines():
        label, *fields = line.split()[:11] or [""]
        if not label.startswith("cpu"):
            if busy:
                break  # the cpu lines come first; the interrupt line behind them is long
            continue
        try:
            core = int(label[3:])
            ticks = [int(fields[index]) for index in _BUSY_FIELDS]
        except (ValueError, IndexError):  # the sum of all, "cpu"; or damage
            continue
        # A core past any that a sample can list is damage.
        if 0 <= core < MAX_LIST and min(ticks) >= 0:
            busy[core] = sum(ticks)
    return busy


def core_usage(before: dict[int, int], after: dict[int, int], elapsed: float) -> tuple[float | None, ...]:
    """Return the use of cores 0, 1, 2 … in percent, at most 100 each.

    None for a core that was not there at both times, and for one whose counter gained what it cannot have.
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
    """Return the mean over the ``counted`` cores online at both times; None where one has no reading."""
    known = [usage for usage in cores if usage is not None]
    return round(sum(known) / counted, 2) if known and len(known) == counted else None
