"""What a Raspberry Pi's firmware tells through its program vcgencmd: the PMIC's rails, and what throttles.

Starting a program costs milliseconds, so it is asked seldom, and never for another /sys than this machine's.
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
"""Asks vcgencmd one thing; the answer is None where it fails."""

_LONGEST: Final = 2.0
"""s for an answer; it takes some 10 ms."""
_MAILBOX: Final = Path("/dev/vcio")

REASONS: Final = ("undervoltage", "frequency-capped", "throttled", "soft-temperature-limit")
"""Bits 0 to 3 of get_throttled: what holds now. 16 to 19 are the same since the boot."""

_THROTTLED: Final = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})")
_RAIL: Final = re.compile(
    r"(\w{1,30})_([AV])\s+(?:current|volt)\([0-9]{1,3}\)=([0-9]{1,4}(?:\.[0-9]{1,12})?)[AV]"
)


class NoFirmware(UserError):
    """There is no vcgencmd to ask; the text says why."""


def find(sysfs: Path, mailbox: Path = _MAILBOX) -> Ask:
    """Return a way to ask the firmware. Raises NoFirmware where there is none, or ``sysfs`` is not /sys."""
    if sysfs != Path("/sys"):
        raise NoFirmware(f"vcgencmd tells of this machine, and not of {sysfs}")
    program = _on_path("vcgencmd")
    if program is None:
        raise NoFirmware("there is no vcgencmd here: no Raspberry Pi?")
    if not mailbox.exists():
        raise NoFirmware(f"there is no {mailbox} here: no Raspberry Pi, or a unit that may not see devices?")
    return lambda question: ask(program, question)


def _on_path(name: str) -> str | None:
    """The path of a program. Not shutil.which(), which loads three compressors for good."""
    paths = (f"{directory}/{name}" for directory in os.get_exec_path())
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def ask(program: str, question: str, longest: float = _LONGEST) -> str | None:
    """Return what the program says, None where it fails or takes over ``longest`` s (it is killed then)."""
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
        """Return the sum of the rails, None where they are not told. Never raises."""
        return parse_rails(self._ask("pmic_read_adc") or "")


def parse_rails(text: str) -> PowerSource | None:
    """Return the rails' sum from the text of pmic_read_adc. Pure.

    EXT5V, the input, has a voltage and no current: it is told, and adds nothing. A rail with one of the two
    left out would make a part look like the whole: but for those two, all are there or there is no sum.
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
