"""The real writer, fed by a plain socket: every message is either stored, or counted and skipped."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.sample import MAX_BYTES, InvalidSample, Sample, decode, encode
from tests.strategies import samples
from tests.system.processes import System
from tests.writer.fake_sampler import TOPIC, Feed, skipped
from tests.writer.reading import expected_rows, is_whole, rows, stored_rows, value
from tests.writer.samples import NOW, sample
from tests.writer.test_importing import BAD

LOG_LINES = 6
"""The most log lines of a writer that gets bad messages for less than a minute."""


# --- one of each kind ---

FRAMES: dict[str, list[bytes]] = {name: [TOPIC, body] for name, body in BAD.items()} | {
    "no body": [TOPIC],
    "an empty body": [TOPIC, b""],
    "blanks": [TOPIC, b" \n"],
    "a bad last frame": [TOPIC, encode(sample(1)), b"{}"],
    "frames without end": [TOPIC] * 500,
    "just over 1 MiB": [TOPIC, encode(sample(1))[:-1] + b" " * MAX_BYTES + b"}"],
}


def test_each_kind_of_bad_message_costs_only_itself(feed: Feed) -> None:
    for seq, frames in enumerate(FRAMES.values(), 1):
        feed.sampler.send(*frames)
        feed.sampler.publish(sample(seq))
    last = len(FRAMES)
    feed.control.wait_for("run-a", last)
    found = rows(feed.system.database, "SELECT seq, ts FROM system_sample ORDER BY seq")
    assert found == [(seq, NOW + 5 * seq) for seq in range(1, last + 1)]
    assert value(feed.system.database, "SELECT COUNT(*) FROM gap") == 0
    status, log, _ = feed.stop(signal.SIGTERM)
    assert status == 0
    assert skipped(log) == len(FRAMES)
    assert len(log) <= LOG_LINES
    assert not [line for line in log if "Traceback" in line or len(line) > 300]


@pytest.mark.slow
def test_the_memory_of_100_mb_is_freed(feed: Feed) -> None:
    """ZeroMQ receives them before the writer can check their size, so the memory must be freed afterwards."""
    feed.sampler.publish(sample(1))
    feed.control.wait_for("run-a", 1)
    before = feed.resident()
    for seq in (2, 3, 4):
        feed.sampler.send(TOPIC, b"x" * 100_000_000)
        feed.sampler.publish(sample(seq))
        feed.control.wait_for("run-a", seq)
        assert feed.resident() < before + 30_000
    status, log, _ = feed.stop(signal.SIGTERM)
    assert (status, skipped(log)) == (0, 3)


def test_other_topics_are_not_received(feed: Feed) -> None:
    """The subscription excludes them, so they are not even counted."""
    feed.sampler.send(b"log/pi4/", b"hello")
    feed.sampler.send(b"sampl", encode(sample(99)))
    feed.sampler.send(b"sample/another-host/", encode(sample(1)))
    feed.control.wait_for("run-a", 1)
    status, log, _ = feed.stop(signal.SIGTERM)
    assert (status, skipped(log)) == (0, 0)


@pytest.mark.slow
def test_a_flood_is_logged_once(feed: Feed) -> None:
    for first in range(0, 5000, 500):
        for _ in range(500):
            feed.sampler.send(TOPIC, b"nonsense")
        seq = first // 500 + 1
        feed.sampler.publish(sample(seq))
        feed.control.wait_for("run-a", seq)
    status, log, _ = feed.stop(signal.SIGTERM)
    assert (status, skipped(log)) == (0, 5000)
    assert len(log) <= LOG_LINES


# --- anything ---

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(1 << 80), 1 << 80)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([1 << 63, 1 << 64, -1, 1e308, "", "x" * 5000, "\ud800"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Return a sample in which one value is replaced or missing."""
    wire = json.loads(encode(draw(samples)))
    at = wire
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
            at = at[key]
            continue
        if draw(st.booleans()):
            del at[key]
        else:
            at[key] = draw(anything)
        break
    return json.dumps(wire).encode()


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """Return a sample's bytes, truncated, with other bytes inserted."""
    body = encode(draw(samples))
    first = draw(st.integers(0, len(body)))
    return body[:first] + draw(st.binary(max_size=8)) + body[draw(st.integers(first, len(body))) :]


def is_bad(body: bytes) -> bool:
    try:
        decode(body)
    except InvalidSample:
        return True
    return False


bodies = (
    st.binary(max_size=200)
    | anything.map(lambda value: json.dumps(value).encode())
    | spoiled()
    | torn()
    | st.sampled_from([body for body in BAD.values() if len(body) < 1 << 20])
)
bad_frames = st.lists(bodies.filter(is_bad), max_size=3).map(lambda bodies: [TOPIC, *bodies])
bursts = st.tuples(st.lists(bad_frames, max_size=4), samples)


class Fuzzed:
    """One writer for all examples."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.seq = self.bad = self.newest_ts = 0
        self.begun = time.monotonic()

    def burst(self, messages: list[list[bytes]], good: Sample) -> None:
        """Send bad messages, then a good one, and check that it is stored unchanged."""
        for frames in messages:
            self.feed.sampler.send(*frames)
        self.bad += len(messages)
        self.seq += 1
        # One run, one host and consecutive seqs: these belong to the stream and not to a message.
        good = good._replace(run="fuzz", seq=self.seq, host="pi4", boot_id="b", interval=60.0)
        good = good._replace(ts=good.ts % NOW)  # leaves room above for the seqs of all examples
        self.newest_ts = max(good.ts, self.newest_ts + 1)
        self.feed.sampler.publish(good)
        self.feed.control.wait_for("fuzz", self.seq)
        assert stored_rows(self.feed.system.database, self.newest_ts) == expected_rows(good, self.newest_ts)

    def end(self) -> None:
        database = self.feed.system.database
        assert value(database, "SELECT COUNT(*) FROM system_sample") == self.seq
        assert value(database, "SELECT COUNT(*) FROM run") == 1
        assert value(database, "SELECT COUNT(*) FROM gap") == 0
        status, log, _ = self.feed.stop(signal.SIGTERM)
        assert status == 0
        assert skipped(log) == self.bad
        assert (
            len(log) <= LOG_LINES + (time.monotonic() - self.begun) / 60
        )  # one log line a minute for such messages
        assert is_whole(database)


def test_any_message_is_stored_or_skipped(system: System) -> None:
    # Each sample is committed at once, because requested commits happen at most every 5 s.
    with Feed(system, "--commit-interval", "0") as feed:
        fuzzed = Fuzzed(feed)
        before = feed.resident()

        @given(bursts)
        def each(burst: tuple[list[list[bytes]], Sample]) -> None:
            fuzzed.burst(*burst)

        each()
        assert fuzzed.bad > settings().max_examples // 2
        assert feed.resident() < before + 30_000
        fuzzed.end()
