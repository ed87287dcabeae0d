"""Binding and reaching ZeroMQ endpoints without the surprises of ``ipc://``.

``bind`` unlinks whatever lies at the path, a live publisher's socket or a plain file; the socket's mode is
the umask's doing; a subscriber that may not write to the socket gets no error and no message, for ever.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import zmq

from telemetry.errors import UsageError, UserError
from telemetry.lock import open_locked
from telemetry.places import ipc_path

_GROUP_UMASK = 0o007
"""Owner and group may connect, others may not."""


class BoundSocket:
    """A socket bound to one endpoint, alone: the second process is refused instead of stealing the file."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        kind: int,
        endpoint: str,
        owner: str,
        *,
        high_water: int = 1000,
    ) -> None:
        """Bind. ``owner`` is who else would hold the endpoint, for the error text.

        ``high_water``: messages kept for each peer that does not read them.
        Raises UserError where the endpoint is taken or not ours to bind, UsageError for what is none.
        """
        self.endpoint = endpoint
        self._path = ipc_path(endpoint)
        self._lock = _lock_beside(self._path, owner) if self._path else None
        self.socket = context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 100)  # ms, for the last sample to a subscriber that keeps up
        self.socket.setsockopt(zmq.SNDHWM, high_water)  # after bind it would be ignored
        try:
            with endpoint_errors(f"cannot bind {endpoint}"):
                self._bind()
        except UserError:
            self.close()
            raise

    def _bind(self) -> None:
        if self._path and self._path.exists() and not self._path.is_socket():
            raise UserError(f"{self._path} is in the way: it is no socket; move it, or bind elsewhere")
        before = os.umask(_GROUP_UMASK)
        try:
            self.socket.bind(self.endpoint)
        finally:
            os.umask(before)
        self._inode = self._found_inode()

    def _found_inode(self) -> int | None:
        try:
            return self._path.stat().st_ino if self._path else None
        except OSError:
            return None

    def renew_if_unlinked(self) -> bool:
        """Bind anew where somebody removed the socket's file; return whether that was needed.

        Connected peers keep their connection until then, new ones could not have come.
        """
        if self._path is None or self._found_inode() == self._inode:
            return False
        with suppress(zmq.ZMQError):  # already unbound at an earlier try, whose bind failed
            self.socket.unbind(self.endpoint)
        try:
            self._bind()
        except (zmq.ZMQError, UserError):  # the directory is gone as well: tried again at the next sample
            return False
        return True

    def close(self) -> None:
        self.socket.close()
        if self._lock is not None:
            os.close(self._lock)


def _lock_beside(path: Path, owner: str) -> int:
    if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
        raise UsageError(f"{path} is too long for a socket: at most {zmq.IPC_PATH_MAX_LEN} bytes")
    try:
        return open_locked(f"{path}.lock")
    except BlockingIOError:
        raise UserError(
            f"{path} belongs to another {owner} that runs; stop that one, "
            "or give this one a directory of its own in TELEMETRY_RUNTIME_DIR"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot bind in {path.parent}: {error.strerror}; make it, "
            "or name a directory of your own in TELEMETRY_RUNTIME_DIR"
        ) from None


def check_reachable(endpoint: str) -> None:
    """Raise UserError where an ``ipc://`` socket is there and this user may not connect to it.

    ZeroMQ would retry in silence.
    """
    path = ipc_path(endpoint)
    if path is None:
        return
    try:
        is_there = stat.S_ISSOCK(path.stat().st_mode)
        may = os.access(path, os.W_OK)
    except PermissionError:
        is_there, may = True, False
    except OSError:
        return  # not there yet: the sampler may start later
    if is_there and not may:
        raise UserError(
            f"you may not read the stream at {path}: sudo adduser $USER telemetry, then log in again"
        )


@contextmanager
def endpoint_errors(what: str) -> Iterator[None]:
    """Turn ZeroMQ's complaint into a UserError; a malformed endpoint is a UsageError."""
    try:
        yield
    except zmq.ZMQError as error:
        text = f"{what}: {error.strerror}"
        if error.errno in {zmq.EINVAL, zmq.EPROTONOSUPPORT, zmq.ENOCOMPATPROTO}:
            raise UsageError(f"{text}; an endpoint looks like ipc:///path or tcp://127.0.0.1:5555") from None
        raise UserError(text) from None
