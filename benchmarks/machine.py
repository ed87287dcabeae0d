"""Describes the machine of a measurement, without its name."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from pathlib import Path
from typing import Final

_MODELS: Final = ("/proc/device-tree/model", "/sys/firmware/devicetree/base/model")


def describe() -> dict[str, str]:
    """Return a description: machine, CPU and versions."""
    kernel = re.match(r"[\d.]*\d", os.uname().release)
    return {
        "machine": _board() or platform.machine(),
        "CPU": cpu_model(Path("/proc/cpuinfo").read_text(errors="replace")),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": kernel[0] if kernel else "unknown",  # the rest is a name given by the builder of the kernel
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }


def _board() -> str:
    for model in map(Path, _MODELS):
        if model.exists():
            return model.read_text(errors="replace").strip("\0\n ")
    return ""


def cpu_model(cpuinfo: str) -> str:
    """Return the name in /proc/cpuinfo: ``model name`` on x86, ``Hardware`` or a part number on ARM."""
    for key in ("model name", "Hardware", "CPU part"):
        found = re.search(rf"^{key}\s*: *(\S.*)$", cpuinfo, re.MULTILINE)
        if found:
            return found[1].strip()
    return "unknown"
