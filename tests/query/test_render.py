from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.columns import Column
from query.render import ANYWHERE, TABLE_ROWS, Look, TooLongError, check_format, rendered
from query.values import cell, shown_duration, shown_size, shown_time
from telemetry.command import printable
from telemetry.errors import UsageError
from tests.query.recordings import NOON

WHEN = Column("when", "Unix s", "", kind="time")
WATTS = Column("watts", "W", "", 2)
NAME = Column("name", "", "", kind="text")
COUNT = Column("count", "", "")
COLUMNS = (WHEN, WATTS, NAME, COUNT)


def text(rows: list[tuple[Any, ...]], form: str = "table", look: Look = ANYWHERE, **options: Any) -> str:
    return "".join(rendered(COLUMNS, rows, form, look, **options))


TERMINAL = Look(terminal=True)


# --- golden tables ---------------------------------------------------------------------------------

ROWS: list[tuple[Any, ...]] = [
    (NOON + 0.987, 5.0, "firefox", 12),
    (NOON + 5, None, None, None),
    (None, -0.001, "1e5", 2**63 - 1),
]


def test_a_table() -> None:
    assert text(ROWS) == (
        "               when  watts  name                   count\n"
        "-------------------  -----  -------  -------------------\n"
        "2026-11-21 12:00:00   5.00  firefox                   12\n"
        "2026-11-21 12:00:05      -  -                          -\n"
        "                  -   0.00  1e5      9223372036854775807\n"
    )


def test_a_vertical_table() -> None:
    assert text(ROWS[:1], vertical=True) == (
        "item   value\n"
        "-----  -------------------\n"
        "when   2026-11-21 12:00:00\n"
        "watts  5.00 W\n"
        "name   firefox\n"
        "count  12\n"
    )


def test_a_vertical_table_of_several_rows() -> None:
    assert text(ROWS[:2], vertical=True).splitlines()[0].split() == ["item", "value", "value"]
    assert [line.split()[0] for line in text(ROWS[:2], vertical=True).splitlines()[2:]] == [
        column.name for column in COLUMNS
    ]


@given(
    st.lists(
        st.tuples(st.integers(), st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]))),
        min_size=1,
    ),
    st.sampled_from(["n", "drain_mah_per_min", "a_name_of_columns"]),
)
def test_the_plain_table_equals_tabulates_simple_format(cells: list[tuple[int, str]], name: str) -> None:
    """This format does not use tabulate, because it is the default and tabulate is slow."""
    columns = (Column(name, "", ""), Column(name, "", "", kind="text"))
    rows = [(number, word.strip() or "-") for number, word in cells]
    ours = "".join(rendered(columns, rows, "table"))
    theirs = "".join(rendered(columns, rows, "simple"))
    assert ours.splitlines() == [line.rstrip() for line in theirs.splitlines()]
    for fitted in (ours, "".join(rendered(columns, rows, "table", Look(30)))):
        assert len({line.index("  ") for line in fitted.splitlines() if set(line) == {"-", " "}}) <= 1


def test_a_format_of_tabulate() -> None:
    assert text(ROWS[:1], "orgtbl") == (
        "|                when | watts | name    | count |\n"
        "|---------------------+-------+---------+-------|\n"
        "| 2026-11-21 12:00:00 |  5.00 | firefox |    12 |\n"
    )


def test_a_table_too_wide_breaks_its_longest_headers_at_underscores() -> None:
    columns = [Column(name, "", "", 1) for name in ("drain_mah_per_min", "cpu_total", "load1", "charged_wh")]
    row = (12.5, 3.0, 0.5, 100.0)
    assert "".join(rendered(columns, [row], "table", Look(50))) == (
        "drain_mah_per_min  cpu_total  load1  charged_wh\n"
        "-----------------  ---------  -----  ----------\n"
        "             12.5        3.0    0.5       100.0\n"
    )
    assert "".join(rendered(columns, [row], "table", Look(46))) == (
        " drain_  cpu_total  load1  charged_wh\n"
        "   mah_\n"
        "per_min\n"
        "-------  ---------  -----  ----------\n"
        "   12.5        3.0    0.5       100.0\n"
    )
    narrow = "".join(rendered(columns, [row], "table", Look(7 + 5 + 5 + 8 + 3 * 2)))
    assert narrow.splitlines()[-1].split() == ["12.5", "3.0", "0.5", "100.0"]


