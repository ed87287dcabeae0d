"""Joins live and replayed samples into one sequence: in order, once each, with losses as explicit gaps.

There are no sockets and no clock here: samples and replies go in; samples, gaps and the next question come
out. So a property test can try every interleaving.

The order is that of the ring: runs oldest first, each from its first sample. A live sample that follows the
last one is yielded at once. Any other live sample means that something was missed, so the ring is asked. Live
samples that arrive meanwhile are kept (a bounded number; the ring has those that are dropped).

When is a sample lost? A sample is put into the ring before it is published. So if a question is asked after a
sample was received, the reply accounts for that sample and all before it: what the reply does not contain is
lost. This does not hold for samples that arrive after the question; for them the ring is asked again. So each
question is caused by a new live sample, a new run or a page with samples, and there is no endless loop.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from telemetry.sample import InvalidSample, Sample, decode
from telemetry.stream.replay import UNKNOWN_RUN, Reply

_KEPT_LIVE = 1000
_KNOWN_RUNS = 256


class Gap(NamedTuple):
    """Samples that were published and cannot be recovered any more: ``first`` to ``last``."""

    run: str
    first: int
    last: int


class Position(NamedTuple):
    """The last sample that a subscriber has: it gets the samples after this one."""

    run: str
    seq: int


class Start(Enum):
    """Where a subscriber without a position begins."""

    OLDEST = "oldest"
    """With the oldest sample in the ring."""
    NEWEST = "newest"
    """With the newest sample in the ring, so that a display need not wait for the next one."""


class Question(NamedTuple):
    """What to ask the ring for (see ``telemetry.stream.replay.request``)."""

    run: str | None
    after: int | None


class Joiner:
    """Puts one stream in order. ``question`` is what the ring must be asked next."""

    def __init__(
        self,
        start: Position | Start,
        on_invalid: Callable[[InvalidSample], None],
        decode: Callable[[bytes], Sample] = decode,
    ) -> None:
        self.question: Question | None
        """None while live samples are consecutive. Once set, only ``reply`` or ``unanswered`` changes it."""
        self._decode = decode
        self._on_invalid = on_invalid
        self._start = start if isinstance(start, Start) else None
        self._position: Position | None = None
        self._passed: dict[str, int] = {}
        """The last seq of each run that was yielded or given up as lost, in order of use."""
        self._known: dict[str, int] = {}
        """The newest seq that the ring reported for each unfinished run, oldest run first."""
        self._waiting: dict[Position, Sample] = {}
        """Live samples received before the question: its reply settles them."""
        self._news: dict[Position, Sample] = {}
        """Live samples received since the question."""
        if isinstance(start, Position):
            self._move_to(start)
        self.ask()

    def ask(self) -> None:
        """Ask for the samples after the position: at the start, at a gap, after a silence."""
        self._note_news()
        if self._position:
            self.question = Question(self._position.run, self._position.seq)
        else:
            self.question = Question(None, None if self._start is Start.NEWEST else 0)

    def live(self, sample: Sample) -> list[Sample | Gap]:
        """Take a sample from the live stream; return what can be yielded now."""
        if self._is_passed(Position(sample.run, sample.seq)):
            return []
        if self.question is None and self._follows(sample):
            return [self._advance(sample)]
        if self._position and sample.run in self._passed and sample.run != self._position.run:
            return self._come_late(sample)
        self._news[Position(sample.run, sample.seq)] = sample
        if len(self._waiting) + len(self._news) > _KEPT_LIVE:
            oldest = self._waiting or self._news
            del oldest[next(iter(oldest))]
        if self.question is None:
            self.ask()
        return []

    def reply(self, reply: Reply) -> list[Sample | Gap]:
        """Take the answer to ``question``; return what can be yielded now."""
        if self.question is None:
            return []
        if reply.error not in (None, UNKNOWN_RUN):
            return self.unanswered()
        begins = self._position is None
        if begins:
            self._begin(reply)
        here = self._position
        if here is None:
            return self._caught_up()
        behind = self._learn(reply, here.run)
        if begins and reply.run != here.run and any(held.run == here.run for held in reply.runs):
            self.ask()  # the first reply is for the current run, but there are older runs
            return []
        out = self._pass_gone(reply, here.run)
        out += self._take_page(reply, here)
        if reply.more and self._position != here:
            self.ask()
            return out
        if not behind:
            return out + self._caught_up()
        # The ring holds a later run, so the sampler of this run has ended: no more samples of it will come.
        out += self._leave_for(behind[0])
        self.ask()
        return out

    def unanswered(self) -> list[Sample | Gap]:
        """Give up on a ring that does not answer: yield the live samples, and gaps for missing ones."""
        self._note_news()
        self.question = None
        if self._position is None and self._waiting:
            self._begin_with(next(iter(self._waiting)))
        return self._pass_waiting()

    # --- the ring ---

    def _begin(self, reply: Reply) -> None:
        """Set the first position, just before the first wanted sample; leave it unset if there is none."""
        held = [held.run for held in reply.runs]
        gone = [position for position in self._waiting if position.run not in held]
        if reply.runs and self._start is Start.NEWEST:
            for earlier in reply.runs[:-1]:
                self._move_to(Position(earlier.run, earlier.last))
            self._begin_with(Position(reply.runs[-1].run, reply.runs[-1].last))
            self._waiting.clear()
        elif gone:  # from a ring that was lost, so older than what this ring holds
            self._begin_with(gone[0])
        elif reply.runs:
            self._begin_with(Position(reply.runs[0].run, reply.runs[0].first))

    def _begin_with(self, first: Position) -> None:
        """Set the position so that ``first`` comes next; samples before it do not count as lost."""
        self._move_to(Position(first.run, first.seq - 1))

    def _learn(self, reply: Reply, here: str) -> list[str]:
        """Note what the ring holds from the run ``here`` on; return the later runs."""
        runs = [held.run for held in reply.runs]
        held = {
            run: max(last, self._known.get(run, 0))
            for run, _, last in reply.runs[runs.index(here) if here in runs else 0 :]
            if run == here or run not in self._passed
        }
        self._known |= held  # runs that the ring has dropped stay in front: it drops the oldest first
        return [run for run in held if run != here]

    def _pass_gone(self, reply: Reply, here: str) -> list[Sample | Gap]:
        """Yield live samples from a ring that was lost: they are older than all that this ring holds."""
        runs = {held.run for held in reply.runs}
        out: list[Sample | Gap] = []
        for position, sample in self._waiting.items():
            if here in runs and position.run not in runs:
                out += self._come_late(sample)
        return out

    def _take_page(self, reply: Reply, here: Position) -> list[Sample | Gap]:
        """Take the bodies of a page. Their positions give their seqs, so an invalid body is a known loss."""
        if not (reply.run == here.run and reply.oldest and reply.newest and reply.bodies):
            return []
        out: list[Sample | Gap] = []
        first = max(here.seq + 1, reply.oldest)
        last = min(first + len(reply.bodies) - 1, reply.newest)
        for seq, body in zip(range(first, last + 1), reply.bodies, strict=False):
            try:
                sample = self._decode(body)
                if (sample.run, sample.seq) != (here.run, seq):
                    raise InvalidSample(f"replay gave seq {sample.seq} in place of {seq}")
            except InvalidSample as invalid:
                self._on_invalid(invalid)
                continue
            out += self._pass_over(here.run, seq - 1)
            out.append(self._advance(sample))
        # Skip invalid bodies at the end: otherwise the same page would be requested for ever.
        return out + self._pass_over(here.run, last)

    # --- going on with live samples ---

    def _caught_up(self) -> list[Sample | Gap]:
        """The ring has no more: yield the waiting samples; gaps between them are losses.

        If there are gaps between the samples received since the question, ask again.
        """
        self.question = None
        out = self._pass_waiting()
        out += [self._advance(sample) for sample in self._news.values() if self._follows(sample)]
        if not all(map(self._is_passed, self._news)):
            self.ask()
        self._news.clear()
        return out

    def _pass_waiting(self) -> list[Sample | Gap]:
        out: list[Sample | Gap] = []
        newest: dict[str, int] = {}
        for run, seq in self._waiting:
            if not self._is_passed(Position(run, seq)):
                newest[run] = max(seq, newest.get(run, 0))
        for run, seq in newest.items():
            out += self._leave_for(run)
            out += self._pass_over(run, seq)
        self._waiting.clear()
        return out

    def _come_late(self, sample: Sample) -> list[Sample | Gap]:
        """Yield a late live sample of a finished run that the ring did not hold: better late than lost."""
        first = self._passed.get(sample.run, 0) + 1
        self._passed[sample.run] = sample.seq
        gaps: list[Sample | Gap] = [Gap(sample.run, first, sample.seq - 1)] if first < sample.seq else []
        return [*gaps, sample]

    def _note_news(self) -> None:
        live = self._waiting | self._news
        self._waiting = {position: live[position] for position in live if not self._is_passed(position)}
        self._news = {}

    # --- the position ---

    def _follows(self, sample: Sample) -> bool:
        return self._position == (sample.run, sample.seq - 1)

    def _is_passed(self, position: Position) -> bool:
        return position.seq <= self._passed.get(position.run, 0)

    def _leave_for(self, run: str) -> list[Sample | Gap]:
        """Go to the start of ``run``: yield what is left of the earlier runs, and gaps for what is lost."""
        out: list[Sample | Gap] = []
        if self._position is None or self._position.run == run:
            return out
        for earlier in dict.fromkeys((self._position.run, *self._known)):
            if earlier == run:
                break
            live = (position.seq for position in (*self._waiting, *self._news) if position.run == earlier)
            out += self._pass_over(earlier, max(self._known.pop(earlier, 0), *live, 0))
        self._move_to(Position(run, self._passed.get(run, 0)))
        return out

    def _pass_over(self, run: str, last: int) -> list[Sample | Gap]:
        """Go on to ``last``: yield the waiting live samples, and gaps where there are none."""
        out: list[Sample | Gap] = []
        first = self._passed.get(run, 0) + 1
        if first > last:
            return out
        live = self._waiting | self._news
        for seq in sorted(seq for other, seq in live if other == run and first <= seq <= last):
            out += self._gap_to(run, seq - 1)
            out.append(self._advance(live[Position(run, seq)]))
        return out + self._gap_to(run, last)

    def _gap_to(self, run: str, last: int) -> list[Sample | Gap]:
        first = self._passed.get(run, 0) + 1
        if first > last:
            return []
        self._move_to(Position(run, last))
        return [Gap(run, first, last)]

    def _advance(self, sample: Sample) -> Sample:
        self._move_to(Position(sample.run, sample.seq))
        return sample

    def _move_to(self, position: Position) -> None:
        self._position = position
        self._passed.pop(position.run, None)
        self._passed[position.run] = position.seq
        while len(self._passed) > _KNOWN_RUNS:
            del self._passed[next(iter(self._passed))]
