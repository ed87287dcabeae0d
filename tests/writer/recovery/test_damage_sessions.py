"""Sessions of dropped days after a damaged database was copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.telemetry.fortnight import fortnight
from tests.writer.laptop import samples_of
from tests.writer.reading import changing, rows, value
from tests.writer.recovery.damaged import LOG, wait_for_salvage
from tests.writer.working import drop_older, roll_up, store_all
from writer.recovery.guarded_store import GuardedStore
from writer.store import Store

DAY = 86400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Five days, the first of which were dropped."""
    path = tmp_path / "telemetry.db"
    samples = [
        it._replace(cpu=it.cpu._replace(cores=())) for it in samples_of(fortnight(5, days=5)) if it.battery
    ]
    store_all(path, samples)
    with Store(path) as store:
        drop_older(store, 1.0)
    return path


def stored(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the stored sessions. The state has run ids, and a copy assigns new ones."""
    found = {it: rows(path, f"SELECT * FROM {it} ORDER BY 1, 2") for it in ("session", "session_percent")}
    states = "SELECT until, last_session FROM session_state, history WHERE until >= raw_since ORDER BY 1"
    return found | {"session_state": rows(path, states)}


@pytest.mark.slow
def test_sessions_of_dropped_days_are_copied(path: Path) -> None:
    before = stored(path)
    assert 0 < value(path, "SELECT MIN(stop) FROM session") < value(path, "SELECT raw_since FROM history")
    with GuardedStore(path, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    assert stored(path) == before


@pytest.mark.slow
def test_finished_sessions_are_copied_even_if_the_state_is_lost(path: Path) -> None:
    since = value(path, "SELECT raw_since FROM history")
    kept = rows(path, "SELECT * FROM session WHERE stop <= ? ORDER BY 1", since)
    total = value(path, "SELECT TOTAL(discharged_uj) FROM system_hour WHERE bucket >= ?", since)
    with changing(path) as database:
        database.execute("DELETE FROM session_state")
    with GuardedStore(path, LOG) as guarded:
        guarded.store.replace("for the test")
        wait_for_salvage(guarded)
        roll_up(guarded.store)
    found = rows(path, "SELECT * FROM session ORDER BY 1")
    assert found[: len(kept)] == kept
    behind = value(path, "SELECT TOTAL(discharged_uj) FROM session WHERE start >= ?", since - 3600)
    assert 0 < behind <= total
