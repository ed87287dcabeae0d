"""Requested commits: how many, how soon, and the answer to clients that ask too often."""

from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from telemetry.stream.control import request_commit
from tests.strategies import QUICK
from tests.system.processes import wait_until
from tests.telemetry.streams import Context
from tests.writer.fake_sampler import Control, Feed
from tests.writer.samples import sample
from writer.service.requests import EACH, PATIENCE, Requests


def test_the_first_request_is_served_at_once_and_all_waiting_ones_by_one_commit() -> None:
    requests = Requests()
    assert requests.due_in(0.0) == math.inf
    assert requests.add([[b"a", b""], [b"b", b""]], 0.0) == []
    assert requests.may_commit(0.0)
    assert requests.due_in(0.0) == 0.0
    requests.note_commit(0.0)
    assert requests.take_all() == [[b"a", b""], [b"b", b""]]
    assert not requests.may_commit(0.0)


@QUICK
@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 20)), max_size=200))
def test_a_flood_causes_a_bounded_number_of_commits(asked: list[tuple[float, int]]) -> None:
    """However many peers send it: otherwise every request after a sample would cause a commit."""
    requests, now, commits, of_peer = Requests(), 0.0, 0, dict[int, int]()
    for wait, peer in asked:
        now += wait
        requests.add([[b"%d" % peer]], now)
        if requests.may_commit(now):
            requests.note_commit(now)
            requests.take_all()
            commits += 1
            of_peer[peer] = of_peer.get(peer, 0) + 1
        requests.take_late(now)
    assert commits <= now + 1, "one a second"
    assert all(count <= EACH.burst + now * EACH.rate + 1 for count in of_peer.values())


@QUICK
@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=50))
def test_two_requested_commits_are_at_least_a_second_apart(waits: list[float]) -> None:
    requests, now, last = Requests(), 0.0, -math.inf
    for number, wait in enumerate(waits):
        now += wait
        requests.add([[b"%d" % number]], now)
        if requests.may_commit(now):
            requests.note_commit(now)
            requests.take_all()
            assert now - last >= 1.0 - 1e-6
            last = now


def test_each_request_is_answered_in_time_and_once() -> None:
    requests = Requests()
    for _ in range(40):  # peer a has used up its commits
        requests.add([[b"a"]], 0.0)
        requests.note_commit(0.0)
        requests.take_all()
    assert requests.add([[b"a", b"1"]], 1.0) == []
    assert not requests.may_commit(1.0)
    assert 0.0 < requests.due_in(1.0) <= PATIENCE + 1e-9
    assert requests.take_late(1.0 + PATIENCE / 2) == []
    assert requests.add([[b"b", b"2"]], 1.0 + PATIENCE / 2) == []
    assert requests.take_late(1.0 + PATIENCE) == [[b"a", b"1"]]
    assert requests.take_all() == [[b"b", b"2"]]


def test_the_waiting_requests_of_a_peer_are_bounded_and_others_refused() -> None:
    requests = Requests()
    refused = requests.add([[b"a", b"%d" % number] for number in range(100)], 0.0)
    assert len(refused) == 96
    assert requests.add([[b"b"]], 0.0) == []
    crowd = requests.add([[b"peer %d" % number] for number in range(10_000)], 0.0)
    assert len(requests.take_all()) + len(refused) + len(crowd) == 100 + 1 + 10_000


class Flood:
    """A DEALER that endlessly requests commits and reads the answers."""

    def __init__(self, runtime: Path, context: Context) -> None:
        self._socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self._socket.connect(f"ipc://{runtime}/writer")
        self.sent = 0

    def close(self) -> None:
        self._socket.close(linger=0)

    def go_on(self) -> None:
        for _ in range(200):
            try:
                self._socket.send_multipart([b"", b'{"v":1,"op":"commit"}'], zmq.DONTWAIT)
                self.sent += 1
            except zmq.Again:
                break
        while self._socket.poll(0):
            self._socket.recv_multipart()


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--verbose", "--commit-interval", "3600")], indirect=True)
def test_a_flood_does_not_cause_a_commit_for_each_sample(feed: Feed) -> None:
    database = feed.system.database
    count = 60
    with Context() as context, closing(Flood(feed.system.runtime, context)) as flood:
        for seq in range(1, count + 1):
            feed.sampler.publish(sample(seq))
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                flood.go_on()
        # An honest reader is served at once, with the newest sample, in spite of the flood.
        answers: list[dict[str, Any]] = []
        with Control(feed.system.runtime) as honest:
            for _ in range(3):
                flood.go_on()
                answers.append(honest.commit())
        assert flood.sent > 1000
        assert any(answer["newest"] == ["run-a", count] for answer in answers), answers
        assert request_commit(f"ipc://{feed.system.runtime}/writer", database, 10.0) is not None
    status, log, _ = feed.stop(15)
    assert status == 0
    commits = [line for line in log if "committed" in line]
    assert sum(int(line.split()[2]) for line in commits) == count
    assert len(commits) < count / 2, "not each sample by itself"


@pytest.mark.parametrize("options", [("--commit-interval", "3600")], indirect=True)
@pytest.mark.slow
def test_a_client_that_asks_too_often_is_told_what_is_committed(feed: Feed) -> None:
    refused: list[dict[str, Any]] = []
    seq = 0

    def asked_too_often() -> bool:
        nonlocal seq
        seq += 1
        feed.sampler.publish(sample(seq))
        feed.control.let_it_receive()
        answer = feed.control.commit()
        refused.extend([answer] if not answer["ok"] else [])
        return bool(refused)

    wait_until(asked_too_often)
    assert seq > 1, "the first is served"
    (answer,) = refused
    assert answer["error"].startswith("asked too often: ")
    assert answer["newest"][0] == "run-a"
    assert answer["newest"][1] < seq


@pytest.mark.parametrize("options", [("--verbose",)], indirect=True)
def test_requested_checks_run_at_most_once_a_minute(feed: Feed) -> None:
    for _ in range(10):
        assert feed.control.ask("check")["ok"]
        feed.control.let_it_receive()  # by then the check of this small file is finished
    status, log, _ = feed.stop(15)
    assert status == 0
    assert len([line for line in log if "a report found damage" in line]) == 1
