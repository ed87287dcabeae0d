"""What is retried, what is split and what is left out, with an engine and a clock in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forward.client import Answer, Unreachable
from forward.delivery import Delivery, NotTaken, Stopped, delay

LINES = [f"m x={number}i {number}".encode() for number in range(100)]


class World:
    """A simulated clock, random numbers and an engine."""

    def __init__(self, answer: Callable[[bytes], Answer | None]) -> None:
        self.now = 0.0
        self.waited: list[float] = []
        self.bodies: list[bytes] = []
        self.taken: set[bytes] = set()
        self.stops_after = 1000
        self._answer = answer

    def post(self, body: bytes) -> Answer:
        self.bodies.append(body)
        answer = self._answer(body)
        if answer is None:
            raise Unreachable("Connection refused")
        if answer.status == 204:
            self.taken |= set(body.splitlines())
        return answer

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.waited.append(seconds)
        return len(self.waited) >= self.stops_after

    def delivery(self, most_attempts: int | None = None) -> Delivery:
        return Delivery(
            self.post,
            where="http://engine/write",
            wait=self.wait,
            random=lambda: 0.5,
            log=logging.getLogger("telemetry-forward"),
            clock=lambda: self.now,
            most_attempts=most_attempts,
        )


def script(*answers: Answer | None) -> Callable[[bytes], Answer | None]:
    """Return these responses, then 204."""
    left: Iterator[Answer | None] = iter(answers)
    return lambda body: next(left, TAKEN)


TAKEN = Answer(204, "", None)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "telemetry-forward")


def test_a_line_that_is_taken_is_sent_once() -> None:
    world = World(script())
    assert world.delivery().send(LINES) == 0
    assert world.bodies == [b"\n".join(LINES) + b"\n"]
    assert world.waited == []


@pytest.mark.parametrize(
    "trouble", [None, Answer(500, "oops", None), Answer(503, "", None), Answer(429, "", None)]
)
def test_retries_wait_longer_each_time(trouble: Answer | None, caplog: pytest.LogCaptureFixture) -> None:
    world = World(script(*[trouble] * 12))
    assert world.delivery().send(LINES) == 0
    assert world.waited == [0.75 * 2**attempt for attempt in range(9)] + [225.0] * 3
    assert len(set(world.bodies)) == 1
    assert world.taken == set(LINES)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2  # over 933 s: once immediately, and once after ten minutes
    assert warnings[0].startswith("http://engine/write: ")
    assert caplog.records[-1].message == "http://engine/write takes points again"


def test_retry_after_is_honoured_up_to_an_hour() -> None:
    world = World(script(Answer(429, "", 17.0), Answer(503, "", 1e9), Answer(429, "", 0.0)))
    world.delivery().send(LINES)
    assert world.waited == [17.0, 3600.0, 3.0]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1e9))
def test_a_pause_is_bounded_and_partly_random(attempt: int, random: float, least: float) -> None:
    seconds = delay(attempt, random, least)
    assert 0.5 <= seconds <= 3600
    assert seconds >= min(least, 3600)
    assert delay(attempt, 0.0) < delay(attempt, 0.9)


@given(st.sets(st.integers(0, 99), max_size=20), st.sampled_from([400, 413, 422]))
def test_only_the_lines_that_the_engine_can_never_take_are_left_out(bad: set[int], status: int) -> None:
    wrong = {LINES[number] for number in bad}
    world = World(lambda body: Answer(status, "bad", None) if wrong & set(body.splitlines()) else TAKEN)
    assert world.delivery().send(LINES) == len(bad)
    assert world.taken == set(LINES) - wrong
    assert world.waited == []


def test_a_body_that_is_too_large_is_split_until_it_fits() -> None:
    world = World(lambda body: Answer(413, "too large", None) if body.count(b"\n") > 7 else TAKEN)
    assert world.delivery().send(LINES) == 0
    assert world.taken == set(LINES)


@pytest.mark.parametrize("lines", [LINES, LINES[:1]])
def test_nothing_is_left_out_if_the_engine_refuses_every_line(
    lines: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """InfluxDB 1 answers 400 if the URL names no database: no point may be left out because of that."""
    answers = [Answer(400, "database is required", None)]
    world = World(lambda body: answers[0])
    world.stops_after = 5
    with pytest.raises(Stopped):
        world.delivery().send(lines)
    assert len(world.bodies) < 50 * world.stops_after
    assert "400 (database is required): it refuses every line: check the query in --url" in caplog.text
    world = World(lambda body: answers[0] if world.now < 60 else TAKEN)
    assert world.delivery().send(lines) == 0
    assert world.taken == set(lines)


def test_a_single_bad_line_is_recognised_by_resending_a_line_that_was_taken() -> None:
    world = World(lambda body: Answer(400, "bad", None) if b"bad" in body else TAKEN)
    delivery = world.delivery()
    delivery.send(LINES[:2])
    assert delivery.send([b"bad x=1i 1"]) == 1
    assert world.waited == []


def test_points_beyond_the_retention_do_not_block_the_others() -> None:
    refused = Answer(400, "partial write: points beyond retention policy dropped=1", None)
    world = World(lambda body: refused)
    assert world.delivery().send(LINES) == 100


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "check --auth"),
        (403, "check --auth"),
        (404, "check the path"),
        (301, "not followed"),
        (418, "418"),
    ],
)
def test_errors_that_the_user_can_fix_lose_nothing(
    status: int, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(script(*[Answer(status, "", None)] * 3))
    assert world.delivery().send(LINES) == 0
    assert world.taken == set(LINES)
    assert hint in caplog.text
    assert len(caplog.records) == 2


def test_a_caller_that_limits_the_attempts_gets_the_reason() -> None:
    world = World(script(*[Answer(401, "unauthorized", None)] * 3))
    with pytest.raises(NotTaken, match=r"^http://engine/write: it answers 401 \(unauth.*: check --auth$"):
        world.delivery(most_attempts=3).send(LINES)
    assert len(world.waited) == 2


def test_many_refusals_are_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    world = World(lambda body: Answer(400, "field type conflict", None) if b"x=7" in body else TAKEN)
    delivery = world.delivery()
    for _ in range(20):
        assert delivery.send(LINES) == 11
    assert len(caplog.records) == 1
    assert "refuses a point permanently (400 field type conflict)" in caplog.text
