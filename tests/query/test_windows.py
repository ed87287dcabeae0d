from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from query.windows import FORMS, InvalidTimeError, parse_time, through
from telemetry.sample import END_OF_TIME
from tests.query.recordings import NOON

MIDNIGHT = NOON - 43_200
"""2026-11-21 00:00:00 UTC"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", MIDNIGHT - 86_400),
        ("2026-11-21 14:00", NOON + 7_200),
        ("2026-11-21 14:00:05", NOON + 7_205),
        ("2026-11-21T14:00", NOON + 7_200),
        ("2026-11-21T14:00:05", NOON + 7_205),
        ("2026-1-2", 1_767_312_000),
        ("11:00", NOON - 3_600),
        ("12:00", NOON),
        ("12:01", NOON + 60 - 86_400),
        ("12:00:01", NOON + 1 - 86_400),
        ("0:00", MIDNIGHT),
        ("now", NOON),
        ("today", MIDNIGHT),
        ("yesterday", MIDNIGHT - 86_400),
        ("90s", NOON - 90),
        ("90m", NOON - 5_400),
        ("1.5h", NOON - 5_400),
        ("24h", NOON - 86_400),
        ("7d", NOON - 7 * 86_400),
        ("2w", NOON - 14 * 86_400),
        ("1795262400", NOON),
        ("1795262400.25", NOON + 0.25),
        ("0", 0),
        (" now ", NOON),
        ("1970-01-01", 0),
        ("9999-12-31 23:59:59", END_OF_TIME - 1),
    ],
)
def test_each_form(text: str, expected: float) -> None:
    assert parse_time(text, NOON) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "nan", "inf", "-inf", "1e9", "NaN", "1_000", "٣", "0x10", "h", "-5", "-90m", "+5"),
        *("2026", "2026-13-01", "2026-02-30", "2026-11-21 25:00", "2026-11-21 14", "99999-01-01"),
        *("24:00", "12:60", "12:00:60", "1:2:3", "0001-01-01", "1969-12-31", "0000-01-01"),
        *("253402300800", "9" * 400, "9" * 400 + "d", "100000d", "2026-11-21Z", "90 m", "\x1b[2J"),
    ],
)
def test_what_is_no_time_is_told_the_forms(text: str) -> None:
    if text == "2026":  # Unix seconds, like any other number
        assert parse_time(text, NOON) == 2026
        return
    with pytest.raises(InvalidTimeError, match="90s, 90m, 24h, 7d, 2w") as refused:
        parse_time(text, NOON)
    assert FORMS in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.text(max_size=40) | st.from_regex(r"[0-9:\-T .smhdw]{1,30}", fullmatch=True))
def test_any_text_is_a_time_of_this_calendar_or_refused(text: str) -> None:
    try:
        found = parse_time(text, NOON)
    except InvalidTimeError:
        return
    assert 0 <= found < END_OF_TIME


moments = st.integers(0, int(END_OF_TIME) - 1)


@given(moments)
def test_a_shown_time_is_understood_again(moment: int) -> None:
    shown = datetime.fromtimestamp(moment).isoformat(" ", "seconds")
    assert parse_time(shown, NOON) == moment
    assert parse_time(shown.replace(" ", "T"), NOON) == moment
    assert parse_time(str(moment), NOON) == moment


@given(st.floats(0, 1e9), st.sampled_from("smhdw"))
def test_ago_is_before_now_by_that_much(amount: float, unit: str) -> None:
    text = f"{amount:.3f}{unit}"
    seconds = float(text[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    assume(seconds <= NOON)
    assert parse_time(text, NOON) == NOON - seconds


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
@given(now=st.integers(86_400 * 2, 4_000_000_000), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_time_of_day_is_the_last_one(zone: str, now: int, hour: int, minute: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        found = parse_time(f"{hour}:{minute:02}", now)
        assert found <= now
        assert now - found <= 25 * 3_600 + 1
        shown = datetime.fromtimestamp(found)
        in_a_gap = shown.hour != hour  # 02:30 in the night that has none
        assert in_a_gap or (shown.hour, shown.minute, shown.second) == (hour, minute, 0)
    time.tzset()


def in_berlin(text: str, now: float) -> float:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        found = parse_time(text, now)
    time.tzset()
    return found


def test_dates_are_local() -> None:
    assert in_berlin("2026-11-21", NOON) == MIDNIGHT - 3_600
    assert in_berlin("2026-07-01", NOON) == 1_782_856_800  # summer: two hours before 00:00 UTC
    assert in_berlin("today", MIDNIGHT - 1_800) == MIDNIGHT - 3_600  # 23:30 UTC is past midnight there
    assert in_berlin("1970-01-01", NOON) == 0  # an hour before Unix time began


def test_the_hour_that_comes_twice_is_the_later_one_once_it_is_past() -> None:
    first, second = 1_792_888_200, 1_792_891_800  # 02:30 in summer time and again in winter time
    assert in_berlin("02:30", second + 60) == second
    assert in_berlin("02:30", second - 60) == first


def test_yesterday_is_a_day_of_23_hours_after_the_clock_went_forward() -> None:
    monday = 1_774_821_600  # 2026-03-30 00:00 in Berlin
    assert in_berlin("yesterday", monday + 60) == monday - 23 * 3_600


def test_at_a_whole_second_means_all_of_it() -> None:
    assert through(1_000.0) == 1_001
    assert 1_000.5 < through(1_000.5) < 1_000.500001
