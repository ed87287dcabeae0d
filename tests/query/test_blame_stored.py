"""The report blame from stored energy: it adds up, and the figures of a closed day never change."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.energy_parts import Row, completed
from query.main import main
from telemetry.energy_model.columns import UNATTRIBUTED
from telemetry.sample import Sample
from tests.query.conftest import Ran
from tests.strategies import at_most
from tests.writer.reading import changing, value
from tests.writer.rollups.drained import BEGIN, DAY, days
from tests.writer.working import drop_older
from writer.rollups.folding import fold
from writer.store import Store

HOUR = 3600
END = BEGIN + 4 * DAY
Parts = Counter[str]
"""µJ by name"""


def store_all(path: Path, samples: Sequence[Sample]) -> None:
    with Store(path) as store:
        for first in range(0, len(samples), 400):
            store.append(samples[first : first + 400], 0.0)
        while store.roll_up():
            pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three closed days and one open day."""
    path = tmp_path_factory.mktemp("whole") / "telemetry.db"
    store_all(path, days(4))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


class Ask:
    """The command on a database."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, path: Path, *argv: str) -> Ran:
        status = main(["--db", str(path), *argv, "--format", "json"], lambda: float(END))
        return Ran(status, *self._capsys.readouterr())

    def parts(self, path: Path, start: float, stop: float, *argv: str) -> Parts:
        """Return the rows of blame, by names."""
        ran = self(path, "blame", "--since", moment(start), "--until", moment(stop), "--limit", "99", *argv)
        return Counter({row["name"]: round(3.6e9 * row["wh"]) for row in ran.rows if row["wh"]})

    def cpu_us(self, path: Path, start: float, stop: float) -> Parts:
        """Return the CPU time of each row of blame in µs."""
        ran = self(path, "blame", "--since", moment(start), "--until", moment(stop), "--limit", "99")
        return Counter({row["name"]: round(3.6e9 * row["cpu_h"]) for row in ran.rows if row["cpu_h"]})

    def energy(self, path: Path, start: float, stop: float) -> int:
        """Return the µJ that the report energy shows."""
        rows = self(path, "energy", "--since", moment(start), "--until", moment(stop)).rows
        return sum(round(3.6e9 * (row["discharged_wh"] + (row["asleep_wh"] or 0.0))) for row in rows)


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path / "nothing-runs-here"))
    return Ask(capsys)


@pytest.mark.slow
def test_hours_sum_to_days_and_days_to_the_total(whole: Path, ask: Ask) -> None:
    """Each row is exact to the µJ."""
    of_days = [ask.parts(whole, BEGIN + day * DAY, BEGIN + (day + 1) * DAY) for day in range(3)]
    assert sum(of_days, Counter()) == ask.parts(whole, BEGIN, BEGIN + 3 * DAY)
    hours = (ask.parts(whole, BEGIN + DAY + at * HOUR, BEGIN + DAY + (at + 1) * HOUR) for at in range(24))
    assert sum(hours, Counter()) == of_days[1]


def test_the_figures_of_a_closed_day_never_change(path: Path, whole: Path, ask: Ask) -> None:
    """It does not depend on what is learned later."""
    store_all(path, days(2))
    before = ask.parts(path, BEGIN, BEGIN + DAY)
    assert before == ask.parts(whole, BEGIN, BEGIN + DAY)
    assert len(before) > 5


def test_whatever_the_window_the_rows_sum_to_the_energy(whole: Path, ask: Ask) -> None:
    edges: list[float] = [BEGIN + 8 * HOUR, BEGIN + 9 * HOUR + 61, BEGIN + DAY, BEGIN + DAY + 10 * HOUR + 7]
    edges += [BEGIN + 3 * DAY + 8 * HOUR, BEGIN + 3 * DAY + 9.5 * HOUR, END]
    for at, start in enumerate(edges):
        for stop in edges[at + 1 :]:
            assert ask.parts(whole, start, stop).total() == ask.energy(whole, start, stop)


def test_a_part_of_an_hour_counts_only_what_ran_in_it(whole: Path, ask: Ask) -> None:
    start = BEGIN + DAY + 9 * HOUR
    pieces = [ask.parts(whole, start + at * 900, start + (at + 1) * 900) for at in range(4)]
    together, hour = sum(pieces, Counter()), ask.parts(whole, start, start + HOUR)
    assert together.total() == hour.total()
    for name in ("browser", "(idle)"):
        assert together[name] == pytest.approx(hour[name], rel=0.2)
    assert len({piece["browser"] for piece in pieces}) > 1
    used = [ask.cpu_us(whole, start + at * 900, start + (at + 1) * 900) for at in range(4)]
    assert sum(used, Counter()) == ask.cpu_us(whole, start, start + HOUR)


def used(path: Path, start: float, stop: float) -> Parts:
    """Return the µs of CPU time of each program on battery, from samples alone."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return Counter(
            dict(
                database.execute(
                    "SELECT name, SUM(cpu_us) FROM process_sums AS p WHERE time >= ? AND time < ? AND "
                    "(SELECT energy_uj < 0 FROM system_sample AS s WHERE s.ts = p.ts) GROUP BY name",
                    (start, stop),
                )
            )
        )


