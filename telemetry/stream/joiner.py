"""Live and replayed samples joined into one row: in order, once each, what is lost as an explicit gap.

No sockets and no clock here: samples and replies go in, samples, gaps and the next question come out, so
that a property test can try every interleaving.

The order is the ring's: runs oldest first, each from its first sample on. A live sample that follows the
last one is yielded at once; any other means that something was missed, and the ring is asked. Live samples
that come while it is asked are kept (a bounded number: what is dropped, the ring has).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from telemetry.sample import InvalidSample, Sample, decode
from telemetry.stream.replay import Reply

_KEPT_LIVE = 1000
_KNOWN_RUNS = 256


class Gap(NamedTuple):
    """Samples that were published and that nobody can give any more: ``first`` to ``last``."""

    run: str
    first: int
    last: int


class Position(NamedTuple):
    """The last sample that a subscriber has: it gets those behind it."""

    run: str
    seq: int


class Start(Enum):
    """Where a subscriber without a position begins."""

    OLDEST = "oldest"
    """With all that the ring holds."""
    NEWEST = "newest"
    """With the newest sample, at once: a display need not wait for the next one."""


class Question(NamedTuple):
    """What to ask the ring for (see ``telemetry.stream.replay.request``)."""

    run: str | None
    after: int | None


class Joiner:
    """The order of one stream. Feed it; ``question`` is what the ring must be asked next."""

    def __init__(self, start: Position | Start, on_invalid: Callable[[InvalidSample], None]) -> None:
        self.question: Question | None
        """None while live samples follow one another. It changes only by ``reply`` once it is there."""
        self._on_invalid = on_invalid
        self._start = start if isinstance(start, Start) else None
        self._position: Position | None = None
        self._seen: dict[str, int] = {}
        """The last seq that was passed of each run, in order of use."""
        self._live: deque[Sample] = deque(maxlen=_KEPT_LIVE)
        self._asked_again_for: Position | None = None
        if isinstance(start, Position):
            self._move_to(start)
        self.ask()

    def ask(self) -> None:
        """Ask for what lies behind the position: at the start, at a hole, after a silence."""
        if self._position:
            self.question = Question(self._position.run, self._position.seq)
        else:
            self.question = Question(None, None if self._start is Start.NEWEST else 0)

    def live(self, sample: Sample) -> list[Sample | Gap]:
        """Take a sample from the live stream; return what is in order now."""
        if sample.seq <= self._seen.get(sample.run, 0):
            return []
        if self.question is None and self._follows(sample):
            return [self._advance(sample)]
        self._live.append(sample)
        if self.question is None:
            self.ask()
        return []

    def reply(self, reply: Reply) -> list[Sample | Gap]:
        """Take the answer to ``question``; return what is in order now."""
        if self.question is None:
            return []
        if self._position is None and not self._begin(reply):
            return self._caught_up()
        position = self._position
        assert position is not None  # noqa: S101 _begin sets it
        out: list[Sample | Gap] = []
        if reply.run == position.run and reply.error is None:
            out = self._take_page(position, reply)
            if reply.more and reply.bodies:
                self.ask()
                return out
        following = self._run_behind(position.run, reply)
        if following is None:
            return out + self._caught_up()
        # The ring holds a later run: the one before it is done.
        self._move_to(Position(following, self._seen.get(following, 0)))
        self.ask()
        return out

    def unanswered(self) -> list[Sample | Gap]:
        """The ring does not answer: go on with what is live, and say what is missing."""
        self.question = None
        return self._give_up_holes()

    # --- the ring ---

    def _begin(self, reply: Reply) -> bool:
        """Set the first position, just before the first sample that is wanted; False: the ring is empty."""
        if not reply.runs:
            return False
        if self._start is Start.NEWEST:
            first = reply.runs[-1]
            for earlier in reply.runs[:-1]:
                self._move_to(Position(earlier.run, earlier.last))
            self._move_to(Position(first.run, first.last - 1))
        else:
            self._move_to(Position(reply.runs[0].run, reply.runs[0].first - 1))
        return True

    def _take_page(self, position: Position, reply: Reply) -> list[Sample | Gap]:
        """The seq of each body follows from its place, so that a body that is no sample is a known loss."""
        out: list[Sample | Gap] = []
        asked = self.question.after if self.question and self.question.run == position.run else None
        first = position.seq + 1 if asked is None else asked + 1
        if reply.oldest is not None and reply.bodies:
            first = max(first, reply.oldest)
        for seq, body in enumerate(reply.bodies, first):
            if seq <= self._seen.get(position.run, 0):
                continue
            try:
                sample = decode(body)
                if (sample.run, sample.seq) != (position.run, seq):
                    raise InvalidSample(f"replay gave seq {sample.seq} in place of {seq}")
            except InvalidSample as invalid:
                self._on_invalid(invalid)  # the next sample shows the gap
                continue
            out += self._pass_to(sample)
        return out

    def _run_behind(self, run: str, reply: Reply) -> str | None:
        """Return the run that comes after ``run`` in the ring, or the oldest new one where it has gone."""
        runs = [held.run for held in reply.runs]
        if run in runs:
            behind = runs[runs.index(run) + 1 :]
        else:
            behind = [other for other in runs if other not in self._seen]
        return behind[0] if behind else None

    # --- going on with live samples ---

    def _caught_up(self) -> list[Sample | Gap]:
        """The ring has no more. A hole before a live sample that came since is asked for once again."""
        self.question = None
        out: list[Sample | Gap] = []
        in_order = sorted(self._live, key=lambda sample: sample.seq)
        out += [self._advance(sample) for sample in in_order if self._follows(sample)]
        waiting = [sample for sample in self._live if sample.seq > self._seen.get(sample.run, 0)]
        self._live.clear()
        if not waiting:
            return out
        self._live.extend(waiting)
        hole = Position(waiting[0].run, waiting[0].seq)
        if hole == self._asked_again_for:
            return out + self._give_up_holes()
        self._asked_again_for = hole
        self.ask()
        return out

    def _give_up_holes(self) -> list[Sample | Gap]:
        out: list[Sample | Gap] = []
        by_run: dict[str, list[Sample]] = {}
        for sample in self._live:
            by_run.setdefault(sample.run, []).append(sample)
        self._live.clear()
        for samples in by_run.values():
            for sample in sorted(samples, key=lambda sample: sample.seq):
                if sample.seq > self._seen.get(sample.run, 0):
                    out += self._pass_to(sample)
        return out

    # --- the position ---

    def _follows(self, sample: Sample) -> bool:
        return self._position == (sample.run, sample.seq - 1)

    def _pass_to(self, sample: Sample) -> list[Sample | Gap]:
        """Go on to ``sample``, over a gap where there is one; who begins here has lost nothing."""
        first = self._seen.get(sample.run, 0) + 1
        lost = first < sample.seq and self._position is not None
        gaps: list[Sample | Gap] = [Gap(sample.run, first, sample.seq - 1)] if lost else []
        return [*gaps, self._advance(sample)]

    def _advance(self, sample: Sample) -> Sample:
        self._move_to(Position(sample.run, sample.seq))
        return sample

    def _move_to(self, position: Position) -> None:
        self._position = position
        self._seen.pop(position.run, None)
        self._seen[position.run] = position.seq
        if len(self._seen) > _KNOWN_RUNS:
            del self._seen[next(iter(self._seen))]
