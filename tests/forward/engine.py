"""An engine for tests: a real HTTP server with its own parser, which can be told to misbehave."""

from __future__ import annotations

import gzip
import http.server
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

Key = tuple[str, tuple[tuple[str, str], ...], int]
"""Measurement, tags and ns"""


class Refusal(NamedTuple):
    """The answer to one request."""

    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    sleep: float = 0.0
    hangs_up: bool = False
    """Read the request, and close the connection without an answer"""
    takes: bool = False
    """Store the points although the answer is an error: only the answer is lost"""


class Engine:
    """Stores points by their key."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.points: dict[Key, dict[str, int | float]] = {}
        self.changed: list[Key] = []
        """Points that were sent again with a different value"""
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.refusals: list[Refusal] = []
        """One for each of the next requests"""
        self.refuses_lines = b"\0"
        """Every body that contains this gets 400"""
        self.port = port
        self._tls = tls
        self._server: http.server.ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://localhost:{self.port}/write?db=telemetry"

    def start(self) -> Self:
        """Listen, on the same port each time."""
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are sent separately

            def setup(self) -> None:
                self.request.settimeout(60)
                if engine._tls is not None:
                    self.request = engine._tls.wrap_socket(
                        self.request, server_side=True, do_handshake_on_connect=False
                    )
                engine._open.add(self.request)
                super().setup()

            def handle(self) -> None:
                with suppress(
                    OSError
                ):  # from a client that does not trust the certificate, or that was disconnected
                    if isinstance(self.request, ssl.SSLSocket):
                        self.request.do_handshake()
                    super().handle()

            def finish(self) -> None:
                engine._open.discard(self.request)
                with suppress(OSError):
                    super().finish()
                self.request.close()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                engine._answer(self, body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        self.port = server.server_port
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def kill(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for connection in list(self._open):
                connection.close()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        self.requests += 1
        self.headers.append({"path": handler.path, **dict(handler.headers)})
        refusal = self.refusals.pop(0) if self.refusals else None
        if self.refuses_lines in body:
            refusal = Refusal(400, text="unable to parse points")
        if refusal is None or refusal.takes:
            self.take(body)
        if refusal is not None:
            time.sleep(refusal.sleep)
            if refusal.hangs_up:
                handler.close_connection = True
                return
        status, text = (204, "") if refusal is None else (refusal.status, refusal.text)
        handler.send_response(status)
        for name, value in refusal.headers if refusal else ():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text.encode())

    def take(self, body: bytes) -> None:
        """Parse a body and store its points."""
        assert body.endswith(b"\n")
        for line in body.decode().split("\n")[:-1]:
            key, fields = parse(line)
            if key in self.points and self.points[key] != fields:
                self.changed.append(key)
            self.points[key] = fields

    def of(self, measurement: str) -> dict[Key, dict[str, int | float]]:
        return {key: fields for key, fields in self.points.items() if key[0] == measurement}

    def total(self, measurement: str, field: str) -> float:
        return sum(fields.get(field, 0) for fields in self.of(measurement).values())

    def names(self, measurement: str, tag: str = "name") -> set[str]:
        return {dict(tags)[tag] for _, tags, _ in self.of(measurement)}


def parse(line: str) -> tuple[Key, dict[str, int | float]]:
    """Parse a line as InfluxDB does: a backslash escapes only a comma, a space or ``=``."""
    head, fields, ns = _split(line, " ")
    measurement, *tags = _split(head, ",")
    pairs = [_split(tag, "=") for tag in tags]
    assert all(len(pair) == 2 and pair[1] for pair in pairs), line
    key = (measurement, tuple((name, _plain(value)) for name, value in pairs), int(ns))
    values = dict(_split(field, "=") for field in _split(fields, ","))
    return key, {
        name: int(value[:-1]) if value[-1] == "i" else float(value) for name, value in values.items()
    }


def _split(text: str, at: str) -> list[str]:
    parts, escaped = [""], False
    for sign in text:
        if sign == at and not escaped:
            parts.append("")
        else:
            parts[-1] += sign
        escaped = sign == "\\" and not escaped
    return parts


def _plain(text: str) -> str:
    for sign in ",= ":
        text = text.replace("\\" + sign, sign)
    return text


def certificates(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a certificate for localhost, and a server's TLS context that uses it."""
    import subprocess

    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += [
        "-nodes",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
