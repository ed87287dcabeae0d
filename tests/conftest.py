"""What holds for all tests: how many examples a property test draws, and which tests run alone."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Generator
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

# A shell's background job ignores SIGINT, and what is started from it does too: no test could interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Images of containers often forbid compiled files. Without them each process compiles all that it imports,
# and pytest rewrites every assert anew in each worker.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_DRAWN_SLOWLY: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
# The same few examples each time, and many new ones where the slow tests run too. See tests.strategies.times.
settings.register_profile("slow", max_examples=200, deadline=None, suppress_health_check=_DRAWN_SLOWLY)
settings.register_profile(
    "fast", settings.get_profile("slow"), max_examples=16, derandomize=True, database=None
)

# Where there are no time zones, the C library takes those of the package tzdata.
if not Path("/usr/share/zoneinfo/Europe/Berlin").exists():
    os.environ["TZDIR"] = str(files("tzdata").joinpath("zoneinfo"))

_FIRST: Final = ("tests/system/test_faults.py", "")
"""300 kills, most of them waited for: others use the CPU meanwhile"""

# Two files of this checkout to lock, so that test runs side by side (pytest -n, .ci/run) know of each other.
_WAITING: Final = Path(__file__).with_name("__init__.py")
_RUNNING: Final = Path(__file__)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fast" if "not slow" in config.option.markexpr else "slow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest: else it runs alone at the end (pytest -n)."""
    items.sort(key=lambda item: next(at for at, start in enumerate(_FIRST) if item.nodeid.startswith(start)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test marked ``alone`` while no other test of this checkout runs."""
    alone = item.get_closest_marker("alone") is not None
    with _WAITING.open() as waiting, _RUNNING.open() as running:
        # One that waits to be alone keeps the first lock meanwhile, so that the others let it pass.
        fcntl.flock(waiting, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(waiting, fcntl.LOCK_UN)
        try:
            return (yield)
        finally:  # by name: a child that was forked has the same open files
            fcntl.flock(running, fcntl.LOCK_UN)
            fcntl.flock(waiting, fcntl.LOCK_UN)
