"""Checks endpoints: whether a socket can use them, and which socket options they need.

ZeroMQ takes a port of 99999 modulo 65536, waits for ever for an IPv6 address unless its ``IPV6`` option is
set, and fails for an IPv6 address without brackets in a way that depends on that option. This module checks
for all of these.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from typing import Final

import zmq

from telemetry.errors import UsageError, UserError

_TCP: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<name>[^\[\]]*)):(?P<port>[0-9]+|\*)")
LOOKS_LIKE: Final = "an endpoint looks like ipc:///path or tcp://127.0.0.1:5555 or tcp://[::1]:5555"


class _Raw(str):
    """A str that pyzmq encodes in the file system's encoding. pyzmq accepts bytes only since version 25."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return os.fsencode(str(self))


def raw_address(endpoint: str) -> str:
    """Return ``endpoint`` in the form that pyzmq needs, so that a path keeps its bytes.

    pyzmq would encode the text as UTF-8. That fails for a path that is not UTF-8, and names another file if
    the locale is not UTF-8.
    """
    return _Raw(endpoint)


def connect(zmq_socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Connect. Raises UsageError if ``endpoint`` is malformed, UserError or ZMQError if connecting fails."""
    _prepare(zmq_socket, endpoint, binds=False)
    zmq_socket.connect(raw_address(endpoint))


def bind(zmq_socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Bind to ``ipc://``, or to this machine's loopback: any other address needs keys (``Door``).

    Raises the same errors as ``connect``, and UsageError if another machine could reach it without keys.
    """
    _prepare(zmq_socket, endpoint, binds=True)
    resolved = _resolved(endpoint)
    if not (endpoint.startswith("ipc://") or is_loopback(resolved)):
        if not endpoint.startswith("tcp://"):
            raise UsageError(f"cannot bind {endpoint}: it is neither ipc:// nor tcp://; {LOOKS_LIKE}")
        raise UsageError(
            f"{endpoint} may be reached from other machines: give --key and --clients, "
            f"or bind to this machine alone, tcp://127.0.0.1:{endpoint.rpartition(':')[2]}"
        )
    zmq_socket.bind(raw_address(resolved))


def is_loopback(endpoint: str) -> bool:
    """Return whether only this machine can reach ``endpoint``, a ``tcp://`` with an address.

    A host name is not accepted: it may resolve to another address the next time.
    """
    match = _TCP.fullmatch(endpoint.removeprefix("tcp://")) if endpoint.startswith("tcp://") else None
    if match is None:
        return False
    try:
        address = ipaddress.ip_address((match["ipv6"] or match["name"] or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def listening(endpoint: str) -> socket.socket:
    """Return a TCP socket that is bound to ``endpoint``, which is interpreted as in ``bind``.

    Raises UsageError if ``endpoint`` is malformed, UserError if it cannot be bound.
    """
    is_ipv6 = needs_ipv6(endpoint, binds=True)
    match = _TCP.fullmatch(_resolved(endpoint).removeprefix("tcp://"))
    if match is None:  # tcp://SOURCE;DESTINATION
        raise UsageError(f"{endpoint} is not an endpoint; {LOOKS_LIKE}")
    host, port = match["ipv6"] or match["name"].replace("*", ""), int(match["port"].replace("*", "0"))
    result = socket.socket(socket.AF_INET6 if match["ipv6"] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            result.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        name, _, scope = host.partition("%")
        scope_id = socket.if_nametoindex(scope) if scope else 0
        result.bind((name, port, 0, scope_id) if match["ipv6"] else (host, port))
    except (OSError, UnicodeError) as error:
        result.close()
        reason = error.strerror if isinstance(error, OSError) else "no such host"
        raise UserError(f"cannot bind {endpoint}: {reason}") from None
    return result


def _resolved(endpoint: str) -> str:
    """Return ``endpoint`` with its host name resolved: libzmq before 4.3.5 cannot bind to a host name."""
    match = _TCP.fullmatch(endpoint.removeprefix("tcp://")) if endpoint.startswith("tcp://") else None
    if match is None or not match["name"] or _is_no_name(match["name"]):
        return endpoint
    found = _addresses_of(match["name"])
    for family, form in ((socket.AF_INET, "tcp://{}:{}"), (socket.AF_INET6, "tcp://[{}]:{}")):
        for address in found.get(family, ()):
            return form.format(address, match["port"])
    return endpoint


def _prepare(zmq_socket: zmq.Socket[bytes], endpoint: str, *, binds: bool) -> None:
    if needs_ipv6(endpoint, binds=binds):
        zmq_socket.setsockopt(zmq.IPV6, 1)


def needs_ipv6(endpoint: str, *, binds: bool) -> bool:
    """Return whether a socket needs ZeroMQ's ``IPV6`` option for ``endpoint``.

    The option is set only for IPv6: with it, ``localhost`` would be ``::1`` and miss a sampler at 127.0.0.1.
    So a host name counts as IPv6 only if it has no IPv4 address. ``tcp://*`` stays IPv4; ``tcp://[::]``
    accepts both. Raises UsageError if ``endpoint`` is malformed, UserError if this machine has no IPv6.
    """
    scheme, separator, rest = endpoint.partition("://")
    if "\0" in endpoint:
        raise UsageError(f"{endpoint!r} is not an endpoint; {LOOKS_LIKE}")
    if separator and scheme == "inproc":
        raise UsageError(f"{endpoint} cannot reach another process; {LOOKS_LIKE}")
    if scheme != "tcp" or not separator:
        return False  # ZeroMQ refuses schemes that it does not know
    match = _TCP.fullmatch(rest.rpartition(";")[2])  # tcp://SOURCE;DESTINATION
    if match is None or match["name"] == "" or not _is_port(match["port"], binds=binds):
        raise UsageError(f"{endpoint} is not an endpoint; {LOOKS_LIKE}")
    if match["ipv6"] is not None:
        _check_ipv6(endpoint, match["ipv6"])
        return True
    if ":" in match["name"]:
        raise UsageError(f"{endpoint}: write an IPv6 address in brackets, as in tcp://[::1]:{match['port']}")
    return _is_ipv6_name(match["name"])


def _is_port(text: str, *, binds: bool) -> bool:
    """Return whether this is a valid port. Only a binding socket may let the kernel choose (``*`` or 0)."""
    least = 0 if binds else 1
    return binds if text == "*" else len(text) <= 5 and least <= int(text) <= 65535


def _check_ipv6(endpoint: str, address: str) -> None:
    host, has_scope, scope = address.partition("%")
    try:
        socket.inet_pton(socket.AF_INET6, host)
        if has_scope:
            socket.if_nametoindex(scope)
    except OSError:
        raise UsageError(
            f"{endpoint}: {address!r} is not an IPv6 address, or its network interface does not exist"
        ) from None
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError as error:
        raise UserError(f"cannot use {endpoint}: this machine has no IPv6 ({error.strerror})") from None


def _is_ipv6_name(name: str) -> bool:
    """Return whether a host name has only IPv6 addresses. An unknown name is left for ZeroMQ to look up."""
    return not _is_no_name(name) and _addresses_of(name).keys() == {socket.AF_INET6}


def _is_no_name(name: str) -> bool:
    """Return whether ``name`` is ``*``, an IPv4 address or a network interface, and so not a host name."""
    return name == "*" or re.fullmatch(r"[0-9.]+", name) is not None or name in _interfaces()


def _interfaces() -> set[str]:
    """Return the names of network interfaces; none where netlink is refused (RestrictAddressFamilies=)."""
    try:
        return {name for _, name in socket.if_nameindex()}
    except OSError:
        return set()


def _addresses_of(name: str) -> dict[int, list[str]]:
    """Return the addresses of a host name by address family; empty if the name is unknown."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return {}
    by_family: dict[int, list[str]] = {}
    for family, _, _, _, address in found:
        by_family.setdefault(family, []).append(str(address[0]))
    return by_family
