"""The ring file against a model: after appending, closing, tearing and reopening, no body is ever wrong."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import UserError
from telemetry.stream.ring import DEFAULT_CAPACITY, Held, Ring
from tests.strategies import times

HEADER: Final = 30
"""Bytes of a record without run and body."""

Entry = tuple[str, int, bytes]
Action = tuple[str, int, int]


class KilledError(Exception):
    """Simulates SIGKILL in the middle of a write."""


@contextmanager
def killed_after(written: int) -> Iterator[None]:
    """Stop the next write after this many bytes."""
    whole = os.pwrite

    def torn(file: int, data: bytes, offset: int) -> int:
        whole(file, data[:written], offset)
        raise KilledError

    with mock.patch.object(os, "pwrite", torn):
        yield


def content(ring: Ring) -> list[Entry]:
    return [
        (held.run, seq, body)
        for held in ring.runs
        for seq, body in zip(range(held.first, held.last + 1), ring.bodies(held.run, 0), strict=True)
    ]


def body_of(run: int, seq: int, size: int) -> bytes:
    """Return UTF-8 like a sample's, different for each record."""
    return (f"{run}:{seq}:" + "é" * size).encode()[: max(size, 12)]


def by_key(entries: list[Entry]) -> dict[tuple[str, int], bytes]:
    return {(run, seq): body for run, seq, body in entries}


