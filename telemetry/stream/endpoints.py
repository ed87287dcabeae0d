"""Binds and checks ZeroMQ endpoints, and avoids the surprises of ``ipc://``.

ZeroMQ's ``bind`` unlinks whatever is at the path, even a live publisher's socket or a plain file. The
socket's mode depends on the umask. A subscriber without write permission on the socket gets neither an error
nor a message, for ever.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import zmq

from telemetry.errors import TakenOver, UsageError, UserError
from telemetry.lock import is_same_file, open_locked
from telemetry.places import ipc_path
from telemetry.stream import addresses
from telemetry.stream.door import Door
from telemetry.stream.keys import is_tcp

_GROUP_UMASK = 0o007
"""Owner and group may connect, others may not."""

_REQUESTS_KEPT = 16
"""At most this many messages of each peer wait to be read; further ones stay with the peer."""
_LONGEST_REQUEST = 256 << 10
"""Bytes; a peer that sends a longer message is disconnected before the message is kept in memory."""


class BoundSocket:
    """A socket bound exclusively to one endpoint: a second process is refused and cannot replace the file."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        kind: int,
        endpoint: str,
        owner: str,
        *,
        high_water: int = 1000,
        door: Door | None = None,
    ) -> None:
        """Bind. ``owner`` names the program that may already hold the endpoint, for the error text.

        ``high_water``: messages kept for each peer that does not read them. ``door`` has the keys of
        ``tcp://`` endpoints; without it, only this machine may reach them.
        Raises TakenOver if another process has the endpoint, UserError if it cannot be bound, UsageError if
        it is malformed.
        """
        self._owner = owner
        guard = door if is_tcp(endpoint) else None
        self.endpoint = f"ipc://{guard.inner(endpoint)}" if guard else endpoint
        self._path = ipc_path(self.endpoint)
        self._lock: int | None = None
        self.socket = context.socket(kind)
        try:
            self._lock = _lock_beside(self._path, owner) if self._path else None
            self.socket.setsockopt(
                zmq.LINGER, 100
            )  # ms: time to deliver the last sample to subscribers that keep up
            # Set these before bind: afterwards they would be ignored.
            self.socket.setsockopt(zmq.SNDHWM, high_water)
            self.socket.setsockopt(zmq.RCVHWM, _REQUESTS_KEPT)
            self.socket.setsockopt(zmq.MAXMSGSIZE, _LONGEST_REQUEST)
            if guard is not None:
                guard.protect(self.socket)
            with endpoint_errors(f"cannot bind {endpoint}"):
                self._bind()
            if guard is not None and self._path is not None:
                guard.open(endpoint, self._path)
        except BaseException:  # an open socket would block the end of its context and of the process
            self.close()
            raise

    def _bind(self) -> None:
        if self._path and self._path.exists() and not self._path.is_socket():
            raise UserError(
                f"{self._path} is in the way: it is not a socket; move it, or use another endpoint"
            )
        before = os.umask(_GROUP_UMASK)
        try:
            addresses.bind(self.socket, self.endpoint)
        finally:
            os.umask(before)
        self._inode = self._found_inode()

    def _found_inode(self) -> int | None:
        try:
            return self._path.stat().st_ino if self._path else None
        except OSError:
            return None

    def renew(self) -> bool:
        """Lock and bind again if somebody removed the files; return whether that was needed.

        Until then, connected peers stay connected, but new ones cannot connect.
        Raises TakenOver if another process has bound the endpoint meanwhile, UserError if it cannot be bound
        now.
        """
        if self._path is None or self._lock is None:
            return False
        lock_is_there = is_same_file(self._lock, f"{self._path}.lock")
        if lock_is_there and self._found_inode() == self._inode:
            return False
        if not lock_is_there:  # take the lock first: the socket may belong to another process
            lock = _lock_beside(self._path, self._owner)
            os.close(self._lock)
            self._lock = lock
            if self._found_inode() == self._inode:
                return True
        with suppress(zmq.ZMQError):  # already unbound by an earlier try, whose bind failed
            self.socket.unbind(addresses.raw_address(self.endpoint))
        with endpoint_errors(f"cannot bind {self.endpoint}"):
            self._bind()
        return True

    def close(self) -> None:
        self.socket.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock_beside(path: Path, owner: str) -> int:
    if len(os.fsencode(path)) > zmq.IPC_PATH_MAX_LEN:
        raise UsageError(f"{path} is too long for a socket: at most {zmq.IPC_PATH_MAX_LEN} bytes")
    try:
        return open_locked(f"{path}.lock")
    except BlockingIOError:
        raise TakenOver(
            f"{path} belongs to another {owner}, which is running; stop that one, "
            "or set TELEMETRY_RUNTIME_DIR to another directory for this one"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot bind in {path.parent}: {error.strerror}; create it, "
            "or set TELEMETRY_RUNTIME_DIR to a directory of your own"
        ) from None


def check_reachable(endpoint: str) -> None:
    """Raise UserError if an ``ipc://`` socket exists and this user may not connect to it.

    ZeroMQ would silently retry.
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
        return  # it does not exist yet: the sampler may start later
    if is_there and not may:
        raise UserError(
            f"you may not read the stream at {path}: sudo adduser $USER telemetry, then log in again"
        )


@contextmanager
def endpoint_errors(what: str) -> Iterator[None]:
    """Turn ZeroMQ's error into a UserError; a malformed endpoint is a UsageError."""
    try:
        yield
    except zmq.ZMQError as error:
        text = f"{what}: {zmq.strerror(error.errno or 0)}"  # pyzmq's own text repeats the address
        if error.errno in {zmq.EINVAL, zmq.EPROTONOSUPPORT, zmq.ENOCOMPATPROTO}:
            raise UsageError(f"{text}; {addresses.LOOKS_LIKE}") from None
        raise UserError(text) from None
