"""Print the table of docs/battery.md: what this project and psutil read on each recorded machine.

Run it from the checkout, with psutil in the environment: ``python -m scripts.battery_table``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest import mock

import psutil

from sampler.battery import PowerSupplySensor

MACHINES: Final = Path(__file__).parent.parent / "tests" / "data" / "power_supply"
HEAD: Final = ("machine", "battery", "status", "V", "A", "W", "%", "psutil")


def rows() -> Iterator[tuple[str, ...]]:
    """Yield a row of texts for each machine, in the order of HEAD."""
    for machine in sorted(path.name for path in MACHINES.iterdir() if path.is_dir()):
        yield machine, *ours(MACHINES / machine / "sys"), psutils(MACHINES / machine / "sys")


def ours(sysfs: Path) -> tuple[str, ...]:
    """Return what the battery sensor reads."""
    battery = PowerSupplySensor(sysfs).read()
    if battery is None:
        return "none", "", "", "", "", ""
    numbers = (battery.voltage, battery.current, battery.power, battery.pct)
    return (
        f"`{battery.name}`",
        battery.status or "",
        *("" if number is None else f"{number:.4g}" for number in numbers),
    )


def psutils(sysfs: Path) -> str:
    """Return what psutil.sensors_battery() reads from the same files."""
    with mock.patch("psutil._pslinux.POWER_SUPPLY_PATH", str(sysfs / "class" / "power_supply")):
        battery = psutil.sensors_battery()
    if battery is None:
        return "none"
    plugged = {True: ", plugged in", False: ", on battery", None: ""}[battery.power_plugged]
    left = f", {battery.secsleft / 3600:.1f} h left" if battery.secsleft > 0 else ""
    return f"{battery.percent:.4g} %{plugged}{left}"


def table() -> str:
    """Return the table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(f"psutil {psutil.__version__}\n\n{table()}")
