"""The witness, which compares roll-ups with raw rows, and the rebuilding of roll-ups."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.writer.reading import changing, rows, value
from tests.writer.rollups.recomputed import marks, recomputed, rolled_up
from tests.writer.samples import NOW, sample
from writer.mending import rebuild_rollups, settle_clock
from writer.rollups.witness import Difference, look
from writer.store import Store

DAY = 86400
BEGIN = NOW - NOW % DAY
STEP = 600


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half days with a sample every ten minutes, rolled up."""
    path = tmp_path_factory.mktemp("sound") / "telemetry.db"
    with Store(path) as store:
        store.append([sample(at + 1, ts=BEGIN + at * STEP) for at in range(int(2.5 * DAY / STEP))], NOW)
        settle_clock(store)
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    """A copy of the sound database."""
    return Path(shutil.copy(sound, tmp_path))


def round_of(path: Path) -> list[Difference]:
    """Run one round over all hours; return the differences."""
    found: list[Difference] = []
    with Store(path) as store:
        while True:
            found += store.apply(look) or []
            if value(path, "SELECT value FROM setting WHERE name = 'witnessed_until'") == 0:
                return found


def test_sound_roll_ups_agree(path: Path) -> None:
    assert round_of(path) == []


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("UPDATE system_sample SET energy_uj = energy_uj - 1 WHERE seq = 3", {"system_minute"}),
        ("UPDATE system_sample SET battery_pct = 3 WHERE seq = 3", {"system_minute"}),
        (
            "UPDATE system_minute SET samples = 9 WHERE bucket % 86400 = 600",
            {"system_minute", "system_hour"},
        ),
        ("UPDATE system_hour SET charged_uj = 9 WHERE bucket % 86400 = 3600", {"system_hour"}),
        ("UPDATE core_hour SET usage_sum = 9 WHERE bucket % 86400 = 3600 AND core = 1", {"core_hour"}),
        ("DELETE FROM process_hour WHERE bucket % 86400 = 7200", {"process_hour", "process_day"}),
        ("UPDATE process_day SET cpu_sum = 1", {"process_day"}),
        ("DELETE FROM system_minute WHERE bucket % 86400 = 82800", {"system_minute", "system_hour"}),
    ],
)
@pytest.mark.fast_cases(2)
def test_a_change_on_the_disk_is_found_recorded_and_repaired(path: Path, sql: str, tables: set[str]) -> None:
    sound = rolled_up(path)
    with changing(path) as database:
        database.execute(sql)
    assert {it.table for it in round_of(path)} == tables
    assert {name for (name,) in rows(path, "SELECT table_name FROM rollup_difference")} == tables
    with Store(path) as store:
        assert list(rebuild_rollups(store))
    assert rolled_up(path) == recomputed(path)
    assert (rolled_up(path) == sound) is ("system_sample" not in sql)
    assert round_of(path) == []
    assert rows(path, "SELECT * FROM rollup_difference") == []


def test_deleted_samples_are_found_with_both_counts(path: Path) -> None:
    with changing(path) as database:
        database.execute(f"DELETE FROM system_sample WHERE time < {BEGIN + 3600}")
    (hour,) = {it for it in round_of(path) if it.table == "system_minute"}
    assert hour == Difference("system_minute", BEGIN, 6, 0)
    assert str(hour) == f"system_minute from {BEGIN}: 6 and 0 samples"


def test_an_interrupted_rebuild_continues_from_any_point(path: Path) -> None:
    with changing(path) as database:
        database.execute("DELETE FROM system_sample WHERE seq % 7 = 0")
    with Store(path) as store:
        for hours, _ in enumerate(rebuild_rollups(store)):
            if hours == 5:
                break
    with Store(path) as store:
        store.append([sample(9000, ts=BEGIN + 3 * DAY)], NOW)
        for _ in rebuild_rollups(store):
            pass
        settle_clock(store)
    assert rolled_up(path) == recomputed(path)


def test_roll_ups_of_dropped_days_stay(path: Path) -> None:
    with changing(path) as database:
        database.execute(f"DELETE FROM system_sample WHERE time < {BEGIN + DAY}")
        database.execute(f"UPDATE history SET raw_since = {BEGIN + DAY}")
    before = rolled_up(path)
    with Store(path) as store:
        for _ in rebuild_rollups(store):
            pass
    assert rolled_up(path) == before
    assert round_of(path) == []
    assert marks(path)["raw_since"] == BEGIN + DAY
