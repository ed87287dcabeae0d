from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from query.times import FORMS, InvalidTimeError, between, through
from query.times import parse_time as parse_times
from query.values import shown_time
from telemetry.sample import END_OF_TIME
from tests.query.recordings import NOON
from tests.query.zones import ZONES, zone


def parse_time(text: str, now: float) -> float:
    """Return the time that the text means."""
    return parse_times(text, now)[0]


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
        ("11-20", MIDNIGHT - 86_400),
        ("11-21 11:00:05", NOON - 3_595),
        ("11-21 12:00", NOON),
        ("11-21 13:00", NOON + 3_600 - 365 * 86_400),
        ("12-31 23:59:59", 1_767_225_599),
        ("2-29", 1_709_164_800),
        ("11-21 11:00Z", NOON - 3_600),
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
def test_each_form_of_a_time(text: str, expected: float) -> None:
    assert parse_time(text, NOON) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "nan", "inf", "-inf", "1e9", "NaN", "1_000", "٣", "0x10", "h", "-5", "-90m", "+5"),
        *("2026", "2026-13-01", "2026-02-30", "2026-11-21 25:00", "2026-11-21 14", "99999-01-01"),
        *(
            "24:00",
            "13-01",
            "2-30",
            "11-20Z",
            "11-20 25:00",
            "12:60",
            "12:00:60",
            "1:2:3",
            "0001-01-01",
            "1969-12-31",
            "0000-01-01",
        ),
        *("253402300800", "9" * 400, "9" * 400 + "d", "100000d", "2026-11-21Z", "90 m", "\x1b[2J"),
    ],
)
def test_an_error_lists_the_forms_of_a_time(text: str) -> None:
    if text == "2026":  # Unix seconds, like any other number
        assert parse_time(text, NOON) == 2026
        return
    with pytest.raises(InvalidTimeError, match="90s, 90m, 24h, 7d, 2w") as refused:
        parse_time(text, NOON)
    assert FORMS in str(refused.value)
    assert len(str(refused.value)) < 320


@given(st.text(max_size=40) | st.from_regex(r"[0-9:\-T .smhdw]{1,30}", fullmatch=True))
def test_any_text_is_a_time_of_this_calendar_or_refused(text: str) -> None:
    try:
        found = parse_time(text, NOON)
    except InvalidTimeError:
        return
    assert 0 <= found < END_OF_TIME


moments = st.integers(0, int(END_OF_TIME) - 1)


@given(moments)
def test_a_shown_time_can_be_parsed_again(moment: int) -> None:
    shown = datetime.fromtimestamp(moment).isoformat(" ", "seconds")
    assert parse_time(shown, NOON) == moment
    assert parse_time(shown.replace(" ", "T"), NOON) == moment
    assert parse_time(str(moment), NOON) == moment


