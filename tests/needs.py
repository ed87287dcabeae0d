"""Resources that not every machine has: without them a test is skipped, with the reason."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path
from typing import Final

import pytest

_CAPABILITIES: Final = (0, 1, 6, 7)
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID and CAP_SETUID (capabilities(7))"""


def mount_tmpfs(at: Path, options: str) -> None:
    """Mount a tmpfs; the caller unmounts it."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("the program mount is not installed (Debian's package mount)")
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")


def open_terminal() -> tuple[int, int]:
    """Return the descriptors of a new terminal: the test's end and the program's."""
    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here (is there no /dev/pts?): {error}")


def unmount(at: Path) -> None:
    subprocess.run(["umount", str(at)], check=True)


def is_root_with_capabilities() -> bool:
    """Return whether this process may change user and chown files: root in a bare container may not."""
    (effective,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)
    held = int(effective.split()[1], 16)
    return os.geteuid() == 0 and all(held >> number & 1 for number in _CAPABILITIES)
