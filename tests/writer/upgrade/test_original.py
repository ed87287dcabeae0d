"""Upgrades of the original logger's databases: every row is kept, and the schema equals a fresh one."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.writer.reading import catalogue, columns, fresh_catalogue, is_whole, rows, stored_rows, value
from tests.writer.samples import NOW, sample
from tests.writer.upgrade.originals import (
    LAST_VERSION,
    START,
    Contents,
    Layout,
    Old,
    assert_kept,
    build,
    contents,
    golden,
    measured,
    upgrade,
)
from writer import schema
from writer.store import Store

LAYOUTS = {
    "of the last version": LAST_VERSION,
    "battery_pct last": Layout(battery_pct="last"),
    "battery_pct missing": Layout(battery_pct="missing"),
    "no cpu_core": Layout(cores=False),
    "no view": Layout(view=False),
    "rollback journal": Layout(journal="DELETE"),
    "types: FLOAT": Layout(real="FLOAT", name="VARCHAR(64)"),
    "types: DOUBLE PRECISION": Layout(real="DOUBLE PRECISION"),
    "a user's column": Layout(extra=("room TEXT",)),
}
WAYS = [pytest.param(True, id="full"), pytest.param(False, id="cheap")]


@pytest.fixture(params=[pytest.param(layout, id=name) for name, layout in LAYOUTS.items()])
def layout(request: pytest.FixtureRequest) -> Layout:
    found: Layout = request.param
    return found


@pytest.mark.parametrize("has_room", WAYS)
@pytest.mark.parametrize("unclosed", [False, True], ids=["closed", "unclosed"])
@pytest.mark.fast_cases(6)
def test_every_value_is_kept_bit_for_bit(
    tmp_path: Path, layout: Layout, has_room: bool, unclosed: bool
) -> None:
    unclosed = unclosed and layout.journal == "WAL"
    path = build(tmp_path / "telemetry.db", measured(300), layout, unclosed=unclosed)
    if unclosed:
        # All rows are still in the WAL: a writer that opened the file without it would find it empty.
        assert path.stat().st_size < Path(f"{path}-wal").stat().st_size
    before = contents_of_a_copy(path)
    upgrade(path, has_room=has_room)
    assert_kept(before, contents(path))
    assert len(before["system_sample"]) == 300
    assert is_whole(path)
    assert value(path, "PRAGMA user_version") == schema.LATEST


def contents_of_a_copy(path: Path) -> Contents:
    """Read a copy, because the last connection to the file itself would empty its WAL."""
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return contents(copy)


@pytest.mark.parametrize("has_room", WAYS)
@pytest.mark.fast_cases(2)
def test_an_upgraded_schema_equals_a_fresh_one(tmp_path: Path, layout: Layout, has_room: bool) -> None:
    """The full upgrade gives the same SQL text; the cheap upgrade gives the same columns."""
    path = build(tmp_path / "telemetry.db", measured(50), layout)
    upgrade(path, has_room=has_room)
    expected = fresh_catalogue(schema.COMPACT if has_room else ())
    found = catalogue(path)
    assert found.keys() == expected.keys()
    fresh = tmp_path / "fresh.db"
    with Store(fresh):
        pass
    for kind, table in expected:
        if kind not in {"table", "view"}:
            continue
        extra = {"room"} if layout.extra and table == "system_sample" else set()
        have = [row[1:3] for row in columns(path, table) if row[1] not in extra]
        want = [row[1:3] for row in columns(fresh, table)]
        if has_room:
            assert have == want
            if not extra:
                assert found[kind, table] == expected[kind, table]
        else:
            assert {name for name, _ in have} == {name for name, _ in want}
    assert found["index", "system_sample_identity"] == expected["index", "system_sample_identity"]
    assert found["index", "system_sample_time"] == expected["index", "system_sample_time"]


@pytest.mark.parametrize("has_room", WAYS)
@pytest.mark.fast_cases(2)
def test_the_store_works_the_same_on_an_upgraded_database(
    tmp_path: Path, layout: Layout, has_room: bool
) -> None:
    path = build(tmp_path / "telemetry.db", measured(20), layout)
    upgrade(path, has_room=has_room)
    before = contents(path)
    newest = max(int(row["ts"].split()[1]) for row in before["system_sample"])
    with Store(path) as store:
        assert [store.position] == [None]
        store.append([sample(1), sample(2)], NOW)
        assert store.import_samples([sample(3, ts=START + 1), sample(2)]) == (1, 1)
        assert store.position == ("run-a", 2)
    assert rows(path, "SELECT seq, ts FROM system_sample WHERE seq IS NOT NULL ORDER BY seq") == [
        (1, NOW + 5),
        (2, NOW + 10),
        (3, START + 1),
    ]
    assert newest < NOW
    assert stored_rows(path, NOW + 5)[0][0][-4:] == ("run-a", "pi4", sample().boot_id, 1)
    view = (
        "SELECT watts, drain_mah_per_min, charge_mah_per_min, time, interval FROM training_view WHERE ts = ?"
    )
    assert rows(path, view, NOW + 5) == [(2.0, 500.0 / 60.0, 0.0, NOW + 5.25, 5.0)]
    assert value(path, "SELECT COUNT(*) FROM training_view") == 23


@pytest.mark.parametrize("has_room", WAYS)
def test_the_newest_row_stays_the_newest(tmp_path: Path, has_room: bool) -> None:
    """The clock is behind the old rows."""
    path = build(tmp_path / "telemetry.db", [Old(NOW + 500)])
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert rows(path, "SELECT ts, time FROM system_sample ORDER BY ts DESC LIMIT 1") == [
        (NOW + 501, NOW + 5.25)
    ]


def test_rows_without_a_sample_do_not_block_new_ones(tmp_path: Path) -> None:
    path = build(tmp_path / "telemetry.db", [Old(START), Old(NOW + 500)])
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM system_sample WHERE ts > ?", (START,))
    database.close()
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert value(path, "SELECT MAX(ts) FROM system_sample") == NOW + 501
    assert len(stored_rows(path, NOW + 501)[2]) == len(sample().processes)


@pytest.mark.parametrize("has_room", WAYS)
def test_an_empty_database_of_the_original(tmp_path: Path, has_room: bool) -> None:
    path = build(tmp_path / "telemetry.db", [])
    upgrade(path, has_room=has_room)
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert catalogue(path).keys() == fresh_catalogue(schema.COMPACT if has_room else ()).keys()


def test_a_null_in_a_key_causes_the_cheap_upgrade(tmp_path: Path) -> None:
    """The old tables allowed it, the new ones would refuse it. Nothing is lost."""
    own = [
        "INSERT INTO cpu_core VALUES (NULL, 1, 5.0)",
        "INSERT INTO process_sample VALUES (1, NULL, 'x', 1, 1)",
    ]
    path = build(tmp_path / "telemetry.db", measured(5), own=own)
    before = contents(path)
    upgrade(path, has_room=True)
    assert_kept(before, contents(path))
    assert "WITHOUT ROWID" not in catalogue(path)["table", "cpu_core"]
    with Store(path) as store:
        store.append([sample(1)], NOW)


@pytest.mark.parametrize("has_room", WAYS)
@pytest.mark.parametrize("real", ["NUMERIC", "INT", "", "TEXT"])
def test_other_types_keep_every_number(tmp_path: Path, real: str, has_room: bool) -> None:
    """A whole number may become REAL, the column's type now, but keeps its value."""
    path = build(tmp_path / "telemetry.db", measured(40), Layout(real=real))

    def numbers() -> list[list[float | None]]:
        found = rows(path, f"SELECT {', '.join(Old._fields)} FROM system_sample ORDER BY ts")
        return [[None if value is None else float(value) for value in row] for row in found]

    before = numbers()
    upgrade(path, has_room=has_room)
    assert numbers() == before


