"""The two processes and the query command, as a user runs them."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from telemetry.sample import Sample, decode
from telemetry.stream.joiner import Start
from telemetry.stream.subscriber import Subscriber
from tests.system.processes import BATTERY, System, sql_files, stop, wait_until

NEEDS_ANOTHER_TIME = {
    "16-top-cpu-processes-at-a-given-timestamp",
    "17-correlate-system-cpu-vs-top-process-cpu-over-tim",
}
"""Queries for the second 1730000000: they must run and find nothing."""


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: path.stem)
@pytest.mark.fast_cases(6)
def test_every_query_of_the_original_answers(recorded: System, path: Path) -> None:
    database = sqlite3.connect(recorded.database)
    try:
        rows = database.execute(path.read_text()).fetchall()
    finally:
        database.close()
    if path.stem in NEEDS_ANOTHER_TIME:
        assert rows == []
    else:
        assert rows
        assert any(value is not None for value in rows[0])


def test_the_original_has_twenty_queries() -> None:
    assert len(sql_files()) == 20


REPORTS = ("recent", "drain", "energy", "hotspots", "top", "cores", "correlate --rows", "export", "status")


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_answers(recorded: System, report: str) -> None:
    (row, *_) = recorded.query(*report.split())
    assert row


def test_the_reports_show_the_values_of_the_battery(recorded: System) -> None:
    (drain,) = recorded.query("drain")
    assert drain["avg_watts"] == pytest.approx(8.274249)  # 7.461 V × 1.109 A
    assert drain["avg_drain_mah_per_min"] == pytest.approx(1109 / 60)
    (energy,) = recorded.query("energy")
    assert energy["discharged_wh"] == pytest.approx(8.274249 * energy["covered_s"] / 3600, rel=1e-6)
    assert energy["charged_wh"] == 0
    assert recorded.query("recent")[0]["battery_pct"] == 29


@pytest.mark.slow
def test_the_first_sample_has_real_readings(system: System) -> None:
    """No zeros from counters without an earlier reading: it covers a whole interval and has the real load."""
    sampler = system.sampler()
    endpoints = (f"ipc://{system.runtime}/samples", f"ipc://{system.runtime}/replay")
    with Subscriber(*endpoints, Start.OLDEST) as subscriber:
        first = next(item for item in subscriber if isinstance(item, Sample))
    assert first.seq == 1
    assert first.interval == pytest.approx(1.0, abs=0.5)
    assert first.cpu.total is not None
    assert first.cpu.total > 0  # this test is running
    assert len(first.processes) == 10
    assert stop(sampler)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_both_at_once_without_loss(system: System, number: int) -> None:
    sampler, writer = system.sampler("--interval", "3600"), system.writer()
    wait_until(lambda: (system.runtime / "writer").exists() and (system.runtime / "samples").exists())
    began = time.monotonic()
    for process in (sampler, writer):
        status, error = stop(process, number)
        assert status == 0
        assert "Traceback" not in error
    # Far less than an interval or a commit interval (60 s): it waits for neither.
    assert time.monotonic() - began < 10


@pytest.mark.slow
def test_received_samples_are_committed_at_the_end(system: System) -> None:
    sampler = system.sampler()
    endpoints = (f"ipc://{system.runtime}/samples", f"ipc://{system.runtime}/replay")
    writer = system.writer("--commit-interval", "3600")
    with Subscriber(*endpoints, Start.OLDEST) as subscriber:
        seen = []
        for item in subscriber:
            assert isinstance(item, Sample)
            seen.append((item.run, item.seq))
            if len(seen) == 3:
                break
    wait_until(lambda: system.stored() >= 3)  # asks the writer to commit
    stop(sampler)
    assert stop(writer)[0] == 0
    database = sqlite3.connect(system.database)
    rows = database.execute(
        "SELECT run, seq FROM system_sample JOIN run USING (run_id) ORDER BY ts"
    ).fetchall()
    database.close()
    assert rows[:3] == seen


def test_a_report_shows_the_newest_sample_before_its_commit(system: System) -> None:
    system.sampler()
    system.writer("--commit-interval", "3600")
    wait_until(system.database.exists)
    # Only the report asks the writer to commit.
    wait_until(lambda: len(system.query("recent")) >= 2, every=0.5)
    (status,) = system.query("status")
    assert status["newest_age_s"] < 10


@pytest.mark.slow
def test_the_writer_continues_during_a_long_read(system: System) -> None:
    """A long read must not stop the writer: WAL."""
    system.sampler()
    system.writer("--commit-interval", "0")
    wait_until(lambda: system.stored() >= 1)
    reader = sqlite3.connect(system.database)
    try:
        reader.execute("BEGIN")
        seen = reader.execute("SELECT COUNT(*) FROM system_sample").fetchone()[0]
        wait_until(lambda: system.stored() > seen + 1)
        assert reader.execute("SELECT COUNT(*) FROM system_sample").fetchone()[0] == seen
    finally:
        reader.close()


def test_once_prints_one_sample_in_the_wire_format(system: System) -> None:
    ran = system.run("sampler.main", "--once", "--sysfs", str(BATTERY))
    assert ran.returncode == 0
    assert ran.stderr == ""
    sample = decode(ran.stdout.encode())
    assert sample.battery is not None
    assert (sample.battery.name, sample.battery.status, sample.battery.pct) == ("BAT0", "Discharging", 29)
    assert sample.seq == 1
    assert list(system.runtime.iterdir()) == []  # no socket, no ring


@pytest.mark.slow
def test_once_says_why_there_is_no_battery(system: System, tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    ran = system.run("sampler.main", "--once", "--sysfs", str(tmp_path / "sys"))
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["battery"] is None
    assert "power_supply" in ran.stderr


def test_a_second_sampler_is_refused(system: System) -> None:
    first = system.sampler()
    wait_until((system.runtime / "samples").exists)
    second = system.run("sampler.main")
    assert second.returncode == 1
    assert second.stderr.startswith("telemetry-sampler: another telemetry-sampler uses ")
    assert second.stderr.count("\n") == 1
    assert first.poll() is None


def test_a_second_writer_is_refused(system: System) -> None:
    first = system.writer()
    wait_until((system.runtime / "writer").exists)
    second = system.run("writer.main")
    assert second.returncode == 1
    assert "another telemetry-writer is using" in second.stderr
    assert second.stderr.count("\n") == 1
    assert first.poll() is None


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("sampler.main", ["--interval", "0.5"]),
        ("sampler.main", ["--interval", "nan"]),
        ("sampler.main", ["--top-procs", "-1"]),
        ("sampler.main", ["--publish", "nonsense"]),
        ("writer.main", ["--commit-interval", "x"]),
        ("writer.main", ["--subscribe", "nonsense"]),
        ("query.main", ["nonsense"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_option_gives_a_one_line_error(system: System, module: str, options: list[str]) -> None:
    ran = system.run(module, *options)
    assert ran.returncode == 2
    assert options[-1] in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_battery_gives_an_error_that_lists_the_known_ones(system: System) -> None:
    ran = system.run("sampler.main", "--once", "--sysfs", str(BATTERY), "--power-supply", "BAT7")
    assert ran.returncode == 1
    assert "BAT7" in ran.stderr
    assert "BAT0" in ran.stderr
