"""The two arguments of compare."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.pair import NUMBERS, WINDOWS, asked, values, window
from telemetry.errors import UsageError
from tests.query.recordings import NOON
from tests.query.zones import zone

DAY = 86_400
MIDNIGHT = NOON - DAY / 2
NOTHING = {"a": None, "b": None, "by": "window", "since": None, "until": None}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("today", (MIDNIGHT, MIDNIGHT + DAY)),
        ("yesterday", (MIDNIGHT - DAY, MIDNIGHT)),
        ("2026-11-20", (MIDNIGHT - DAY, MIDNIGHT)),
        ("2026-11", (MIDNIGHT - 20 * DAY, MIDNIGHT + 10 * DAY)),
        ("2026-12", (MIDNIGHT + 10 * DAY, MIDNIGHT + 41 * DAY)),
        ("24h", (NOON - DAY, NOON)),
        ("1.5d", (NOON - 1.5 * DAY, NOON)),
        ("14d..7d", (NOON - 14 * DAY, NOON - 7 * DAY)),
        ("7d..now", (NOON - 7 * DAY, NOON)),
        ("7d..", (NOON - 7 * DAY, NOON)),
        ("9:00..11:30", (NOON - 3 * 3600, NOON - 1800)),
        ("2026-11-19..2026-11-21", (MIDNIGHT - 2 * DAY, MIDNIGHT)),
        ("2026-11-19 14:00..yesterday", (MIDNIGHT - 2 * DAY + 14 * 3600, MIDNIGHT - DAY)),
    ],
)
def test_each_form_of_a_window(text: str, found: tuple[float, float]) -> None:
    assert window(text, NOON) == found


def test_a_day_has_25_hours_if_clocks_are_set_back() -> None:
    with zone("Europe/Berlin"):
        start, stop = window("2026-10-25", NOON)
        assert stop - start == 25 * 3600
        start, stop = window("2026-10", NOON)
        assert stop - start == 31 * DAY + 3600


@pytest.mark.parametrize(
    "text", ["", "x", "14:00", "now", "2026", "2026-13", "2026-11-31", "..", "..now", "-1"]
)
def test_an_error_lists_the_forms_of_a_window(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        window(text, NOON)
    assert str(refused.value) == f"{text!r} is not a window; give {WINDOWS}"


@pytest.mark.parametrize("text", ["today..yesterday", "now..now", "7d..14d", "11:00..10:00"])
def test_an_empty_window_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is empty: .* is not after"):
        window(text, NOON)


@given(st.text(max_size=12) | st.from_regex(r"[0-9a-z:.\- ]{0,20}", fullmatch=True))
def test_any_text_is_a_window_with_a_length_or_refused(text: str) -> None:
    try:
        start, stop = window(text, NOON)
    except UsageError:
        return
    assert 0 <= start < stop < inf


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", (0, 0)), ("0-40", (0, 40)), ("60-", (60, inf)), ("1.5-2.5", (1.5, 2.5)), ("-70--50", (-70, -50))],
)
def test_values_of_a_column_of_numbers(text: str, found: tuple[float, float]) -> None:
    for by in NUMBERS:
        assert values(text, by) == found


def test_a_value_of_a_text_column_is_taken_literally() -> None:
    assert values("0-40", "governor") == ("0-40", "0-40")
    assert values("", "throttled") == ("", "")


@pytest.mark.parametrize("text", ["", "x", "nan", "40-0", "-", "1-2-3", "1e3", "inf"])
def test_an_invalid_value_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a value of brightness|is empty"):
        values(text, "brightness")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": "today"}, "compare: give two windows: A and B"),
        ({"by": "governor"}, "compare: give two values of governor: A and B"),
        ({"by": "governor", "a": "x"}, "compare: give two values of governor: A and B"),
        ({"by": "on_ac", "a": "1", "b": "1"}, "1 and 1 overlap"),
        ({"by": "brightness", "a": "0-40", "b": "30-60"}, "0-40 and 30-60 overlap"),
        ({"by": "brightness", "a": "60-", "b": "0-70"}, "60- and 0-70 overlap"),
        ({"since": "7d"}, "compare: --since and --until are only for values of a column"),
        (
            {"a": "1h", "b": "2h", "until": "now"},
            "compare: --since and --until are only for values of a column",
        ),
    ],
)
def test_arguments_that_cannot_be_compared_are_refused(given: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(NOTHING | given, NOON)
    assert str(refused.value).startswith(text)


def test_two_ranges_may_touch() -> None:
    found = asked(NOTHING | {"by": "brightness", "a": "40-100", "b": "0-40"}, NOON)
    assert (found["a_from"], found["a_to"], found["b_from"], found["b_to"]) == (40, 100, 0, 40)


def test_the_default_is_yesterday_and_today() -> None:
    found = asked(NOTHING, NOON)
    assert (found["a"], found["b"]) == ("yesterday", "today")
    assert found["a_to"] == found["b_from"] == MIDNIGHT
