"""Simulates a sampler with its ring, an unreliable network and a joiner, and checks the result.

Only the joiner is tested; ring and replay protocol are the real ones.
"""

from __future__ import annotations

from collections import deque

from telemetry.sample import InvalidSample, Sample, encode
from telemetry.stream.joiner import Gap, Joiner, Position, Question, Start
from telemetry.stream.replay import Reply, answer, read_reply, request
from telemetry.stream.ring import Ring
from tests.strategies import sample

Item = Sample | Gap


class World:
    """The test performs each step: publish, deliver, ask, answer, lose, restart."""

    def __init__(self, capacity: int, page: int) -> None:
        self.capacity = capacity
        self.page = page
        """Samples in a reply: small, so that there are many pages."""
        self.ring = Ring(None, capacity)
        self.published: list[Position] = []
        self.invalid: set[Position] = set()
        self.run = 0
        self.seq = 0
        self.wire: deque[Sample] = deque()
        """Live messages in transit."""
        self.joiner: Joiner | None = None
        self.subscribed_at = 0
        self.pending: tuple[Question, Reply, int] | None = None
        self.refused = 0
        self.out: list[tuple[Item, frozenset[Position]]] = []
        """What the joiner yielded, and which samples the ring held at that moment."""
        self.newest = -1
        """The index of the newest sample yielded."""
        self.evidence: dict[str, int] = {}
        """The newest seq of each run that the joiner has heard of."""
        self.began_at: int | None = None
        """The number of samples published when the first non-empty reply was computed."""
        self.late: set[Position] = set()
        """Live samples that arrived after the joiner had moved past them."""
        self.listed: set[str] = set()
        """Runs that a reply mentioned; the ring of any other run was lost before it could reply."""
        self.gave_up = False
        self.replies = 0
        self.delivered = 0
        self.silences = 0

    def close(self) -> None:
        self.ring.close()

    # --- the sampler ---

    def publish(self, *, live: bool = True, valid: bool = True) -> None:
        self.seq += 1
        position = Position(f"r{self.run}", self.seq)
        made = sample(position.run, position.seq)
        self.ring.append(position.run, position.seq, encode(made) if valid else b"no sample")
        self.published.append(position)
        if not valid:
            self.invalid.add(position)
        elif live:
            self.wire.append(made)

    def restart(self, *, ring_kept: bool) -> None:
        self.run += 1
        self.seq = 0
        if not ring_kept:
            self.ring.close()
            self.ring = Ring(None, self.capacity)

    def held(self) -> set[Position]:
        return {
            Position(held.run, seq)
            for held in self.ring.runs
            for seq in range(held.first, held.last + 1)
            if Position(held.run, seq) not in self.invalid
        }

    # --- the subscriber ---

    def subscribe(self, start: Start | Position) -> None:
        """Subscribe. Messages that were in transit before do not arrive."""
        self.wire.clear()
        self.subscribed_at = len(self.published)
        self.joiner = Joiner(start, self._refuse)

    def _refuse(self, invalid: InvalidSample) -> None:
        self.refused += 1

    def _joiner(self) -> Joiner:
        assert self.joiner is not None
        return self.joiner

    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.wire))):
            live = self.wire.popleft()
            self.delivered += 1
            self._know(live.run, live.seq)
            if self.published.index(Position(live.run, live.seq)) < self.newest:
                self.late.add(Position(live.run, live.seq))
            self._take(self._joiner().live(live))

    def ask(self) -> None:
        """Deliver the question to the ring; its reply is in transit."""
        question = self._joiner().question
        if question is None or self.pending is not None:
            return
        frames = answer(request(7, question.run, question.after, self.page), self.ring, f"r{self.run}")
        reply = read_reply(frames)
        assert reply is not None
        assert reply.error in (None, "unknown-run")
        self.pending = question, reply, len(self.published)

    def reply(self) -> None:
        if self.pending is None:
            return
        question, reply, published = self.pending
        assert question is self._joiner().question
        self.pending = None
        self.replies += 1
        for held in reply.runs:
            self._know(held.run, held.last)
            self.listed.add(held.run)
        if reply.runs and not self.out and self.began_at is None:
            self.began_at = published
        self._take(self._joiner().reply(reply))

    def give_up(self) -> None:
        if self._joiner().question is not None:
            self.gave_up = True
            self.pending = None
            self._take(self._joiner().unanswered())

    def fall_silent(self) -> None:
        """Simulate three silent intervals: the sockets are recreated."""
        self.wire.clear()
        self.silences += 1
        if self._joiner().question is None:
            self._joiner().ask()

    def settle(self) -> None:
        """Publish one more sample, and answer every question."""
        self.publish()
        self.deliver(len(self.wire))
        bound = self.replies + 10 + len(self.published) + self.run + self.delivered
        while self._joiner().question is not None:
            self.ask()
            self.reply()
            assert self.replies <= bound, "the joiner asks for ever"

    def _know(self, run: str, seq: int) -> None:
        self.evidence[run] = max(seq, self.evidence.get(run, 0))

    def _take(self, items: list[Item]) -> None:
        held = self.held() if items else set()
        for item in items:
            covered = _covered(item)
            self.out.append((item, frozenset(held & set(covered))))
            self.newest = max(self.newest, self.published.index(covered[-1]))

    # --- the check ---

    @property
    def items(self) -> list[Item]:
        return [item for item, _ in self.out]

    def check(self, start: Start | Position) -> None:
        """Check: nothing twice, nothing out of order, nothing lost that the ring has, every loss reported."""
        order = {position: index for index, position in enumerate(self.published)}
        covered = [position for item in self.items for position in _covered(item)]
        assert len(covered) == len(set(covered)), "twice"
        assert set(covered) <= set(order), "never published"
        newest = -1
        for item, held in self.out:
            here = _covered(item)
            if isinstance(item, Gap):
                assert self.gave_up or not held, f"{item} and the ring has {held}"
            else:
                assert item == sample(item.run, item.seq)
            after = Position(item.run, item.last + 1) if isinstance(item, Gap) else here[0]
            late = after in self.late or item.run not in self.listed
            assert order[here[0]] > newest or (late and not held), f"{item} out of order"
            newest = max(newest, order[here[-1]])
        self._check_complete(self._begin(start, order), order, set(covered))

    def _begin(self, start: Start | Position, order: dict[Position, int]) -> int:
        """Return the index of the first sample that must be yielded."""
        if isinstance(start, Position):
            return order[start] + 1
        assert self.items, "a sample was published and nothing was yielded"
        # Samples of a lost ring are a bonus: a joiner that got one without a reply has not begun there.
        first = next((item for item in self.items if item.run in self.listed), self.items[0])
        begin = order[_covered(first)[0]]
        if self.gave_up or self.began_at is None:
            return begin
        if start is Start.NEWEST:
            assert begin == self.began_at - 1, "not with the newest"
        return begin

    def _check_complete(self, begin: int, order: dict[Position, int], covered: set[Position]) -> None:
        left = max((order[position] for position in covered), default=-1)
        held = self.held()
        for position in self.published[begin:]:
            if position in covered:
                continue
            known = position.seq <= self.evidence.get(position.run, 0)
            if self.gave_up:  # a run that was left without a question: its end is unknown
                known = any(other.run == position.run and other.seq > position.seq for other in covered)
                held = held if position.run == f"r{self.run}" else set()
            assert position not in held, f"{position} is in the ring"
            assert not known, f"{position} is lost without a gap"
            assert order[position] < left


def _covered(item: Item) -> list[Position]:
    if isinstance(item, Gap):
        return [Position(item.run, seq) for seq in range(item.first, item.last + 1)]
    return [Position(item.run, item.seq)]
