from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forward.machine import Machine


@pytest.fixture
def machine(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Machine]:
    caplog.set_level(logging.INFO, "telemetry-forward")
    machine = Machine(tmp_path)
    try:
        yield machine
    finally:
        machine.close()
