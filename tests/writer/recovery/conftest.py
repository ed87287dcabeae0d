"""A database to damage, created once."""

from __future__ import annotations

import pytest

from tests.writer.recovery.kinds import Sound
from tests.writer.samples import NOW, sample
from tests.writer.working import roll_up
from writer.store import Store


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """Three days of samples with roll-ups."""
    at = tmp_path_factory.mktemp("sound")
    Store(at / "fresh.db").close()
    with Store(at / "telemetry.db") as store:
        for first in range(0, 600, 100):
            store.append([sample(seq + 1, ts=NOW + 370 * seq) for seq in range(first, first + 100)], NOW)
        roll_up(store)
    return Sound(at / "telemetry.db", at / "fresh.db")
