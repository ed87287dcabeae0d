"""What a process belongs to, by its control group (cgroups(7)): a systemd unit, an app or a container.

/proc/PID/cgroup has a line ``ID:CONTROLLERS:PATH`` for each hierarchy; for version 2 it is ``0::PATH``. The
parts of the path are examined from the last to the first; the first one that yields a name is the answer.

An app of a desktop runs in ``app[-LAUNCHER]-ID-RANDOM.scope`` or ``app[-LAUNCHER]-ID@RANDOM.service``
(https://systemd.io/DESKTOP_ENVIRONMENTS). systemd writes a ``-`` inside ID as ``\\x2d`` (systemd.unit(5)).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_NAMED: Final = ("", "name=systemd", "name=openrc")
"""The hierarchies that name units, in order of preference; the other hierarchies may show containers."""
_MOST_LINES: Final = 32
_LONGEST: Final = 1024
"""Bytes of a path; cgroups can be nested without end."""

_ESCAPED: Final = re.compile(rb"\\x([0-9a-fA-F]{2})")
_ALLOWED: Final = re.compile(r"[\w.+:@][\w.+:@ -]{0,63}")
"""What a name may look like. The owner of a control group may call it anything; other text is skipped."""

_UUID: Final = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_TAIL: Final = re.compile(f"-(?:{_UUID}|[0-9a-f]{{12,}})$")
"""The suffix that makes the name of a transient unit or a container unique."""
_NUMBER: Final = re.compile("-[0-9]+$")
_BARE_HASH: Final = re.compile("[0-9a-f]{12,}")

_NAMELESS: Final = re.compile(
    # A login or a unit manager holds unrelated programs. systemd-run and terminals do not give a name.
    r"init|session-.+|user@.*|run-(?:[upr].*)|vte-spawn-.+"
)
_CONTAINERS: Final = {
    "docker": "docker",
    "libpod": "podman",
    "libpod-conmon": "podman",
    "crio": "cri-o",
    "crio-conmon": "cri-o",
    "cri-containerd": "containerd",
}
"""The container engine, by the text before the hash: the kernel does not report the container's name."""
_APP_OF_BUS: Final = re.compile(r"dbus-:[0-9.]+-(.+)")
_COPY: Final = re.compile(r" \([0-9]+\)$")
"""KDE numbers the windows of an app: ``org.kde.konsole (1)``."""
_MACHINE: Final = re.compile(r"machine-(?:qemu-[0-9]+-|lxc-[0-9]+-)?(.+)")


def app_of(cgroup: bytes) -> str | None:
    """Return what the process with this /proc/PID/cgroup belongs to; None if that has no name.

    ``ssh.service`` gives ssh, ``app-gnome-firefox-1234.scope`` firefox, ``getty@tty1.service`` getty. A login
    and the manager of a user's units have no name. A container gives the engine's name if its own is not
    there. Pure; does not raise for any bytes.
    """
    paths: dict[str, bytes] = {}
    for line in cgroup.split(b"\n")[:_MOST_LINES]:
        _, _, rest = line.partition(b":")
        controllers, colon, path = rest.partition(b":")
        if colon and path.startswith(b"/") and 1 < len(path) <= _LONGEST:
            paths.setdefault(controllers.decode(errors="replace"), path.removesuffix(b" (deleted)"))
    for hierarchy in (*_NAMED, *(name for name in paths if name not in _NAMED)):
        if hierarchy in paths and (app := _of_path(paths[hierarchy], hierarchy == "name=openrc")):
            return app
    return None


@lru_cache(maxsize=256)  # most processes share their group with others
def _of_path(path: bytes, is_openrc: bool) -> str | None:
    parts = [part.decode(errors="replace") for part in path.split(b"/")[1:]]
    for at in range(len(parts) - 1, -1, -1):
        part, parent = parts[at], parts[at - 1] if at else ""
        stem, _, kind = part.rpartition(".")
        if kind in {"service", "scope"}:
            name = _of_unit(stem, kind)
        elif kind == "slice":
            # The slice of an app that starts others: app-org.gnome.Terminal.slice
            name = _of_app(stem, "slice") if stem.startswith("app-") and "." in stem else None
        elif is_openrc and at == 0:
            name = part
        else:
            name = _of_directory(part, parent)
        if name and (clean := _clean(name)):
            return clean
    return None


def _of_unit(stem: str, kind: str) -> str | None:
    """Return the escaped name of the unit ``stem``.``kind``; None if that unit has no name of its own."""
    if _NAMELESS.fullmatch(stem):
        return None
    if stem.startswith("app-"):
        return _of_app(stem, kind)
    if stem.startswith("snap."):  # snap.NAME.APP
        return stem.split(".")[1]
    template = stem.partition("@")[0] if kind == "service" else stem
    if bus := _APP_OF_BUS.fullmatch(template):
        return bus[1]
    base = _TAIL.sub("", template)
    if base in _CONTAINERS:
        return _CONTAINERS[base]
    if machine := _MACHINE.fullmatch(_unescaped(base) or ""):
        return machine[1]
    while kind == "scope" and _NUMBER.search(base):
        base = _NUMBER.sub("", base)
    return base.removesuffix("-spawn")


def _of_app(stem: str, kind: str) -> str:
    """Return ID of app[-LAUNCHER]-ID[-RANDOM] or app[-LAUNCHER]-ID[@RANDOM]."""
    name = stem.removeprefix("app-")
    if kind == "scope":
        whole, name = name, re.sub(f"-{_UUID}$", "", name)
        if name == whole and "-" in name:
            name = name.rpartition("-")[0]
    elif kind == "service":
        name = name.partition("@")[0]
    name = name.rpartition("-")[2]
    plain = _COPY.sub("", _unescaped(name) or "")
    bus = _APP_OF_BUS.fullmatch(plain)
    return bus[1] if bus else plain


def _of_directory(part: str, parent: str) -> str | None:
    """Return the name of a container or of an OpenRC service, which are not systemd units."""
    if parent in {"lxc", "lxc.payload"}:
        return part
    for prefix in ("lxc.payload.", "openrc."):
        if part.startswith(prefix):
            return part.removeprefix(prefix)
    engine = _TAIL.sub("", part)
    if engine != part and engine in _CONTAINERS:
        return _CONTAINERS[engine]
    if parent in _CONTAINERS and _BARE_HASH.fullmatch(part):
        return _CONTAINERS[parent]
    return None


def _unescaped(name: str) -> str | None:
    r"""Return ``name`` with each ``\xNN`` replaced by its byte; None if the result is not UTF-8."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), name.encode())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _clean(name: str) -> str | None:
    plain = _unescaped(name)
    return plain if plain and _ALLOWED.fullmatch(plain) else None
