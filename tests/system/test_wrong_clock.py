"""Reports after the clock was wrong, from real databases by the real command."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from telemetry.sample import Sample
from tests.system.processes import System
from tests.writer.samples import NOW, sample
from writer.limits import Limits
from writer.service.maintenance import Maintenance
from writer.store import Store

DAY = 86400.0
YEAR = 365 * DAY
LOG = logging.getLogger("test")


def samples_at(times: Sequence[float], run: str = "run-a") -> list[Sample]:
    return [
        sample(seq, run)._replace(ts=int(time), time=time, interval=5.0) for seq, time in enumerate(times, 1)
    ]


def steady(start: float, count: int, step: float = 5.0) -> list[float]:
    return [start + step * index for index in range(count)]


def record(system: System, samples: list[Sample], retain: float | None = None) -> None:
    """Store samples one by one, as the service does, with the maintenance that is due in between."""
    with Store(system.database) as store:
        maintenance = Maintenance(Limits(1 << 40, retain), LOG)
        for at, one in enumerate(samples):
            store.append([one], NOW)
            if at % 20 == 0:
                maintenance.turn(store)
        Maintenance(Limits(1 << 40, retain), LOG).turn(store)
        while store.clock.is_doubtful or store.roll_up():
            maintenance.turn(store)
        for _ in range(50):
            Maintenance(Limits(1 << 40, retain), LOG).turn(store)


@pytest.mark.slow
def test_an_open_window_ends_now_and_not_in_2120(system: System) -> None:
    record(system, samples_at([*steady(NOW, 900), *steady(NOW + 94 * YEAR, 1), *steady(NOW + 4505, 100)]))
    (row,) = system.query("energy", "--since", str(NOW + 1000))
    assert row["end"] == NOW + 4505 + 99 * 5
    assert row["uncovered_s"] < 60
    (status,) = system.query("status")
    assert status["misdated"] == 1
    assert status["newest"] == NOW + 4505 + 99 * 5


def test_a_sample_of_1970_does_not_distort_the_days_that_fit(system: System) -> None:
    record(system, samples_at([7.0, *steady(NOW, 300, step=600.0)]))
    (row,) = system.query("status")
    assert row["oldest"] == row["raw_since"] == NOW
    assert row["misdated"] == 1
    assert 0 < row["days_fit"] < 1e8
    (energy,) = system.query("energy")
    assert energy["start"] >= NOW - 5


@pytest.mark.parametrize(
    "times",
    [
        [*steady(7.0, 5), *steady(NOW, 500, step=600.0)],
        [
            *steady(NOW, 400, step=600.0),
            *steady(NOW + 50 * YEAR, 400, step=600.0),
            *steady(NOW + 480_000.0, 30),
        ],
    ],
    ids=["1970 first", "ahead for longer than --retain"],
)
@pytest.mark.slow
def test_status_reports_only_dropped_samples_as_dropped(system: System, times: list[float]) -> None:
    record(system, samples_at(times), retain=2 * DAY)
    ran = system.run("query.main", "energy", "--since", str(times[-1] - 3600))
    assert "dropped" not in ran.stderr
    (status,) = system.query("status")
    assert status["newest"] == times[-1]
    assert status["raw_since"] <= times[-1]


def test_misdated_samples_can_be_deleted(system: System) -> None:
    record(system, samples_at([*steady(NOW, 50), *steady(NOW + 94 * YEAR, 3), *steady(NOW + 265, 50)]))
    before = system.query("energy")
    assert "deleted 3 samples" in system.run("writer.main", "--drop-misdated").stderr
    assert system.query("energy") == before
    (status,) = system.query("status")
    assert (status["misdated"], status["samples"]) == (0, 100)
