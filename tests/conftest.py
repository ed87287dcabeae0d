"""Settings of all tests: the number of examples of a property test, and tests that run alone."""

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

# A shell's background job ignores SIGINT, under nohup it ignores SIGHUP, and so do its children: no
# test could interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Container images often forbid compiled files. Without them each process compiles all its imports, and
# pytest rewrites every assert in each worker.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_DRAWN_SLOWLY: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]
# The same few examples each time, or many new ones if the slow tests run too. See tests.strategies.times.
settings.register_profile("slow", max_examples=200, deadline=None, suppress_health_check=_DRAWN_SLOWLY)
settings.register_profile(
    "fast", settings.get_profile("slow"), max_examples=16, derandomize=True, database=None
)

# If the system has no time zones, the C library uses those of the package tzdata.
if not Path("/usr/share/zoneinfo/Europe/Berlin").exists():
    os.environ["TZDIR"] = str(files("tzdata").joinpath("zoneinfo"))

_FIRST: Final = (
    "tests/system/test_flood.py",  # it runs alone, while no long test runs that it has to wait for
    # The longest: at the end, each would run by itself.
    "tests/system/test_faults.py",
    "tests/writer/upgrade/test_original_faults.py",
    "tests/sampler/test_cost.py",
    "tests/query/test_window.py",
    "",
)

# Two files of this checkout to lock, so that parallel test runs (pytest -n, .ci/run) know of each other.
_WAITING: Final = Path(__file__).with_name("__init__.py")
_RUNNING: Final = Path(__file__)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fast" if "not slow" in config.option.markexpr else "slow")


@pytest.hookimpl(tryfirst=True)  # before -m "not slow" is looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and begin with the files of ``_FIRST``."""
    _leave_cases_to_the_slow_suite(items)
    items.sort(key=lambda item: next(at for at, start in enumerate(_FIRST) if item.nodeid.startswith(start)))


def _leave_cases_to_the_slow_suite(items: list[pytest.Item]) -> None:
    """Keep n cases of a test marked ``fast_cases(n)`` fast, evenly spread; mark the others slow.

    It is for cases that take the same path through real processes or whole databases: a few find most faults.
    """
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("fast_cases"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for of_a_test in cases.values():
        marker = of_a_test[0].get_closest_marker("fast_cases")
        count: int = marker.args[0] if marker else 0
        fast = {number * len(of_a_test) // count for number in range(count)}
        for number, item in enumerate(of_a_test):
            if number not in fast:
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test marked ``alone`` while no other test of this checkout runs."""
    alone = item.get_closest_marker("alone") is not None
    with _WAITING.open() as waiting, _RUNNING.open() as running:
        # A test that waits to run alone keeps the first lock, so that the others wait for it.
        fcntl.flock(waiting, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(waiting, fcntl.LOCK_UN)
        try:
            return (yield)
        finally:  # unlock explicitly, because a forked child shares the open files
            fcntl.flock(running, fcntl.LOCK_UN)
            fcntl.flock(waiting, fcntl.LOCK_UN)
