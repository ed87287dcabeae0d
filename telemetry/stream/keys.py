"""Keys of ``tcp://`` endpoints: ZeroMQ's CURVE (RFC 26/ZMTP-CURVE), kept in files, and the list of clients.

A key is 40 characters of Z85 (RFC 32/Z85). A file of a private key has the line ``private-key KEY`` and mode
0600. A line with a public key is ``KEY NAME``: the file ``FILE.pub`` is one such line, an allow-list is any
number of them. A line that begins with ``#`` is a comment: a key cannot begin with it, since
its first value would exceed 32 bits.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from telemetry.command import printable
from telemetry.errors import UsageError, UserError
from telemetry.own_file import own_text

_PRIVATE: Final = "private-key"
_LONGEST_FILE: Final = 1 << 20
"""Bytes, room for 15,000 keys"""
_SETTLED: Final = 1.0
"""s: two changes of a file that are further apart have different time stamps"""
_TOLD: Final = 100
"""At most this many bad lines of an allow-list are logged, each once"""


class ClientKeys(NamedTuple):
    """The keys of a client: the server's public key and its own pair. Each is 40 characters of Z85."""

    server: bytes
    """The server's public key: no other server can impersonate it"""
    private: bytes

    def protect(self, socket: zmq.Socket[bytes], endpoint: str) -> None:
        """Set the keys on ``socket`` before it connects to ``endpoint``; does nothing unless it is ``tcp://``."""
        if is_tcp(endpoint):
            socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(self.private))
            socket.setsockopt(zmq.CURVE_SECRETKEY, self.private)


class ServerKeys(NamedTuple):
    """The keys of a server: its own, and those of the clients that may connect."""

    private: bytes
    clients: AllowList
    directory: Path
    """The runtime directory"""
    log: logging.Logger


def is_tcp(endpoint: str) -> bool:
    """Return whether keys protect ``endpoint``; an ``ipc://`` socket is protected by its mode and owner."""
    return endpoint.startswith("tcp://")


def server_keys(
    private: Path | None, clients: Path | None, endpoints: Sequence[str], directory: Path, log: logging.Logger
) -> ServerKeys | None:
    """Read the files of ``--key`` and ``--clients``; None if neither is given.

    Raises UsageError if one of them is missing or none of ``endpoints`` is ``tcp://``, UserError if a file is
    not valid.
    """
    if private is None and clients is None:
        return None
    if private is None or clients is None:
        raise UsageError("--key and --clients go together: the private key, and who may connect")
    if not any(map(is_tcp, endpoints)):
        raise UsageError("--key and --clients are for tcp:// endpoints, and none is given")
    return ServerKeys(read_private(private), AllowList(clients, log), directory, log)


def client_keys(server: Path | None, private: Path | None, endpoints: Sequence[str]) -> ClientKeys | None:
    """Read the files of ``--server-key`` and ``--key``; None if neither is given.

    Raises the same errors as ``server_keys``.
    """
    if server is None and private is None:
        return None
    if server is None or private is None:
        raise UsageError("--server-key and --key go together: the server's public key, and your private one")
    if not any(map(is_tcp, endpoints)):
        raise UsageError("--server-key and --key are for tcp:// endpoints, and none is given")
    return ClientKeys(read_public(server), read_private(private))


def make_keys(path: Path) -> str:
    """Write a new private key to ``path`` (0600), its public key to ``path``.pub; return the public line.

    Raises UserError if a file exists already or cannot be created.
    """
    public, private = zmq.curve_keypair()
    name = "".join(printable(path.stem).split())
    line = f"{public.decode()} {name}"
    shown = path.with_name(f"{path.name}.pub")
    made: list[Path] = []
    try:
        for file, mode, text in ((path, 0o600, f"{_PRIVATE} {private.decode()}"), (shown, 0o644, line)):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            made.append(file)
            with open(descriptor, "w", encoding="utf-8") as output:
                os.fchmod(descriptor, mode)
                output.write(f"{text}\n")
    except (OSError, ValueError) as error:
        for file in made:  # half a pair is useless
            file.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise UserError(f"{error.filename} exists already; name another file, or remove it") from None
        reason = error.strerror if isinstance(error, OSError) else "the name cannot be used"
        raise UserError(f"cannot make a key in {path}: {reason}") from None
    return line


def read_private(path: Path) -> bytes:
    """Return the private key in ``path``.

    Raises UserError if it is not a private key, if others may read it, or if another user owns it.
    """
    text = own_text(path, "a private key", is_secret=True, most=_LONGEST_FILE)
    words = [line.split() for line in text.splitlines() if line.split() and not line.startswith("#")]
    if len(words) != 1 or len(words[0]) != 2 or words[0][0] != _PRIVATE or _decoded(words[0][1]) is None:
        raise UserError(f"{path} is not a private key; telemetry-sampler --make-key FILE makes one")
    return words[0][1].encode()


def read_public(path: Path) -> bytes:
    """Return the only public key in ``path``. Raises UserError."""
    text = own_text(path, "a key", is_secret=False, most=_LONGEST_FILE)
    lines = [line.split() for line in text.splitlines() if line.split() and not line.startswith("#")]
    if len(lines) != 1 or _decoded(lines[0][0]) is None:
        raise UserError(f"{path} is not a public key; telemetry-sampler --make-key FILE makes FILE.pub")
    return lines[0][0].encode()


class AllowList:
    """The public keys in a file, one line ``KEY NAME`` each; the file is read again when it changes.

    If it can no longer be read, nobody is allowed.
    """

    def __init__(self, path: Path, log: logging.Logger) -> None:
        """Read the file. Raises UserError if it cannot be read, or if others may change it."""
        self.path = path
        self._log = log
        self._told: set[str] = set()
        self._seen = _identity(path)
        self._is_settled = False
        self._keys = self._read()

    def __contains__(self, key: bytes) -> bool:
        """Return whether a public key of 32 bytes is in the list as last read."""
        return key in self._keys

    def look(self) -> bool:
        """Read the file if it has changed; return whether a key was removed."""
        seen = _identity(self.path)
        if seen == self._seen and self._is_settled:
            return False
        is_new, before = seen != self._seen, self._keys
        # Two changes within the resolution of the time stamp look alike: read again until it has passed.
        self._is_settled = seen is None or not 0 <= time.time() - seen[-1] / 1e9 < _SETTLED
        self._seen = seen
        try:
            self._keys = self._read()
        except UserError as error:
            self._keys = frozenset()
            if is_new or before:
                self._log.error("%s; no client may connect until this is fixed", error)
        if self._keys != before:
            self._log.info("%s: keys that may connect: %d", self.path, len(self._keys))
        return not before <= self._keys

    def _read(self) -> frozenset[bytes]:
        keys = set()
        text = own_text(self.path, "a list of clients", is_secret=False, most=_LONGEST_FILE)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            key = _decoded(words[0])
            if key is not None:
                keys.add(key)
            elif line not in self._told and len(self._told) < _TOLD:
                self._told.add(line)
                self._log.warning("%s line %d is skipped: it does not begin with a key", self.path, number)
        return frozenset(keys)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns, found.st_ctime_ns


def _decoded(word: str) -> bytes | None:
    """Return the 32 bytes of a key, None if it is not a key."""
    try:
        key = z85.decode(word.encode("ascii")) if len(word) == 40 else b""
    except (ValueError, LookupError, struct.error):
        return None
    return key or None