@given(st.floats(0, 1e9), st.sampled_from("smhdw"))
def test_ago_is_subtracted_from_now(amount: float, unit: str) -> None:
    text = f"{amount:.3f}{unit}"
    seconds = float(text[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    assume(seconds <= NOON)
    assert parse_time(text, NOON) == NOON - seconds


@pytest.mark.parametrize("place", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
@given(now=st.integers(86_400 * 2, 4_000_000_000), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_time_of_day_means_the_last_one(place: str, now: int, hour: int, minute: int) -> None:
    with zone(place):
        found = parse_time(f"{hour}:{minute:02}", now)
        assert found <= now
        assert now - found <= 25 * 3_600 + 1
        shown = datetime.fromtimestamp(found)
        in_a_gap = shown.hour != hour  # 02:30 in the night without a 02:30
        assert in_a_gap or (shown.hour, shown.minute, shown.second) == (hour, minute, 0)


def in_berlin(text: str, now: float) -> float:
    with zone("Europe/Berlin"):
        return parse_time(text, now)


def test_dates_are_local() -> None:
    assert in_berlin("2026-11-21", NOON) == MIDNIGHT - 3_600
    assert in_berlin("2026-07-01", NOON) == 1_782_856_800  # summer: two hours before 00:00 UTC
    assert in_berlin("today", MIDNIGHT - 1_800) == MIDNIGHT - 3_600  # 23:30 UTC is past midnight there
    assert in_berlin("1970-01-01", NOON) == 0  # an hour before the Unix epoch


def test_a_repeated_hour_means_the_later_one_once_it_is_past() -> None:
    first, second = 1_792_888_200, 1_792_891_800  # 02:30 in summer time and again in winter time
    assert in_berlin("02:30", second + 60) == second
    assert in_berlin("02:30", second - 60) == first


OLD_ZONES = [
    "Africa/Monrovia",  # in 1972 by 44 minutes and 30 seconds
    "Pacific/Apia",  # left out the 30th of December 2011
]


@pytest.mark.parametrize("place", [*ZONES, *OLD_ZONES])
@given(moment=st.integers(0, 2_500_000_000))
def test_a_shown_time_can_be_parsed_in_every_zone(place: str, moment: int) -> None:
    with zone(place):
        assert parse_times(shown_time(moment), NOON) == (moment,)


@pytest.mark.parametrize(
    ("place", "moment", "shown"),
    [
        ("Europe/Berlin", 1_792_886_399, "2026-10-25 01:59:59"),
        ("Europe/Berlin", 1_792_886_400, "2026-10-25 02:00:00+02:00"),
        ("Europe/Berlin", 1_792_889_999, "2026-10-25 02:59:59+02:00"),
        ("Europe/Berlin", 1_792_890_000, "2026-10-25 02:00:00+01:00"),
        ("Europe/Berlin", 1_792_893_599, "2026-10-25 02:59:59+01:00"),
        ("Europe/Berlin", 1_792_893_600, "2026-10-25 03:00:00"),
        ("Europe/Berlin", 1_774_745_999, "2026-03-29 01:59:59"),
        ("Europe/Berlin", 1_774_746_000, "2026-03-29 03:00:00"),
        ("Australia/Lord_Howe", 1_775_314_800, "2026-04-05 01:30:00+10:30"),
        ("UTC", 1_792_890_000, "2026-10-25 01:00:00"),
    ],
)
def test_the_offset_is_shown_only_for_a_repeated_time(place: str, moment: int, shown: str) -> None:
    with zone(place):
        assert shown_time(moment) == shown
        assert parse_time(shown, NOON) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-25 02:30", 1_792_888_200),
        ("2026-10-25 02:30+02:00", 1_792_888_200),
        ("2026-10-25 02:30+01:00", 1_792_891_800),
        ("2026-10-25T02:30:00+01:00", 1_792_891_800),
        ("2026-10-25 02:30 +01:00", 1_792_891_800),
        ("2026-10-25 02:30+0100", 1_792_891_800),
        ("2026-10-25 02:30+01", 1_792_891_800),
        ("2026-10-25 01:30Z", 1_792_891_800),
        ("2026-10-25T01:30:00Z", 1_792_891_800),
        ("2026-10-24 20:30-05:00", 1_792_891_800),
        ("02:30+01:00", 1_792_891_800),
        ("02:30+02:00", 1_792_888_200),
        ("01:30Z", 1_792_891_800),
        ("01:30:05 Z", 1_792_891_805),
        ("23:45-05:00", 1_792_903_500),
    ],
)
def test_an_offset_selects_one_of_two_equal_times(text: str, expected: float) -> None:
    noon_of_that_day = 1_792_926_000
    assert in_berlin(text, noon_of_that_day) == expected


@pytest.mark.parametrize(
    "text", ["02:30+24:00", "02:30+01:60", "02:30+1", "02:30ZZ", "today+01:00", "5m+01:00"]
)
def test_an_invalid_offset_is_refused(text: str) -> None:
    with pytest.raises(InvalidTimeError):
        parse_time(text, NOON)


def test_a_skipped_time_means_the_moment_of_the_change() -> None:
    forward, noon = 1_774_746_000, 1_774_778_400  # 01:00 UTC, when 02:00 became 03:00
    for text in ("02:00", "02:00:01", "02:30", "02:59:59"):
        assert in_berlin(f"2026-03-29 {text}", noon) == forward
        assert in_berlin(text, noon) == forward
    assert in_berlin("2026-03-29 01:59:59", noon) == forward - 1
    assert in_berlin("2026-03-29 03:00:01", noon) == forward + 1
    with zone("America/Havana"):
        assert shown_time(parse_time("2026-03-08", NOON)) == "2026-03-08 01:00:00"
    with zone("Pacific/Apia"):
        assert shown_time(parse_time("2011-12-30 12:00", NOON)) == "2011-12-31 00:00:00"


def window(since: str, until: str, now: float) -> tuple[float, float] | None:
    with zone("Europe/Berlin"):
        return between(parse_times(since, now), parse_times(until, now))


def test_a_window_may_contain_a_clock_change() -> None:
    forward, noon = 1_774_746_000, 1_774_778_400
    assert window("2026-03-29 02:30", "2026-03-29 03:10", noon) == (forward, forward + 600)
    assert window("02:30", "03:10", noon) == (forward, forward + 600)
    assert window("2026-03-29 01:50", "2026-03-29 02:30", noon) == (forward - 600, forward)
    assert window("2026-03-29 02:10", "2026-03-29 02:50", noon) is None  # the skipped hour has no length
    back = 1_792_890_000  # 01:00 UTC, when 03:00 became 02:00
    day = "2026-10-25"
    assert window(f"{day} 02:10", f"{day} 02:50", back + 99_999) == (back - 3_000, back - 600)
    assert window(f"{day} 02:50", f"{day} 02:10", back + 99_999) == (back - 600, back + 600)
    assert window("02:50", "02:10", back + 900) == (back - 600, back + 600)
    assert window("02:00", "02:50", back + 900) == (back - 3_600, back - 600)
    assert window("02:50", "01:10", back + 900) is None


def test_yesterday_is_a_day_of_23_hours_after_the_clock_went_forward() -> None:
    monday = 1_774_821_600  # 2026-03-30 00:00 in Berlin
    assert in_berlin("yesterday", monday + 60) == monday - 23 * 3_600


def test_a_whole_second_includes_all_of_it() -> None:
    assert through(1_000.0) == 1_001
    assert 1_000.5 < through(1_000.5) < 1_000.500001
