"""The writer's own socket: reports ask it to commit before they read, and tell it of damage that they found.

Request ``{"v":1,"op":"commit"}``; answer ``{"v":1,"ok":true,"dev":…,"ino":…,"newest":[run,seq],
"received":s,"silent":bool}`` once everything that the writer received is committed. ``dev`` and ``ino``
identify the database, so that a reader of another file knows that the answer is not about its file. Request
``{"v":1,"op":"check"}``: the same answer, and the writer checks all tables in the background.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from telemetry.errors import UserError
from telemetry.places import ipc_path

if TYPE_CHECKING:
    from telemetry.stream.keys import ClientKeys

VERSION = 1


COMMIT, CHECK = "commit", "check"


def operation(frame: bytes) -> str | None:
    """Return the operation that ``frame`` asks for, None if it is not a known request."""
    try:
        fields = json.loads(frame) if len(frame) < 4096 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        return None
    return next((known for known in (COMMIT, CHECK) if fields.get("op") == known), None)


class Committed(NamedTuple):
    """A writer's answer: all that it received is committed."""

    received: float | None
    """s since it received anything from a sampler; None: nothing since it started, or not reported"""
    silent: bool
    """Whether the writer should have received something by now"""


def request_commit(
    endpoint: str, database: Path, timeout: float = 0.5, keys: ClientKeys | None = None
) -> Committed | None:
    """Ask the writer of ``database`` to commit; return None if it did not. See ``request``."""
    return request(COMMIT, endpoint, database, timeout, keys)


def request(
    op: str, endpoint: str, database: Path, timeout: float = 0.5, keys: ClientKeys | None = None
) -> Committed | None:
    """Ask the writer of ``database`` for ``op``; return None if it refuses or does not answer in time.

    ``timeout``: s. Never raises. It tries a plain connect to an ``ipc://`` socket first: if nobody listens,
    that fails in 0.05 ms, while ZeroMQ would wait.
    """
    path = ipc_path(endpoint)
    if path is not None and not _listens(path):
        return None
    # Imported late, because ZeroMQ takes 40 ms to load: a query without a writer need not wait for it.
    import zmq  # noqa: PLC0415

    from telemetry.stream import addresses  # noqa: PLC0415

    context = zmq.Context[zmq.Socket[bytes]]()
    try:
        client = context.socket(zmq.REQ)
        if keys is not None:
            keys.protect(client, endpoint)
        addresses.connect(client, endpoint)
        client.send(json.dumps({"v": VERSION, "op": op}).encode(), zmq.DONTWAIT)
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
