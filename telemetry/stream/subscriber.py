"""The subscriber's end of the stream: every sample once, in order, with gaps for lost ones.

``for item in subscriber`` yields each ``Sample`` and each ``Gap``; ``receive`` does the same for programs
that also poll other files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Self

import zmq

from telemetry.sample import TOPIC_PREFIX, InvalidSample, Sample, decode
from telemetry.stream import addresses
from telemetry.stream.endpoints import check_reachable, endpoint_errors
from telemetry.stream.joiner import Gap, Joiner, Position, Question, Start
from telemetry.stream.keys import ClientKeys
from telemetry.stream.publisher import Readable
from telemetry.stream.replay import read_reply, request

_REPLY_TIMEOUT = 2.0
"""s until a question is repeated on a new socket; doubled at each time-out, up to 32 s"""
_QUESTIONS = 3
"""After this many unanswered questions while live samples come, the sampler counts as having no replay."""
_SILENT_INTERVALS = 3
_FIRST_INTERVAL = 5.0
_LONGEST_INTERVAL = 3600.0
"""The longest --interval, s. After a pause a sample may cover more, for example a day: it counts as this."""
_MESSAGES_IN_A_ROW = 500
_LONGEST_RETRY = 1000
"""ms between tries to connect, reached by doubling from 100"""


class Subscriber:
    """Samples of one sampler, live and replayed. Either process may start first, stop, die or come back."""

    def __init__(
        self,
        subscribe: str,
        replay: str,
        start: Position | Start = Start.NEWEST,
        *,
        on_invalid: Callable[[InvalidSample], None] = lambda invalid: None,
        decode: Callable[[bytes], Sample] = decode,
        topic: str = TOPIC_PREFIX,
        clock: Callable[[], float] = time.monotonic,
        keys: ClientKeys | None = None,
    ) -> None:
        """Connect; the sampler need not be running yet.

        ``on_invalid`` is called for each message that is not a sample. ``decode`` makes a sample of a
        message or raises InvalidSample. ``keys`` are for endpoints of ``tcp://``: without them a sampler that
        has keys sends nothing.

        Raises UserError if this user may not connect, UsageError if an endpoint is malformed.
        """
        self._subscribe_endpoint = subscribe
        self._replay_endpoint = replay
        self._topic = topic
        self._on_invalid = on_invalid
        self._decode = decode
        self._clock = clock
        self._keys = keys
        self._joiner = Joiner(start, on_invalid, decode)
        self._interval = _FIRST_INTERVAL
        self._asked: Question | None = None
        self._asked_at = 0.0
        self._question_id = 0
        self._unanswered = 0
        self._live_run: str | None = None
        self._live_since_asked = 0
        self._check_reachable()
        self._context = zmq.Context[zmq.Socket[bytes]]()
        try:
            self._live = self._connect(zmq.SUB, subscribe, "--subscribe")
            self._replay = self._connect(zmq.DEALER, replay, "--replay")
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._heard = clock()
        self._contact: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Sample | Gap]:
        while True:
            yield from self.receive(_FIRST_INTERVAL)

    @property
    def caught_up(self) -> bool:
        """Whether everything published so far was yielded, as far as is known: no question is pending."""
        return self._joiner.question is None

    @property
    def where(self) -> str:
        """The endpoints, for messages to people."""
        return f"{self._subscribe_endpoint} and {self._replay_endpoint}"

    @property
    def quiet_for(self) -> float | None:
        """s since a sample or a reply arrived; None: nothing arrived since the start."""
        return None if self._contact is None else self._clock() - self._contact

    @property
    def interval(self) -> float:
        """s between two samples, according to the newest one."""
        return self._interval

    def restart(self, start: Position | Start) -> None:
        """Start again after ``start``: the samples after it are requested and yielded again."""
        self._joiner = Joiner(start, self._on_invalid, self._decode)
        self._asked = None
        self._ask()

    def close(self) -> None:
        """Close the sockets."""
        self._context.destroy(linger=0)

    def receive(self, timeout: float, others: Sequence[Readable] = ()) -> list[Sample | Gap]:
        """Return the next samples and gaps in order; wait up to ``timeout`` seconds for them.

        Returns early, perhaps with nothing, when one of ``others`` is readable or when a time-out needs work.
        Raises UserError if the sampler has started with sockets that this user may not connect to.
        """
        # First take what has arrived: if this process was stopped or busy, its answers are here already.
        out = self._take_arrived()
        out += self._keep_asking()
        if out:
            return out
        poller = zmq.Poller()
        for readable in (self._live, self._replay, *others):
            poller.register(readable, zmq.POLLIN)
        poller.poll(int(min(timeout, self._next_work()) * 1000) + 1)
        return self._take_arrived()

    def _take_arrived(self) -> list[Sample | Gap]:
        out: list[Sample | Gap] = []
        # Take replies only when no live sample is left. So a reply is joined with all samples published
        # before it, and samples that arrived before a question do not count as a sign that it is unanswered.
        if self._take_live(out):
            self._take_replies(out)
            self._ask()
        return out

    # --- live ---

    def _take_live(self, out: list[Sample | Gap]) -> bool:
        """Take a limited number of samples, so that other sockets get their turn; return if none is left."""
        for _ in range(_MESSAGES_IN_A_ROW):
            try:
                frames = self._live.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return True
            try:
                if len(frames) != 2:
                    raise InvalidSample(f"{len(frames)} frames, not 2")
                sample = self._decode(frames[1])
            except InvalidSample as invalid:
                self._on_invalid(invalid)
                continue
            self._note_alive(sample)
            out += self._joiner.live(sample)
        return False

    def _note_alive(self, sample: Sample) -> None:
        self._heard = self._contact = self._clock()
        self._interval = min(sample.interval, _LONGEST_INTERVAL)
        if sample.run != self._live_run:  # a new process: a question to the old one may be lost
            self._live_run = sample.run
            self._live_since_asked = self._unanswered = 0
            if self._asked is not None:
                self._send(self._asked)
        self._live_since_asked += 1

    # --- replay ---

    def _take_replies(self, out: list[Sample | Gap]) -> None:
        while True:
            try:
                frames = self._replay.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            reply = read_reply(frames)
            if reply is None or self._asked is None or reply.id != self._question_id:
                continue  # a late reply, or a reply to another question
            self._asked = None
            self._contact = self._clock()
            out += (joined := self._joiner.reply(reply))
            if joined and isinstance(joined[-1], Sample):
                self._interval = min(joined[-1].interval, _LONGEST_INTERVAL)
            self._ask()
            if joined:
                return  # one page at a time: the whole content of a ring would take much memory

    def _ask(self) -> None:
        """Send the joiner's question, unless one is pending."""
        question = self._joiner.question
        if question is not None and self._asked is None:
            self._unanswered = self._live_since_asked = 0
            self._send(question)

    def _send(self, question: Question) -> None:
        self._question_id += 1
        self._asked, self._asked_at = question, self._clock()
        with suppress(zmq.Again):  # it cannot be sent now, and is repeated after the time-out
            self._replay.send(request(self._question_id, question.run, question.after), zmq.DONTWAIT)

    def _keep_asking(self) -> list[Sample | Gap]:
        """Do the work of time-outs: repeat a lost question, reconnect a silent stream."""
        now = self._clock()
        out: list[Sample | Gap] = []
        if now - self._heard >= self._silence():
            self._heard = now
            self._check_reachable()  # the sampler may have started since
            self._live.close()
            self._live = self._connect(zmq.SUB, self._subscribe_endpoint, "--subscribe")
            if self._joiner.question is None:
                self._joiner.ask()
            self._ask()
        if self._asked is not None and now - self._asked_at >= self._patience():
            self._unanswered += 1
            self._replay.close()
            self._replay = self._connect(zmq.DEALER, self._replay_endpoint, "--replay")
            # A sampler answers between two samples. If it has published two samples and not answered, it
            # has no replay, or serves it elsewhere. A dead or stopped sampler publishes nothing: wait for it.
            if self._unanswered >= _QUESTIONS and self._live_since_asked >= 2:
                self._asked = None
                out = self._joiner.unanswered()
            else:
                self._send(self._asked)
        return out

    def _check_reachable(self) -> None:
        check_reachable(self._subscribe_endpoint)
        check_reachable(self._replay_endpoint)

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
        # Without a sampler ZeroMQ would try ten times a second for years.
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, _LONGEST_RETRY)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, self._topic.encode())
        if self._keys is not None:
            self._keys.protect(socket, endpoint)
        with endpoint_errors(f"cannot connect to {option} {endpoint}"):
            addresses.connect(socket, endpoint)
        return socket
