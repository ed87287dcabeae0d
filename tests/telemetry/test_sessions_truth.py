"""Sessions against the known truth of a recording."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import decode
from telemetry.sessions import Known, Row, Session, Sessions
from tests.strategies import or_none
from tests.system.test_traces import BEGAN, Instant, phone, raspberry_pi, samples
from tests.telemetry.fortnight import fortnight
from writer.ingest import energy_uj


def sessions(rows: list[Row], known: Known) -> list[Session]:
    it = Sessions()
    found = it.learn_of(known)
    for row in rows:
        found += it.take(row)
    return sorted([*found, *it.now()], key=lambda session: session.start)


@pytest.mark.parametrize("seed", range(5))
def test_two_weeks_give_the_true_sessions(seed: int) -> None:
    laptop = fortnight(seed)
    assert laptop.glitches > 20
    found = sessions(laptop.rows, laptop.known)
    assert [(it.kind, it.start, it.end, it.discharged_uj, it.charged_uj, it.flips) for it in found] == [
        (it.kind, it.start, it.end, it.discharged_uj, it.charged_uj, it.flips) for it in laptop.truth
    ]


def test_the_energy_of_two_weeks_of_sleeps_is_right_by_the_level() -> None:
    laptop = fortnight()
    for session, true in zip(sessions(laptop.rows, laptop.known), laptop.truth, strict=True):
        if true.kind == "sleep":
            assert session.wh_from == "level"
            assert (session.drawn_uj or 0) / 3.6e9 == pytest.approx(true.drawn_wh, abs=1e-6)


def test_the_energy_of_two_weeks_of_sleeps_is_right_by_learned_energy() -> None:
    """The battery holds 50 Wh, but its driver reports 60 Wh."""
    laptop = fortnight()
    rows = [row._replace(level=None) for row in laptop.rows]
    found = sessions(rows, Known("BAT0", 60.0, "Wh"))
    errors = []
    for session, true in zip(found, laptop.truth, strict=True):
        if true.kind == "sleep" and session.wh_from == "learned":
            errors.append((session.drawn_uj or 0) / 3.6e9 - true.drawn_wh)
    assert len(errors) > 20
    assert max(map(abs, errors)) < 0.6  # the gauge counts one percent per 0.5 Wh


def trace(instants: list[Instant], directory: Path) -> list[Row]:
    rows = []
    for body in samples(instants, directory):
        sample = decode(body)
        battery = sample.battery
        assert battery
        energy = energy_uj(battery.power, sample.interval)
        interval_us = round(sample.interval * 1e6)
        rows.append(
            Row(
                time=sample.time,
                interval=sample.interval,
                asleep=sample.suspended,
                interval_us=interval_us,
                covered_us=0 if energy is None else interval_us,
                discharged_uj=max(0, -(energy or 0)),
                charged_uj=max(0, energy or 0),
                watts=battery.power,
                status=battery.status,
                on_ac=None,
                pct=battery.pct,
                level=battery.level,
                voltage=battery.voltage,
                run_id=1,
                seq=sample.seq,
            )
        )
    return rows


@pytest.mark.slow
def test_the_recorded_phone_has_four_sessions_although_its_status_flickers(tmp_path: Path) -> None:
    rows = trace(list(phone()), tmp_path)
    by_status = 1 + sum(before.status != row.status for before, row in pairwise(rows))
    assert by_status == 12  # 14 in the recording at 1 Hz
    found = sessions(rows, Known())
    assert [(it.kind, it.pct_from, it.pct_to) for it in found] == [
        ("discharge", 4.0, 2.0),
        ("charge", 2.0, 100.0),
        ("rest", 100.0, 100.0),
        ("discharge", 100.0, 78.0),
    ]


@pytest.mark.slow
def test_the_recorded_raspberry_pi_has_one_session(tmp_path: Path) -> None:
    (session,) = sessions(trace(list(raspberry_pi()), tmp_path), Known())
    assert (session.kind, session.start, session.end) == ("discharge", BEGAN + 78, BEGAN + 14911)
    assert (session.drawn_uj or 0) / 3.6e9 == pytest.approx(33.59, rel=0.005)
    assert (session.pct_from, session.pct_to, session.flips) == (79.0, 1.0, 0)


ROWS = st.lists(
    st.builds(
        Row,
        time=st.floats(0, 7200),
        interval=or_none(st.sampled_from([0.0, 5.0, 60.0, 130.0, 3600.0, -1.0])),
        asleep=st.sampled_from([0.0, 0.0, 0.0, 5.0, 60.0, 30_000.0]),
        interval_us=st.sampled_from([0, 5_000_000, 130_000_000]),
        covered_us=st.sampled_from([0, 5_000_000, 130_000_000]),
        discharged_uj=st.integers(0, 10**15),
        charged_uj=st.integers(0, 10**15),
        watts=or_none(st.sampled_from([0.0, 0.04, -0.05, 1.0, 12.0, -8.0, 1e9])),
        status=or_none(st.sampled_from(["Discharging", "Charging", "Full", "Not charging", "Unknown", "?"])),
        on_ac=or_none(st.sampled_from([0, 1, 7])),
        pct=or_none(st.sampled_from([0.0, 12.0, 38.5, 66.0, 95.0, 100.0, 1e9])),
        level=or_none(st.sampled_from([0.0, 5.0, 20.0])),
        voltage=or_none(st.sampled_from([0.0, 12.0])),
        run_id=or_none(st.integers(1, 2)),
        seq=or_none(st.integers(1, 60)),
    ),
    max_size=25,
)


@given(ROWS, st.sampled_from([Known(), Known("BAT0", 50.0, "Wh"), Known("BAT0", 5.0, "Ah"), Known("", 0.0)]))
def test_every_microjoule_is_in_exactly_one_session(drawn: list[Row], known: Known) -> None:
    time, rows = 0.0, []
    for row in drawn:
        time += row.time
        # A row has one direction.
        charged = 0 if row.discharged_uj > row.charged_uj else row.charged_uj
        discharged = 0 if charged else row.discharged_uj
        rows.append(row._replace(time=time, discharged_uj=discharged, charged_uj=charged))
    found = sessions(rows, known)
    assert sum(it.discharged_uj for it in found) == sum(row.discharged_uj for row in rows)
    assert sum(it.charged_uj for it in found) == sum(row.charged_uj for row in rows)
    for it in found:
        if it.kind == "discharge":
            assert sum(percent.drawn_uj for percent in it.percents) <= it.discharged_uj
