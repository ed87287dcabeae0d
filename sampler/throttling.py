"""What throttles a Raspberry Pi's CPU: undervoltage, heat, a frequency cap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from sampler.background import Slowly
from sampler.hwmon import Chip, Hwmon
from sampler.vcgencmd import REASONS, Ask, parse_throttled

_CHIP: Final = "rpi_volt"
_ALARM: Final = "in0_lcrit_alarm"
_ASK_EVERY: Final = 60.0
"""s between two runs of vcgencmd: a run costs milliseconds, the alarm only microseconds."""


class _Firmware:
    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def read(self) -> tuple[str, ...] | None:
        return parse_throttled(self._ask("get_throttled") or "")


class ThrottlingSensor:
    """The undervoltage alarm of hwmon's rpi_volt; with ``ask``, also the other reasons, once a minute."""

    def __init__(self, sysfs: Path, clock: Callable[[], float], ask: Ask | None = None) -> None:
        self._hwmon = Hwmon(sysfs)
        self._chip: Chip | None = next((chip for chip in self._hwmon.chips() if chip.name == _CHIP), None)
        self._firmware = Slowly(_Firmware(ask), _ASK_EVERY, clock) if ask else None

    @property
    def tells(self) -> bool:
        """Whether this machine has the alarm or the firmware."""
        return self._chip is not None or self._firmware is not None

    def read(self) -> tuple[str, ...] | None:
        """Return what throttles now, () for nothing, None if the machine does not report it. Never raises."""
        alarm = self._hwmon.read(self._chip, (_ALARM,)).get(_ALARM) if self._chip else None
        asked = self._firmware.read() if self._firmware else None
        if alarm not in {"0", "1"} and asked is None:
            return None
        reasons = {*(asked or ()), *(REASONS[:1] if alarm == "1" else ())}
        return tuple(reason for reason in REASONS if reason in reasons)
