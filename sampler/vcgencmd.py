"""A Raspberry Pi's firmware, asked through its program vcgencmd: the PMIC's rails, and what throttles.

Starting a program costs milliseconds, so it is run rarely. It is used only with the machine's own /sys.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sampler.rate import in_power_range
from telemetry.errors import UserError
from telemetry.sample import PowerSource

Ask = Callable[[str], str | None]
"""Runs vcgencmd with one question; the answer is None if it fails."""

_LONGEST: Final = 2.0
"""s to wait for an answer, which usually takes some 10 ms."""
_MAILBOX: Final = Path("/dev/vcio")

REASONS: Final = ("undervoltage", "frequency-capped", "throttled", "soft-temperature-limit")
"""Bits 0 to 3 of get_throttled: what throttles now. Bits 16 to 19 are the same since boot."""

_THROTTLED: Final = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})")
_RAIL: Final = re.compile(
    r"(\w{1,30})_([AV])\s+(?:current|volt)\([0-9]{1,3}\)=([0-9]{1,4}(?:\.[0-9]{1,12})?)[AV]"
)


class NoFirmware(UserError):
    """vcgencmd cannot be used; the text says why."""


def find(sysfs: Path, mailbox: Path = _MAILBOX) -> Ask:
    """Return a function that asks the firmware. Raises NoFirmware if it cannot, or ``sysfs`` is not /sys."""
    if sysfs != Path("/sys"):
        raise NoFirmware(f"vcgencmd reports on this machine only, not on {sysfs}")
    program = _on_path("vcgencmd")
    if program is None:
        raise NoFirmware("vcgencmd was not found: is this a Raspberry Pi?")
    if not mailbox.exists():
        raise NoFirmware(
            f"there is no {mailbox}: this is not a Raspberry Pi, or the unit may not access devices"
        )
    return lambda question: ask(program, question)


def _on_path(name: str) -> str | None:
    """Return the path of a program. Not shutil.which(): it would load three compression modules."""
    paths = (f"{directory}/{name}" for directory in os.get_exec_path())
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def ask(program: str, question: str, longest: float = _LONGEST) -> str | None:
    """Return the program's output, None if it fails or takes over ``longest`` s (it is then killed)."""
    try:
        done = subprocess.run(
            [program, question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=longest,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


class PmicSource:
    """What the rails of a Raspberry Pi 5's PMIC draw: an estimate, without USB, HATs and the PMIC's loss."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def read(self) -> PowerSource | None:
        """Return the sum of the rails, None if they cannot be read. Never raises."""
        return parse_rails(self._ask("pmic_read_adc") or "")


def parse_rails(text: str) -> PowerSource | None:
    """Return the rails' sum from the text of pmic_read_adc; None if it is incomplete. Pure.

    Every rail with a current must have a voltage, because a partial sum would look like the whole. EXT5V, the
    input, has a voltage but no current: its voltage is reported, and it adds nothing to the sum.
    """
    found: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for rail, quantity, value in _RAIL.findall(text):
        found[quantity][rail] = float(value)
    amps, volts = found["A"], found["V"]
    if not amps or not amps.keys() <= volts.keys():
        return None
    watts = sum(current * volts[rail] for rail, current in amps.items())
    return (
        PowerSource("pmic", watts, volts.get("EXT5V"), None, estimate=True) if in_power_range(watts) else None
    )


def parse_throttled(text: str) -> tuple[str, ...] | None:
    """Return what throttles now from the text of get_throttled (``throttled=0x50005``). Pure."""
    match = _THROTTLED.fullmatch(text.strip())
    if match is None:
        return None
    bits = int(match[1], 16)
    return tuple(reason for bit, reason in enumerate(REASONS) if bits >> bit & 1)