def test_columns_that_only_data_formats_have() -> None:
    columns = (COUNT._replace(in_table=False), NAME)
    assert "".join(rendered(columns, [(1, "a")], "table")) == "name\n----\na\n"
    assert "".join(rendered(columns, [(1, "a")], "csv")) == "count,name\n1,a\n"


def test_a_long_name_is_cut_only_in_tables() -> None:
    row = (None, None, "x" * 4096, None)
    assert max(len(line) for line in text([row]).splitlines()) < 60
    assert "x" * 31 + "…" in text([row])
    assert "x" * 4096 in text([row], "csv")
    assert "x" * 4096 in text([row], vertical=True)


# --- no rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "expected"),
    [("table", ""), ("html", ""), ("json", "[]\n"), ("csv", "when,watts,name,count\n")],
)
def test_no_rows(form: str, expected: str) -> None:
    assert text([], form) == expected


# --- text that tabulate would take for numbers -----------------------------------------------------


@pytest.mark.parametrize("form", ["table", "github", "plain", "tsv", "html", "pretty", "latex"])
@pytest.mark.parametrize("name", ["1e5", "0123", "nan", "inf", "-", "True", "None", "1_000", "0x10", "1,5"])
def test_a_name_is_shown_unchanged(name: str, form: str) -> None:
    shown = text([(NOON, 1.0, name, 1), (NOON, 1.0, "42", 1)], form)
    escaped = re.escape(name.replace("_", r"\_") if form == "latex" else name)
    assert re.search(rf"(^|[\s>|&]){escaped}($|[\s<|&])", shown, re.MULTILINE)


@pytest.mark.parametrize("form", ["table", "github", "html"])
def test_numbers_keep_their_digits_beside_text(form: str) -> None:
    assert "7.00" in text([(NOON, 7, "a", 1), (NOON, "text", "b", 2)], form)


# --- control characters ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("\x9b1m", "\\x9b1m"),
        ("\u202eevil", "\\u202eevil"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("größe 大", "größe 大"),
    ],
)
def test_control_characters_are_shown_as_escapes(raw: str, shown: str) -> None:
    assert printable(raw) == shown
    assert shown in text([(raw, 1.0, raw, raw)])
    assert shown in text([(NOON, 1.0, raw, 1)], "csv", TERMINAL)


@given(st.text())
def test_no_format_prints_a_control_character_to_a_terminal(name: str) -> None:
    for form in ("table", "json", "csv", "github"):
        shown = text([(NOON, 1.0, name, 1)], form, TERMINAL)
        assert all(character == "\n" or character.isprintable() for character in shown)


# --- round trips -----------------------------------------------------------------------------------

numbers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(st.tuples(numbers, numbers, st.none() | st.text(), numbers), max_size=5)


@given(rows)
def test_json_is_read_back_equal(stored: list[tuple[Any, ...]]) -> None:
    shown = text(stored, "json")
    assert json.loads(shown) == [
        dict(zip(("when", "watts", "name", "count"), row, strict=True)) for row in stored
    ]
    assert shown.isascii()
    if stored:
        lines = shown.splitlines()
        assert (lines[0], lines[-1], len(lines)) == ("[", "]", len(stored) + 2)


@given(rows)
def test_csv_is_read_back_equal(stored: list[tuple[Any, ...]]) -> None:
    header, *found = csv.reader(io.StringIO(text(stored, "csv"), newline=""))
    assert header == ["when", "watts", "name", "count"]
    assert len(found) == len(stored)
    for read, row in zip(found, stored, strict=True):
        for field, value in zip(read, row, strict=True):
            if isinstance(value, float):
                assert float(field) == value
            else:
                assert field == ("" if value is None else str(value))


def test_a_value_that_a_data_format_cannot_represent() -> None:
    row = (float("inf"), b"\x00\xff", "a", 1)
    assert json.loads(text([row], "json")) == [{"when": None, "watts": "x'00ff'", "name": "a", "count": 1}]
    assert text([row], "csv").splitlines()[1] == "inf,x'00ff',a,1"


# --- bounds ----------------------------------------------------------------------------------------


