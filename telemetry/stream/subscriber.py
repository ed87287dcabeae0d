"""The listener's end of the stream: every sample once, in order, and the losses said.

``for item in subscriber`` yields each ``Sample`` and each ``Gap``; ``receive`` is the same for programs that
poll for other things as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import zmq

from telemetry.sample import TOPIC_PREFIX, InvalidSample, Sample, decode
from telemetry.stream.endpoints import check_reachable, endpoint_errors
from telemetry.stream.joiner import Gap, Joiner, Position, Question, Start
from telemetry.stream.publisher import Readable
from telemetry.stream.replay import read_reply, request

_REPLY_TIMEOUT = 2.0
"""s until a question is asked anew, on a new socket; doubled at each time-out up to 32 s"""
_QUESTIONS = 3
"""So many unanswered while live samples come: this sampler has no replay, so its holes are lost."""
_SILENT_INTERVALS = 3
_FIRST_INTERVAL = 5.0
_MESSAGES_IN_A_ROW = 500


class Subscriber:
    """Samples of one sampler, live and replayed. Either may start first, stop, die and come back."""

    def __init__(
        self,
        subscribe: str,
        replay: str,
        start: Position | Start = Start.NEWEST,
        *,
        on_invalid: Callable[[InvalidSample], None] = lambda invalid: None,
        topic: str = TOPIC_PREFIX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect; the sampler need not be there yet. ``on_invalid`` is told of what is no sample.

        Raises UserError where this user may not connect, UsageError for what is no endpoint.
        """
        self._subscribe_endpoint = subscribe
        self._replay_endpoint = replay
        self._topic = topic
        self._on_invalid = on_invalid
        self._clock = clock
        self._joiner = Joiner(start, on_invalid)
        self._interval = _FIRST_INTERVAL
        self._asked: Question | None = None
        self._asked_at = 0.0
        self._question_id = 0
        self._unanswered = 0
        self._live_since_answer = 0
        check_reachable(subscribe)
        self._context = zmq.Context[zmq.Socket[bytes]]()
        try:
            self._live = self._connect(zmq.SUB, subscribe, "--subscribe")
            self._replay = self._connect(zmq.DEALER, replay, "--replay")
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._heard = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Sample | Gap]:
        while True:
            yield from self.receive(_FIRST_INTERVAL)

    def close(self) -> None:
        """Close the sockets."""
        self._context.destroy(linger=0)

    def receive(self, timeout: float, others: Sequence[Readable] = ()) -> list[Sample | Gap]:
        """Return what is in order now; wait up to ``timeout`` seconds for it.

        Returns early, perhaps with nothing, when one of ``others`` is readable or the clock asks for work.
        """
        out = self._keep_asking()
        poller = zmq.Poller()
        for readable in (self._live, self._replay, *others):
            poller.register(readable, zmq.POLLIN)
        poller.poll(0 if out else int(min(timeout, self._next_work()) * 1000) + 1)
        # Live first: a reply then finds the samples that were published while it was under way.
        return [*out, *self._take_live(), *self._take_replies()]

    # --- live ---

    def _take_live(self) -> list[Sample | Gap]:
        out: list[Sample | Gap] = []
        for _ in range(_MESSAGES_IN_A_ROW):
            try:
                frames = self._live.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            try:
                sample = decode(frames[-1])
            except InvalidSample as invalid:
                self._on_invalid(invalid)
                continue
            self._heard = self._clock()
            self._interval = sample.interval
            self._live_since_answer += 1
            out += self._joiner.live(sample)
        return out

    # --- replay ---

    def _take_replies(self) -> list[Sample | Gap]:
        out: list[Sample | Gap] = []
        while True:
            try:
                frames = self._replay.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return out
            reply = read_reply(frames)
            if reply is None or self._asked is None or reply.id != self._question_id:
                continue  # late, or a stranger's
            self._asked = None
            self._unanswered = self._live_since_answer = 0
            out += self._joiner.reply(reply)
            self._ask()

    def _ask(self) -> None:
        """Send the joiner's question, unless one is under way."""
        question = self._joiner.question
        if question is None or self._asked is not None:
            return
        self._question_id += 1
        self._asked, self._asked_at = question, self._clock()
        with suppress(zmq.Again):  # nobody takes it: asked again after the time-out
            self._replay.send(request(self._question_id, question.run, question.after), zmq.DONTWAIT)

    def _keep_asking(self) -> list[Sample | Gap]:
        """Do what the clock asks for: repeat a lost question, wake up a stream that fell silent."""
        now = self._clock()
        out: list[Sample | Gap] = []
        if now - self._heard >= self._silence():
            self._heard = now
            self._live.close()
            self._live = self._connect(zmq.SUB, self._subscribe_endpoint, "--subscribe")
            if self._joiner.question is None:
                self._joiner.ask()
        if self._asked is not None and now - self._asked_at >= self._patience():
            self._asked = None
            self._unanswered += 1
            self._replay.close()
            self._replay = self._connect(zmq.DEALER, self._replay_endpoint, "--replay")
            # A sampler answers between two samples: one that published two and did not answer has no replay,
            # or another one than was named. One that is stopped publishes nothing, and is waited for.
            if self._unanswered >= _QUESTIONS and self._live_since_answer >= 2:
                out = self._joiner.unanswered()
        self._ask()
        return out

    def _patience(self) -> float:
        return _REPLY_TIMEOUT * float(2 ** min(self._unanswered, 4))

    def _silence(self) -> float:
        return max(_SILENT_INTERVALS * self._interval, 1.0)

    def _next_work(self) -> float:
        now = self._clock()
        work = [self._heard + self._silence() - now]
        if self._asked is not None:
            work.append(self._asked_at + self._patience() - now)
        return max(0.0, min(work))

    def _connect(self, kind: int, endpoint: str, option: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, self._topic.encode())
        with endpoint_errors(f"cannot connect to {option} {endpoint}"):
            socket.connect(endpoint)
        return socket