def test_a_primary_key_that_is_not_the_rowid(tmp_path: Path) -> None:
    path = build(tmp_path / "telemetry.db", measured(40), Layout(key="INT PRIMARY KEY"))
    before = contents(path)
    upgrade(path, has_room=True)
    assert_kept(before, contents(path))
    assert catalogue(path) == fresh_catalogue()


def test_the_disk_space_of_the_wal_is_freed(tmp_path: Path) -> None:
    path = build(tmp_path / "telemetry.db", measured(500))
    with Store(path):
        assert Path(f"{path}-wal").stat().st_size == 0


@pytest.mark.parametrize("has_room", WAYS)
def test_the_golden_file(tmp_path: Path, has_room: bool) -> None:
    path = golden(tmp_path / "telemetry.db")
    own = {"by_name", "heavy", "by_room", "daily", "remember", "annotate", "note", "newest"}
    before, made_before = contents(path), catalogue(path)
    upgrade(path, has_room=has_room)
    assert_kept(before, contents(path))
    made = catalogue(path)
    assert {key: sql for key, sql in made.items() if key[1] in own} == {
        key: sql for key, sql in made_before.items() if key[1] in own
    }
    # The user's index and trigger are on process_sample, so it stays a table.
    fresh = fresh_catalogue(["cpu_core"] if has_room else ())
    assert made.keys() == fresh.keys() | {key for key in made_before if key[1] in own}
    assert made["view", "training_view"] == fresh["view", "training_view"]
    # Worked out by hand: 2 W for 5 s are 10 J. The percent falls, is missing for an hour, rises, and falls.
    ten = 10_000_000
    assert rows(
        path, "SELECT ts - 1730000000, time - ts, interval, energy_uj FROM system_sample ORDER BY ts"
    ) == [
        (0, 0, None, None),
        (5, 0, 5, -ten),
        (10, 0, 5, -ten),
        (15, 0, 5, -ten),
        (20, 0, 5, -ten),
        (3620, 0, None, None),
        (3625, 0, 5, ten),
        (3630, 0, 5, None),
        (3635, 0, 5, -ten),
        (3640, 0, 5, -ten),
        (3645, 0, 5, None),
    ]
    with Store(path) as store:
        store.append([sample(1)], NOW)
    assert rows(path, "SELECT * FROM newest") == [(1, NOW + 5, -2.0)]
    assert value(path, "SELECT room FROM system_sample WHERE ts = ?", NOW + 5) == "kitchen"
    assert rows(path, "SELECT * FROM by_room ORDER BY room") == [
        (None, 2.0),
        ("", 2.0),
        ("hall", 2.0),
        ("kitchen", 2.0),
    ]


def test_the_upgrade_is_announced_before_it_starts(tmp_path: Path) -> None:
    said: list[str] = []
    path = build(tmp_path / "telemetry.db", measured(100))
    with Store(path, announce=said.append):
        pass
    (line,) = said
    assert line.startswith(f"upgrading {path} of the original logger: copying its rows into smaller tables")
    with Store(path, announce=said.append):
        pass
    assert said == [line]
