"""Rate limits for peers: a burst, then a rate per second, for each peer and for all together.

Pure: time (monotonic, s) is passed in. A cost is charged when it is known, so a budget may go below zero. It
is then closed until it is above zero again.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import NamedTuple

_PEERS = 1024
"""The number of peers that are remembered; the peers that asked longest ago are forgotten first."""


class Rate(NamedTuple):
    """``burst`` at once, then ``rate`` a second; ``pause``: additional s to wait when nothing is left."""

    rate: float
    burst: float
    pause: float = 0.0


READS = Rate(500.0, 1000.0, pause=0.02)
"""Requests that a socket reads from all peers together; ZeroMQ takes one from each peer in turn."""


class Budget:
    """What is left of a ``Rate``."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left = rate.burst
        self._at: float | None = None

    def ready_in(self, now: float) -> float:
        """Return the seconds until something is left; 0 if something is left now."""
        last = now if self._at is None else self._at
        self._left = min(self._rate.burst, self._left + max(0.0, now - last) * self._rate.rate)
        self._at = max(last, now)
        if self._left > 0:
            return 0.0
        return self._rate.pause + max(0.001, -self._left / self._rate.rate)  # it may be at 0 exactly

    def take(self, cost: float) -> None:
        """Charge ``cost`` to the budget."""
        self._left -= cost


class PeerBudgets:
    """A ``Budget`` for each peer, and one for all of them together."""

    def __init__(self, each: Rate, total: Rate) -> None:
        self._each = each
        self._total = Budget(total)
        self._peers: OrderedDict[bytes, Budget] = OrderedDict()

    def ready_in(self, peer: bytes, now: float) -> float:
        """Return the seconds until ``peer`` may be served."""
        known = self._peers.get(peer)
        return max(known.ready_in(now) if known else 0.0, self._total.ready_in(now))

    def take(self, peer: bytes, cost: float, now: float) -> None:
        """Charge ``cost`` to the peer's budget and to the common budget."""
        self.take_alone(peer, cost, now)
        self._total.take(cost)

    def take_alone(self, peer: bytes, cost: float, now: float) -> None:
        """Charge ``cost`` to the peer's budget only."""
        budget = self._peers.pop(peer, None) or Budget(self._each)
        self._peers[peer] = budget  # the newest is last
        budget.ready_in(now)
        budget.take(cost)
        while len(self._peers) > _PEERS:
            self._peers.popitem(last=False)


class FairQueue:
    """Waiting requests, served one from each peer in turn, within budgets. A request is a list of frames."""

    def __init__(self, budgets: PeerBudgets, *, each: int = 4, peers: int = 256) -> None:
        """At most ``each`` requests of a peer wait, from at most ``peers`` peers; others are refused."""
        self._budgets = budgets
        self._each = each
        self._most_peers = peers
        self._waiting: OrderedDict[bytes, deque[list[bytes]]] = OrderedDict()

    def add(self, peer: bytes, request: list[bytes]) -> bool:
        """Add a request; return False if it was refused."""
        if peer not in self._waiting and len(self._waiting) >= self._most_peers:
            return False
        queue = self._waiting.setdefault(peer, deque())
        if len(queue) >= self._each:
            return False
        queue.append(request)
        return True

    def ready_in(self, now: float) -> float:
        """Return the seconds until a request may be served; infinity if none waits."""
        return min((self._budgets.ready_in(peer, now) for peer in self._waiting), default=math.inf)

    def take(self, now: float) -> tuple[bytes, list[bytes]] | None:
        """Return the next peer and its request, None if none may be served now."""
        for peer in self._waiting:
            if self._budgets.ready_in(peer, now) <= 0:
                queue = self._waiting.pop(peer)
                request = queue.popleft()
                if queue:
                    self._waiting[peer] = queue  # behind the others
                return peer, request
        return None
