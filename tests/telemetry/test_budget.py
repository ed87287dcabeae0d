"""Rate limits for peers, which share them fairly. Time is passed in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.stream.budget import Budget, FairQueue, PeerBudgets, Rate
from tests.strategies import QUICK

RATE = Rate(rate=10.0, burst=50.0)


@QUICK
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 30)), max_size=60))
def test_at_most_the_burst_plus_the_rate_plus_one_cost_is_spent(steps: list[tuple[float, float]]) -> None:
    budget, now, taken = Budget(RATE), 100.0, 0.0
    for wait, cost in steps:
        now += wait
        if budget.ready_in(now) == 0.0:
            budget.take(cost)
            taken += cost
        assert taken <= RATE.burst + (now - 100.0) * RATE.rate + 30.0 + 1e-6


@QUICK
@given(st.floats(0, 500), st.floats(0, 1))
def test_it_is_open_after_the_time_that_it_reports(cost: float, pause: float) -> None:
    budget = Budget(Rate(10.0, 50.0, pause))
    budget.ready_in(0.0)
    budget.take(cost)
    wait = budget.ready_in(0.0)
    assert (wait == 0.0) == (cost < 50.0)
    assert budget.ready_in(wait + 1e-6) == 0.0


def test_a_clock_that_stops_or_steps_back_adds_nothing() -> None:
    budget = Budget(RATE)
    budget.ready_in(100.0)
    budget.take(60.0)
    assert budget.ready_in(50.0) == budget.ready_in(100.0) == pytest.approx(1.0)


def test_a_peer_that_used_up_its_budget_leaves_the_others_theirs() -> None:
    budgets = PeerBudgets(Rate(1.0, 3.0), Rate(10.0, 100.0))
    for _ in range(3):
        assert budgets.ready_in(b"greedy", 0.0) == 0.0
        budgets.take(b"greedy", 1.0, 0.0)
    assert budgets.ready_in(b"greedy", 0.0) > 0
    assert budgets.ready_in(b"honest", 0.0) == 0.0
    for peer in range(200):  # many identities make one flood: the common budget is used up
        budgets.take(b"%d" % peer, 1.0, 0.0)
    assert budgets.ready_in(b"honest", 0.0) > 0


def test_a_peer_is_forgotten_once_a_thousand_others_asked() -> None:
    """Whoever makes up identities takes no more memory."""
    budgets = PeerBudgets(Rate(1.0, 3.0), Rate(1e9, 1e9))
    budgets.take(b"first", 1000.0, 0.0)
    assert budgets.ready_in(b"first", 0.0) > 0
    for peer in range(1100):
        budgets.take(b"%d" % peer, 1.0, 0.0)
    assert budgets.ready_in(b"first", 0.0) == 0.0


def test_peers_are_served_in_turn_and_their_requests_in_order() -> None:
    queue = FairQueue(PeerBudgets(Rate(1.0, 100.0), Rate(1.0, 100.0)), each=3, peers=2)
    assert queue.ready_in(0.0) == math.inf
    assert queue.take(0.0) is None
    kept = [queue.add(b"a", [b"%d" % number]) for number in range(5)]
    assert kept == [True, True, True, False, False]
    assert queue.add(b"b", [b"0"])
    assert not queue.add(b"c", [b"0"])
    assert queue.ready_in(0.0) == 0.0
    order = [taken for _ in range(5) if (taken := queue.take(0.0))]
    assert order == [(b"a", [b"0"]), (b"b", [b"0"]), (b"a", [b"1"]), (b"a", [b"2"])]


def test_a_peer_without_budget_waits_without_delaying_others() -> None:
    budgets = PeerBudgets(Rate(1.0, 1.0), Rate(100.0, 100.0))
    queue = FairQueue(budgets)
    budgets.take(b"a", 2.0, 0.0)
    queue.add(b"a", [b"x"])
    queue.add(b"b", [b"y"])
    assert queue.take(0.0) == (b"b", [b"y"])
    assert queue.take(0.0) is None
    assert queue.ready_in(0.0) == pytest.approx(1.0)
    assert queue.take(1.1) == (b"a", [b"x"]), "late, but not lost"
