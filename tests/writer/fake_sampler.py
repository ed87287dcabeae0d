"""A sampler as the writer sees it: a plain PUB socket, and a replay socket with an empty ring."""

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
    """Publishes any message, on the default endpoints of a runtime directory."""

    def __init__(self, runtime: Path) -> None:
        self._context = zmq.Context[zmq.Socket[bytes]]()
        # XPUB is PUB that reports subscriptions: a message sent before one would be lost.
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
        """Wait until the next subscription arrives."""
        assert self._publish.poll(int(PATIENCE * 1000)), "nobody subscribes"
        assert self._publish.recv()[:1] == b"\1"

    def send(self, *frames: bytes) -> None:
        self._publish.send_multipart(frames)

    def publish(self, *samples: Sample) -> None:
        for sample in samples:
            self.send(TOPIC, encode(sample))

    def _answer(self) -> None:
        """Answer replay requests with an empty ring."""
        while not self._ended.is_set():
            if self._replay.poll(20):
                *route, request = self._replay.recv_multipart()
                head = {"v": 1, "id": json.loads(request)["id"], "run": None, "oldest": None, "newest": None}
                head |= {"more": False, "runs": [], "error": None}
                self._replay.send_multipart([*route, json.dumps(head).encode()])


class Control:
    """A client of the writer's control socket that sends many requests."""

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
        """Wait until the writer has received everything published before, without a commit.

        One sample must be stored already, because at its start the writer asks the ring first.
        When it wakes up, the writer reads the stream, then the requests. An invalid one commits nothing.
        On a busy machine a sample may arrive later than a request, so this sends many requests.
        """
        for _ in range(5):
            assert self.ask("look")["ok"] is False
            time.sleep(0.01)

    def wait_for(self, run: str, seq: int) -> None:
        """Request commits until this sample is the newest stored one."""
        wait_until(lambda: self.commit().get("newest") == [run, seq])


class Feed:
    """A writer with a fake sampler and a control client."""

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
        """Return the resident memory of the writer, kB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the writer is gone")

    def stop(self, number: int) -> tuple[int, list[str], float]:
        """Send a signal; return exit status, log lines and the seconds until the exit."""
        begun = time.monotonic()
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, error.splitlines(), time.monotonic() - begun


def skipped(log: list[str]) -> int:
    """Return the number of skipped messages that the writer logged."""
    found = [re.search(r": skipped (\d+) messages that were not samples", line) for line in log]
    return sum(int(match[1]) for match in found if match)
