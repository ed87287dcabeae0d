"""The schema of a fresh database: what users of the original rely on, and the migrations."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.writer.reading import catalogue, column_names, fresh_catalogue, is_whole, rows, value
from tests.writer.samples import NOW, sample
from writer import schema
from writer.store import Store

PROMISED = {
    "system_sample": "ts voltage current power battery_pct cpu_total cpu_freq load1 load5 load15",
    "cpu_core": "ts core usage",
    "process_sample": "ts pid name cpu mem",
    "training_view": "ts battery_pct cpu_total cpu_freq load1 load5 load15 "
    "watts drain_mah_per_min charge_mah_per_min",
}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.db"
    with Store(path):
        pass
    return path


@pytest.mark.parametrize(("table", "names"), PROMISED.items())
def test_the_columns_of_the_original_come_first_and_in_order(fresh: Path, table: str, names: str) -> None:
    promised = names.split()
    assert column_names(fresh, table)[: len(promised)] == promised


def test_the_columns_of_the_original_have_their_types(fresh: Path) -> None:
    with Store(fresh) as store:
        store.append([sample(1)], NOW)
    integers, texts = {"ts", "core", "pid"}, {"name"}
    for table, names in PROMISED.items():
        for name in names.split():
            (found,) = rows(fresh, f"SELECT DISTINCT typeof({name}) FROM {table}")
            assert found == ("integer" if name in integers else "text" if name in texts else "real",)


def test_the_version_is_the_number_of_migrations(fresh: Path) -> None:
    files = sorted(path.name for path in (Path(schema.__file__).parent).glob("*.sql"))
    numbered = [name for name in files if not name.startswith(("view", "compact_"))]
    assert [int(name[:4]) for name in numbered] == list(range(1, len(numbered) + 1))
    assert len(numbered) == schema.LATEST
    assert value(fresh, "PRAGMA user_version") == schema.LATEST


def test_a_fresh_database_is_set_up(fresh: Path) -> None:
    assert value(fresh, "PRAGMA journal_mode") == "wal"
    assert value(fresh, "PRAGMA auto_vacuum") == 2  # incremental, so that retention can free disk space
    assert catalogue(fresh) == fresh_catalogue()
    assert is_whole(fresh)


def test_opening_again_changes_nothing(fresh: Path) -> None:
    before = fresh.read_bytes()
    with Store(fresh):
        pass
    assert fresh.read_bytes() == before


def test_a_migration_is_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails halfway leaves neither tables nor a version."""
    broken = tmp_path / "9999_broken.sql"
    broken.write_text("CREATE TABLE half (x);\nCREATE TABLE half (x);\n")
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, broken])
    monkeypatch.setattr(schema, "LATEST", schema.LATEST + 1)
    path = tmp_path / "telemetry.db"
    with pytest.raises(Exception, match="half"):
        Store(path)
    assert rows(path, "SELECT name FROM sqlite_master") == []
    assert value(path, "PRAGMA user_version") == 0


def test_statements_are_split_by_sqlite() -> None:
    """A semicolon in a text, a comment or a trigger's body does not end a statement."""
    script = (
        "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';');\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM a;\n  DELETE FROM a;\nEND;\n"
        "/* ; */\nDELETE FROM a\n;\n-- the end\n"
    )
    database = sqlite3.connect(":memory:")
    made = list(schema.statements(script))
    assert len(made) == 3
    for statement in made:
        database.execute(statement)
    database.close()


def test_the_view_shows_no_direction_if_there_is_none(fresh: Path) -> None:
    """(power, current, energy_uj), and the view's columns: watts, drain, charge."""
    cases = [
        ((-2.0, -0.6, -10), (2.0, 10.0, 0.0)),
        ((2.0, 0.6, 10), (2.0, 0.0, 10.0)),
        ((2.0, 0.6, -10), (2.0, 10.0, 0.0)),  # a driver without a sign, and a percent that fell
        ((-2.0, 0.6, -10), (2.0, 10.0, 0.0)),
        ((-2.0, -0.6, None), (2.0, 10.0, 0.0)),
        ((2.0, 0.6, None), (2.0, 0.0, 10.0)),
        ((None, -0.6, None), (None, 10.0, 0.0)),
        ((None, None, None), (None, None, None)),
        ((-2.0, None, -10), (2.0, None, None)),
        ((0.0, 0.0, 0), (0.0, 0.0, 0.0)),
    ]
    database = sqlite3.connect(fresh, isolation_level=None)
    for ts, (given, _) in enumerate(cases):
        database.execute(
            "INSERT INTO system_sample (ts, power, current, energy_uj) VALUES (?, ?, ?, ?)", (ts, *given)
        )
    database.close()
    found = rows(fresh, "SELECT watts, drain_mah_per_min, charge_mah_per_min FROM training_view ORDER BY ts")
    assert found == [expected for _, expected in cases]