def programs(parts: Parts) -> Parts:
    return Counter({name: us for name, us in parts.items() if not name.startswith("(")})


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_window_the_cpu_time_is_that_of_its_samples(
    path: Path, whole: Path, ask: Ask, seed: int
) -> None:
    """What is counted twice or not at all shows here; energy would still sum, because the rest is shared."""
    draw = random.Random(seed)
    for _ in range(6):
        grids = draw.choices((1, 60, HOUR, DAY), k=2)
        start, stop = sorted(BEGIN + draw.uniform(7 * HOUR, 4 * DAY) // grid * grid for grid in grids)
        expected = used(whole, start, stop)
        found = programs(ask.cpu_us(whole, start, stop)) if expected else expected
        assert found == {name: pytest.approx(us, abs=500) for name, us in expected.items()}
    path.write_bytes(whole.read_bytes())
    drop_raw(path)
    start = BEGIN + HOUR * draw.randrange(7, 30)
    stop = start + HOUR * draw.randrange(2, 60)
    expected = used(whole, start, stop)
    assert programs(ask.cpu_us(path, start, stop)) == {
        name: pytest.approx(us, abs=500) for name, us in expected.items()
    }


def test_the_open_day_is_divided_too(whole: Path, ask: Ask) -> None:
    parts = ask.parts(whole, BEGIN + 3 * DAY, END)
    assert parts["browser"] > parts["editor"] > 0
    assert parts["(unattributed)"] < 0.1 * parts.total()


def test_the_first_hours_are_learned_from_before_they_end(path: Path, ask: Ask) -> None:
    """One minute of the previous hour is stored, which is too little to learn from."""
    full = BEGIN + 9 * HOUR
    store_all(path, [each for each in days(1) if full - 60 <= each.time < full + 2400])
    ran = ask(path, "blame", "--since", moment(full), "--until", moment(full + 2400))
    assert "learned from 0.7 h on battery" in ran.err
    assert {row["item"]: row["value"] for row in ask(path, "model").rows}["learned from"] > 0.6
    assert ask.parts(path, BEGIN, END).total() == ask.energy(path, BEGIN, END)


@pytest.mark.parametrize("by", ["app", "user"])
def test_apps_and_users_are_sums_of_stored_rows(whole: Path, ask: Ask, by: str) -> None:
    parts = ask.parts(whole, BEGIN, BEGIN + 3 * DAY, "--by", by)
    programs = {name: uj for name, uj in parts.items() if name is None or not name.startswith("(")}
    assert [*programs] == [None if by == "app" else "ada"]
    of_names = ask.parts(whole, BEGIN, BEGIN + 3 * DAY)
    assert sum(programs.values()) == sum(uj for name, uj in of_names.items() if not name.startswith("("))


@pytest.mark.slow
def test_late_rows_of_a_closed_day_are_unattributed(path: Path, ask: Ask) -> None:
    samples = days(3)
    late = [it for it in samples if BEGIN + DAY + 9 * HOUR <= it.time < BEGIN + DAY + 9.5 * HOUR]
    store_all(path, [it for it in samples if it not in late])
    window = (BEGIN + DAY, BEGIN + 2 * DAY)
    before, measured = ask.parts(path, *window), ask.energy(path, *window)
    with Store(path) as store:
        store.import_samples(late)
        while store.roll_up():
            pass
    more = ask.energy(path, *window) - measured
    assert more > 0
    assert ask.parts(path, *window) == before + Counter({"(unattributed)": more})


def drop_raw(path: Path) -> None:
    with Store(path) as store:
        drop_older(store, 1.0)


@pytest.mark.parametrize("is_folded", [False, True], ids=["dropped", "folded"])
def test_it_outlasts_the_raw_rows(path: Path, whole: Path, ask: Ask, is_folded: bool) -> None:
    path.write_bytes(whole.read_bytes())
    three = (BEGIN, BEGIN + 3 * DAY)
    before = ask.parts(path, *three)
    drop_raw(path)
    if is_folded:
        with Store(path) as store:
            while store.apply(fold):
                pass
    assert value(path, "SELECT raw_since FROM history") == BEGIN + 2 * DAY
    assert ask.parts(path, *three) == before
    for start, stop in [
        (BEGIN + 8.5 * HOUR, BEGIN + 9.2 * HOUR),
        (BEGIN + 8.25 * HOUR, BEGIN + DAY + 10.7 * HOUR),
        (BEGIN + DAY + 9 * HOUR, END),
    ]:
        parts = ask.parts(path, start, stop)
        assert parts.total() == ask.energy(path, start, stop)
        assert parts["browser"] > 0


def test_a_backlog_of_the_writer_is_reported(path: Path, whole: Path, ask: Ask) -> None:
    """After an upgrade it has years to learn from. Meanwhile the energy of the newest samples is divided."""
    path.write_bytes(whole.read_bytes())
    with changing(path) as database:
        for table in ("energy_hour", "energy_day", "energy_model", "energy_lesson"):
            database.execute(f"DELETE FROM {table}")
        database.execute("UPDATE history SET energy_until = 0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("query.energy_parts.MOST_RAW", 500)
        ran = ask(path, "blame", "--since", moment(BEGIN), "--until", moment(END))
    assert "telemetry-writer has stored shares for no hour yet" in ran.err
    assert ask.parts(path, BEGIN, END).total() == ask.energy(path, BEGIN, END)


@given(st.dictionaries(st.integers(-6, 5), st.integers(0, 10**9), max_size=6), st.integers(0, 10**9))
def test_the_parts_are_completed_to_the_measured_energy(stored: dict[int, int], measured: int) -> None:
    """This also holds if rows of a closed day were deleted."""
    rows = {column: Row(uj, 0, 0) for column, uj in stored.items()}
    found = completed(rows, measured)
    total = sum(row.uj for row in found.values())
    assert total == measured or (not any(stored.values()) and total == 0 == measured)
    if sum(stored.values()) <= measured:
        assert {it: row for it, row in found.items() if it != UNATTRIBUTED} == rows


@at_most(6)
@given(st.sets(st.integers(0, 599), max_size=80), st.integers(0, 5 * HOUR), st.integers(1, 30 * HOUR))
def test_the_rows_add_up_whatever_is_missing(lost: set[int], start: int, length: int) -> None:
    samples = [it for at, it in enumerate(days(2, hours=3)) if at not in lost]
    begin = BEGIN + 8 * HOUR + start
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELEMETRY_RUNTIME_DIR", "/nonexistent")
        check_sums(samples, begin, begin + length)


def check_sums(samples: Sequence[Sample], start: float, stop: float) -> None:
    def asked(path: Path, report: str) -> list[dict[str, Any]]:
        out = io.StringIO()
        argv = [report, "--since", moment(start), "--until", moment(stop), "--format", "json"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            main(["--db", str(path), *argv], lambda: float(END))
        rows: list[dict[str, Any]] = json.loads(out.getvalue())
        return rows

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        store_all(path, samples)
        told = sum(round(3.6e9 * (row["wh"] or 0.0)) for row in asked(path, "blame"))
        measured = sum(
            round(3.6e9 * (row["discharged_wh"] + (row["asleep_wh"] or 0.0))) for row in asked(path, "energy")
        )
        assert told == measured
