"""What ``--power-supply`` means on this machine: which sensor is its battery and which is its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, runtime_checkable

from sampler import vcgencmd
from sampler.background import Slowly
from sampler.battery import AUTO, NONE, NoSuchSupply, PowerSupplySensor
from sampler.clock import DEFAULT_INTERVAL, Clock
from sampler.driver_sign import DriverSigns
from sampler.hwmon import RAIL_CHIP, Hwmon, HwmonBattery, RailSource
from sampler.rapl import RaplSource
from telemetry.sample import Battery, PowerSource

PMIC: Final = "pmic"
RAPL: Final = "rapl"
SOURCES: Final = (RAIL_CHIP, PMIC, RAPL)

_PMIC_EVERY: Final = 15.0
"""s between two runs of vcgencmd"""


class Choice(NamedTuple):
    """What the user asked for: the battery (auto, none or a name) and optionally a source."""

    battery: str = AUTO
    source: str | None = None


@runtime_checkable
class ExplainedBattery(Protocol):
    """A battery sensor that can say why it has nothing."""

    def read(self) -> Battery | None: ...

    def explain(self) -> list[str]: ...


class SourceSensor(Protocol):
    """A source that is not a battery and reports what the machine draws."""

    def read(self) -> PowerSource | None: ...


def choose(sysfs: Path, names: Sequence[str]) -> Choice:
    """Return which of ``names`` is the battery and which the source. Raises ValueError for two of a kind."""
    rails = {chip.directory for chip in Hwmon(sysfs).chips() if chip.name == RAIL_CHIP}
    sources = [name for name in names if name.partition(":")[0] in {*SOURCES, *rails}]
    batteries = [name for name in names if name not in sources]
    for kind, found in (("battery", batteries), ("source", sources)):
        if len(found) > 1:
            raise ValueError(
                f"--power-supply {' and '.join(found)}: one {kind} can be read, not {len(found)}"
            )
    return Choice(batteries[0] if batteries else AUTO, sources[0] if sources else None)


class AutoBattery:
    """The batteries among the power supplies; if every bay is empty, the only INA219 or INA226."""

    def __init__(self, supplies: PowerSupplySensor, monitor: HwmonBattery) -> None:
        self._supplies = supplies
        self._monitor = monitor

    def read(self) -> Battery | None:
        """Return the reading, None where there is no battery. Never raises."""
        found = self._supplies.read()
        return (self._monitor.read() or found) if self._supplies.has_only_empty_bays else found

    def explain(self) -> list[str]:
        """Return what was examined, and why it is not a battery."""
        return self._supplies.explain() + self._monitor.explain()


def make_battery(
    sysfs: Path,
    name: str,
    clock: Clock,
    signs: DriverSigns,
    *,
    interval: float = DEFAULT_INTERVAL,
    reverse: bool = False,
) -> ExplainedBattery:
    """Return the sensor of the battery: auto, none, a power supply, or a chip of hwmon by name or directory.

    ``interval``: s between two readings. Raises NoSuchSupply or NoSuchChip if ``name`` does not exist; the
    text lists the names that do.
    """
    if name == AUTO:
        monitor = HwmonBattery(sysfs, reverse=reverse, monotonic=clock.monotonic)
        return AutoBattery(PowerSupplySensor(sysfs, AUTO, clock, signs, interval=interval), monitor)
    monitors = Hwmon(sysfs).monitors()
    is_chip = any(name in chip for chip in monitors) and not (sysfs / "class/power_supply" / name).exists()
    if name != NONE and is_chip:
        return HwmonBattery(sysfs, name, reverse=reverse, monotonic=clock.monotonic)
    try:
        return PowerSupplySensor(sysfs, name, clock, signs, interval=interval)
    except NoSuchSupply as error:
        chips = ", ".join(map(str, monitors)) or "none"
        raise NoSuchSupply(
            f"{error}; power monitors in hwmon: {chips}; sources: {', '.join(SOURCES)}"
        ) from None


def make_source(sysfs: Path, name: str, clock: Clock) -> SourceSensor:
    """Return the sensor of the source. Raises UserError if it does not exist or cannot be read."""
    if name == RAPL:
        return RaplSource(sysfs, clock)
    if name == PMIC:
        # The PMIC reports the power of one moment: it does not hold until the next request.
        return Slowly(vcgencmd.PmicSource(vcgencmd.find(sysfs)), _PMIC_EVERY, clock.boottime, hold=False)
    return RailSource(sysfs, name)
