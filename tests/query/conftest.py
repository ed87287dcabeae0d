from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest

from query.main import main
from tests.query.recordings import NOON, Recording


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows printed by ``--format json``."""
        found: list[dict[str, Any]] = json.loads(self.out)
        return found


class Query(Protocol):
    def __call__(self, *argv: str, now: float = ...) -> Ran: ...


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """By default, times are in UTC and tables have no width limit, whatever the machine."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        patch.delenv("COLUMNS", raising=False)  # xdist sets it
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """An empty database with the writer's schema, open for rows."""
    with Recording(tmp_path / "telemetry.db") as recording:
        yield recording


@pytest.fixture
def query(
    recording: Recording, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Query:
    """The command on ``recording``, with json by default; the current time is noon."""
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path / "nothing-runs-here"))

    def ask(*argv: str, now: float = NOON) -> Ran:
        recording.database.commit()
        if "--format" not in argv:
            argv = (*argv, "--format", "json")
        status = main(["--db", str(recording.path), *argv], lambda: now)
        return Ran(status, *capsys.readouterr())

    return ask
