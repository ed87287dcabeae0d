"""Width on a terminal: East Asian characters take two columns, combining characters none."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.columns import Column
from query.render import rendered
from query.width import cut, display_width, padded


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("plain", 5),
        ("café", 4),
        (unicodedata.normalize("NFD", "café"), 4),
        ("日本語", 6),
        ("한글", 4),
        (unicodedata.normalize("NFD", "한글"), 4),
        ("ﾊﾝｶｸ", 4),
        ("ＦＵＬＬ", 8),
        ("が", 2),
        (unicodedata.normalize("NFD", "が"), 2),
        ("😀", 2),
        ("❤", 1),
        ("❤\ufe0f", 2),
        ("a\ufe0f", 1),
        ("1\ufe0f\u20e3", 2),
        ("\u203c\ufe0f", 2),
        ("\u2194\ufe0f", 2),
        ("+\ufe0f", 1),
        ("x\u0301\u0302\u0303", 1),
        ("नमस्ते", 4),
        ("สวัสดี", 4),
        ("\u200b", 0),
        ("±°µ", 3),
    ],
)
def test_the_columns_of_a_text(text: str, columns: int) -> None:
    assert display_width(text) == columns


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_fits_and_is_as_long_as_possible(text: str, columns: int) -> None:
    part = cut(text, columns)
    assert text.startswith(part)
    assert display_width(part) <= columns
    assert part == text or any(
        display_width(text[: len(part) + more]) > columns for more in (1, 2) if len(part) + more <= len(text)
    )


@given(st.text(max_size=10), st.integers(0, 30), st.booleans())
def test_a_padded_text_has_the_given_width(text: str, columns: int, right: bool) -> None:
    assert display_width(padded(text, columns, right)) == max(columns, display_width(text))


NAMES = [
    "plain",
    "日本語",
    unicodedata.normalize("NFD", "crème"),
    "😀 app",
    "प्रोग्राम",
    "日" * 40,
    "é" * 33,
    "\x1b[2J",
]


@pytest.mark.parametrize("form", ["table", "simple", "plain", "psql", "github", "fancy_grid"])
def test_columns_of_a_table_are_aligned(form: str) -> None:
    columns = (Column("名前", "", "", 0, kind="text"), Column("cpu", "%", "", 2))
    rows: list[tuple[Any, ...]] = [(name, 1.5) for name in NAMES]
    lines = "".join(rendered(columns, rows, form)).splitlines()
    ends = {display_width(line[: line.index("1.50") + 4]) for line in lines if "1.50" in line}
    assert len(ends) == 1
    assert max(map(display_width, lines)) <= 32 + 2 + 4 + 8
