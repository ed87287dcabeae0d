"""The replay protocol against a model, and against foreign programs on either end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from telemetry.sample import MAX_TEXT
from telemetry.stream.joiner import Gap, Joiner, Position, Start
from telemetry.stream.replay import PAGE_BYTES, PAGE_SAMPLES, Reply, answer, read_reply, request
from telemetry.stream.ring import Held, Ring
from tests.strategies import BIGGEST, sample, times
from tests.telemetry.messages import JUNK, json_values, paths, replaced, to_bytes, without
from tests.telemetry.streams import Station, until

Bodies = dict[str, dict[int, bytes]]


@contextmanager
def ring_of(bodies: Bodies, capacity: int = 1 << 16) -> Iterator[Ring]:
    with closing(Ring(None, capacity)) as ring:
        for run, of_run in bodies.items():
            for seq, body in of_run.items():
                ring.append(run, seq, body)
        yield ring


def asked(
    ring: Ring, run: str | None, after: int | None, most: int = PAGE_SAMPLES, current: str = "b"
) -> Reply:
    frames = answer(request(7, run, after, most), ring, current)
    json.loads(frames[0], parse_constant=pytest.fail)
    reply = read_reply(frames)
    assert reply is not None
    assert reply.id == 7
    return reply


SMALL: Final[Bodies] = {
    "a": {seq: b"a%d" % seq for seq in range(3, 8)},
    "b": {seq: b"b%d" % seq for seq in range(1, 4)},
}
RUNS: Final = (Held("a", 3, 7), Held("b", 1, 3))


@pytest.mark.parametrize(
    ("run", "after", "most", "seqs", "more"),
    [
        ("a", 0, 500, [3, 4, 5, 6, 7], False),
        ("a", 2, 500, [3, 4, 5, 6, 7], False),
        ("a", 5, 500, [6, 7], False),
        ("a", 0, 2, [3, 4], True),
        ("a", 3, 1, [4], True),
        ("a", 5, 2, [6, 7], False),
        ("a", 7, 500, [], False),
        ("a", 8, 500, [], False),
        ("a", BIGGEST, 500, [], False),
        ("a", None, 500, [7], False),
        ("b", 0, 500, [1, 2, 3], False),
        (None, 0, 500, [1, 2, 3], False),
        (None, None, 500, [3], False),
        (None, 1, 1, [2], True),
    ],
)
def test_a_reply_has_the_requested_samples(
    run: str | None, after: int | None, most: int, seqs: list[int], more: bool
) -> None:
    name = run or "b"
    oldest, newest = min(SMALL[name]), max(SMALL[name])
    with ring_of(SMALL) as ring:
        bodies = tuple(SMALL[name][seq] for seq in seqs)
        assert asked(ring, run, after, most) == Reply(7, name, oldest, newest, more, RUNS, None, bodies)


def test_a_run_that_is_not_in_the_ring() -> None:
    with ring_of(SMALL) as ring:
        assert asked(ring, "c", 0) == Reply(7, "c", None, None, False, RUNS, "unknown-run", ())
        # The current run has no sample yet: that is not an error.
        for run in (None, "c"):
            reply = asked(ring, run, 0, current="c")
            assert reply == Reply(7, "c", None, None, False, RUNS, None, ())
    with ring_of({}) as ring:
        assert asked(ring, None, None) == Reply(7, "b", None, None, False, (), None, ())
        assert asked(ring, "a", 0).error == "unknown-run"


@given(
    st.lists(st.sampled_from([8, 8, 8, 1000, 100_000, PAGE_BYTES - 8, PAGE_BYTES, 600_000]), max_size=12),
    st.integers(0, 700),
    st.integers(1, 600),
    st.integers(1, 10_000),
)
def test_pages_are_bounded_full_and_complete(sizes: list[int], small: int, most: int, first: int) -> None:
    sizes = [*sizes[:6], *[8] * small, *sizes[6:]]
    bodies = {seq: b"%07d|" % seq + b"x" * (size - 8) for seq, size in enumerate(sizes, first)}
    with ring_of({"b": bodies}, 8 << 20) as ring:
        after, got = 0, dict[int, bytes]()
        while True:
            reply = asked(ring, "b", after, most)
            page = list(reply.bodies)
            assert len(page) <= min(most, PAGE_SAMPLES)
            assert sum(map(len, page)) <= PAGE_BYTES or len(page) == 1
            begin = max(after + 1, first)
            got |= dict(enumerate(page, begin))
            after = begin + len(page) - 1
            following = bodies.get(after + 1)
            assert reply.more == (following is not None)
            if following is None:
                break
            full = len(page) == min(most, PAGE_SAMPLES)
            assert full or sum(map(len, page)) + len(following) > PAGE_BYTES, "a page could hold more"
        assert got == bodies


# --- foreign clients -------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


UNWANTED: Final[dict[str, tuple[object, ...]]] = {
    "run": (1, True, [], {}, 0.5),
    "after": (-1, 1 << 63, 1.0, True, "1", []),
    "max": (0, -1, 1.0, True, "1", None, []),
    "id": (1.0, True, [], {}, math.inf),
}
FINE: Final[dict[str, Any]] = {"v": 1, "id": 7, "run": "b", "after": 0, "max": 5}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'{"v":1',
        b'{"v":2,"id":7,"run":null,"after":0,"max":5}',
        b'{"v":NaN}',
        b"[" * 60_000,
        b"9" * 5000,
        b"x" * 100_000,
        to_bytes(FINE) + b" " * (64 << 10),
        *(to_bytes(FINE | {name: value}) for name, values in UNWANTED.items() for value in values),
        json.dumps(FINE | {"id": math.nan}).encode(),
    ],
    ids=range(37),
)
def test_a_bad_request_gets_an_error(frame: bytes) -> None:
    with ring_of(SMALL) as ring:
        (head,) = answer(frame, ring, "b")
        fields = json.loads(head, parse_constant=pytest.fail)
        assert fields["error"].startswith("bad-request: ")
        assert fields["error"].isprintable()
        assert [held["run"] for held in fields["runs"]] == ["a", "b"]
        assert (fields["id"], fields["more"]) == (None, False)


@pytest.mark.parametrize("field", ["id", "run", "after", "max", "x"])
def test_no_depth_of_lists_raises(field: str) -> None:
    """A list that can just be parsed may be too deep to be encoded: that must not stop the sampler."""
    with ring_of(SMALL) as ring:
        for depth in [*range(0, 900, 50), *range(900, 1100), 3000, 30_000]:
            frame = to_bytes(FINE)[:-1] + b',"%s":%s}' % (field.encode(), b"[" * depth + b"0" + b"]" * depth)
            head, *_ = answer(frame, ring, "b")
            assert json.loads(head)["v"] == 1


@pytest.mark.parametrize("name", [None, 7, -(10**4000), "", "text", "\udc80", "x" * 4000])
def test_the_id_is_sent_back(name: object) -> None:
    with ring_of(SMALL) as ring:
        head, *bodies = answer(to_bytes(FINE | {"id": name}), ring, "b")
        assert json.loads(head)["id"] == name
        assert len(bodies) == 3


def test_missing_fields_have_defaults() -> None:
    with ring_of(SMALL) as ring:
        head, *bodies = answer(b'{"v":1}', ring, "b")
        assert json.loads(head)["error"] is None
        assert bodies == [b"b3"]  # the newest of the current run


def test_the_longest_run_can_be_asked_for() -> None:
    run = "🔋" * MAX_TEXT
    with ring_of({"a": {1: b"a"}}) as ring:
        assert asked(ring, run, BIGGEST).error == "unknown-run"


ANY_FRAME: Final = (
    st.binary(max_size=60)
    | json_values.map(to_bytes)
    | st.tuples(st.sampled_from(sorted(FINE)), json_values | st.sampled_from(JUNK)).map(
        lambda change: to_bytes(FINE | dict([change]))
    )
)


@times(4)
@given(ANY_FRAME)
def test_every_request_gets_a_reply(frame: bytes) -> None:
    with ring_of(SMALL) as ring:
        head, *bodies = answer(frame, ring, "b")
        fields = json.loads(head, parse_constant=pytest.fail)
        assert sorted(fields) == ["error", "id", "more", "newest", "oldest", "run", "runs", "v"]
        if fields["error"] is not None:
            assert bodies == []


# --- foreign servers -------------------------------------------------------------------------------

ANSWER: Final[dict[str, Any]] = {
    "v": 1,
    "id": 7,
    "run": "b",
    "oldest": 1,
    "newest": 3,
    "more": False,
    "error": None,
    "runs": [{"run": "a", "first": 3, "last": 7}, {"run": "b", "first": 1, "last": 3}],
}
OPTIONAL: Final = {("v",)}
"""The version of a reply is not checked: a reply of another version would have another id."""


def test_a_reply_is_parsed() -> None:
    frames = [to_bytes(ANSWER), b"one", b"two"]
    assert read_reply(frames) == Reply(7, "b", 1, 3, False, RUNS, None, (b"one", b"two"))
    for name in ("run", "oldest", "newest", "error"):
        reply = read_reply([to_bytes(ANSWER | {name: None})])
        assert reply is not None
        assert getattr(reply, name) is None
    assert read_reply([to_bytes(ANSWER | {"error": "unknown-run", "new": [1]})]) is not None


@pytest.mark.parametrize("path", [path for path in paths(ANSWER) if path not in OPTIONAL])
def test_other_frames_are_not_a_reply(path: tuple[str | int, ...]) -> None:
    if isinstance(path[-1], str):
        assert read_reply([to_bytes(without(ANSWER, path))]) is None
    fine: dict[str | int, object] = {"more": bool, "error": str, "runs": list, "id": int}
    wrong: list[object] = [True, 0.5, 1.0, "", "\udc80", [], -1, 1 << 63, "x" * 4097, {"run": "a"}]
    for value in wrong:
        if len(path) == 1 and type(value) is fine.get(path[0]):
            continue
        assert read_reply([to_bytes(replaced(ANSWER, path, value))]) is None, value


@pytest.mark.parametrize("head", [b"", b"\xff", b"[]", b"7", b"null", b"[" * 100_000, b"9" * 5000, b"{}"])
def test_invalid_json_is_not_a_reply(head: bytes) -> None:
    assert read_reply([head]) is None
    assert read_reply([head, b"body"]) is None


@st.composite
def hostile_replies(draw: st.DrawFn) -> list[bytes]:
    """Replies that are well-formed but false, or malformed."""
    names = st.sampled_from(["a", "b", "c", "", "\udc80"])
    seqs = st.integers(-1, 12) | st.sampled_from([BIGGEST, BIGGEST + 1])
    runs = st.lists(st.fixed_dictionaries({"run": names, "first": seqs, "last": seqs}), max_size=4)
    head = {
        "v": 1,
        "id": 7,
        "run": draw(st.none() | names),
        "oldest": draw(st.none() | seqs),
        "newest": draw(st.none() | seqs),
        "more": draw(st.booleans()),
        "runs": draw(runs),
        "error": draw(st.sampled_from([None, None, "unknown-run", "bad"])),
    }
    if draw(st.booleans()):
        head = replaced(head, draw(st.sampled_from(paths(head))), draw(json_values))
    bodies = st.lists(st.sampled_from([b"", b"junk", *BODIES]), max_size=5)
    return [to_bytes(head), *draw(bodies)]


BODIES: Final = [
    json.dumps(
        {"v": 1}
        | sample(run, seq)._asdict()
        | {"battery": None, "cpu": {"total": 1, "cores": []}, "processes": []}
    ).encode()
    for run in ("a", "b")
    for seq in (1, 2, 3)
]


def hostile(all_frames: list[list[bytes]]) -> None:
    for start in (Start.OLDEST, Start.NEWEST, Position("a", 2)):
        joiner = Joiner(start, lambda invalid: None)
        seen = set[tuple[str, int]]()
        for number, frames in enumerate(all_frames):
            reply = read_reply(frames)
            if reply is not None:
                if joiner.question is None:
                    joiner.ask()
                out = joiner.reply(reply)
                if number % 3 == 2:
                    out += joiner.live(sample("b", number))
                for item in out:
                    item.run.encode()
                    if isinstance(item, Gap):
                        assert 1 <= item.first <= item.last <= BIGGEST
                    else:
                        assert (item.run, item.seq) not in seen
                        seen.add((item.run, item.seq))
            if joiner.question is not None and joiner.question.run is not None:
                request(1, *joiner.question)
                assert joiner.question.after is not None
                assert 0 <= joiner.question.after <= BIGGEST


@given(st.lists(hostile_replies(), max_size=6))
def test_false_replies_do_no_harm(frames: list[list[bytes]]) -> None:
    hostile(frames)


# --- on a real socket ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
def test_any_client_is_answered(tmp_path: Path, kind: int) -> None:
    with Station(tmp_path, "run") as station, zmq.Context[zmq.Socket[bytes]]() as context:
        station.publish(3)
        with context.socket(kind) as client:
            client.connect(f"ipc://{tmp_path}/replay")
            for frame, error in ((request(7, None, 1), None), (b"junk", "bad-request")):
                client.send(frame)
                until(lambda: bool(client.poll(0)), station=station)
                head, *bodies = client.recv_multipart()
                fields = json.loads(head)
                if error is None:
                    assert (fields["id"], fields["error"]) == (7, None)
                    assert bodies == list(station.ring.bodies("run", 1))
                    assert len(bodies) == 2
                else:
                    assert fields["error"].startswith(error)


def test_frames_before_the_request_are_sent_back(tmp_path: Path) -> None:
    with Station(tmp_path, "run") as station, zmq.Context[zmq.Socket[bytes]]() as context:
        station.publish()
        with context.socket(zmq.DEALER) as client:
            client.connect(f"ipc://{tmp_path}/replay")
            client.send_multipart([b"route", b"", request(7, None, None)])
            until(lambda: bool(client.poll(0)), station=station)
            route, empty, head, body = client.recv_multipart()
            assert (route, empty, json.loads(head)["newest"]) == (b"route", b"", 1)
            assert body == next(station.ring.bodies("run", 0))


def test_a_client_that_never_reads_its_replies_costs_little(tmp_path: Path) -> None:
    """A page is 256 KiB: if nobody reads a thousand of them, only a few may be kept."""
    page = [b"x" * 1000] * 250
    with Station(tmp_path, "run") as station, zmq.Context[zmq.Socket[bytes]]() as context:
        for seq, body in enumerate(page, 1):
            station.ring.append("run", seq, body)
        with context.socket(zmq.DEALER) as client:
            client.setsockopt(zmq.RCVHWM, 1)
            client.connect(f"ipc://{tmp_path}/replay")
            for number in range(300):
                client.send(request(number, "run", 0), zmq.DONTWAIT)
            for _ in range(20):
                station.serve()
            kept = 0
            while client.poll(100):
                client.recv_multipart()
                kept += 1
            assert 1 <= kept < 20
            client.send(request(1000, "run", None))
            until(lambda: bool(client.poll(0)), station=station)
            assert json.loads(client.recv_multipart()[0])["id"] == 1000
