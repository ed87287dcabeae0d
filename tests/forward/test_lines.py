"""Points in line protocol, read back by an independent parser."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forward.lines import LONGEST_TAG, NAMELESS, Point, line, milliseconds
from tests.forward.engine import parse

TEXTS = st.text(st.sampled_from("ab\\,= \"'\n\t\x1b\u202eé日😀\0") | st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=True, allow_infinity=True)


def written(point: Point) -> str:
    made = line(point)
    assert made is not None
    return made.decode()


@given(TEXTS, TEXTS)
def test_a_line_has_one_point_whatever_a_name_contains(host: str, name: str) -> None:
    text = written(
        Point("telemetry_process", (("host", host), ("name", name)), {"cpu": 1.5}, 1_795_262_400_123)
    )
    assert "\n" not in text
    (measurement, found, ns), fields = parse(text)
    assert (measurement, ns, fields) == ("telemetry_process", 1_795_262_400_123_000_000, {"cpu": 1.5})
    assert [name for name, _ in found] == ["host", "name"]
    assert all(0 < len(value) <= LONGEST_TAG for _, value in found)


@given(st.text(st.sampled_from("abé日-_.:@/ ,=()[]x"), min_size=1, max_size=LONGEST_TAG))
def test_an_ordinary_name_is_read_back_unchanged(name: str) -> None:
    (_, tags, _), _ = parse(written(Point("m", (("name", name),), {"x": 1}, 0)))
    assert tags == (("name", name),)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("", NAMELESS),
        ("snap-a\\x2db.mount", "snap-a\\x2db.mount"),  # systemd's escapes
        ("ends in \\", "ends in /"),
        ("a\\ b", "a/ b"),
        ("a\\\\,b", "a//,b"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("n" * 300, "n" * LONGEST_TAG),
    ],
)
def test_characters_that_parsers_read_differently_are_replaced(name: str, read: str) -> None:
    text = written(Point("m", (("name", name),), {"x": 1}, 0))
    (_, tags, _), _ = parse(text)
    assert tags == (("name", read),)
    assert not re.search(r"\\\\", text)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), NUMBERS))
def test_numbers_are_read_back_exactly_and_with_their_type(fields: dict[str, int | float]) -> None:
    made = line(Point("m", (), fields, 5))
    finite = {name: value for name, value in fields.items() if math.isfinite(value)}
    if not finite:
        assert made is None
        return
    assert made is not None
    _, found = parse(made.decode())
    assert found == finite
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in finite.items()
    }


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_milliseconds_keep_order_and_never_reach_the_next_second(one: float, other: float) -> None:
    assert math.floor(one) * 1000 <= milliseconds(one) < math.floor(one) * 1000 + 1000
    assert abs(milliseconds(one) / 1000 - one) <= 0.001
    if one <= other:
        assert milliseconds(one) <= milliseconds(other)


def test_a_number_that_engines_cannot_store_is_left_out() -> None:
    assert line(Point("m", (), {"a": math.nan, "b": 1, "c": math.inf, "d": -math.inf}, 0)) == b"m b=1i 0"
    assert line(Point("m", (), {"a": math.nan}, 0)) is None
