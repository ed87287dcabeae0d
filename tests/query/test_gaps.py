"""The report gaps: each cause, on recordings with known gaps."""

from __future__ import annotations

import pytest

from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import by_the_writer, drop


def recorded(recording: Recording, *times: float) -> None:
    for time in times:
        recording.sample(time, cpu_total=5.0)


def steady(start: float, count: int = 30) -> list[float]:
    return [start + 5 * number for number in range(count)]


def gaps(query: Query, *argv: str) -> list[tuple[float, float, str, int | None]]:
    return [
        (row["start"], row["end"], row["cause"], row["samples_lost"]) for row in query("gaps", *argv).rows
    ]


def begin(recording: Recording, first: float, boot: str) -> None:
    """Start a run whose first sample is at ``first``."""
    recording.run(started=first - 5)
    recording.database.execute(
        "UPDATE run SET boot_id = ?, first_ts = ? WHERE run_id = ?", (boot, int(first), recording.run_id)
    )


@pytest.fixture
def three_runs(recording: Recording) -> Recording:
    """The sampler is stopped for a minute, and then the machine is off for two hours."""
    begin(recording, NOON, "one")
    recorded(recording, *steady(NOON))
    begin(recording, NOON + 145 + 65, "one")
    recorded(recording, *steady(NOON + 210))
    begin(recording, NOON + 355 + 7_205, "two")
    recorded(recording, *steady(NOON + 7_560))
    return recording


@pytest.mark.usefixtures("three_runs")
def test_a_stop_of_the_sampler_is_distinguished_from_a_reboot(query: Query) -> None:
    assert gaps(query) == [
        (NOON + 145, NOON + 205, "sampler stopped", None),
        (NOON + 355, NOON + 7_555, "off", None),
    ]


@pytest.mark.usefixtures("three_runs")
def test_status_shows_the_newest_gap(query: Query) -> None:
    (row,) = query("status").rows
    assert (row["last_gap"], row["last_gap_cause"]) == (NOON + 355, "off")


@pytest.mark.usefixtures("three_runs")
def test_a_window_has_the_gaps_that_touch_it(query: Query) -> None:
    def in_window(since: float, until: float) -> list[str]:
        return [cause for _, _, cause, _ in gaps(query, "--since", str(since), "--until", str(until))]

    assert in_window(NOON, NOON + 150) == ["sampler stopped"]
    assert in_window(NOON + 204, NOON + 300) == ["sampler stopped"]
    assert in_window(NOON + 206, NOON + 300) == []
    assert in_window(NOON + 1_000, NOON + 2_000) == ["off"]
    assert in_window(NOON + 206, NOON + 400) == ["off"]
    assert [row["cause"] for row in query("gaps", "--limit", "1").rows] == ["off"]


def test_lost_samples_are_counted(recording: Recording, query: Query) -> None:
    begin(recording, NOON, "one")
    recorded(recording, *steady(NOON))
    recording.sample(NOON + 145 + 55, skip=10, cpu_total=5.0)
    recording.database.execute("INSERT INTO gap VALUES (1, 31, 40, ?)", (NOON + 300,))
    assert gaps(query) == [(NOON + 145, NOON + 195, "lost", 10)]


def test_a_sleep_is_a_gap(recording: Recording, query: Query) -> None:
    begin(recording, NOON, "one")
    recorded(recording, *steady(NOON))
    recording.sample(NOON + 145 + 3_605, suspended=3_600.0, cpu_total=5.0)
    recorded(recording, *steady(NOON + 3_755))
    ((start, stop, cause, lost),) = gaps(query)
    assert (cause, lost) == ("asleep", None)
    assert stop - start == pytest.approx(3_600)


def test_the_cause_of_gaps_in_original_rows_is_unknown(recording: Recording, query: Query) -> None:
    recorded(recording, *steady(NOON), *steady(NOON + 7_200))
    ((start, stop, cause, _),) = gaps(query)
    assert (start, cause) == (NOON + 145, "unknown")
    assert NOON + 7_190 <= stop <= NOON + 7_200


MIDNIGHT = NOON + 43_200


@pytest.mark.parametrize("is_folded", [False, True], ids=["dropped", "folded"])
@pytest.mark.parametrize("has_older", [False, True], ids=["all", "imported"])
def test_gaps_stay_when_their_samples_are_dropped(
    recording: Recording, query: Query, *, has_older: bool, is_folded: bool
) -> None:
    """Samples of the original logger, which are kept, are not taken for the ones before each run."""
    if has_older:
        recorded(recording, *steady(NOON - 30 * 86_400))
    for start, boot in ((NOON, "one"), (NOON + 4_000, "one"), (MIDNIGHT - 3_000, "two"), (MIDNIGHT, "three")):
        begin(recording, start, boot)
        recorded(recording, *steady(start))
    recorded(recording, *steady(MIDNIGHT + 86_400))
    by_the_writer(recording.database)
    before = gaps(query)
    assert [cause for *_, cause, _ in before][-3:] == ["sampler stopped", "off", "off"]
    database = recording.database
    for table in ("process_sample", "cpu_core"):
        database.execute(f"DELETE FROM {table}")
    database.execute("DELETE FROM system_sample WHERE time >= ? AND time < ?", (NOON - 86_400, MIDNIGHT))
    database.execute("UPDATE history SET raw_since = ?", (int(MIDNIGHT),))
    if is_folded:
        database.execute("DELETE FROM system_minute WHERE bucket < ?", (MIDNIGHT,))
        database.execute("UPDATE history SET minute_since = ?", (int(MIDNIGHT),))
    assert gaps(query) == before


def test_lost_samples_after_dropped_ones_begin_with_those(recording: Recording, query: Query) -> None:
    begin(recording, MIDNIGHT - 86_400, "one")
    for time in steady(MIDNIGHT - 86_400, 17_250):
        recording.sample(time, cpu_total=5.0)
    recording.sample(MIDNIGHT + 100, skip=49, cpu_total=5.0)
    recording.sample(MIDNIGHT + 86_400, cpu_total=5.0)
    recording.database.execute("INSERT INTO gap VALUES (1, 17251, 17299, ?)", (MIDNIGHT + 100,))
    by_the_writer(recording.database)
    before = gaps(query)
    assert before[0] == (MIDNIGHT - 155, MIDNIGHT + 95, "lost", 49)
    drop(recording.database, MIDNIGHT)
    recording.database.execute("UPDATE history SET raw_since = ?", (int(MIDNIGHT),))
    assert gaps(query) == before


def test_a_clock_that_was_set_back_is_not_a_gap(recording: Recording, query: Query) -> None:
    begin(recording, NOON, "one")
    recorded(recording, *steady(NOON))
    recording.run(started=NOON - 1_000)
    recorded(recording, *steady(NOON - 995))
    assert gaps(query) == []
    assert "no gap" in query("gaps").err
