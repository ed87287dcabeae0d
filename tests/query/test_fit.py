"""Tables fit the terminal: no line of a report is wider, and standard error names what is left out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.answer import ask
from query.arguments import parser
from query.columns import Column
from query.database import limits, reading
from query.render import Look, rendered
from query.report import Report, function, variant_of
from query.reports import BY_NAME, REPORTS
from query.width import display_width
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording, example

NOW = NOON + 5_400
ODD_NAMES = [
    "ein-sehr-langer-name-eines-programms-von-jemandem",
    "日本語のとても長いプログラムの名前です",
    unicodedata.normalize("NFD", "crème-brûlée-" * 4),
    "😀❤️" * 12,
    "\x1b[2J\u202e",
]


def odd(path: Path) -> None:
    """A machine with two packs, long names and long figures, a year ago and now."""
    with Recording(path) as recording:
        for first in (NOON - 400 * 86_400, NOON):
            recording.run(name="a-long-name-of-a-run", started=first)
            for index in range(240):
                recording.sample(
                    first + 5 * index,
                    power=-123.456,
                    voltage=11.25,
                    current=-10.97,
                    battery_pct=100.0 - index // 24,
                    battery_level=5.0 - index / 240,
                    status="Discharging at a rate that nobody saw before",
                    cpu_total=100.0,
                    cpu_freq=5_432.1,
                    cpu_temp=101.5,
                    load1=123.45,
                    load5=100.0,
                    load15=99.99,
                    throttled="undervoltage,frequency-capped,throttled,soft-temperature-limit",
                    cores=[99.9] * 3,
                    processes=[
                        (4_194_000 + at, name, 1_234.5, 99.9, 321.0, f"{name}@{at}", "ada" * 12)
                        for at, name in enumerate(ODD_NAMES)
                    ],
                )
            for name in ("BAT0-of-a-long-name-日本", "BAT1-of-a-long-name-日本"):
                recording.pack(name, status="Discharging", power=-61.7, pct=50.0, voltage=11.2)
                recording.health(first, name, 123.45, 234.56, 12_345)
        recording.database.execute("INSERT INTO gap VALUES (1, 121, 124, ?)", (NOON,))
        for at, kind in enumerate(("discharge", "charge", "rest", "sleep", "hole") * 3):
            start = NOON - 300 * 86_400 + at * 90_000
            figures: dict[str, Any] = {"wh": -123.4, "pct_from": 100.0, "pct_to": 3.5}
            recording.session(kind, start, start + 89_999, **figures)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("fit") / ("a-directory-of-a-long-name-" * 4)
    directory.mkdir()
    made = {"example": example, "odd": odd}
    for name, make in made.items():
        make(directory / f"{name}.db")
    return {name: directory / f"{name}.db" for name in made}


def variants(report: Report) -> Iterator[list[str]]:
    """Return the arguments for each table of a report."""
    yield []
    for option in report.options:
        if option.choices:
            yield from ([option.flag, choice] for choice in list(option.choices)[1:])
        elif option.switch:
            yield [option.flag]
        else:
            yield [option.flag, "brightness=40"]


TABLES = [
    (database, [report.name, *options])
    for database in ("example", "odd")
    for report in REPORTS
    for options in variants(report)
    if not (report.name in ("blame", "model", "compare") and options)  # they have the same columns
]


def asked(path: Path, argv: list[str]) -> tuple[Report, tuple[Column, ...], list[tuple[Any, ...]]]:
    """Return the rows of a report, to render them more than once."""
    given = vars(parser().parse_args(argv))
    report = BY_NAME[given["report"]]
    with reading(path) as connection:
        parameters = {
            **limits(connection, path)._asdict(),
            **(function(report.asks)(given, NOW) if report.asks else {}),
            "since": None,
            "until": None,
            "limit": 30,
            "now": NOW,
            "database": str(path),
            "bytes": 10**9,
        }
        answer = ask(connection, report, variant_of(report, given), parameters)
        return report, answer.columns, list(answer.rows)


@pytest.mark.parametrize(
    ("database", "argv"), TABLES, ids=lambda it: it if isinstance(it, str) else " ".join(it)
)
@pytest.mark.fast_cases(24)
def test_no_line_of_a_report_is_wider_than_the_terminal(
    databases: dict[str, Path], database: str, argv: list[str]
) -> None:
    report, columns, rows = asked(databases[database], argv)
    before = None
    for width in (None, 120, 80, 53, 20):
        for now in (NOW, None):
            remarks: list[str] = []
            look = Look(width, now)
            out = "".join(rendered(columns, rows, "table", look, vertical=report.vertical, remarks=remarks))
            assert bool(out) == bool(rows)
            assert width is None or max(map(display_width, out.splitlines()), default=0) <= width
        # This one shows full dates, so it must leave out most columns.
        told = re.findall(f"left out to fit {width} columns: ([a-z0-9_, ]+);", "".join(remarks))
        left_out = set(told[0].split(", ")) if told else set()
        assert left_out >= (before or left_out)
        before = left_out
        if width is None:
            assert not left_out


NAMES = [report.name for report in REPORTS if report.name not in ("blame", "model", "status")]
"""All reports but those that learn, and but status: opening the file changes the size that it shows"""


@pytest.mark.parametrize("name", NAMES)
def test_data_formats_ignore_the_width(databases: dict[str, Path], query: Query, name: str) -> None:
    for form in ("json", "csv"):
        ask = ["--db", str(databases["odd"]), name, "--format", form, "--limit", "5"]
        whole = query(*ask, now=NOW)
        assert query(*ask, "--width", "20", "--color", "always", now=NOW) == whole
        assert f"{NOON + 5 * 239:.0f}" in whole.out or name not in ("recent", "battery")


def test_columns_left_out_are_named(databases: dict[str, Path], query: Query) -> None:
    ask = ["--db", str(databases["example"]), "recent", "--limit", "1", "--format", "table"]
    ran = query(*ask, "--width", "53", now=NOW)
    assert ran.err == (
        "telemetry-query: left out to fit 53 columns: status, drain_mah_per_min, charge_mah_per_min, "
        "cpu_freq, load1; --columns chooses, --format json has all\n"
    )
    head = ran.out.split("---")[0].split()
    assert head == ["time", "battery_pct", "watts", "cpu_", "cpu_temp", "°C", "total", "%"]
    assert query(*ask, "--width", "120", now=NOW).err == ""


def test_names_are_cut_only_after_columns_are_left_out(databases: dict[str, Path], query: Query) -> None:
    def top(width: int) -> str:
        ask = ["--db", str(databases["odd"]), "top", "--width", str(width), "--format", "table"]
        return query(*ask, now=NOW).out

    assert "ein-sehr-langer-name-eines-prog…" in top(53)
    assert "ein-sehr-langer-n" in top(40)
    assert top(40).count("…") > top(53).count("…") - 1
    assert "1234.5" in top(20)


def test_a_pipe_gets_all_columns(databases: dict[str, Path], query: Query) -> None:
    ran = query("--db", str(databases["odd"]), "export", "--limit", "1", "--format", "table", now=NOW)
    assert "\n" not in ran.out.split("---")[0].rstrip("\n")
    assert "drain_mah_per_min" in ran.out


# --- any table -------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
columns = st.builds(
    Column,
    st.text(st.sampled_from("abcé_ 日"), min_size=1, max_size=25),
    st.sampled_from(["", "%", "W", "mAh/min"]),
    st.just(""),
    kind=st.sampled_from(["number", "text"]),
    rank=st.integers(0, 3),
    digits=st.just(2),
    in_table=st.just(True),
    adds_up=st.just(False),
    low=st.just(0.0),
    high=st.none(),
)


@given(st.data(), st.integers(8, 100), st.lists(columns, min_size=1, max_size=6), st.booleans())
def test_no_table_is_wider_than_it_may_be(
    data: st.DataObject, width: int, of: list[Column], vertical: bool
) -> None:
    values = st.tuples(*(texts if it.kind == "text" else st.floats() for it in of))
    rows = data.draw(st.lists(values, min_size=1, max_size=4))
    remarks: list[str] = []
    out = "".join(rendered(of, rows, "table", Look(width), vertical=vertical, remarks=remarks))
    assert max(map(display_width, out.splitlines())) <= width
    assert len(out.splitlines()) >= (1 if vertical else len(rows)) + 2
    colored = "".join(rendered(of, rows, "table", Look(width, color=True), vertical=vertical))
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9]+m", "", colored).splitlines()] == out.splitlines()


def test_a_value_beyond_its_limits_is_red() -> None:
    of = [Column("battery_pct", "%", "", low=15), Column("cpu_temp", "°C", "", high=80), Column("x", "", "")]
    rows = [(15, 79, 1), (16, 80, 1), (None, None, 1)]
    for vertical in (False, True):
        out = "".join(rendered(of, rows, "table", Look(color=True), vertical=vertical))
        assert out.count("\x1b[31m") == (2 if not vertical else 6)
