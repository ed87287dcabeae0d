"""Background checks of the tables: what they find, what is repaired in place, and when they run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.writer.reading import changing, value
from tests.writer.recovery.damaged import LOG, PAGE, damage, leaves
from tests.writer.samples import NOW, row_of
from writer.recovery.checks import Checks, Finding, finding_of
from writer.store import Store

WEEK = 7 * 86400.0


def run_checks(checks: Checks, store: Store, now: float = NOW) -> str | None:
    """Step until no check runs; return the findings."""
    while (found := checks.step(store, now)) is None and checks.is_busy:
        pass
    return found


@pytest.fixture
def checks(recorded: Path) -> Checks:
    checks = Checks(recorded, LOG)
    checks.want_all()
    return checks


def test_in_a_sound_database_nothing_is_found(recorded: Path, checks: Checks) -> None:
    with Store(recorded) as store:
        assert run_checks(checks, store) is None
    assert value(recorded, "SELECT MIN(value) FROM setting WHERE name LIKE 'checked %'") == NOW


@pytest.mark.parametrize("page", [80, 240, 500])
def test_a_damaged_page_is_found(recorded: Path, checks: Checks, page: int) -> None:
    damage(recorded, "run", page=page)
    with Store(recorded) as store:
        assert run_checks(checks, store)


@pytest.mark.parametrize("table", ["core_row", "process_row"])
@pytest.mark.slow
def test_a_leaf_that_was_copied_over_another_is_found(recorded: Path, checks: Checks, table: str) -> None:
    """PRAGMA quick_check does not notice it."""
    first, *_, last = leaves(recorded, table)
    with recorded.open("r+b") as file:
        size = PAGE
        file.seek((first - 1) * size)
        leaf = file.read(size)
        file.seek((last - 1) * size)
        file.write(leaf)
    with Store(recorded) as store:
        assert run_checks(checks, store)


def test_an_index_that_disagrees_is_rebuilt(recorded: Path, checks: Checks) -> None:
    with changing(recorded) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("CREATE INDEX own ON run (host)")
        # The index does not match its definition, as after a lost page.
        database.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX own ON run (boot_id)' WHERE name = 'own'"
        )
    with Store(recorded) as store:
        assert run_checks(checks, store) is None
    assert value(recorded, "PRAGMA integrity_check") == "ok"


def test_a_violated_constraint_of_a_users_table_is_not_damage(recorded: Path, checks: Checks) -> None:
    with changing(recorded) as database:
        database.execute("CREATE TABLE own (x CHECK (x > 0))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("INSERT INTO own VALUES (-1)")
    with Store(recorded) as store:
        assert run_checks(checks, store) is None


def test_each_table_is_checked_within_four_weeks_even_across_restarts(recorded: Path) -> None:
    with Store(recorded) as store:
        run_checks(Checks(recorded, LOG), store)
    before = value(recorded, "SELECT MAX(value) FROM setting WHERE name LIKE 'checked %'")
    assert before == NOW, "from the first check on"
    with Store(recorded) as store:
        run_checks(Checks(recorded, LOG), store, NOW + 3 * WEEK)
    assert value(recorded, "SELECT MAX(value) FROM setting WHERE name LIKE 'checked %'") == NOW
    later = NOW + 5 * WEEK
    with Store(recorded) as store:
        run_checks(Checks(recorded, LOG), store, later)
    assert (
        value(recorded, f"SELECT COUNT(*) FROM setting WHERE name LIKE 'checked %' AND value = {later}") == 1
    )


def test_a_check_ends_at_once_if_the_writer_stops(recorded: Path, checks: Checks) -> None:
    with Store(recorded) as store:
        checks.step(store, NOW)
        checks.stop()
        assert store.append(row_of(4000, 4001), NOW).stored == 2


def test_a_check_may_be_stopped_while_it_ends_by_itself(recorded: Path) -> None:
    """Its connection may be closed at the moment of the interrupt."""
    with Store(recorded) as store:
        for delay in range(100):
            checks = Checks(recorded, LOG)
            checks.want_all()
            checks.step(store, NOW)
            time.sleep(delay % 20 / 20_000)
            checks.stop()


def test_a_missing_file_is_not_damage(recorded: Path, tmp_path: Path) -> None:
    checks = Checks(tmp_path / "gone.db", LOG)
    checks.want_all()
    with Store(recorded) as store:
        assert run_checks(checks, store) is None


def test_messages_of_sqlite_are_classified() -> None:
    assert finding_of(["ok"]) == Finding(None, frozenset())
    assert finding_of(["row 5 missing from index a", "wrong # of entries in index a"]) == Finding(
        None, frozenset({"a"})
    )
    assert finding_of(["CHECK constraint failed in t", "NULL value in t.c"]) == Finding(None, frozenset())
    assert finding_of(
        ["wrong # of entries in index a", "Tree 5 page 6: btreeInitPage() returns 11"]
    ) == Finding("Tree 5 page 6: btreeInitPage() returns 11", frozenset({"a"}))
