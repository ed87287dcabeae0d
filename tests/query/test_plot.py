"""``plot``: pictures in the terminal and as files. Peaks and holes are visible, and everything fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import query.pictures
from query.charts.pictures import (
    Bar,
    Columns,
    Curve,
    Curves,
    Head,
    Heat,
    Line,
    Panel,
    Picture,
    Rows,
    Timeline,
)
from query.charts.text import LEAST_WIDTH, lines
from query.main import main
from query.plot_kinds import KINDS
from query.series import Point
from query.width import display_width
from tests.query.recordings import NOON, Recording, a_day, half_a_year

ROOT = Path(__file__).parents[2]
HOUR = 3_600.0
HEAD = Head("key", "Title", "About")
BLANK = "\N{BRAILLE PATTERN BLANK}"


class Plot:
    """The command on a database at noon, in this process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._path = path
        self._capsys = capsys

    def __call__(self, *argv: str, width: int = 53) -> list[str]:
        assert main(["--db", str(self._path), "plot", *argv, "--width", str(width)], lambda: NOON) == 0
        out, err = self._capsys.readouterr()
        assert err == ""
        rows = out.splitlines()
        assert all(display_width(row) <= width for row in rows)
        return list(rows)

    def fails(self, *argv: str) -> str:
        assert main(["--db", str(self._path), "plot", *argv], lambda: NOON) != 0
        out, err = self._capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return str(err).removeprefix("telemetry-query: ").rstrip()


@pytest.fixture
def plot(
    recording: Recording, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Plot:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path / "nothing-runs-here"))
    return Plot(recording.path, capsys)


@pytest.fixture
def day(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plot:
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(tmp_path / "nothing-runs-here"))
    a_day(tmp_path / "day.db")
    return Plot(tmp_path / "day.db", capsys)


def panel(rows: list[str], heading: str) -> list[str]:
    """Return the eight lines of a panel, without its axis."""
    first = rows.index(heading) + 1
    return [row.partition("|")[2].ljust(46) for row in rows[first : first + 8]]


# --- what is drawn ---------------------------------------------------------------------------------


def test_each_kind_has_its_function() -> None:
    for kind in KINDS:
        assert callable(getattr(query.pictures, kind.name))


@pytest.mark.parametrize("kind", ["battery", "power", "cpu", "energy", "programs", "sleep", "discharges"])
def test_each_picture_is_drawn(day: Plot, kind: str) -> None:
    rows = day(kind, "--since", "2026-11-20")
    assert len(rows) > 2


def test_a_peak_of_one_sample_is_visible(recording: Recording, plot: Plot) -> None:
    recording.samples(NOON - 6 * HOUR, 2_000, step=10.0, power=-1.0, cpu_total=5.0)
    recording.sample(NOON - 10.0, power=-1.0, cpu_total=99.0)
    recording.samples(NOON - 5.0, 1, power=-1.0, cpu_total=5.0)
    recording.database.commit()
    shown = panel(plot("cpu"), "CPU, % of all cores")
    assert shown[0].strip()
    assert all(row[:30].strip() == "" for row in shown[:6])


def test_a_hole_is_drawn_as_a_hole(recording: Recording, plot: Plot) -> None:
    recording.samples(NOON - 3 * HOUR, 720, power=-1.0, battery_pct=80.0, status="Discharging")
    recording.samples(NOON - HOUR, 700, power=-1.0, battery_pct=60.0, status="Discharging")
    recording.database.commit()
    rows = plot("battery", "--since", "3h")
    drawn = ["".join(row[at] for row in panel(rows, "Charge of the battery, %")).strip() for at in range(46)]
    assert [bool(column) for column in drawn[2:13]] == [True] * 11
    assert [bool(column) for column in drawn[17:29]] == [False] * 12
    assert [bool(column) for column in drawn[33:44]] == [True] * 11
    assert "x not recorded" in rows[-1]


def test_nights_and_charges_are_marked_at_their_times(day: Plot) -> None:
    rows = day("battery", "--since", "2026-11-20 20:00", "--until", "2026-11-21 12:00")
    (marks,) = [row for row in rows if (row.strip() and set(row.strip()) == {"z", "+", " "}) or "zz" in row]
    assert marks.index("z") < marks.index("+")
    assert rows[-1] == "+ charging   z asleep"


def test_the_bars_of_a_day_show_its_energy(day: Plot) -> None:
    rows = day("energy", "--since", "2026-11-20", width=80)
    values = {row[:6]: float(row.split()[-1]) for row in rows if row.startswith("Nov")}
    longest = {row[:6]: sum(row.count(fill) for fill in "█▒") for row in rows if row.startswith("Nov")}
    assert values.keys() == {"Nov 20", "Nov 21"}
    for name, value in values.items():
        share = value / max(values.values())
        assert longest[name] == pytest.approx(share * max(longest.values()), abs=1)


