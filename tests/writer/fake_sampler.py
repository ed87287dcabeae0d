"""A sampler as the writer sees it: a plain PUB socket, and a replay socket that has nothing to give."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any, Self

import zmq

from telemetry.sample import Sample, encode
from tests.system.processes import PATIENCE, System, wait_until

TOPIC = b"sample/pi4/"


class FakeSampler:
    """Publishes whatever it is told to, on the default endpoints of a runtime directory."""

    def __init__(self, runtime: Path) -> None:
        self._context = zmq.Context[zmq.Socket[bytes]]()
        # XPUB is PUB that tells of subscriptions: what is sent before one is nobody's loss.
        self._publish = self._context.socket(zmq.XPUB)
        self._publish.setsockopt(zmq.SNDHWM, 0)
        self._publish.bind(f"ipc://{runtime}/samples")
        self._replay = self._context.socket(zmq.ROUTER)
        self._replay.bind(f"ipc://{runtime}/replay")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def wait_for_subscriber(self) -> None:
        """Return when the next subscription has come."""
        assert self._publish.poll(int(PATIENCE * 1000)), "nobody subscribes"
        assert self._publish.recv()[:1] == b"\1"

    def send(self, *frames: bytes) -> None:
        self._publish.send_multipart(frames)

    def publish(self, *samples: Sample) -> None:
        for sample in samples:
            self.send(TOPIC, encode(sample))

    def _answer(self) -> None:
        """There is a ring, and it is empty."""
        while not self._ended.is_set():
            if self._replay.poll(20):
                *route, request = self._replay.recv_multipart()
                head = {"v": 1, "id": json.loads(request)["id"], "run": None, "oldest": None, "newest": None}
                head |= {"more": False, "runs": [], "error": None}
                self._replay.send_multipart([*route, json.dumps(head).encode()])


class Control:
    """The writer's control socket, seen by a client that asks again and again."""

    def __init__(self, runtime: Path) -> None:
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.connect(f"ipc://{runtime}/writer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.destroy(linger=0)

    def ask(self, op: str) -> dict[str, Any]:
        self._socket.send(json.dumps({"v": 1, "op": op}).encode())
        assert self._socket.poll(int(PATIENCE * 1000)), "the writer does not answer"
        answer: dict[str, Any] = json.loads(self._socket.recv())
        return answer

    def commit(self) -> dict[str, Any]:
        return self.ask("commit")

    def let_it_receive(self) -> None:
        """Return when the writer has taken in what was published before, without a commit.

        For samples that follow one that is stored: at its start the writer asks the ring first.
        It looks at the stream each time that it wakes up, then at the requests; a bad one commits nothing.
        On a busy machine a sample may be on its way for longer than a request: hence many of these.
        """
        for _ in range(5):
            assert self.ask("look")["ok"] is False
            time.sleep(0.01)

    def wait_for(self, run: str, seq: int) -> None:
        """Commit until that sample is the newest one that is stored."""
        wait_until(lambda: self.commit().get("newest") == [run, seq])


class Feed:
    """A writer of its own with a fake sampler and a control client."""

    def __init__(self, system: System, *options: str) -> None:
        self.system = system
        self.sampler = FakeSampler(system.runtime)
        self.process = system.writer(*options)
        self.control = Control(system.runtime)
        self.sampler.wait_for_subscriber()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.control.__exit__()
        self.sampler.__exit__()

    def resident(self) -> int:
        """Return the kB of memory that the writer holds."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the writer is gone")

    def stop(self, number: int) -> tuple[int, list[str], float]:
        """Send a signal; return exit status, the log's lines and how many s it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, error.splitlines(), time.monotonic() - begun


def skipped(log: list[str]) -> int:
    """Return how many messages the writer says it skipped."""
    found = [re.search(r": skipped (\d+) messages that were not samples", line) for line in log]
    return sum(int(match[1]) for match in found if match)
