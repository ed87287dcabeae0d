"""The energy of a night with the lid closed, from end to end."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from query.main import main
from telemetry.sample import encode
from tests.system.processes import System
from tests.telemetry.fortnight import BEGAN, Laptop
from tests.writer.laptop import samples_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "reports.md"
FULL = 1000 / 26
"""Wh; 26 % of it are 10 Wh"""


@pytest.fixture
def night(tmp_path: Path) -> System:
    laptop = Laptop(full=FULL, wh=0.50 * FULL)
    laptop.awake("discharge", 0.12 * FULL / 4.0 * 3600, -4.0, "Discharging")
    laptop.sleep(9.5 * 3600, -10 / 9.5)
    laptop.awake("discharge", 900, -4.0, "Discharging", goes_on=True)
    lines = tmp_path / "samples.jsonl"
    lines.write_bytes(b"".join(encode(sample) + b"\n" for sample in samples_of(laptop)))
    system = System(tmp_path)
    system.environ["TZ"] = "UTC"
    ran = system.run("writer.main", "--import", str(lines))
    assert ran.returncode == 0, ran.stderr
    return system


def test_a_night_asleep_cost_10_wh(night: System) -> None:
    (sleep,) = night.query("sessions", "--kind", "sleep")
    assert (sleep["asleep_s"], sleep["awake_s"]) == (9.5 * 3600, 0)
    assert (sleep["pct_from"], sleep["pct_to"]) == (38, 12)
    assert (sleep["wh"], sleep["wh_from"]) == (pytest.approx(10.0, abs=0.01), "level")
    assert sleep["watts"] == pytest.approx(1.05, abs=0.01)
    assert sleep["pct_per_hour"] == pytest.approx(2.7, abs=0.05)


def test_the_discharge_continues_after_the_night(night: System) -> None:
    discharge, sleep = night.query("sessions")
    assert (discharge["kind"], sleep["kind"]) == ("discharge", "sleep")
    assert discharge["asleep_s"] == sleep["asleep_s"]
    (energy,) = night.query("energy")
    assert energy["asleep_wh"] == sleep["wh"] == pytest.approx(10.0, abs=0.01)
    assert discharge["wh"] == energy["discharged_wh"]


def test_the_document_shows_the_printed_table(
    night: System, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Print the table in the year of that night: in later years it would show the year."""
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    assert main(["--db", str(night.database), "sessions", "--width", "90"], lambda: BEGAN + 2 * 86_400) == 0
    printed = capsys.readouterr().out
    shown = re.search(r"^A night .*?^```text\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    assert shown[1] == printed
