"""The method on simulated machines whose energy by program is known."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, median

import pytest

from telemetry.energy_model.features import lag_of
from tests.energy import figures, held_out
from tests.energy.learning import Result, large, study
from tests.energy.machines import Plan, days, plan


def after(machine: Plan, hours: float) -> Result:
    (result,) = study(days(machine, hours), machine.cores)
    return result


def error(result: Result, name: str) -> float:
    return abs(result.told.get(name, 0.0) - result.truth[name]) / result.truth[name]


Machines = list[figures.Studied]
STEADY = plan(1)._replace(average=1, delay=0, hold=1, step=0.004, usb=False, charges=False, storms=False)


@pytest.mark.slow
def test_an_hour_on_battery_is_enough_to_find_the_large_programs() -> None:
    machines = [figures.figures_after(after(plan(seed), 1)) for seed in range(0, 24, 4)]
    assert figures.mean_error(machines) <= 0.16
    assert figures.mean_error(machines) < figures.mean_error(machines, figures.RULES.index("Kepler's rule"))


@pytest.mark.parametrize("average", [1, 10, 30, 60])
def test_the_lag_of_the_gauge_is_found(average: int) -> None:
    result = after(STEADY._replace(average=average), 1)
    lag = lag_of(result.knowledge.lag_sums)
    assert lag.delay <= 1
    assert abs(lag.averaged * 5 - average) <= 5


def test_the_parent_of_a_fork_storm_gets_the_energy_of_its_children() -> None:
    result = after(STEADY._replace(storms=True, exponent=1.0), 3)
    assert error(result, "storm") <= 0.15


@pytest.mark.slow
def test_programs_that_always_run_together_have_wide_intervals() -> None:
    """Only their sum can be known, not what each of them took."""
    result = after(STEADY._replace(together=("browser", "indexer")), 6)
    apart = after(STEADY, 6)
    told = result.told["indexer"]
    assert abs(told - result.truth["indexer"]) <= result.half_widths["indexer"]
    width = result.half_widths["indexer"] / told
    assert width > 2 * apart.half_widths["browser"] / apart.told["browser"]


@pytest.mark.parametrize(
    "machine",
    [
        STEADY._replace(wrong=0.005),
        STEADY._replace(average=5, delay=1, hold=30, step=0.25),
        STEADY._replace(usb=True),
    ],
    ids=["readings of 60 W", "held for 30 s in steps of 0.25 W", "a USB stick for an hour"],
)
@pytest.mark.slow
def test_disturbances_of_the_gauge_are_not_learned(machine: Plan) -> None:
    result = after(machine, 3)
    assert fmean(error(result, name) for name in large(result)) <= 0.1


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_law_of_frequency_is_found_within_an_hour(exponent: float) -> None:
    result = after(STEADY._replace(exponent=exponent), 1)
    assert abs(result.knowledge.exponent_now - exponent) <= 0.5
    assert fmean(error(result, name) for name in large(result)) <= 0.16


def held_out_error(machines: Iterable[list[list[float]]], rule: str) -> float:
    """Return the mean relative error on the energy of a held-out day."""
    at = held_out.RULES.index(rule)
    return fmean(error for machine in machines for error in machine[at])


@pytest.mark.slow
def test_held_out_days_are_predicted_better_than_by_simpler_rules() -> None:
    found = []
    for seed in (7, 9):
        machine = plan(seed)
        recorded = list(days(machine, 3, 4))
        found.append(held_out.errors(recorded, list(study(recorded, machine.cores)), machine.cores))
    for rule in held_out.BEATEN:
        assert held_out_error(found, "this method") < held_out_error(found, rule)


@pytest.fixture(scope="module")
def machines() -> Machines:
    """Every third of the machines in the document's table: they take minutes."""
    return figures.of_all(figures.MACHINES[::3])


@pytest.mark.slow
@pytest.mark.parametrize(("span", "most"), [("1 hour", 0.16), ("1 day", 0.10), ("8 days", 0.04)])
def test_the_mean_error_falls_with_the_data(span: str, most: float, machines: Machines) -> None:
    of_span = [machine.spans[figures.SPANS.index(span)] for machine in machines]
    assert figures.mean_error(of_span) <= most
    for rule in range(2):
        assert figures.mean_error(of_span) < figures.mean_error(of_span, rule)


@pytest.mark.slow
def test_whole_days_are_predicted_better_than_by_simpler_rules(machines: Machines) -> None:
    found = [machine.held_out for machine in machines]
    for rule in held_out.BEATEN:
        assert held_out_error(found, "this method") < 0.5 * held_out_error(found, rule)
    assert held_out_error(found, "this method") <= 0.02


@pytest.mark.slow
def test_after_eight_days_no_program_is_far_off(machines: Machines) -> None:
    last = [machine.spans[-1].by_rule[-1] for machine in machines]
    assert max(value for each in last for value in each.programs) <= 0.15
    assert fmean(each.false_blame for each in last) <= 0.005


@pytest.mark.slow
def test_the_intervals_contain_the_truth_and_are_narrow(machines: Machines) -> None:
    for span in range(len(figures.SPANS)):
        held = [is_held for machine in machines for is_held in machine.spans[span].held]
        assert fmean(held) >= 0.85
    assert median(width for machine in machines for width in machine.spans[1].widths) <= 0.20
