"""The report compare: two windows, or two values of a column, side by side."""

from __future__ import annotations

import random
from typing import Any

import pytest

import query.compare
from query.render import Look, rendered
from query.reports import BY_NAME
from query.spread import LESS, MORE, NO, TOO_LITTLE
from query.window import History
from tests.query.conftest import Query
from tests.query.recordings import NOON, Recording
from tests.query.rollups import drop, roll_up
from tests.query.slow_power import ar1, true_error

query_compare = query.compare
HOUR = 3_600
DAY = 86_400
MIDNIGHT = NOON - DAY / 2
Rows = dict[str, dict[str, Any]]


def by_item(rows: list[dict[str, Any]]) -> Rows:
    return {row["item"]: row for row in rows}


def two_days(recording: Recording, step: float = 60.0) -> None:
    """Yesterday 2 W, a browser and 12 h on battery; today 6 h at 5 W and an editor, and on mains."""
    recording.run(started=MIDNIGHT - DAY)
    for index in range(int(1.5 * DAY / step)):
        time = MIDNIGHT - DAY + step * (index + 1)
        is_today = time > MIDNIGHT
        on_battery = time <= MIDNIGHT - DAY / 2 or MIDNIGHT < time <= MIDNIGHT + DAY / 4
        swing = (-0.1, 0.1)[index // 5 % 2]
        watts = (5.0 if is_today else 2.0) + swing
        recording.sample(
            time,
            interval=step,
            power=-watts if on_battery else 10.0,
            status="Discharging" if on_battery else "Charging",
            on_ac=int(not on_battery),
            governor="performance" if is_today else "powersave",
            brightness=80.0 if is_today else 30.0,
            cpu_total=25.0 + swing if is_today else 10.0 + swing,
            cpu_temp=50.0,
            processes=[(1, "editor", 60.0, 1.0)] if is_today else [(1, "browser", 30.0, 1.0, 10.0)],
        )


def test_two_windows_side_by_side(recording: Recording, query: Query) -> None:
    two_days(recording)
    ran = query("compare", "yesterday", "today")
    rows = by_item(ran.rows)
    assert list(rows) == [
        *("power", "CPU", "temperature", "Wh per hour", "on battery", "awake"),
        *("editor", "browser"),
    ]
    for item, a, b, told in (
        ("power", 2, 5, MORE),
        ("CPU", 10, 25, MORE),
        ("temperature", 50, 50, NO),
        ("Wh per hour", 1, 2.5, NO),  # half of each was on mains, in one piece
        ("on battery", 12, 6, None),
        ("awake", 24, 12, None),
        ("browser", 40, 0, LESS),
        ("editor", 0, 60, MORE),
    ):
        row = rows[item]
        assert row["a"] == pytest.approx(a, abs=0.1), item
        assert row["b"] == pytest.approx(b, abs=0.1), item
        assert row["diff"] == pytest.approx(row["b"] - row["a"])
        assert row["differs"] in (told, TOO_LITTLE) if item == "Wh per hour" else row["differs"] == told
    assert rows["power"]["pm"] == pytest.approx(0, abs=0.1)
    assert (
        "A is 2026-11-20 00:00:00 to 2026-11-21 00:00:00, B is 2026-11-21 00:00:00 to 2026-11-22" in ran.err
    )
    assert query("compare").rows == ran.rows


def test_the_sides_may_be_swapped(recording: Recording, query: Query) -> None:
    two_days(recording)
    there, back = (by_item(query("compare", *words).rows) for words in (["2d", "24h"], ["24h", "2d"]))
    for item, row in there.items():
        assert (row["a"], row["b"], row["pm"]) == (back[item]["b"], back[item]["a"], back[item]["pm"])
        assert back[item]["differs"] == {MORE: LESS, LESS: MORE}.get(row["differs"], row["differs"])


@pytest.mark.parametrize(
    "words", [("yesterday", "today"), ("2026-11-20 05:07..2026-11-21 00:01", "6h..1h"), ("40d..1d", "24h")]
)
def test_roll_ups_give_the_same_as_samples(
    recording: Recording, query: Query, words: tuple[str, str]
) -> None:
    two_days(recording)
    of_samples = query("compare", *words).rows
    until = int(NOON) - HOUR
    roll_up(recording.database, History(until, until, int(MIDNIGHT), 0))
    of_rollups = query("compare", *words).rows
    assert [row["item"] for row in of_rollups] == [row["item"] for row in of_samples]
    for ours, theirs in zip(of_rollups, of_samples, strict=True):
        for name in ("a", "b"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-9, abs=1e-9), ours["item"]
        assert ours["differs"] == theirs["differs"]


def test_roll_ups_replace_dropped_samples(recording: Recording, query: Query) -> None:
    two_days(recording)
    before = by_item(query("compare").rows)
    roll_up(recording.database, History(int(MIDNIGHT), int(MIDNIGHT), int(MIDNIGHT), int(MIDNIGHT)))
    recording.database.execute("DELETE FROM process_sample WHERE ts <= ?", (int(MIDNIGHT) - 1,))
    recording.database.execute("DELETE FROM system_sample WHERE time < ?", (MIDNIGHT,))
    after = by_item(query("compare").rows)
    for item in ("power", "CPU", "on battery", "awake", "browser"):
        assert after[item]["a"] == pytest.approx(before[item]["a"], rel=1e-6)


@pytest.mark.parametrize("is_folded", [False, True], ids=["dropped", "folded"])
def test_an_edge_inside_a_dropped_hour_does_not_change_the_use_of_a_core(
    recording: Recording, query: Query, *, is_folded: bool
) -> None:
    """The remaining hours or days of processes are longer than the window, and so is their time awake."""
    two_days(recording)
    until = int(MIDNIGHT)
    roll_up(recording.database, History(until, until, until, until, process_hour_since=is_folded * until))
    if is_folded:
        recording.database.execute("DELETE FROM process_hour")
    drop(recording.database, MIDNIGHT)
    ran = query("compare", "2026-11-20 05:50..2026-11-20 06:10", "2026-11-20 10:20..2026-11-20 12:10")
    rows = by_item(ran.rows)
    assert (rows["awake"]["a"], rows["awake"]["b"]) == (pytest.approx(1 / 3), pytest.approx(11 / 6))
    assert (rows["browser"]["a"], rows["browser"]["b"]) == (pytest.approx(40), pytest.approx(40))
    shown = "00:00:00 to 2026-11-21 00:00:00" if is_folded else "05:00:00 to 2026-11-20 07:00:00"
    assert f", programs of A are those of 2026-11-20 {shown}" in ran.err


def test_values_of_a_column(recording: Recording, query: Query) -> None:
    two_days(recording)
    for words in (["governor", "powersave", "performance"], ["brightness", "0-40", "60-"]):
        ran = query("compare", "--by", *words)
        rows = by_item(ran.rows)
        assert rows["power"]["differs"] == MORE
        assert (rows["on battery"]["a"], rows["on battery"]["b"]) == (12, 6)
        assert rows["browser"]["a"] == pytest.approx(40)
        assert rows["editor"]["b"] == pytest.approx(60)
        assert ran.err == f"telemetry-query: A is {words[0]} {words[1]}, B is {words[0]} {words[2]}\n"


def test_the_window_of_values_can_be_chosen(recording: Recording, query: Query) -> None:
    two_days(recording)
    rows = by_item(query("compare", "--by", "on_ac", "0", "1", "--since", "today", "--until", "08:00").rows)
    assert (rows["awake"]["a"], rows["awake"]["b"]) == (
        pytest.approx(6, abs=0.02),
        pytest.approx(2, abs=0.02),
    )
    assert rows["power"]["b"] is None
    assert rows["power"]["differs"] is None
    assert rows["Wh per hour"]["b"] == 0


def test_an_unknown_value_is_reported_with_the_known_ones(recording: Recording, query: Query) -> None:
    two_days(recording)
    ran = query("compare", "--by", "governor", "powersave", "ondemand")
    assert by_item(ran.rows)["CPU"]["b"] is None
    assert ran.err.endswith("no sample has governor ondemand (there are: performance, powersave)\n")
    ran = query("compare", "--by", "governor", "a", "b")
    assert ran.rows == []
    assert ran.err.startswith("telemetry-query: no sample in A or B: A is governor a, B is governor b; ")
    assert ran.err.count("\n") == 1


def test_windows_without_samples_say_where_the_newest_is(recording: Recording, query: Query) -> None:
    two_days(recording)
    ran = query("compare", "2025-01", "2025-02")
    assert ran.rows == []
    assert ran.err == (
        "telemetry-query: no sample in A or B: A is 2025-01-01 00:00:00 to 2025-02-01 00:00:00 (no sample), "
        "B is 2025-02-01 00:00:00 to 2025-03-01 00:00:00 (no sample); the newest is of 2026-11-21 12:00:00\n"
    )


def test_overlapping_windows_are_reported(recording: Recording, query: Query) -> None:
    two_days(recording)
    assert ", they overlap" in query("compare", "2d", "today").err
    assert "overlap" not in query("compare").err


def test_a_few_minutes_are_too_little(recording: Recording, query: Query) -> None:
    two_days(recording)
    ran = query("compare", "01:00..01:10", "02:00..02:10")
    assert {row["differs"] for row in ran.rows} == {TOO_LITTLE, None}
    assert ran.err.endswith("too little to tell: fewer than 4 independent blocks of 5.0 min\n")


def test_a_machine_without_a_battery(recording: Recording, query: Query) -> None:
    recording.samples(NOON - HOUR, 720, cpu_total=5.0)
    rows = by_item(query("compare", "60m..30m", "30m").rows)
    for item in ("power", "Wh per hour", "on battery", "temperature"):
        assert (rows[item]["a"], rows[item]["b"], rows[item]["differs"]) == (None, None, None)
    assert rows["CPU"]["differs"] == NO


def test_limit_is_the_number_of_programs(recording: Recording, query: Query) -> None:
    two_days(recording)
    assert [row["item"] for row in query("compare", "--limit", "1").rows][6:] == ["editor"]


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["today"], "compare: give two windows: A and B"),
        (["today", "noon"], "'noon' is not a window; give a day (today, yesterday, 2026-11-20), a month"),
        (["--by", "governor"], "compare: give two values of governor: A and B"),
        (
            ["--by", "brightness", "dark", "60-"],
            "'dark' is not a value of brightness; give a number, or a range",
        ),
        (["--since", "7d"], "compare: --since and --until are only for values of a column"),
    ],
)
def test_arguments_that_cannot_be_compared_are_refused_before_a_database_is_opened(
    query: Query, argv: list[str], text: str
) -> None:
    ran = query("--db", "no-such.db", "compare", *argv)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"telemetry-query: {text}")
    assert ran.err.count("\n") == 1


