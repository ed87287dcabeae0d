"""Keys of a server and its clients, in files as a user would have them."""

from __future__ import annotations

import logging
from pathlib import Path

from telemetry.stream.keys import AllowList, ClientKeys, ServerKeys, make_keys, read_private, read_public

LOG = logging.getLogger("telemetry-sampler")


class Keys:
    """A server's key in ``directory``, and an allow-list of the clients that were added and not removed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.private = directory / "server.key"
        self.public = directory / "server.key.pub"
        self.clients = directory / "clients"
        self.clients.write_text("# who may connect\n")
        self._lines: dict[str, str] = {}
        make_keys(self.private)

    def add(self, name: str, *, is_known: bool = True) -> Path:
        """Make a client's key pair; return the file of the private key."""
        path = self.directory / f"{name}.key"
        line = make_keys(path)
        if is_known:
            self._lines[name] = line
            self._write()
        return path

    def remove(self, name: str) -> None:
        """Remove a client from the list."""
        del self._lines[name]
        self._write()

    def server(self, log: logging.Logger = LOG) -> ServerKeys:
        return ServerKeys(read_private(self.private), AllowList(self.clients, log), self.directory, log)

    def client(self, name: str = "client") -> ClientKeys:
        """Return the keys of a client, which is added if it is new."""
        path = self.directory / f"{name}.key"
        if not path.exists():
            self.add(name)
        return ClientKeys(read_public(self.public), read_private(path))

    def _write(self) -> None:
        """Replace the file as an editor does."""
        new = self.clients.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in self._lines.values()))
        new.replace(self.clients)
