"""The overview and --line: what they show of a recording, and that they fit a small screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.main import main
from query.output import can_show
from query.overview_facts import SLOTS, Facts
from query.overview_lines import MOST_LINES, WIDTH, line, lines
from query.width import display_width
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording, example

ROOT = Path(__file__).parents[2]
HOUR = 3_600.0

_figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_texts = st.none() | st.text(max_size=70)
_facts = st.builds(
    Facts,
    now=st.floats(0, 1e11),
    time=st.none() | st.floats(0, 1e11),
    is_old=st.booleans(),
    pct=_figures,
    status=_texts,
    watts=_figures,
    on_ac=st.none() | st.booleans(),
    hours=st.tuples(_figures, _figures, _figures),
    to_full=_figures,
    percents=st.lists(_figures, max_size=SLOTS),
    marks=st.text("+z ", max_size=SLOTS),
    awake_wh=_figures,
    asleep_wh=_figures,
    programs=st.lists(st.tuples(st.text(max_size=70), st.floats(0, 1e9)), max_size=9),
    cpu=_figures,
    temp=_figures,
    throttled=_texts,
    lost=st.integers(0, 2**63),
    holes=st.integers(0, 10**6),
    hole_s=st.floats(0, 1e6),
    writer=st.none() | st.booleans(),
)


class Shown:
    """The command on a recording at a given time, in this process."""

    def __init__(self, recording: Recording, capsys: pytest.CaptureFixture[str]) -> None:
        self._recording = recording
        self._capsys = capsys

    def __call__(self, *argv: str, now: float = NOON) -> str:
        self._recording.database.commit()
        assert main(["--db", str(self._recording.path), *argv], lambda: now) == 0
        out, err = self._capsys.readouterr()
        assert err == ""
        rows = out.splitlines()
        assert len(rows) <= MOST_LINES
        assert all(display_width(row) <= WIDTH for row in rows)
        return str(out)


@pytest.fixture
def shown(
    recording: Recording,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Shown:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path / "nothing-runs-here"))
    return Shown(recording, capsys)


# --- layout ----------------------------------------------------------------------------------------


@given(_facts, st.integers(1, WIDTH), st.booleans())
def test_the_overview_fits_whatever_the_facts_are(facts: Facts, width: int, ascii_only: bool) -> None:
    found = lines(facts, width, ascii_only=ascii_only)
    assert 1 <= len(found) <= MOST_LINES
    assert all(row.isprintable() and display_width(row) <= width for row in found)
    assert not ascii_only or "".join(found).isascii()


@given(_facts)
def test_the_line_is_one_line(facts: Facts) -> None:
    found = line(facts)
    assert found
    assert found.isascii()
    assert found.isprintable()


def test_a_large_screen_shows_every_fact_uncut() -> None:
    facts = Facts(
        now=NOON,
        time=NOON - 3,
        pct=82.0,
        status="Discharging",
        watts=6.5,
        hours=(6.2, 5.4, 7.1),
        percents=[0.0, 50.0, 100.0, None, *[70.0] * (SLOTS - 4)],
        marks="+z" + " " * (SLOTS - 2),
        awake_wh=12.0,
        asleep_wh=0.5,
        programs=[("a", 3.0), ("b", 2.0), ("c", 1.0)],
        cpu=12.0,
        temp=51.0,
        throttled="undervoltage",
        lost=1,
        holes=2,
        hole_s=1_200.0,
    )
    found = lines(facts)
    assert len(found) <= MOST_LINES
    assert found[:4] == [
        "battery    82 %, discharging, 6.5 W",
        "time left  6.2 h (5.4 to 7.1)",
        "last 24 h  0 to 100 %   + charging   z asleep",
        "▁▅█ " + "▆" * (SLOTS - 4),
    ]
    assert found[4:7] == [
        "+z",
        "today      12.00 Wh awake, 0.50 Wh asleep",
        "CPU        12.0 %, 51.0 °C, throttled: undervoltage",
    ]
    assert found[-1] == "           today: 2 holes (20.0 min), 1 sample lost"
    assert lines(facts, ascii_only=True)[3] == "059 " + "7" * (SLOTS - 4)
    assert line(facts) == "82% 6.5W 6.2h(5.4-7.1)"


@pytest.mark.parametrize(
    ("writer", "told"),
    [
        (None, ["           no answer from telemetry-writer"]),
        (False, ["           telemetry-writer gets no samples"]),
        (True, []),
    ],
)
def test_old_data_says_which_service_is_to_blame(writer: bool | None, told: list[str]) -> None:
    found = lines(Facts(now=NOON, time=NOON - HOUR, is_old=True, writer=writer))
    assert found == ["battery    -", "recording  no, newest sample 60.0 min old", *told]


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", True), (None, True), ("ascii", False), ("latin-1", False), ("no such", False)],
)
def test_blocks_are_used_if_the_encoding_has_them(encoding: str | None, expected: bool) -> None:
    assert can_show("▁█", encoding) is expected


# --- what a recording shows ------------------------------------------------------------------------


def test_an_empty_database_says_so(shown: Shown) -> None:
    assert shown() == "no sample recorded: is telemetry-writer running?\n"
    assert shown("--line") == "-\n"


def test_no_battery(recording: Recording, shown: Shown) -> None:
    recording.run()
    recording.samples(NOON - 600, 120, on_ac=1, cpu_total=5.0)
    assert shown().splitlines()[:2] == ["battery    -, on mains", "CPU        5.0 %"]
    assert shown("--line") == "on mains\n"


def test_a_full_battery_on_mains(recording: Recording, shown: Shown) -> None:
    recording.run()
    recording.samples(NOON - 600, 120, on_ac=1, battery_pct=100.0, status="Full", power=0.0)
    assert "battery    100 %, full, 0.0 W, on mains\n" in shown()
    assert shown("--line") == "100% 0.0W full\n"


def test_charging_shows_the_time_to_full(recording: Recording, shown: Shown, query: Query) -> None:
    recording.health(NOON - 700, "BAT0", 6.0, 6.0)
    recording.run()
    charging: dict[str, Any] = {"status": "Charging", "power": 12.0, "voltage": 4.0}
    recording.samples(NOON - 600, 120, on_ac=1, battery_pct=50.0, **charging)
    (drain,) = query("drain").rows
    hours = f"{drain['hours_to_full']:.1f}"
    rows = shown().splitlines()
    assert rows[:2] == ["battery    50 %, charging, 12.0 W", f"full in    {hours} h"]
    assert shown("--line") == f"50% 12.0W full in {hours}h\n"


def test_charge_and_sleep_are_marked_at_their_times(recording: Recording, shown: Shown) -> None:
    recording.run(started=NOON - 24 * HOUR)
    for half in range(SLOTS):
        recording.sample(NOON - 24 * HOUR + 1_800 * half + 60, battery_pct=2.0 * half, status="Discharging")
    recording.session("charge", NOON - 20 * HOUR, NOON - 18 * HOUR)
    recording.session("sleep", NOON - 10 * HOUR, NOON - 9 * HOUR)
    recording.session("charge", NOON - HOUR, NOON - HOUR + 60)
    recording.sample(NOON - 1, battery_pct=94.0, status="Discharging")
    rows = shown().splitlines()
    at = next(index for index, row in enumerate(rows) if row.startswith("last 24 h"))
    assert rows[at] == "last 24 h  0 to 94 %   + charging   z asleep"
    assert len(rows[at + 1]) == SLOTS
    assert rows[at + 1] == "".join(sorted(rows[at + 1]))
    assert rows[at + 2] == " " * 8 + "++++" + " " * 16 + "zz"


def test_old_data_is_shown_with_its_age_and_without_current_values(
    recording: Recording, shown: Shown
) -> None:
    recording.run()
    on_battery: dict[str, Any] = {"status": "Discharging", "power": -6.0, "voltage": 4.0}
    recording.samples(NOON - 600, 120, battery_pct=60.0, cpu_total=5.0, **on_battery)
    text = shown(now=NOON + 3 * HOUR)
    assert text.startswith("battery    60 %, 3.0 h ago\nlast 24 h")
    assert "recording  no, newest sample 3.0 h old\n           no answer from telemetry-writer\n" in text
    assert not any(word in text for word in ("CPU ", "time left", "discharging", "6.0 W,"))
    assert shown("--line", now=NOON + 3 * HOUR) == "60% 3.0h old\n"


def test_programs_are_ranked_by_energy_and_on_mains_by_cpu_time(
    recording: Recording, shown: Shown, query: Query
) -> None:
    recording.run()
    for index in range(600):
        use = 40.0 if index // 20 % 2 else 5.0
        recording.sample(
            NOON + 5 * (index - 600),
            power=-(4 + 0.05 * use),
            status="Discharging",
            battery_pct=50.0,
            cpu_total=use + 10,
            cores=[use + 10],
            processes=[(1, "dear", use, 1.0), (2, "steady", 10.0, 1.0)],
        )
    screen = shown()
    assert "programs   energy, estimated, in 24 h" in screen
    assert "CPU time" not in screen
    first = next(row for row in query("blame").rows if not row["name"].startswith("("))
    assert f"{first['wh']:>6.2f} Wh  {first['name']}" in screen
    recording.database.execute("UPDATE system_sample SET energy_uj = NULL, power = NULL, status = 'Full'")
    screen = shown()
    assert "programs   CPU time, in 24 h" in screen
    assert "Wh  " not in screen


def test_today_begins_at_local_midnight(recording: Recording, shown: Shown) -> None:
    recording.run()
    for start in (NOON - 13 * HOUR, NOON - HOUR):
        recording.samples(start, 720, power=-6.0, battery_pct=60.0, status="Discharging", processes=())
    assert "today      6.00 Wh awake, 0.00 Wh asleep\n" in shown()


def test_hostile_names_and_odd_values_do_no_harm(recording: Recording, shown: Shown) -> None:
    recording.run()
    processes = [(1, "\x1b[2J\n" + "é" * 80, 50.0, 1.0)]
    odd: dict[str, Any] = {"battery_pct": "x", "status": b"\xff", "cpu_temp": float("inf")}
    recording.samples(NOON - 600, 120, processes=processes, **odd)
    assert "\\x1b[2J\\n" in shown()


# --- the process -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "sign"), [("C.UTF-8", "°C"), ("C", "C")], ids=["blocks", "ascii"])
def test_the_process_shows_the_screen(tmp_path: Path, locale: str, sign: str) -> None:
    example(tmp_path / "telemetry.db")
    environ = {"PYTHONPATH": str(ROOT), "TELEMETRY_RUNTIME_DIR": str(tmp_path / "none"), "LC_ALL": locale}
    environ |= {"TZ": "UTC", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-W", "error", "-m", "query.main", "--db", "telemetry.db"]
    for argv, least in (([], 3), (["--line"], 1)):
        ran = subprocess.run([*command, *argv], cwd=tmp_path, env=environ, capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
        text = ran.stdout.decode("ascii" if locale == "C" else "utf-8")
        assert text.startswith("battery    57 %" if not argv else "57% ")
        assert len(text.splitlines()) >= least


def test_no_database_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["--line"]):
        assert main(["--db", str(tmp_path / "no.db"), *argv], lambda: NOON) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "no such database" in err
