"""The writer's own socket: "commit what you have, I am about to read".

Request ``{"v":1,"op":"commit"}``; answer ``{"v":1,"ok":true,"dev":…,"ino":…,"newest":[run,seq],
"received":s,"silent":bool}`` once all that the writer received is committed. ``dev`` and ``ino`` are the
database's, so that a reader of another file knows that it was not meant.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import NamedTuple

from telemetry.errors import UserError
from telemetry.places import ipc_path

VERSION = 1


def is_commit(frame: bytes) -> bool:
    """Return whether ``frame`` is the one request that there is."""
    try:
        fields = json.loads(frame) if len(frame) < 4096 else None
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and fields.get("v") == VERSION and fields.get("op") == "commit"


class Committed(NamedTuple):
    """A writer's answer: all that it received is committed."""

    received: float | None
    """s since it received anything from a sampler; None: nothing since it started, or it does not say"""
    silent: bool
    """It should have received something by now"""


def request_commit(endpoint: str, database: Path, timeout: float = 0.5) -> Committed | None:
    """Ask the writer of ``database`` to commit; None: it did not. Never raises, never waits longer.

    A plain connect to an ``ipc://`` socket first: where no writer listens it is refused in 0.05 ms, while
    ZeroMQ would wait.
    """
    path = ipc_path(endpoint)
    if path is not None and not _listens(path):
        return None
    # Late, as ZeroMQ takes 40 ms: a query without a writer does not wait for it.
    import zmq  # noqa: PLC0415

    from telemetry.stream import addresses  # noqa: PLC0415

    context = zmq.Context[zmq.Socket[bytes]]()
    try:
        client = context.socket(zmq.REQ)
        addresses.connect(client, endpoint)
        client.send(json.dumps({"v": VERSION, "op": "commit"}).encode(), zmq.DONTWAIT)
        if not client.poll(int(timeout * 1000)):
            return None
        reply = json.loads(client.recv(zmq.DONTWAIT))
        status = database.stat()
        if not reply["ok"] or (reply["dev"], reply["ino"]) != (status.st_dev, status.st_ino):
            return None
        received = reply.get("received")
        return Committed(
            float(received) if isinstance(received, int | float) else None, reply.get("silent") is True
        )
    except (zmq.ZMQError, UserError, OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    finally:
        context.destroy(linger=0)


def _listens(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    else:
        return True
    finally:
        probe.close()
