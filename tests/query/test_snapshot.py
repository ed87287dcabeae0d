"""``telemetry-query snapshot``: a database of one window that gives the same reports."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from query import snapshot
from query.main import main
from query.reports import REPORTS
from query.window import History
from tests.query.recordings import NOON, Recording
from tests.query.rollups import by_the_writer, roll_up
from writer import schema

DAY = 86_400.0
MIDNIGHT = NOON - DAY / 2
FIRST = MIDNIGHT - 5 * DAY
NOW = MIDNIGHT + DAY
NOT_OF_THE_WINDOW_ALONE = {"status", "drain", "blame", "model", "compare"}
"""Three of these reports learn from data before the window; compare has its own windows."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days with a row every two minutes: on mains until noon, on battery until 22:00, on mains again."""
    path = tmp_path_factory.mktemp("whole") / "telemetry.db"
    with Recording(path) as recording:
        for day in range(6):
            recording.run("secret-run", FIRST + day * DAY)
            for minute in range(0, 1440, 2):
                is_draining = 720 <= minute < 1320
                recording.sample(
                    FIRST + day * DAY + 60 * minute,
                    interval=120.0,
                    power=-6.0 if is_draining else 6.0,
                    status="Discharging" if is_draining else "Charging",
                    battery_pct=90.0 - (minute - 720) / 10 if is_draining else 18.0 + minute / 10,
                    cpu_total=10.0 + minute % 7,
                    cores=[10.0, 20.0],
                    processes=[
                        (1, "secret-program", 20.0 + minute % 5, 1.0, 0.0, "secret-app", "alice"),
                        (2, "secret-program", 5.0, 1.0, 0.0, "secret-app", "bob"),
                        (3, f"only-{day}", 5.0, 1.0, 0.0, None, "alice"),
                    ],
                )
        recording.database.execute(
            "INSERT INTO loss VALUES ('/home/alice/damaged.db', 'system_sample', ?, ?, 3, 'gone')",
            (int(NOON), int(NOON)),
        )
        recording.database.execute("CREATE TABLE my_own (a)")
        roll_up(recording.database, History(int(NOW), int(NOW), int(NOW), 0, 0, 0))
        recording.database.execute("UPDATE run SET host = 'secret-host', boot_id = 'boot-of-' || run_id")
    return path


def run(path: Path, *argv: str) -> int:
    return main(["--db", str(path), *argv], lambda: NOW)


