"""What is tried again, what is split and what is given up, with an engine and a clock in memory."""

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
    """Time, chance and an engine."""

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
    """Give these answers, then 204."""
    left: Iterator[Answer | None] = iter(answers)
    return lambda body: next(left, TAKEN)


TAKEN = Answer(204, "", None)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "telemetry-forward")


def test_what_is_taken_is_sent_once() -> None:
    world = World(script())
    assert world.delivery().send(LINES) == 0
    assert world.bodies == [b"\n".join(LINES) + b"\n"]
    assert world.waited == []


@pytest.mark.parametrize(
    "trouble", [None, Answer(500, "oops", None), Answer(503, "", None), Answer(429, "", None)]
)
def test_it_is_tried_again_with_growing_pauses(
    trouble: Answer | None, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(script(*[trouble] * 12))
    assert world.delivery().send(LINES) == 0
    assert world.waited == [0.75 * 2**attempt for attempt in range(9)] + [225.0] * 3
    assert len(set(world.bodies)) == 1
    assert world.taken == set(LINES)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2  # 933 s: at once, and after ten minutes
    assert warnings[0].startswith("http://engine/write: ")
    assert caplog.records[-1].message == "http://engine/write takes points again"


def test_retry_after_is_honoured_up_to_an_hour() -> None:
    world = World(script(Answer(429, "", 17.0), Answer(503, "", 1e9), Answer(429, "", 0.0)))
    world.delivery().send(LINES)
    assert world.waited == [17.0, 3600.0, 3.0]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1e9))
def test_a_pause_is_bounded_and_differs_by_chance(attempt: int, random: float, least: float) -> None:
    seconds = delay(attempt, random, least)
    assert 0.5 <= seconds <= 3600
    assert seconds >= min(least, 3600)
    assert delay(attempt, 0.0) < delay(attempt, 0.9)


@given(st.sets(st.integers(0, 99), max_size=20), st.sampled_from([400, 413, 422]))
def test_only_the_lines_that_can_never_be_taken_are_left_out(bad: set[int], status: int) -> None:
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
def test_an_engine_that_takes_no_line_at_all_is_set_up_wrongly(
    lines: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """InfluxDB 1 answers 400 where no database is named: nothing may be left out for that."""
    answers = [Answer(400, "database is required", None)]
    world = World(lambda body: answers[0])
    world.stops_after = 5
    with pytest.raises(Stopped):
        world.delivery().send(lines)
    assert len(world.bodies) < 50 * world.stops_after
    assert "400 (database is required): it takes no line at all: check the query in --url" in caplog.text
    world = World(lambda body: answers[0] if world.now < 60 else TAKEN)
    assert world.delivery().send(lines) == 0
    assert world.taken == set(lines)


def test_one_bad_line_alone_is_known_by_a_line_that_was_taken_before() -> None:
    world = World(lambda body: Answer(400, "bad", None) if b"bad" in body else TAKEN)
    delivery = world.delivery()
    delivery.send(LINES[:2])
    assert delivery.send([b"bad x=1i 1"]) == 1
    assert world.waited == []


def test_points_older_than_the_engine_keeps_do_not_hold_up_the_others() -> None:
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
def test_what_can_be_mended_loses_nothing(status: int, hint: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World(script(*[Answer(status, "", None)] * 3))
    assert world.delivery().send(LINES) == 0
    assert world.taken == set(LINES)
    assert hint in caplog.text
    assert len(caplog.records) == 2


def test_who_may_not_wait_is_told_why() -> None:
    world = World(script(*[Answer(401, "unauthorized", None)] * 3))
    with pytest.raises(NotTaken, match=r"^http://engine/write: it answers 401 \(unauth.*: check --auth$"):
        world.delivery(most_attempts=3).send(LINES)
    assert len(world.waited) == 2


def test_many_refusals_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    world = World(lambda body: Answer(400, "field type conflict", None) if b"x=7" in body else TAKEN)
    delivery = world.delivery()
    for _ in range(20):
        assert delivery.send(LINES) == 11
    assert len(caplog.records) == 1
    assert "refuses a point for good (400 field type conflict)" in caplog.text
