"""Which sessions result from rows, one rule at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from telemetry.sessions import Known, Row, Session, Sessions

PACK = Known("BAT0", 50.0, "Wh")
T0 = 1_795_262_400.0


class Recorder:
    """Makes consecutive rows of 10 s."""

    def __init__(self) -> None:
        self.time = T0
        self.rows: list[Row] = []
        self.run_id = 1

    def add(
        self,
        seconds: float,
        watts: float | None,
        status: str = "",
        pct: float | None = 60.0,
        *,
        asleep: float = 0.0,
        level: float | None = None,
        voltage: float | None = 12.0,
        **columns: Any,
    ) -> Recorder:
        """Add rows of ``seconds`` in total; before the first one, the machine was ``asleep`` for so long."""
        for index in range(round(seconds / 10)):
            nap = asleep if index == 0 else 0.0
            self.time += 10 + nap
            energy = round((watts or 0.0) * 10e6)
            row = Row(
                time=self.time,
                interval=10.0,
                asleep=nap,
                interval_us=10_000_000,
                covered_us=0 if watts is None else 10_000_000,
                discharged_uj=max(0, -energy),
                charged_uj=max(0, energy),
                watts=watts,
                status=status or ("Charging" if (watts or 0) > 0 else "Discharging"),
                on_ac=None,
                pct=pct,
                level=level,
                voltage=voltage,
                run_id=self.run_id,
                seq=len(self.rows) + 1,
            )
            self.rows.append(row._replace(**columns))
        return self

    def falling(self, high: int, low: int, watts: float = -9.0, step: int = 1) -> Recorder:
        """Add 200 s for each percent from ``high`` to ``low``: 0.5 Wh at 9 W."""
        for pct in range(high, low - 1, -step):
            self.add(200, watts, pct=float(pct))
        return self

    def hole(self, seconds: float) -> Recorder:
        self.time += seconds
        self.run_id += 1
        return self


def sessions(rows: Iterable[Row], known: Known = PACK) -> list[Session]:
    """Return the sessions by start. After each row, the state is saved as JSON and loaded again."""
    it = Sessions()
    found = it.learn_of(known)
    for row in rows:
        it = Sessions.load(json.loads(json.dumps(it.state())))
        found += it.take(row)
    return sorted([*found, *it.now()], key=lambda session: session.start)


def kinds(rows: Iterable[Row]) -> list[str]:
    return [session.kind for session in sessions(rows)]


# --- direction ---


@pytest.mark.parametrize(
    ("watts", "status", "on_ac", "kind"),
    [
        (-8.0, "Charging", 1, "discharge"),  # a weak charger: the power decides
        (12.0, "Discharging", 0, "charge"),
        (-0.05, "Unknown", None, "discharge"),
        (-0.04, "Unknown", None, "rest"),
        (-0.04, "Discharging", None, "discharge"),
        (1.9, "Full", None, "rest"),
        (-1.9, "Full", None, "rest"),
        (2.0, "Full", None, "charge"),
        (None, "Discharging", None, "discharge"),
        (None, "Charging", None, "charge"),
        (None, "Not charging", None, "rest"),
        (None, "Full", None, "rest"),
        (None, "Unknown", 1, "rest"),
        (None, "Unknown", 0, "discharge"),
    ],
)
def test_the_direction_follows_power_then_status_then_the_supply(
    watts: float | None, status: str, on_ac: int | None, kind: str
) -> None:
    assert kinds(Recorder().add(600, watts, status, on_ac=on_ac).rows) == [kind]


def test_rows_without_a_direction_are_not_a_session() -> None:
    assert kinds(Recorder().add(600, None, "Unknown", None).rows) == []


def test_rows_without_a_direction_do_not_end_a_session() -> None:
    rows = Recorder().add(600, -8.0).add(300, None, "Unknown", None).add(600, -8.0).rows
    (session,) = sessions(rows)
    assert (session.awake_us, session.covered_us, session.flips) == (1_500_000_000, 1_200_000_000, 0)


# --- a new direction ---


def test_a_direction_of_110_s_is_a_flip() -> None:
    (session,) = sessions(Recorder().add(600, -8.0).add(110, 20.0).add(600, -8.0).rows)
    assert (session.kind, session.flips) == ("discharge", 1)
    assert session.charged_uj == 110 * 20_000_000
    assert session.drawn_uj == session.discharged_uj - session.charged_uj


def test_a_direction_of_120_s_is_a_session() -> None:
    rows = Recorder().add(600, -8.0).add(120, 20.0).add(600, -8.0).rows
    discharge, charge, again = sessions(rows)
    assert [discharge.kind, charge.kind, again.kind] == ["discharge", "charge", "discharge"]
    assert (discharge.end, charge.end) == (T0 + 600, T0 + 720)
    assert discharge.flips == charge.flips == again.flips == 0


def test_two_short_directions_in_a_row_are_two_flips() -> None:
    rows = Recorder().add(600, -8.0).add(60, 20.0).add(110, 0.0, "Full").add(600, -8.0).rows
    (session,) = sessions(rows)
    assert session.flips == 2


def test_a_flip_at_the_start_belongs_to_the_session_after_it() -> None:
    (session,) = sessions(Recorder().add(60, 20.0).add(600, -8.0).rows)
    assert (session.kind, session.flips, session.start) == ("discharge", 1, T0)


def test_a_flip_at_the_end_belongs_to_the_session_before_it() -> None:
    (session,) = sessions(Recorder().add(600, -8.0).add(60, 20.0).rows)
    assert (session.kind, session.flips, session.end) == ("discharge", 1, T0 + 660)


def test_a_recording_that_always_flips_has_its_most_frequent_direction() -> None:
    recorder = Recorder()
    for _ in range(100):
        recorder.add(60, -8.0).add(50, 20.0)
    assert {session.kind for session in sessions(recorder.rows)} == {"discharge"}


def test_charging_at_95_percent_during_a_rest_is_rest() -> None:
    rest = Recorder().add(600, 0.0, "Full", 100.0)
    assert kinds(rest.add(600, 5.0, pct=95.0).add(600, 0.0, "Full", 100.0).rows) == ["rest"]


def test_charging_at_94_percent_during_a_rest_is_a_charge() -> None:
    rest = Recorder().add(600, 0.0, "Full", 96.0)
    assert kinds(rest.add(600, 5.0, pct=94.0).rows) == ["rest", "charge"]


def test_a_charge_continues_to_100_percent() -> None:
    assert kinds(Recorder().add(600, 20.0, pct=94.0).add(600, 5.0, pct=97.0).rows) == ["charge"]


# --- sleeps and holes ---


def test_a_suspend_of_60_s_is_a_sleep_and_the_discharge_continues() -> None:
    rows = Recorder().add(600, -9.0, pct=60.0).add(600, -9.0, pct=59.0, asleep=60.0).rows
    discharge, sleep = sessions(rows)
    assert [discharge.kind, sleep.kind] == ["discharge", "sleep"]
    assert (sleep.start, sleep.end) == (T0 + 600, T0 + 660)
    assert (sleep.asleep_us, sleep.awake_us, sleep.pct_from, sleep.pct_to) == (60_000_000, 0, 60.0, 59.0)
    assert (discharge.awake_us, discharge.asleep_us) == (1_200_000_000, 60_000_000)
    assert discharge.pct_fallen == 0  # the percent fell by one asleep
    assert (discharge.pct_from, discharge.pct_to) == (60.0, 59.0)


def test_a_suspend_of_59_s_is_part_of_the_session() -> None:
    (session,) = sessions(Recorder().add(600, -9.0).add(600, -9.0, asleep=59.0).rows)
    assert (session.awake_us, session.asleep_us) == (1_200_000_000, 59_000_000)


def test_a_discharge_ends_if_the_percent_rose_by_more_than_2_asleep() -> None:
    slept = Recorder().add(600, -9.0, pct=60.0)
    assert kinds(slept.add(600, -9.0, pct=63.0, asleep=3600.0).rows) == ["discharge", "sleep", "discharge"]


def test_a_discharge_continues_if_the_percent_rose_by_2_asleep() -> None:
    slept = Recorder().add(600, -9.0, pct=60.0)
    assert kinds(slept.add(600, -9.0, pct=62.0, asleep=3600.0).rows) == ["discharge", "sleep"]


def test_a_discharge_that_ends_at_a_sleep_does_not_include_it() -> None:
    rows = Recorder().add(600, -9.0).add(600, 20.0, asleep=3600.0).rows
    discharge, _, charge = sessions(rows)
    assert (discharge.asleep_us, charge.asleep_us, charge.start) == (0, 0, T0 + 4200)


def test_rests_and_charges_end_at_a_sleep() -> None:
    rows = Recorder().add(600, 20.0).add(600, 20.0, asleep=3600.0).rows
    assert kinds(rows) == ["charge", "sleep", "charge"]


def test_a_rest_is_topped_up_after_a_sleep() -> None:
    rest = Recorder().add(600, 0.0, "Full", 100.0)
    assert kinds(rest.add(600, 5.0, pct=97.0, asleep=3600.0).rows) == ["rest", "sleep", "rest"]


def test_a_hole_of_10_minutes_is_a_session_and_ends_the_others() -> None:
    rows = Recorder().add(600, -9.0, pct=60.0).hole(600).add(600, -9.0, pct=58.0).rows
    before, hole, behind = sessions(rows)
    assert [before.kind, hole.kind, behind.kind] == ["discharge", "hole", "discharge"]
    assert (hole.start, hole.end, hole.awake_us, hole.asleep_us) == (T0 + 600, T0 + 1200, None, None)
    assert (hole.pct_from, hole.pct_to, hole.drawn_uj, hole.wh_from) == (60.0, 58.0, 3_600_000_000, "nominal")


def test_a_shorter_hole_is_not_a_session() -> None:
    (session,) = sessions(Recorder().add(600, -9.0).hole(590).add(600, -9.0).rows)
    assert session.awake_us == 1_200_000_000


def test_a_clock_that_is_set_forward_leaves_no_hole() -> None:
    recorder = Recorder().add(600, -9.0)
    recorder.time += 7200  # the samples belong to one run, and none is missing
    assert kinds(recorder.add(600, -9.0).rows) == ["discharge"]


def test_another_pack_starts_another_session() -> None:
    it = Sessions()
    it.learn_of(PACK)
    recorder = Recorder().add(600, -9.0, pct=60.0)
    found = [session for row in recorder.rows for session in it.take(row)]
    found += it.learn_of(PACK._replace(pack="BAT1"))
    for row in Recorder().add(1200, -9.0, pct=90.0).rows[60:]:
        found += it.take(row)
    found += it.now()
    assert [(session.pack, session.pct_to) for session in found] == [("BAT0", 60.0), ("BAT1", 90.0)]


# --- glitches ---


def test_a_percent_of_0_between_66_and_66_is_left_out() -> None:
    rows = Recorder().add(600, -9.0, pct=66.0).add(10, -9.0, pct=0.0).add(600, -9.0, pct=66.0).rows
    (session,) = sessions(rows)
    assert (session.pct_from, session.pct_to, session.pct_fallen) == (66.0, 66.0, 0.0)


def test_after_a_resume_a_gauge_that_reports_0_or_the_old_value_is_waited_for() -> None:
    recorder = Recorder().add(600, -9.0, pct=66.0, level=33.0)
    recorder.add(10, -9.0, pct=66.0, level=33.0, asleep=36000.0).add(20, -9.0, pct=0.0, level=0.0)
    _, sleep = sessions(recorder.add(600, -9.0, pct=40.0, level=20.0).rows)
    assert (sleep.pct_from, sleep.pct_to, sleep.level_to) == (66.0, 40.0, 20.0)
    assert (
        sleep.drawn_uj == 13 * 3_600_000_000 - 40 * 9_000_000
    )  # it had been awake for 40 s when the gauge reported a value


def test_a_reset_of_the_gauge_does_not_count_as_a_fall() -> None:
    rows = Recorder().add(600, -9.0, pct=100.0).add(600, -9.0, pct=90.0).add(600, -9.0, pct=89.0).rows
    (session,) = sessions(rows)
    assert (session.pct_from, session.pct_to, session.pct_fallen) == (100.0, 89.0, 1.0)
    assert all(percent.visits == 0 for percent in session.percents)


# --- what was drawn asleep ---


AWAKE = 10 * 9_000_000
"""µJ drawn in the sample after a sleep, which the level at its end no longer includes"""


def asleep(recorder: Recorder, known: Known = PACK, **columns: Any) -> Session:
    """A sleep from 38 % to 12 % in 9.5 h."""
    recorder.add(300, -9.0, pct=12.0, asleep=9.5 * 3600, **columns)
    return next(session for session in sessions(recorder.rows, known) if session.kind == "sleep")


def test_sleep_energy_comes_from_the_level_in_wh() -> None:
    sleep = asleep(Recorder().add(300, -9.0, pct=38.0, level=19.0), level=6.5)
    assert (sleep.drawn_uj, sleep.wh_from) == (round(12.5 * 3.6e9) - AWAKE, "level")


def test_sleep_energy_comes_from_the_level_in_ah_at_the_mean_voltage() -> None:
    known = Known("BAT0", 5.0, "Ah")
    sleep = asleep(
        Recorder().add(300, -9.0, pct=38.0, level=1.9, voltage=12.0), known, level=0.6, voltage=11.0
    )
    assert (sleep.drawn_uj, sleep.wh_from) == (round(1.3 * 11.5 * 3.6e9) - AWAKE, "level")


def test_a_level_that_contradicts_the_percent_is_not_believed() -> None:
    sleep = asleep(Recorder().add(300, -9.0, pct=38.0, level=19.0), level=19.0)
    assert (sleep.drawn_uj, sleep.wh_from) == (round(13 * 3.6e9), "nominal")


def test_sleep_energy_comes_from_the_learned_energy_per_percent() -> None:
    sleep = asleep(
        Recorder().falling(60, 38, watts=-4.5)
    )  # 0.25 Wh a percent: half of what follows from the full capacity
    assert (sleep.drawn_uj, sleep.wh_from) == (round(26 * 0.25 * 3.6e9), "learned")


def test_sleep_energy_comes_from_the_full_capacity_while_little_is_learned() -> None:
    sleep = asleep(Recorder().falling(44, 38, watts=-4.5))
    assert (sleep.drawn_uj, sleep.wh_from) == (round(13 * 3.6e9), "nominal")


def test_sleep_energy_is_unknown_without_level_and_capacity() -> None:
    sleep = asleep(Recorder().add(300, -9.0, pct=38.0), Known())
    assert (sleep.drawn_uj, sleep.wh_from) == (None, None)


def test_energy_charged_asleep_is_negative() -> None:
    recorder = Recorder().add(300, -9.0, pct=20.0)
    _, sleep, *_ = sessions(recorder.add(300, 20.0, pct=80.0, asleep=7200.0).rows)
    assert (sleep.drawn_uj, sleep.pct_fallen) == (round(-30 * 3.6e9), -60.0)


# --- visits ---


def test_a_percent_counts_as_visited_if_it_was_entered_and_left_by_a_step_down() -> None:
    (session,) = sessions(Recorder().falling(60, 55).rows)
    visits = {percent.percent: percent.visits for percent in session.percents}
    assert visits == {60: 0, 59: 1, 58: 1, 57: 1, 56: 1, 55: 0}
    drawn = {percent.percent: percent.drawn_uj for percent in session.percents}
    assert drawn[58] == 200 * 9_000_000
    assert sum(drawn.values()) == session.drawn_uj


def test_a_gauge_that_steps_by_5_shares_its_energy() -> None:
    (session,) = sessions(Recorder().falling(60, 45, watts=-30.0, step=5).rows, PACK._replace(full=30.0))
    visited = [percent for percent in session.percents if percent.visits]
    assert [percent.percent for percent in visited] == [46, 47, 48, 49, 50, 51, 52, 53, 54, 55]
    assert {percent.drawn_uj for percent in visited} == {200 * 30_000_000 // 5}
    assert sum(percent.drawn_uj for percent in session.percents) == session.drawn_uj


def test_a_percent_that_returns_is_one_visit() -> None:
    recorder = Recorder().falling(60, 58).add(50, -9.0, pct=59.0).add(50, -9.0, pct=58.0)
    (session,) = sessions(recorder.falling(57, 56).rows)
    visits = {percent.percent: (percent.visits, percent.drawn_uj) for percent in session.percents}
    assert visits[58] == (1, 300 * 9_000_000)
    assert visits[59] == (1, 200 * 9_000_000)


def test_a_sleep_or_a_flip_at_a_percent_spoils_the_visit() -> None:
    recorder = Recorder().falling(60, 58).add(60, 20.0, pct=58.0).falling(58, 57)
    recorder.add(200, -9.0, pct=56.0, asleep=600.0).falling(55, 54)
    discharge, _ = sessions(recorder.rows)
    visited = [percent.percent for percent in discharge.percents if percent.visits]
    assert visited == [55, 59]


def test_a_charge_gives_no_visits() -> None:
    it = Sessions()
    it.learn_of(PACK)
    recorder = Recorder()
    for pct in range(30, 60):
        recorder.add(60, 30.0, pct=float(pct))
    for row in recorder.rows:
        it.take(row)
    assert it.learned is None


def test_learned_energy_is_weighted_with_one_visit_at_the_mean() -> None:
    it = Sessions()
    it.learn_of(PACK)
    for row in Recorder().falling(60, 55).falling(54, 50, watts=-4.5).rows:
        it.take(row)
    learned = it.learned
    assert learned
    mean = learned.uj(99)  # never seen
    visits = learned.percents
    assert mean == sum(uj for _, uj, _ in visits) / len(visits)
    assert learned.uj(57) == (0.5 * 3.6e9 + mean) / 2
    assert learned.between(57.0, 55.0) == learned.uj(57) + learned.uj(56)
    assert learned.between(56.5, 56.0) == learned.uj(57) / 2
    assert learned.between(55.0, 57.0) == -learned.between(57.0, 55.0)
