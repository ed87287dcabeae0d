"""Energy by program of a window for which only sums are left."""

from __future__ import annotations

from query.energy_parts import parts_of
from query.learning import learned
from query.window import history_of
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording

HOUR = 3_600


def test_hours_that_were_never_recorded_cost_nothing(recording: Recording, query: Query) -> None:
    """Rows were dropped and no energy is stored: an earlier version then read every hour since 1970."""
    recording.samples(NOON, 10, power=-5.0)
    recording.database.execute("UPDATE history SET raw_since = ?", (int(NOON) // HOUR * HOUR,))
    recording.database.commit()
    asked: list[str] = []
    recording.database.set_trace_callback(asked.append)
    known = learned(recording.database, NOON + 60)
    parts_of(recording.database, 0.0, NOON + 60, history_of(recording.database), known)
    assert len(asked) < 100
    assert sum(row["wh"] for row in query("blame").rows) > 0
