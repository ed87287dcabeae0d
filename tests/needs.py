"""What not every machine lets a test have: it is skipped there, with the reason."""

from __future__ import annotations

import pty
import subprocess
from pathlib import Path

import pytest


def mount_tmpfs(at: Path, options: str) -> None:
    """Mount a tmpfs; who does, unmounts it."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no program mount here (Debian's package mount)")
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")


def open_terminal() -> tuple[int, int]:
    """Return the descriptors of a new terminal: the test's end and the program's."""
    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here (is there no /dev/pts?): {error.strerror}")


def unmount(at: Path) -> None:
    subprocess.run(["umount", str(at)], check=True)
