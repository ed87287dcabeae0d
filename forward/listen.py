"""``--listen``: answers ``GET /metrics`` with the newest sample."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from telemetry.command import printable
from telemetry.errors import UsageError, UserError

MOST_AT_A_TIME: Final = 4
"""The most connections at a time; further ones are closed immediately"""
_TIMEOUT: Final = 5.0
"""s after which a silent peer is disconnected"""

Render = Callable[[str], tuple[bytes, str]]
"""Takes the Accept header; returns a body and its content type. Raises UserError"""


def address(text: str) -> tuple[str, int]:
    """Parse ``127.0.0.1:9101`` or ``[::1]:9101``. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else -1
    except ValueError:
        number = -1
    if not 0 <= number < 65536:
        raise UsageError(f"--listen {printable(text)}: give an address and a port, as in 127.0.0.1:9101")
    return host, number


def is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


class Listener:
    """Serves in its own threads, a few connections at a time."""

    def __init__(self, where: tuple[str, int], render: Render) -> None:
        """Bind the address. Raises UserError."""
        try:
            self._server = _Server(where, render)
        except OSError as error:
            raise UserError(f"--listen {where[0]}:{where[1]}: {error.strerror}") from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, where: tuple[str, int], render: Render) -> None:
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self.render = render
        self._places = threading.BoundedSemaphore(MOST_AT_A_TIME)
        super().__init__(where, _Handler)

    def server_bind(self) -> None:
        # http.server looks up the host's name here: nobody needs it, and DNS may block.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore peers that disconnected or did not speak HTTP."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT
    server_version = "telemetry-forward"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"only /metrics is served\n")
            return
        try:
            body, kind = self.server.render(self.headers.get("Accept") or "")
        except UserError as error:
            self._answer(503, f"{printable(str(error))}\n".encode())
        else:
            self._answer(200, body, kind)

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        with suppress(OSError):  # the peer disconnected
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name)
        """Do not log scrapes."""
