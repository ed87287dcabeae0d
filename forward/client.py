"""Posts a body of lines to the engine over HTTP or HTTPS, and reads the response."""

from __future__ import annotations

import base64
import email.utils
import gzip
import http.client
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from telemetry import __version__
from telemetry.command import printable
from telemetry.errors import UsageError, UserError
from telemetry.own_file import own_text

_MOST_TEXT: Final = 4096
"""At most this many bytes of a response are read"""
_SHOWN_TEXT: Final = 200
_COMPRESSION: Final = 3
"""gzip's level: level 6 makes bodies 5 % smaller, for twice the CPU time"""
_MOST_CREDENTIALS: Final = 4096
"""Bytes of the file of ``--auth``"""


class Unreachable(Exception):
    """The server did not answer; the text says why."""


class Answer(NamedTuple):
    """The server's response."""

    status: int
    text: str
    """The start of the body, one line, printable"""
    retry_after: float | None
    """s to wait, as the server asks (Retry-After)"""


class Target(NamedTuple):
    """The URL to post to, in parts."""

    is_https: bool
    host: str
    port: int | None
    path: str
    """Path and query"""


def target(url: str) -> Target:
    """Parse ``--url``. Raises UsageError."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # the look-up of the name would raise the same error
    except ValueError as error:
        raise UsageError(f"--url {printable(url)}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url {printable(url)}: give a full URL, as in http://localhost:8428/write")
    if "@" in parts.netloc:
        raise UsageError(
            "--url must not contain credentials, because ps shows them; put them into --auth FILE"
        )
    if not (url.isascii() and url.isprintable() and " " not in url) or parts.fragment:
        raise UsageError(f"--url {printable(url)}: it may contain only ASCII, without spaces and without #")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", parts.hostname, port, path)


def authorization(path: Path) -> str:
    """Return the value of the header Authorization that the file holds.

    The file has one line: ``Token …`` or ``Bearer …``, sent unchanged, or ``Basic USER:PASSWORD``. Raises
    UserError if it cannot be read, if others may read it, or if it contains anything else.
    """
    text = own_text(path, "a file of credentials", is_secret=True, most=_MOST_CREDENTIALS, option="--auth")
    text = text.strip() if text.isascii() else ""
    scheme, _, rest = text.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "basic" and ":" in rest and rest.isprintable():
        return f"Basic {base64.b64encode(rest.encode()).decode()}"
    if scheme.lower() in ("token", "bearer") and rest.isprintable() and rest and " " not in rest:
        return f"{scheme.capitalize()} {rest}"
    raise UserError(
        f'--auth {path}: it must contain one line, "Token …", "Bearer …" or "Basic USER:PASSWORD"'
    )


def trust(ca: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the system's certificates, or those in ``ca``. Raises UserError."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"--ca {ca}: cannot read certificates from it ({error.strerror or error})") from None


class Client:
    """Posts bodies over one connection, which stays open. It uses no proxy and follows no redirects."""

    def __init__(
        self,
        where: Target,
        *,
        authorization: str | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 30.0,
        compress: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``timeout``: s for each step of a request; ``clock``: Unix time, for dates in Retry-After."""
        self._where = where
        self._tls = tls
        self._timeout = timeout
        self._compress = compress
        self._clock = clock
        self._headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "User-Agent": f"telemetry-forward/{__version__}",
        }
        if compress:
            self._headers["Content-Encoding"] = "gzip"
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> Answer:
        """Post lines; return the response. Raises Unreachable."""
        if self._compress:
            body = gzip.compress(body, _COMPRESSION, mtime=0)
        try:
            if self._connection is not None:  # the server may have closed it since the last request
                with suppress(http.client.HTTPException, ConnectionError):
                    return self._exchange(self._connection, body)
                self.close()
            self._connection = self._connected()
            return self._exchange(self._connection, body)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise Unreachable(_reason(error, self._timeout)) from None

    def _connected(self) -> http.client.HTTPConnection:
        where = self._where
        if where.is_https:
            return http.client.HTTPSConnection(
                where.host, where.port, timeout=self._timeout, context=self._tls
            )
        return http.client.HTTPConnection(where.host, where.port, timeout=self._timeout)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, connection: http.client.HTTPConnection, body: bytes) -> Answer:
        connection.request("POST", self._where.path, body, self._headers)
        response = connection.getresponse()
        text = response.read(_MOST_TEXT)
        asked = _retry_after(response.headers.get("Retry-After"), self._clock())
        answer = Answer(response.status, _first_line(text), asked)
        if not response.isclosed():  # unread bytes are left: the connection cannot be used again
            self.close()
        return answer


def _first_line(text: bytes) -> str:
    shown = " ".join(text.decode("utf-8", "replace").split())
    return printable(shown[:_SHOWN_TEXT])


def _retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds to wait from a Retry-After header, a number or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(min(int(value[:12]), 1 << 32))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify ({error.verify_message}): see --ca"
    if isinstance(error, TimeoutError):
        return f"it did not answer in {timeout:g} s"
    if isinstance(error, OSError):
        return printable(error.strerror or str(error) or type(error).__name__)
    return printable(f"it did not answer in HTTP ({str(error) or type(error).__name__})")