def test_programs_of_a_day_sum_to_what_was_drawn_awake(day: Plot, capsys: pytest.CaptureFixture[str]) -> None:
    of_programs = [
        float(row.split()[-1]) for row in day("programs", "--since", "2026-11-20") if row[:3] == "Nov"
    ]
    argv = ["energy", "--by", "day", "--since", "2026-11-20", "--format", "csv", "--columns", "discharged_wh"]
    assert main(["--db", str(day._path), *argv], lambda: NOON) == 0
    drawn = [float(row) for row in capsys.readouterr().out.splitlines()[1:]]
    assert of_programs == pytest.approx(drawn, abs=0.006)


def test_cores_are_drawn_as_rows_of_shades(recording: Recording, plot: Plot) -> None:
    for index in range(720):
        recording.sample(NOON - HOUR + 5 * index, cores=[100.0, 0.0, None])
    recording.database.commit()
    rows = plot("cores", "--since", "1h")
    assert [row[:7] for row in rows[2:4]] == ["    0 |", "    1 |"]
    assert set(rows[2][7:]) == {"█"}
    assert set(rows[3][7:]) == {"·"}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("battery", "no battery was seen"),
        ("power", "no power was measured"),
        ("cores", "no core was recorded"),
        ("programs", "nothing was discharged"),
        ("sleep", "no such sleep with a known power"),
        ("health", "no health was reported"),
        ("discharges", "no such discharge"),
    ],
)
def test_a_picture_that_cannot_be_drawn_gives_the_reason(
    recording: Recording, plot: Plot, kind: str, why: str
) -> None:
    recording.samples(NOON - HOUR, 10, cpu_total=1.0)
    recording.database.commit()
    assert plot.fails(kind) == f"plot {kind}: {why} in that window"


def test_a_sleep_in_which_the_battery_was_charged_has_no_bar(recording: Recording, plot: Plot) -> None:
    recording.run()
    for time, pct in ((NOON - 9 * HOUR, 50.0), (NOON - 5 * HOUR, 90.0), (NOON - HOUR, 80.0)):
        suspended = 3 * HOUR if pct != 50 else 0.0
        recording.sample(time, suspended=suspended, battery_pct=pct, power=-5.0, status="Discharging")
        recording.samples(time + 5, 200, power=-5.0, battery_pct=pct, status="Discharging")
    recording.health(NOON - 9 * HOUR, "BAT0", 10.0, 10.0)
    recording.database.execute("UPDATE battery_health SET unit = 'Wh'")
    recording.database.commit()
    shown = plot("sleep", "--since", "12h")
    assert sum("█" in row for row in shown) == 1
    assert plot.fails("sleep", "--until", "07:30") == (
        "plot sleep: no such sleep with a known power in that window"
    )


def test_an_empty_database_and_an_empty_window_say_so(recording: Recording, plot: Plot) -> None:
    assert plot.fails() == "plot: database is empty: is telemetry-writer running?"
    recording.samples(NOON - 48 * HOUR, 10, power=-1.0)
    recording.database.commit()
    assert plot.fails().startswith(
        "plot: no sample in that window: the database holds 2026-11-19 12:00:00 to "
    )


def test_an_unknown_picture_is_answered_with_the_nearest(plot: Plot) -> None:
    assert plot.fails("batery").startswith("argument PICTURE: no such value 'batery'; did you mean battery?")


def test_a_terminal_without_blocks_gets_ascii(day: Plot) -> None:
    argv = ["-m", "query.main", "--db", str(day._path), "plot", "battery", "--since", "2026-11-20"]
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT), "TZ": "UTC"}
    done = subprocess.run([sys.executable, *argv], env=environ, capture_output=True, check=True)
    assert b"****" in done.stdout
    assert done.stderr == b""


# --- files -----------------------------------------------------------------------------------------


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


STARTS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(
    ("kind", "form"),
    [("battery", "svg"), ("cpu", "png"), ("energy", "pdf"), ("programs", "svg"), ("discharges", "svg")],
)
@pytest.mark.fast_cases(2)
def test_a_picture_is_written_in_the_format_of_its_name(
    day: Plot, tmp_path: Path, kind: str, form: str
) -> None:
    out = tmp_path / f"picture.{form}"
    out.write_text("of yesterday")
    (said,) = day(kind, "--since", "2026-11-20", "--out", str(out), width=500)
    assert said == f"{out}: {out.stat().st_size / 1e3:.0f} kB"
    assert out.read_bytes().startswith(STARTS[form])
    assert sorted(path.name for path in tmp_path.iterdir() if "picture" in path.name) == [out.name]


