"""Values that old rows lack: time, interval and the direction of the energy."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.writer.reading import Rows, rows
from tests.writer.upgrade.originals import LAST_VERSION, START, Layout, Old, build, upgrade
from writer.upgrade.original import directions

WAYS = [pytest.param(True, id="full"), pytest.param(False, id="cheap")]

Reading = tuple[int, float | None]

steps = st.sampled_from([1, 5, 59, 60, 61, 3600])
percents = st.none() | st.sampled_from([0.0, 49.0, 50.0, 50.5, 51.0, 100.0])
readings = st.lists(st.tuples(steps, percents), max_size=14).map(
    lambda pairs: [(START + sum(s for s, _ in pairs[: i + 1]), pct) for i, (_, pct) in enumerate(pairs)]
)


def direction(given: Sequence[Reading], at: int) -> int | None:
    """Return the direction of one row, by a slow model: compare the percent before and after its stretch.

    A hole of more than a minute ends the search.
    """

    def joined(left: int, right: int) -> bool:
        return given[right][0] - given[left][0] <= 60

    own = given[at][1]
    first = last = at
    while first > 0 and joined(first - 1, first) and given[first - 1][1] == own:
        first -= 1
    while last + 1 < len(given) and joined(last, last + 1) and given[last + 1][1] == own:
        last += 1
    votes: set[int] = set()
    if own is None:
        return None
    if first > 0 and joined(first - 1, first) and (before := given[first - 1][1]) is not None:
        votes.add(1 if own > before else -1)
    if last + 1 < len(given) and joined(last, last + 1) and (after := given[last + 1][1]) is not None:
        votes.add(1 if after > own else -1)
    return votes.pop() if len(votes) == 1 else None


@given(readings)
def test_directions_match_the_slow_model(given: list[Reading]) -> None:
    stretches = list(directions(given))
    assert [ts for ts, _ in stretches] == sorted({ts for ts, _ in stretches})
    for at, (ts, _) in enumerate(given):
        covering = [way for first, way in stretches if first <= ts]
        assert covering[-1] == direction(given, at)


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ([50, 50, 49, 49, 48], [-1, -1, -1, -1, -1]),
        ([50, 51, 51, 52], [1, 1, 1, 1]),
        ([50, 50, 50], [None, None, None]),
        ([50, 49, 50], [-1, None, 1]),
        ([50, None, 49], [None, None, None]),
        ([49, None, 49, 48], [None, None, -1, -1]),
        ([], []),
    ],
)
def test_directions(percents: list[float | None], expected: list[int | None]) -> None:
    given = [(START + 5 * i, pct) for i, pct in enumerate(percents)]
    stretches = list(directions(given))
    found = [[way for first, way in stretches if first <= ts][-1] for ts, _ in given]
    assert found == expected


def energies(samples: Sequence[Old], *, has_room: bool, layout: Layout = LAST_VERSION) -> Rows:
    """Return (time, interval, energy) of the rows after an upgrade."""
    with tempfile.TemporaryDirectory() as directory:
        path = build(Path(directory) / "telemetry.db", samples, layout)
        upgrade(path, has_room=has_room)
        return rows(path, "SELECT time, interval, energy_uj FROM system_sample ORDER BY ts")


@pytest.mark.parametrize("has_room", WAYS)
def test_the_sign_of_the_power_decides(has_room: bool) -> None:
    """If the power is negative once, it is always believed, whatever current and percent are."""
    samples = [
        Old(START, power=-2.0),
        Old(START + 5, power=-2.0, current=0.5, battery_pct=50.0),
        Old(START + 10, power=3.0, current=-0.5, battery_pct=49.0),
        Old(START + 15, power=0.0),
        Old(START + 20, power=None),
        Old(START + 80, power=-1.0),
        Old(START + 141, power=-1.0),
        Old(START + 142, power=-1.7e-6),
    ]
    assert energies(samples, has_room=has_room) == [
        (START, None, None),
        (START + 5, 5, -10_000_000),
        (START + 10, 5, 15_000_000),
        (START + 15, 5, 0),
        (START + 20, 5, None),
        (START + 80, 60, -60_000_000),
        (START + 141, None, None),
        (START + 142, 1, -2),
    ]


@pytest.mark.parametrize("has_room", WAYS)
def test_otherwise_the_sign_of_the_current_decides(has_room: bool) -> None:
    samples = [
        Old(START, power=2.0, current=-0.5),
        Old(START + 5, power=2.0, current=-0.5, battery_pct=51.0),
        Old(START + 10, power=2.0, current=0.5, battery_pct=50.0),
        Old(START + 15, power=2.0, current=0.0),
        Old(START + 20, power=2.0, current=None),
        Old(START + 25, power=None, current=-0.5),
    ]
    assert [energy for *_, energy in energies(samples, has_room=has_room)] == [
        None,
        -10_000_000,
        10_000_000,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize("has_room", WAYS)
def test_without_a_percent_the_direction_is_unknown(has_room: bool) -> None:
    samples = [Old(START + 5 * i, battery_pct=None) for i in range(3)]
    for layout in (Layout(), Layout(battery_pct="missing")):
        found = energies(samples, has_room=has_room, layout=layout)
        assert [energy for *_, energy in found] == [None] * 3


@given(readings, st.booleans(), st.lists(st.floats(0.0, 30.0), min_size=14, max_size=14))
@pytest.mark.slow
def test_otherwise_the_trend_of_the_percent_decides(
    given: list[Reading], has_room: bool, watts: list[float]
) -> None:
    samples = [Old(ts, power=watts[i], current=0.5, battery_pct=pct) for i, (ts, pct) in enumerate(given)]
    expected: list[tuple[int, int | None, float | None]] = []
    for i, (ts, _) in enumerate(given):
        step = ts - given[i - 1][0] if i else None
        interval = step if step is not None and step <= 60 else None
        way = direction(given, i)
        energy = None if way is None or interval is None else way * watts[i] * interval * 1e6
        expected.append((ts, interval, energy))
    found = energies(samples, has_room=has_room)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    for (_, _, energy), (_, _, exact) in zip(found, expected, strict=True):
        if exact is None:
            assert energy is None
        else:
            assert type(energy) is int
            assert abs(energy - exact) <= 0.5 + 1e-6