def test_the_samples_read_for_values_are_bounded_and_reported(
    recording: Recording, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_days(recording)
    whole = by_item(query("compare", "--by", "on_ac", "0", "1").rows)
    monkeypatch.setattr(query_compare, "MOST_LISTED", 1_000)
    ran = query("compare", "--by", "on_ac", "0", "1")
    assert "programs are those of 1 in 3 blocks of 5.0 min" in ran.err
    assert by_item(ran.rows)["editor"]["a"] == pytest.approx(whole["editor"]["a"], rel=0.05)
    assert by_item(ran.rows)["power"] == whole["power"]
    monkeypatch.setattr(query_compare, "MOST", 720)
    ran = query("compare", "--by", "on_ac", "0", "1")
    assert "; the newest 720 samples were read, from 2026-11-21 00:01:00 on" in ran.err
    assert by_item(ran.rows)["awake"]["a"] == pytest.approx(6)
    assert by_item(ran.rows)["awake"]["b"] == pytest.approx(6)


def test_it_fits_a_narrow_terminal(recording: Recording, query: Query) -> None:
    two_days(recording)
    ran = query("compare")
    rows = [tuple(row.values()) for row in ran.rows]
    columns = BY_NAME["compare"].columns
    for width in (53, 80):
        lines = "".join(rendered(columns, rows, "table", Look(width))).splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0].split()[-1] == "differs"