def size_of(entry: Entry) -> int:
    used = HEADER + len(entry[0].encode()) + len(entry[2])
    return -(-used // 8) * 8


class Model:
    """A ring file, and everything that was ever appended to it."""

    def __init__(self, path: Path, capacity: int) -> None:
        self.path = path
        self.capacity = capacity
        self.ring = Ring(path, capacity)
        self.run = 1
        self.seq = 0
        self.appended: list[Entry] = []
        """The records that the ring may hold: without those cut short by a kill or hidden by damage."""
        self.ever: dict[tuple[str, int], bytes] = {}

    def next(self, size: int) -> Entry:
        run, seq, body = f"rün{self.run}", self.seq + 1, body_of(self.run, self.seq + 1, size)
        self.ever[run, seq] = body
        return run, seq, body

    def append(self, size: int) -> None:
        entry = self.next(size)
        self.ring.append(*entry)
        self.seq += 1
        self.appended.append(entry)
        if size_of(entry) > self.capacity:
            assert content(self.ring) == []
        else:
            assert content(self.ring)[-1] == entry

    def append_and_die(self, size: int, written: int) -> None:
        before = content(self.ring)
        entry = self.next(size)
        if size_of(entry) > self.capacity:
            return
        whole = written >= HEADER + len(entry[0].encode()) + len(entry[2])
        with killed_after(written), pytest.raises(KilledError):
            self.ring.append(*entry)
        not_overwritten = content(self.ring)
        self.open(self.capacity)
        found = content(self.ring)
        if whole or found[-1:] == [entry]:  # the missing bytes may be in the file already, from the last kill
            assert found == [*not_overwritten, entry]
            self.appended.append(entry)
        elif not_overwritten:
            assert found == before[len(before) - len(found) :]
            assert len(found) >= len(not_overwritten)
        else:  # everything held is overwritten: an older record may still be complete, and is valid
            assert by_key(found).items() <= self.ever.items()
            self.appended = list(found)
        self.start_run()

    def start_run(self) -> None:
        self.run += 1
        self.seq = 0

    def open(self, capacity: int) -> None:
        """Open the file as the next process does."""
        self.ring.close()
        self.capacity = capacity
        self.ring = Ring(self.path, capacity)

    def reopen(self) -> None:
        before, runs = content(self.ring), self.ring.runs
        self.open(self.capacity)
        assert content(self.ring) == before
        assert self.ring.runs == runs

    def resize(self, capacity: int) -> None:
        before, smaller = content(self.ring), capacity < self.capacity
        self.open(capacity)
        found = content(self.ring)
        if smaller:
            assert by_key(found).items() <= self.ever.items()
        else:
            assert found == before
        self.start_run_after(found)

    def start_run_after(self, found: list[Entry]) -> None:
        """Start a new run, as a new process does: it never continues a run that damage has shortened."""
        self.appended = list(found)
        self.start_run()

    def damage(self, place: int, bits: int) -> None:
        with self.path.open("r+b") as file:
            file.seek(place % self.capacity)
            (byte,) = file.read(1)
            file.seek(place % self.capacity)
            file.write(bytes([byte ^ (bits & 0xFF or 1)]))
        self.open(self.capacity)
        found = content(self.ring)
        assert by_key(found).items() <= self.ever.items()  # a second damage may undo the first
        self.start_run_after(found)

    def check(self) -> None:
        found = content(self.ring)
        assert self.path.stat().st_size == self.capacity
        assert (
            sum(map(size_of, found)) < self.capacity + 8
        )  # a smaller file may end within a record's padding
        assert found == self.appended[len(self.appended) - len(found) :], "not the newest, in order"


def play(capacity: int, actions: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        model = Model(Path(directory) / "ring", capacity)
        for name, size, number in actions:
            match name:
                case "append":
                    model.append(size)
                case "run":
                    model.start_run()
                case "reopen":
                    model.reopen()
                case "die":
                    model.append_and_die(size, number % (HEADER + size + 20))
                case "resize":
                    model.resize(max(200, size * 5))
                case "damage":
                    model.damage(number, size)
            model.check()
        model.start_run()
        model.append(20)
        model.reopen()
        model.ring.close()


def actions(*names: str) -> st.SearchStrategy[list[Action]]:
    sizes = st.integers(0, 60) | st.integers(0, 400)
    return st.lists(st.tuples(st.sampled_from(names), sizes, st.integers(0, 1 << 16)), max_size=40)


CAPACITIES: Final = st.integers(200, 300) | st.integers(200, 2000)
KILLS: Final = actions("append", "append", "append", "append", "run", "reopen", "die")
DAMAGES: Final = actions("append", "append", "append", "append", "run", "die", "resize", "damage")


@times(4)
@given(CAPACITIES, KILLS)
def test_a_kill_costs_at_most_the_record_being_written(capacity: int, actions: list[Action]) -> None:
    play(capacity, actions)


@times(4)
@given(CAPACITIES, DAMAGES)
def test_a_damaged_file_yields_no_wrong_body(capacity: int, actions: list[Action]) -> None:
    play(capacity, actions)


@pytest.mark.parametrize("capacity", [400, pytest.param(604, marks=pytest.mark.slow)])
def test_a_write_may_be_torn_at_every_byte(tmp_path: Path, capacity: int) -> None:
    """After each number of records, so that records wrap around the end of the file in every possible way."""
    for count in range(16):
        for written in range(HEADER + 40):
            path = tmp_path / "ring"
            path.unlink(missing_ok=True)
            model = Model(path, capacity)
            for number in range(count):
                model.append(12 + 7 * (number % 5))
            model.append_and_die(30, written)
            model.start_run()
            model.append(50)
            model.check()
            model.reopen()
            model.ring.close()


@given(st.lists(st.integers(12, 200), max_size=60), st.integers(600, 3000))
def test_only_records_that_must_make_room_are_dropped(sizes: list[int], capacity: int) -> None:
    with closing(Ring(None, capacity)) as ring:
        appended = [("run", seq, body_of(1, seq, size)) for seq, size in enumerate(sizes, 1)]
        for entry in appended:
            ring.append(*entry)
            held = content(ring)
            assert held == appended[entry[1] - len(held) : entry[1]]
            # One record does not fit at the end of the file, and one at the head is half overwritten.
            if len(held) < entry[1]:
                assert sum(map(size_of, held)) > capacity - 2 * max(map(size_of, appended))


@times(4)
@given(
    st.lists(
        st.binary(max_size=300)
        | st.sampled_from([b"\xffRG\xfe", b"\xffRG\xfe" * 9, b"\0" * 40, b"\xff" * 64])
        | st.tuples(st.integers(0, 60), st.integers(0, 90)).map(lambda cut: RECORD[cut[0] : cut[1]]),
        max_size=12,
    ).map(b"".join)
)
def test_a_file_of_any_content_opens(garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ring"
        path.write_bytes(garbage)
        with closing(Ring(path, 500)) as ring:
            assert all(body == BODY for _, _, body in content(ring))
            ring.append("new", 1, b"{}")
            after = content(ring)
            assert after[-1] == ("new", 1, b"{}")
        with closing(Ring(path, 500)) as ring:
            again = content(ring)
            # Such a file may contain a copy of a dropped record elsewhere.
            older = again[: -len(after)]
            assert again == older + after
            assert all(body == BODY for _, _, body in older)


BODY: Final = b'{"v":1}'


def _record() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ring"
        with closing(Ring(path, 400)) as ring:
            ring.append("run", 1, BODY)
            ring.append("run", 2, BODY)
        return path.read_bytes()


RECORD: Final[bytes] = _record()


# --- single cases ----------------------------------------------------------------------------------


def test_runs_and_bodies_return_what_the_ring_holds(tmp_path: Path) -> None:
    with closing(Ring(tmp_path / "ring", 4096)) as ring:
        assert ring.runs == []
        assert list(ring.bodies("a", 0)) == []
        for seq in (4, 5, 6):
            ring.append("a", seq, b"a%d" % seq)
        ring.append("b", 1, b"b1")
        assert ring.runs == [Held("a", 4, 6), Held("b", 1, 1)]
        assert list(ring.bodies("a", 0)) == [b"a4", b"a5", b"a6"]
        assert list(ring.bodies("a", 4)) == [b"a5", b"a6"]
        assert list(ring.bodies("a", 6)) == []
        assert list(ring.bodies("a", 1 << 62)) == []
        assert list(ring.bodies("b", 0)) == [b"b1"]
        assert list(ring.bodies("c", 0)) == []


def test_a_run_has_no_holes_and_cannot_continue_after_another(tmp_path: Path) -> None:
    with closing(Ring(tmp_path / "ring", 4096)) as ring:
        ring.append("a", 1, b"a1")
        for seq in (1, 3, 0):
            with pytest.raises(ValueError, match=f"seq {seq} of run a after 1"):
                ring.append("a", seq, b"no")
        ring.append("b", 1, b"b1")
        with pytest.raises(ValueError, match="continues after another"):
            ring.append("a", 2, b"no")
        assert content(ring) == [("a", 1, b"a1"), ("b", 1, b"b1")]


def test_a_body_larger_than_the_ring_empties_it(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    with closing(Ring(path, 200)) as ring:
        ring.append("a", 1, b"a1")
        ring.append("a", 2, b"x" * 300)
        assert content(ring) == []
    with closing(Ring(path, 200)) as ring:
        assert content(ring) == []
        ring.append("a", 3, b"a3")
        assert content(ring) == [("a", 3, b"a3")]


def test_records_that_are_not_consecutive_are_not_joined(tmp_path: Path) -> None:
    for name, first in (("one", 1), ("other", 4)):
        with closing(Ring(tmp_path / name, 400)) as ring:
            for seq in (first, first + 1):
                ring.append("a", seq, BODY)
    size = size_of(("a", 1, BODY))
    one, other = (tmp_path / "one").read_bytes(), (tmp_path / "other").read_bytes()
    (tmp_path / "mixed").write_bytes(one[:size] + other[size:])
    with closing(Ring(tmp_path / "mixed", 400)) as ring:
        assert content(ring) == [("a", 5, BODY)]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    with closing(Ring(path, 4096)) as ring:
        ring.append("a", 1, b"a1")
        for _ in range(2):
            with pytest.raises(UserError, match=f"another telemetry-sampler uses {tmp_path}; stop it"):
                Ring(path, 8192)
        assert path.stat().st_size == 4096
        assert content(ring) == [("a", 1, b"a1")]
    with closing(Ring(path, 4096)) as ring:
        assert content(ring) == [("a", 1, b"a1")]


def test_the_file_is_private_and_fully_allocated_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    with closing(Ring(path)):
        status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == DEFAULT_CAPACITY
    assert status.st_blocks * 512 >= DEFAULT_CAPACITY


@pytest.mark.parametrize("kind", ["directory", "link", "no directory", "no room"])
def test_a_path_that_cannot_be_a_ring_gives_a_one_line_error(tmp_path: Path, kind: str) -> None:
    path, capacity = tmp_path / "ring", 4096
    match kind:
        case "directory":
            path.mkdir()
        case "link":
            (tmp_path / "other").write_bytes(b"mine")
            path.symlink_to(tmp_path / "other")
        case "no directory":
            path = tmp_path / "gone" / "ring"
        case "no room":
            capacity = 1 << 60
    with pytest.raises(UserError) as caught:
        Ring(path, capacity)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if kind == "link":
        assert (tmp_path / "other").read_bytes() == b"mine"


def test_a_refused_ring_leaves_no_file_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with closing(Ring(tmp_path / "ring", 4096)):
        for capacity in (4096, 1 << 60):
            with pytest.raises(UserError):
                Ring(tmp_path / "ring", capacity)
    with pytest.raises(UserError):
        Ring(tmp_path / "ring", 1 << 60)
    assert os.listdir("/proc/self/fd") == before


def test_a_ring_in_memory_works_like_one_in_a_file() -> None:
    with closing(Ring(None, 400)) as ring, closing(Ring(None, 400)) as other:
        for seq in range(1, 50):
            ring.append("a", seq, b"%03d" % seq)
        assert ring.runs == [Held("a", 40, 49)]
        assert list(ring.bodies("a", 47)) == [b"048", b"049"]
        assert content(other) == []


def test_the_default_size_holds_six_hours_of_samples() -> None:
    body = b"x" * 1300
    with closing(Ring(None)) as ring:
        for seq in range(1, 10_000):
            ring.append("0123456789abcdef", seq, body)
        (held,) = ring.runs
    assert held.last - held.first + 1 >= 6 * 3600 // 5


WRITER: Final = """
import sys
from pathlib import Path
from telemetry.stream.ring import Ring
ring = Ring(Path(sys.argv[1]), 3000)
seq = 0
while True:
    seq += 1
    ring.append(sys.argv[2], seq, (sys.argv[2] + ":" + str(seq) + ":" + "é" * (seq * 37 % 400)).encode())
    if seq == 1:
        print(flush=True)
"""


def test_a_killed_process_leaves_whole_records(tmp_path: Path) -> None:
    chance = random.Random(3)
    path = tmp_path / "ring"
    for number in range(8):
        command = [sys.executable, "-c", WRITER, str(path), f"run{number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.002, 0.02))
            process.send_signal(signal.SIGKILL)
        with closing(Ring(path, 3000)) as ring:
            found = content(ring)
        assert found
        assert found[-1][0] == f"run{number}"
        for run, seq, body in found:
            assert body == f"{run}:{seq}:{'é' * (seq * 37 % 400)}".encode()