@pytest.fixture(scope="module")
def part(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third and fourth day."""
    out = tmp_path_factory.mktemp("part") / "part.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        assert run(whole, "snapshot", "--out", str(out), *WINDOW) == 0
    return out


WINDOW = ("--since", str(FIRST + 2 * DAY), "--until", str(FIRST + 4 * DAY))


@pytest.mark.parametrize(
    "report",
    [it for it in REPORTS if it.name not in NOT_OF_THE_WINDOW_ALONE],
    ids=lambda it: it.name,
)
@pytest.mark.fast_cases(3)
def test_reports_of_the_window_are_the_same(
    whole: Path, part: Path, report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for path in (whole, part):
        assert run(path, report.name, *WINDOW, "--format", "json") == 0
        out, err = capsys.readouterr()
        rows = json.loads(out)
        if report.name == "sessions":  # one that continues after the window is open in the snapshot
            rows = [row for row in rows if row["kind"] == "discharge"]
            assert len(rows) == 2
        if report.name == "gaps":  # the start of a session from before the window is not in it
            rows = [row for row in rows if row["start"] >= FIRST + 2 * DAY and row["end"] < FIRST + 4 * DAY]
            assert rows
        said.append((rows, err))
    assert said[0] == said[1]


def test_each_session_is_in_it_once(part: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(part, "sessions", "--kind", "discharge", "--format", "json") == 0
    sessions = json.loads(capsys.readouterr().out)
    assert run(part, "energy", "--format", "json") == 0
    (energy,) = json.loads(capsys.readouterr().out)
    assert sum(row["wh"] for row in sessions) == pytest.approx(energy["discharged_wh"])


def test_a_sleep_that_continues_after_its_end_counts_in_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "telemetry.db", tmp_path / "copy.db"
    with Recording(path) as recording:
        recording.run(started=MIDNIGHT - 12_000)
        recording.health(MIDNIGHT - 12_000, "BAT0", 10.0, 10.0)
        row: dict[str, Any] = {"power": -6.0, "status": "Discharging", "voltage": 4.0}
        recording.samples(MIDNIGHT - 12_000, 200, step=30.0, battery_pct=80.0, **row)
        recording.sample(MIDNIGHT + 6_000, suspended=11_970.0, battery_pct=60.0, **row)
        recording.samples(MIDNIGHT + 6_005, 2_000, step=30.0, battery_pct=60.0, **row)
        by_the_writer(recording.database)
    assert run(path, "snapshot", "--since", "2026-11-20", "--until", "2026-11-21", "--out", str(copy)) == 0
    capsys.readouterr()
    answers = []
    for database in (path, copy):
        window = "--since", "2026-11-20 22:00", "--until", "2026-11-21"
        assert run(database, "energy", *window, "--by", "hour", "--format", "json") == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert sum(row["asleep_wh"] for row in answers[1]) == pytest.approx(8.0 * 6_000 / 11_970, rel=0.01)


def test_a_gap_at_its_start_has_its_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, copy = tmp_path / "telemetry.db", tmp_path / "copy.db"
    with Recording(path) as recording:
        for start in (MIDNIGHT - 12_000, MIDNIGHT + 6_000):
            recording.run(started=start)
            recording.samples(start + 30, 200, step=30.0, cpu_total=5.0)
        recording.database.execute("UPDATE run SET boot_id = 'boot-of-' || run_id")
        by_the_writer(recording.database)
    assert run(path, "snapshot", "--since", "2026-11-21", "--out", str(copy)) == 0
    capsys.readouterr()
    answers = []
    for database in (path, copy):
        assert run(database, "gaps", "--since", "2026-11-21", "--format", "json") == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    (gap,) = answers[1]
    assert (gap["start"], gap["end"], gap["cause"]) == (MIDNIGHT - 6_000, MIDNIGHT + 6_000, "off")


def test_it_contains_whole_utc_days(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "day.db"
    assert (
        run(whole, "snapshot", "--out", str(out), "--since", str(NOON - DAY), "--until", str(NOON - DAY + 1))
        == 0
    )
    assert capsys.readouterr().out == (
        f"{out}: {out.stat().st_size / 1e6:.1f} MB, "
        "720 samples from 2026-11-20 00:00:00 to 2026-11-20 23:58:00\n"
    )
    with closing(sqlite3.connect(out)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT DISTINCT bucket FROM process_day").fetchall() == [
            (int(MIDNIGHT - DAY),)
        ]
        names = database.execute("SELECT DISTINCT name FROM process_name ORDER BY name").fetchall()
    assert names == [("only-4",), ("secret-program",)]


def test_without_an_end_the_days_up_to_now_are_copied(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "days.db"
    assert run(whole, "snapshot", "--out", str(out), "--since", "2d") == 0
    with closing(sqlite3.connect(out)) as database:
        assert database.execute("SELECT MIN(time), MAX(time) FROM system_sample").fetchone() == (
            NOW - 2 * DAY,
            NOW - 120,
        )


def objects(database: sqlite3.Connection) -> list[tuple[str, ...]]:
    return database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def test_its_schema_is_the_latest_without_objects_of_the_user(part: Path) -> None:
    with closing(sqlite3.connect(part)) as database, schema.model() as model:
        assert objects(database) == objects(model)
        assert database.execute("PRAGMA user_version").fetchone() == (schema.LATEST,)


def test_every_table_of_the_schema_is_copied() -> None:
    with schema.model() as latest, schema.plain_model(schema.LATEST) as plain:
        for database in (latest, plain):
            names = {name for kind, name, _ in objects(database) if kind == "table"}
            assert names <= set(snapshot.TABLES)
        views = {name for kind, name, _ in objects(latest) if kind == "view"}
    assert views == set(snapshot.VIEWS)


def words(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as database:
        for table in snapshot.TABLES:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                for row in database.execute(f"SELECT * FROM {table}"):
                    yield from (value for value in row if isinstance(value, str))


@pytest.mark.slow
def test_an_anonymous_one_contains_no_name(whole: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "one.db", tmp_path / "two.db"]
    for out in outs:
        assert run(whole, "snapshot", "--out", str(out), "--since", "30d", "--anonymous") == 0
        content = out.read_bytes()
        for secret in (b"secret-pro", b"secret-app", b"secret-host", b"alice", b"bob", b"only-", b"boot-of-"):
            assert secret in whole.read_bytes()
            assert secret not in content
    first, second = ({word for word in words(out) if word.startswith("x")} for out in outs)
    assert len(first) == len(second) == 8  # one program, six more, and an app
    assert not first & second


def test_anonymous_names_stay_distinct_with_the_same_sums(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "anonymous.db"
    assert run(whole, "snapshot", "--out", str(out), "--since", "30d", "--anonymous") == 0
    capsys.readouterr()
    for by in ("name", "app", "user"):
        rows = []
        for path in (whole, out):
            assert run(path, "hotspots", "--by", by, "--format", "json") == 0
            rows.append([row["cpu_h"] for row in json.loads(capsys.readouterr().out)])
        assert sorted(rows[0]) == sorted(rows[1])


def test_an_existing_file_is_kept(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.db"
    out.write_text("mine")
    assert run(whole, "snapshot", "--out", str(out)) == 1
    assert capsys.readouterr().err == (
        f"telemetry-query: {out} exists already; remove it, or give another file with --out\n"
    )
    assert out.read_text() == "mine"
    out.unlink()
    out.symlink_to(tmp_path / "nowhere")
    assert run(whole, "snapshot", "--out", str(out)) == 1
    assert list(tmp_path.iterdir()) == [out]


def test_a_missing_directory_is_reported(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none" / "out.db"
    assert run(whole, "snapshot", "--out", str(out)) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"telemetry-query: {out}: cannot be written: ")
    assert err.count("\n") == 1


def test_if_the_disk_is_full_no_file_is_left(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.db"
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "query.main",
            "--db",
            str(whole),
            "snapshot",
            "--out",
            str(out),
            "--since",
            "0",
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"telemetry-query: {out}: cannot be written: ")
    assert list(tmp_path.iterdir()) == []


def test_a_window_without_samples_is_an_empty_database(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.db"
    assert run(whole, "snapshot", "--out", str(out), "--since", "2020-01-01", "--until", "2020-02-01") == 0
    assert "roll-ups alone: the window holds no single samples" in capsys.readouterr().out
    assert run(out, "energy", "--format", "json") == 0
    assert "database is empty" in capsys.readouterr().err
