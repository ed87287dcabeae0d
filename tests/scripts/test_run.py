"""``make run``: the commands that it prints work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.run import REPORTS
from tests.system.processes import BATTERY, ROOT


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.fast_cases(1)
def test_the_commands_that_it_shows_can_be_typed(tmp_path: Path, elsewhere: bool) -> None:
    """In the directory of the checkout, and in another one after ``make -C``."""
    shell = tmp_path if elsewhere else ROOT
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TELEMETRY_")}
    environ.pop("COLUMNS", None)  # otherwise a long name would cause a remark about left-out columns
    settings = {"RUN_SECONDS": "2.5", "INTERVAL": "1", "DB": str(tmp_path / "a b.db"), "SYSFS": str(BATTERY)}
    ran = subprocess.run(
        [sys.executable, "scripts/run.py"],
        env=environ | settings | {"PYTHONPATH": str(ROOT), "PWD": str(shell)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = [line[2:] for line in ran.stdout.splitlines() if line.startswith("$ ")]
    assert len(commands) == len(REPORTS)
    for command in commands:
        environ.pop("PYTHONPATH", None)
        typed = subprocess.run(
            ["sh", "-c", command], env=environ, cwd=shell, capture_output=True, check=False
        )
        # drain rightly remarks that two seconds are too little data.
        said = [line for line in typed.stderr.splitlines() if b": little data: " not in line]
        assert (typed.returncode, said) == (0, []), command
        assert typed.stdout
