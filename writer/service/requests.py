"""Waiting requests for a commit: when a commit is made for them, and when they are answered without one.

Pure: time (monotonic, s) is passed in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from telemetry.stream.budget import PeerBudgets, Rate

EACH = Rate(0.2, 10)
"""Commits for one peer: 10 at once, then one in 5 s. Commits requested by other peers serve it too."""
TOTAL = Rate(1.0, 1e-9)
"""Commits for all peers: one a second. The burst is next to nothing: each commit closes it for a second."""
PATIENCE = 0.3
"""s that a request waits for a commit; ``telemetry-query`` waits 0.5 s for its answer."""
_MOST = 512
_MOST_OF_A_PEER = 4


class _Waiting(NamedTuple):
    route: list[bytes]
    since: float


class Requests:
    """The routes of the requests that wait for a commit. The first frame of a route is the peer."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._budgets = PeerBudgets(EACH, TOTAL)

    def add(self, routes: list[list[bytes]], now: float) -> list[list[bytes]]:
        """Keep ``routes``; return those that exceed the limits."""
        refused = []
        for route in routes:
            of_peer = sum(waiting.route[0] == route[0] for waiting in self._waiting)
            if of_peer < _MOST_OF_A_PEER and len(self._waiting) < _MOST:
                self._waiting.append(_Waiting(route, now))
            else:
                refused.append(route)
        return refused

    def may_commit(self, now: float) -> bool:
        """Return whether the budget of any waiting peer allows a commit."""
        return any(self._budgets.ready_in(waiting.route[0], now) <= 0 for waiting in self._waiting)

    def note_commit(self, now: float) -> None:
        """Charge a commit to the waiting peers: once to the common budget, and once to each peer."""
        peers = list(dict.fromkeys(waiting.route[0] for waiting in self._waiting))
        for peer in peers[:1]:
            self._budgets.take(peer, 1, now)
        for peer in peers[1:]:
            self._budgets.take_alone(peer, 1, now)

    def take_all(self) -> list[list[bytes]]:
        """Remove and return the routes of all waiting requests."""
        routes = [waiting.route for waiting in self._waiting]
        self._waiting.clear()
        return routes

    def take_late(self, now: float) -> list[list[bytes]]:
        """Remove and return the routes of the requests that have waited long enough."""
        late = [waiting.route for waiting in self._waiting if now - waiting.since >= PATIENCE]
        self._waiting = self._waiting[len(late) :]  # the oldest are first
        return late

    def due_in(self, now: float) -> float:
        """Return the seconds until the waiting requests need attention; infinity if none waits."""
        if not self._waiting:
            return math.inf
        peers = {waiting.route[0] for waiting in self._waiting}
        commit = min(self._budgets.ready_in(peer, now) for peer in peers)
        return max(0.0, min(commit, self._waiting[0].since + PATIENCE - now))
