"""Builds small sysfs trees of hwmon chips, powercap zones and other classes."""

from __future__ import annotations

from pathlib import Path


def write_class(sysfs: Path, kind: str, name: str, /, **attributes: str | int) -> Path:
    """Make ``class/KIND/NAME`` with these attribute files, each ending in a newline as in sysfs."""
    directory = sysfs / "class" / kind / name
    directory.mkdir(parents=True)
    for attribute, value in attributes.items():
        (directory / attribute).write_text(f"{value}\n")
    return directory


def write_chip(sysfs: Path, number: int, name: str, /, **attributes: str | int) -> Path:
    """Make a hwmon chip."""
    return write_class(sysfs, "hwmon", f"hwmon{number}", name=name, **attributes)
