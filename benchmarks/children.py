"""Starts the measured processes, and ends them afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
WORKSHOP: Final = ROOT / ".bench"
"""A directory on the checkout's disk, because the kernel does not count bytes written to a tmpfs."""


def environment(runtime: Path) -> Mapping[str, str]:
    """Return the environment of a process that uses the runtime directory ``runtime``."""
    apart = {
        name: value for name, value in os.environ.items() if name not in {"NOTIFY_SOCKET", "JOURNAL_STREAM"}
    }
    return {**apart, "PYTHONPATH": str(ROOT), "TELEMETRY_RUNTIME_DIR": str(runtime)}


def module(name: str, *options: str | Path) -> list[str]:
    """Return the command that runs a module of this checkout."""
    return [sys.executable, "-m", name, *map(str, options)]


@contextmanager
def runtime_directory() -> Iterator[Path]:
    """Yield a new directory for sockets and ring, in memory like a service's."""
    memory = Path("/dev/shm")
    prefix = f"bench-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@contextmanager
def disk_directory() -> Iterator[Path]:
    """Yield a new directory on the disk."""
    WORKSHOP.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=WORKSHOP) as name:
        yield Path(name)


@contextmanager
def running(command: Sequence[str], runtime: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends; its output goes to ``log``.

    Raises RuntimeError with the end of the log if it ended by itself.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=environment(runtime), stdout=output, stderr=output)
    try:
        yield child
        if child.poll() is not None:
            said = log.read_text(errors="replace").strip()
            raise RuntimeError(f"{command} ended with status {child.returncode}: {said[-500:]}")
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