@pytest.mark.slow
def test_a_known_truth_is_found(recording: Recording, query: Query) -> None:
    """Days of slowly varying power with the same mean, and of temperatures three standard errors apart."""
    generator = random.Random(4)
    count, days = 1_440, 160
    shift = 3 * true_error(count, 120.0, 60.0)
    recording.run(started=MIDNIGHT - days * DAY)
    for day in range(days):
        start = MIDNIGHT - (days - day) * DAY
        slow = zip(ar1(generator, count, 120.0, 60.0), ar1(generator, count, 120.0, 60.0), strict=True)
        for minute, (power, temperature) in enumerate(slow):
            recording.sample(
                start + 60 * minute,
                interval=60.0,
                power=-8.0 - power,
                cpu_temp=50.0 + temperature + shift * (day % 2),
            )
    told: dict[str, list[str]] = {"power": [], "temperature": []}
    for day in range(0, days, 2):
        edges = [f"{MIDNIGHT - (days - day - more) * DAY:.0f}" for more in range(3)]
        rows = by_item(query("compare", "..".join(edges[:2]), "..".join(edges[1:])).rows)
        for item, found in told.items():
            found.append(rows[item]["differs"])
    assert sum(it != NO for it in told["power"]) <= 0.1 * days / 2
    assert sum(it == MORE for it in told["temperature"]) >= 0.8 * days / 2
