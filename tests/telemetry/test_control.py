"""The writer's control socket: a query asks for a commit, and never waits for a peer that does not answer."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import UserError
from telemetry.stream.control import operation, request_commit
from telemetry.stream.control_server import ControlServer
from tests.telemetry.messages import json_values, to_bytes
from tests.telemetry.streams import PATIENCE, Context, until

COMMIT: Final = b'{"v":1,"op":"commit"}'

Answer = Callable[[ControlServer, list[bytes]], None]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"")
    return path


def endpoint(directory: Path) -> str:
    return f"ipc://{directory}/writer"


def identity(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"ok": True, "dev": status.st_dev, "ino": status.st_ino, "newest": ["run", 7]}


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=work, args=(done,))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def writer(place: Path | str, fields: Mapping[str, Any]) -> Iterator[None]:
    """Run a control server that answers each request for a commit with ``fields``."""
    server = ControlServer(endpoint(place) if isinstance(place, Path) else place)

    def work(done: threading.Event) -> None:
        while not done.is_set():
            server.socket.poll(5)
            server.keep()
            for route in server.requests():
                server.answer(route, dict(fields))

    with closing(server), in_background(work):
        yield


@contextmanager
def stranger(directory: Path, *frames: bytes) -> Iterator[None]:
    """Run a foreign server that answers every message with ``frames``; without frames it never answers."""
    with Context() as context, context.socket(zmq.ROUTER) as server:
        server.setsockopt(zmq.LINGER, 0)
        server.bind(endpoint(directory))

        def work(done: threading.Event) -> None:
            while not done.is_set():
                if server.poll(5):
                    route, *_ = server.recv_multipart()
                    if frames:
                        server.send_multipart([route, b"", *frames])

        with in_background(work):
            yield


def timed(directory: Path, database: Path, timeout: float) -> tuple[bool, float]:
    before = time.monotonic()
    committed = request_commit(endpoint(directory), database, timeout) is not None
    return committed, time.monotonic() - before


# --- the query's end -------------------------------------------------------------------------------


def test_the_writer_of_this_database_commits(tmp_path: Path, database: Path) -> None:
    with writer(tmp_path, identity(database)):
        assert request_commit(endpoint(tmp_path), database, PATIENCE)
        link = tmp_path / "link.db"
        link.symlink_to(database)
        assert request_commit(endpoint(tmp_path), link, PATIENCE), "the same file by another name"


def test_a_writer_at_tcp_is_asked_too(database: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with writer(address, identity(database)):
        assert request_commit(address, database, PATIENCE)
    assert not request_commit(address, database, 0.1)


def test_without_a_writer_it_does_not_wait(tmp_path: Path, database: Path) -> None:
    committed, seconds = timed(tmp_path, database, PATIENCE)
    assert not committed
    assert seconds < PATIENCE / 2, "it does not wait"


def test_with_a_stale_socket_it_does_not_wait(tmp_path: Path, database: Path) -> None:
    ControlServer(endpoint(tmp_path)).close()
    assert (tmp_path / "writer").is_socket()
    until(lambda: not listens(tmp_path / "writer"))  # ZeroMQ closes it in its own thread
    committed, seconds = timed(tmp_path, database, PATIENCE)
    assert not committed
    assert seconds < PATIENCE / 2, "it does not wait"


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_a_silent_writer_is_waited_for_until_the_timeout(tmp_path: Path, database: Path) -> None:
    with stranger(tmp_path):
        for timeout in (0.0, 0.05, 0.2):
            committed, seconds = timed(tmp_path, database, timeout)
            assert not committed
            assert timeout <= seconds + 0.001
        shortest = min(timed(tmp_path, database, 0.02)[1] for _ in range(3))
        assert shortest < timed(tmp_path, database, 0.5)[1]


@pytest.mark.parametrize("accepts", [True, False])
def test_a_socket_that_does_not_speak_zeromq(tmp_path: Path, database: Path, accepts: bool) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "writer"))
        server.listen(8)

        def work(done: threading.Event) -> None:
            server.settimeout(0.01)
            while accepts and not done.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer, suppress(OSError):
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with in_background(work):
            committed, seconds = timed(tmp_path, database, 0.1)
    assert not committed
    assert seconds < PATIENCE


def test_a_writer_that_takes_no_more_connections(tmp_path: Path, database: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as waiting:
        server.bind(str(tmp_path / "writer"))
        server.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(tmp_path / "writer"))
        committed, seconds = timed(tmp_path, database, 0.1)
    assert not committed
    assert seconds < PATIENCE


def test_the_answer_of_a_writer_of_another_file_is_ignored(tmp_path: Path, database: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    with writer(tmp_path, identity(other)):
        assert not request_commit(endpoint(tmp_path), database, PATIENCE)
        assert not request_commit(endpoint(tmp_path), tmp_path / "gone.db", PATIENCE)
    with writer(tmp_path, identity(database) | {"dev": -1}):
        assert not request_commit(endpoint(tmp_path), database, PATIENCE)


def test_a_writer_that_could_not_commit(tmp_path: Path, database: Path) -> None:
    with writer(tmp_path, identity(database) | {"ok": False, "error": "disk full"}):
        assert not request_commit(endpoint(tmp_path), database, PATIENCE)


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"\xff",),
        (b"junk",),
        (b"null",),
        (b"[]",),
        (b"7",),
        (b"{}",),
        (b"[" * 100_000,),
        (b"9" * 5000,),
        (b'{"ok":true}',),
        (b'{"ok":true,"dev":[],"ino":{}}',),
        (b'{"ok":true,"dev":1,"ino":2}', b"more"),
    ],
)
def test_a_garbage_answer_counts_as_no_answer(
    tmp_path: Path, database: Path, frames: tuple[bytes, ...]
) -> None:
    with stranger(tmp_path, *frames):
        committed, seconds = timed(tmp_path, database, PATIENCE)
    assert not committed
    assert seconds < PATIENCE / 2


@pytest.mark.parametrize(
    "address",
    ["", "nonsense", "tcp://127.0.0.1:1", "ipc://@abstract", "ipc://", "ipc://" + "x" * 200, "ipc://a\0b"],
)
def test_an_endpoint_that_cannot_be_asked(database: Path, address: str) -> None:
    assert not request_commit(address, database, 0.05)


def test_a_plain_file_or_a_foreign_socket_counts_as_no_writer(tmp_path: Path, database: Path) -> None:
    (tmp_path / "writer").write_bytes(b"mine")
    assert not request_commit(endpoint(tmp_path), database)
    assert (tmp_path / "writer").read_bytes() == b"mine"


def test_asking_leaves_no_descriptor_open(tmp_path: Path, database: Path) -> None:
    with writer(tmp_path, identity(database)):
        request_commit(endpoint(tmp_path), database, PATIENCE)
        until(lambda: True)
    before = len(os.listdir("/proc/self/fd"))
    with stranger(tmp_path):
        pass
    for _ in range(5):
        request_commit(endpoint(tmp_path), database, 0.01)
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


# --- the writer's end ------------------------------------------------------------------------------


def test_a_client_that_asks_for_a_commit_waits_until_it_is_done(tmp_path: Path) -> None:
    with (
        closing(ControlServer(endpoint(tmp_path))) as server,
        Context() as context,
        context.socket(zmq.REQ) as one,
        context.socket(zmq.DEALER) as other,
    ):
        for client in (one, other):
            client.connect(endpoint(tmp_path))
            client.send(COMMIT)
        routes: list[list[bytes]] = []
        end = time.monotonic() + PATIENCE
        while len(routes) < 2 and time.monotonic() < end:
            server.socket.poll(50)
            routes += server.requests()
        assert (one.poll(20), other.poll(0)) == (0, 0), "not before it is done"
        for route in routes:
            server.answer(route, {"ok": True, "newest": ["r", 1]})
        answers = one.recv_multipart(), other.recv_multipart()
        for (answer,) in answers:
            assert json.loads(answer) == {"v": 1, "ok": True, "newest": ["r", 1]}


def test_any_other_message_gets_an_error_at_once(tmp_path: Path) -> None:
    with (
        closing(ControlServer(endpoint(tmp_path))) as server,
        Context() as context,
        context.socket(zmq.REQ) as client,
    ):
        client.connect(endpoint(tmp_path))
        for frame in (b"", b"junk", b"[" * 4000, b'{"v":2,"op":"commit"}', COMMIT + b" " * 5000):
            client.send(frame)
            assert server.socket.poll(10_000)
            assert server.requests() == []
            assert client.poll(10_000)
            answer = json.loads(client.recv())
            assert (answer["v"], answer["ok"]) == (1, False)
            assert "commit" in answer["error"]


def test_a_client_that_disconnected_is_not_an_error(tmp_path: Path) -> None:
    with closing(ControlServer(endpoint(tmp_path))) as server, Context() as context:
        with context.socket(zmq.DEALER) as client:
            client.connect(endpoint(tmp_path))
            client.send(COMMIT)
            assert server.socket.poll(10_000)
            (route,) = server.requests()
        server.answer(route, {"ok": True})
        server.answer([b"nobody", b""], {"ok": True})
        assert server.requests() == []


def test_a_second_writer_is_refused(tmp_path: Path, database: Path) -> None:
    with writer(tmp_path, identity(database)):
        with pytest.raises(
            UserError, match="belongs to another telemetry-writer, which is running; stop that one"
        ):
            ControlServer(endpoint(tmp_path))
        assert request_commit(endpoint(tmp_path), database, PATIENCE)
    ControlServer(endpoint(tmp_path)).close()


def test_a_deleted_socket_is_recreated(tmp_path: Path, database: Path) -> None:
    with writer(tmp_path, identity(database)):
        (tmp_path / "writer").unlink()
        until(lambda: request_commit(endpoint(tmp_path), database) is not None)


@given(st.binary(max_size=40) | json_values.map(to_bytes))
def test_other_frames_are_not_requests(frame: bytes) -> None:
    assert operation(frame) is None


@pytest.mark.parametrize(
    ("frame", "asked"),
    [
        (COMMIT, "commit"),
        (b'{"op":"commit","v":1,"new":[1]}', "commit"),
        (b'{"v":1,"op":"check"}', "check"),
        (b'{"v":1}', None),
        (b'{"v":1,"op":"stop"}', None),
        (b'{"v":1,"op":["commit"]}', None),
        (b'{"v":2,"op":"commit"}', None),
        (b'{"op":"commit"}', None),
        (b"[1]", None),
        (b"[" * 4000, None),
    ],
)
def test_the_known_requests(frame: bytes, asked: str | None) -> None:
    assert operation(frame) == asked