def many(count: int) -> Any:
    return ((NOON + index, 1.0, "x" * 50, index) for index in range(count))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_data_formats_keep_one_row_in_memory(form: str) -> None:
    tracemalloc.start()
    try:
        length = sum(len(piece) for piece in rendered(COLUMNS, many(8_000), form))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length > 480_000
    assert peak < 200_000


def test_the_length_of_a_table_is_bounded() -> None:
    with pytest.raises(TooLongError, match="use --format csv, or ask for fewer"):
        list(rendered(COLUMNS, many(TABLE_ROWS + 1), "table"))


def test_formats() -> None:
    for name in ("table", "json", "csv", "github", "html", "tsv"):
        check_format(name)
    for name in ("", "xml", "Table"):
        with pytest.raises(UsageError, match=r"--format: no format .*; there are table, json, csv, .*github"):
            check_format(name)


# --- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "1970-01-01 00:00:00"),
        (NOON + 0.999, "2026-11-21 12:00:00"),
        (1e18, "1e+18"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        ("soon\x07", "soon\\x07"),
        (b"\x00", "x'00'"),
        (None, "None"),
    ],
)
def test_shown_time(value: object, shown: str) -> None:
    assert shown_time(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "1.00"),
        (-0.001, "0.00"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        (2**80, "1.20893e+24"),
        ("", ""),
    ],
)
def test_a_number_has_a_readable_length(value: object, shown: str) -> None:
    assert cell(value, WATTS) == shown


# --- times, spans and sizes in human form ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "age", "shown"),
    [
        ("time", 0, "12:00:00"),
        ("time", 12 * 3_600, "00:00:00"),
        ("time", 12 * 3_600 + 1, "11-20 23:59:59"),
        ("time", -3_600, "13:00:00"),
        ("time", -12 * 3_600, "11-22 00:00:00"),
        ("time", 325 * 86_400, "2025-12-31 12:00:00"),
        ("minute", 0, "12:00"),
        ("minute", 86_400, "11-20 12:00"),
        ("minute", 325 * 86_400, "2025-12-31 12:00"),
        ("date", 0, "2026-11-21"),
    ],
)
def test_a_time_is_shown_without_the_date_or_year_of_now(kind: Any, age: float, shown: str) -> None:
    column = WHEN._replace(kind=kind)
    assert text([(NOON - age, 1.0, "a", 1)], look=Look(now=NOON)).count("12:00:00") <= 1
    assert cell(NOON - age, column, NOON) == shown
    assert cell(NOON - age, column).startswith(("2026-11-2", "2025-12-31"))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (605, "10 min 05 s"),
        (3_599.6, "1 h 00 min"),
        (7_500, "2 h 05 min"),
        (172_740, "47 h 59 min"),
        (172_800, "2 d 00 h"),
        (8_000_000, "92 d 14 h"),
        (-7_500, "-2 h 05 min"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_a_duration_has_two_units(seconds: float, shown: str) -> None:
    assert shown_duration(seconds) == shown
    assert cell(seconds, Column("x_s", "s", "", kind="duration")) == shown
    assert cell(seconds / 3_600, Column("hours_x", "h", "", kind="duration")) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_960, "10 kB"),
        (43_210_000, "43 MB"),
        (999_600, "1.0 MB"),
        (4_300_000_000, "4.3 GB"),
        (2**62, "4.6 EB"),
    ],
)
def test_a_size_has_two_digits(size: int, shown: str) -> None:
    assert shown_size(size) == cell(size, Column("bytes", "B", "", kind="size")) == shown


@pytest.mark.parametrize(
    ("name", "unit", "header"),
    [
        ("cpu_total", "%", "cpu_total %"),
        ("battery_pct", "%", "battery_pct"),
        ("pct_from", "%", "pct_from"),
        ("watts", "W", "watts"),
        ("discharged_wh", "Wh", "discharged_wh"),
        ("pm", "Wh", "pm Wh"),
        ("cpu_freq", "MHz", "cpu_freq MHz"),
        ("drain_mah_per_min", "mAh/min", "drain_mah_per_min"),
        ("samples", "", "samples"),
    ],
)
def test_a_header_shows_the_unit(name: str, unit: str, header: str) -> None:
    assert Column(name, unit, "").header == header
    assert "".join(rendered([Column(name, unit, "")], [(1,)], "table")).startswith(header)
    assert "".join(rendered([Column(name, unit, "")], [(1,)], "csv")) == f"{name}\n1\n"