@pytest.mark.usefixtures("matplotlib")
def test_cores_and_months_are_files_too(recording: Recording, plot: Plot, tmp_path: Path) -> None:
    for index in range(100):
        recording.sample(NOON - HOUR + 5 * index, cores=[100.0, 0.0, None])
    recording.database.commit()
    plot("cores", "--out", str(tmp_path / "cores.svg"), width=500)
    half_a_year(tmp_path / "years.db")
    argv = ["--db", str(tmp_path / "years.db"), "plot", "health", "--out", str(tmp_path / "health.svg")]
    assert main(argv, lambda: NOON + 3 * 86_400) == 0
    for name in ("cores", "health"):
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")


@pytest.mark.usefixtures("matplotlib")
def test_any_name_can_be_drawn(recording: Recording, plot: Plot, tmp_path: Path) -> None:
    names = ["$x^{$", "_hidden", "\\alpha<&>", "\u7535\u6c60", "a\x1b[31mb"]
    for index in range(200):
        processes: Any = [(at, name, 20.0 + at, 1.0) for at, name in enumerate(names)]
        recording.sample(NOON - HOUR + 5 * index, power=-3.0 - index % 7, processes=processes, cpu_total=50.0)
    recording.database.commit()
    plot("programs", "--out", str(tmp_path / "programs.svg"), width=500)
    assert ElementTree.parse(tmp_path / "programs.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("out", ["p.gif", "p"])
def test_an_unknown_format_is_refused(plot: Plot, tmp_path: Path, out: str) -> None:
    said = plot.fails("--out", str(tmp_path / out))
    assert said == f"--out: {tmp_path}/{out} does not end in .svg, .png, .pdf"


@pytest.mark.usefixtures("matplotlib")
def test_a_file_that_cannot_be_written_gives_an_error(
    recording: Recording, plot: Plot, tmp_path: Path
) -> None:
    recording.samples(NOON - HOUR, 10, power=-1.0)
    recording.database.commit()
    said = plot.fails("--out", str(tmp_path / "none" / "p.svg"))
    assert said == f"{tmp_path}/none/p.svg: cannot be written: No such file or directory"
    (tmp_path / "d.svg").mkdir()
    said = plot.fails("--out", str(tmp_path / "d.svg"))
    assert said == f"{tmp_path}/d.svg is not a regular file; give another one with --out"


def test_without_matplotlib_an_error_says_how_to_install_it(day: Plot, tmp_path: Path) -> None:
    script = "import sys; sys.modules['matplotlib'] = None; from query.main import main; sys.exit(main())"
    argv = ["--db", str(day._path), "plot", "--out", str(tmp_path / "p.svg")]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *argv], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("telemetry-query: --out needs matplotlib: apt install python3-matplotlib")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "p.svg").exists()


# --- layout ----------------------------------------------------------------------------------------

_values = st.floats(-1e6, 1e6)
_known = st.none() | _values
_points = st.lists(
    st.builds(
        lambda at, size, *values: Point(at, at + size, *values),
        st.floats(0, 86_400),
        st.floats(0, 600),
        *[_known] * 9,
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda it: it.first))
_bars = st.lists(
    st.builds(
        Bar,
        st.text(max_size=30),
        st.lists(st.tuples(st.sampled_from(["a", "b", "\u7535"]), st.floats(0, 1e6)), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=20,
)
_WATTS = Line("watts", lambda it: it.watts, lambda it: it.watts_min, lambda it: it.watts_max)
_pictures: st.SearchStrategy[Picture] = st.one_of(
    st.builds(Timeline, st.just(HEAD), st.just((0.0, 86_400.0)), _points, st.just([Panel("W", [_WATTS])])),
    st.builds(Columns, st.just(HEAD), st.just("Wh"), _bars),
    st.builds(Rows, st.just(HEAD), st.just("Wh"), _bars),
    st.builds(
        Heat,
        st.just(HEAD),
        st.just("%"),
        st.just([0.0, 3_600.0, 7_200.0]),
        st.just(["0"]),
        st.lists(st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=2), min_size=1, max_size=1),
    ),
    st.builds(
        Curves,
        st.just(HEAD),
        st.just("h"),
        st.just("%"),
        st.lists(
            st.builds(Curve, st.text(max_size=9), st.lists(st.tuples(st.floats(0, 99), _values), min_size=1)),
            min_size=1,
            max_size=4,
        ),
        st.just((0.0, 100.0)),
    ),
)


@given(_pictures, st.integers(LEAST_WIDTH, 120), st.booleans())
def test_every_picture_fits(picture: Picture, width: int, ascii_only: bool) -> None:
    rows = list(lines(picture, width, ascii_only=ascii_only))
    assert all(display_width(row) <= width for row in rows)
    assert not ascii_only or all(row.isascii() for row in rows)
