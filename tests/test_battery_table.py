"""The table in docs/battery.md is what scripts/battery_table.py prints."""

from __future__ import annotations

import re
from pathlib import Path

import psutil
import pytest

from scripts.battery_table import HEAD, rows

DOCUMENT = (Path(__file__).parent.parent / "docs" / "battery.md").read_text()


def documented() -> list[tuple[str, ...]]:
    table = DOCUMENT.split("## The recorded machines")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert tuple(lines[0].strip("| ").split(" | ")) == HEAD
    return [tuple(cell.strip() for cell in line[2:-2].split(" | ")) for line in lines[2:]]


def test_the_readings_of_every_machine_match_the_document() -> None:
    printed = list(rows())
    assert len(printed) == 33
    assert [row[:-1] for row in printed] == [row[:-1] for row in documented()]


def test_the_readings_of_psutil_match_the_document() -> None:
    (version,) = re.findall(r"psutil ([0-9.]+[0-9])", DOCUMENT)
    if psutil.__version__ != version:
        pytest.skip(f"the document is about psutil {version}, this is {psutil.__version__}")
    assert [row[-1] for row in rows()] == [row[-1] for row in documented()]
