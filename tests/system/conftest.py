from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.processes import System, stop, wait_until


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A runtime directory and a database path; no process runs."""
    with System(tmp_path) as system:
        yield system


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A database made by the two real processes, which have stopped."""
    with System(tmp_path_factory.mktemp("recorded")) as system:
        sampler, writer = system.sampler(), system.writer()
        wait_until(lambda: system.stored() >= 4)
        assert stop(sampler)[0] == 0
        assert stop(writer)[0] == 0
        yield system
