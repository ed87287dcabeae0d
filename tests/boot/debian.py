"""Fresh Debian roots, made by mmdebstrap from this machine's apt sources and kept between runs."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "boot"
RELEASES = ("bookworm", "trixie")
BASE = "systemd-sysv,dbus,python3,man-db"
NEEDED = "python3-psutil python3-zmq python3-tabulate"
"""The dependencies of the package, downloaded beforehand, so that a cached root needs no network."""
_POCKETS = ("", "-updates", "-security")
_KEPT_SECONDS = 14 * 86400
_APT_OPTIONS = r"(?i)^Acquire::(https?::|Check-|Retries|ForceIPv).*"


class CannotMake(Exception):
    """The reason why there is no root, and what to do."""


def fresh(release: str) -> Path:
    """Unpack a fresh root of ``release``; return its directory."""
    archive = _archive(release)
    place = BUILD / release
    subprocess.run(["rm", "-rf", "--one-file-system", place], check=True)
    place.mkdir(parents=True)
    subprocess.run(["tar", "-C", place, "-xf", archive], check=True)
    (place / "var/log/journal").mkdir(parents=True, exist_ok=True)  # so that it outlives a reboot
    return place


def _archive(release: str) -> Path:
    lines, options = sources(release), _options()
    what = "\n".join([release, BASE, NEEDED, *lines, *options])
    key = hashlib.sha256(what.encode()).hexdigest()[:12]
    archive = BUILD / f"{release}-{key}.tar"
    if archive.exists() and time.time() - archive.stat().st_mtime < _KEPT_SECONDS:
        print(f"{release}: the root of an earlier run, {archive.relative_to(ROOT)}", flush=True)
        return archive
    print(f"{release}: making a root from {'; '.join(lines)}", flush=True)
    for old in BUILD.glob(f"{release}-*.tar*"):
        old.unlink()
    BUILD.mkdir(parents=True, exist_ok=True)
    made = archive.with_suffix(".tar.new")
    fetch = f'chroot "$1" apt-get -y -d --no-install-recommends install {NEEDED}'
    command = ["mmdebstrap", "--variant=minbase", f"--include={BASE}", "--format=tar"]
    command += ["--skip=cleanup/apt", f"--customize-hook={fetch}"]
    command += [f"--aptopt={option}" for option in options]
    done = subprocess.run(
        [*command, release, str(made), *lines], capture_output=True, text=True, check=False, errors="replace"
    )
    if done.returncode:
        raise CannotMake(f"{done.stderr}\nmmdebstrap could not make a root of {release}")
    return made.rename(archive)


def sources(release: str) -> list[str]:
    """Return this machine's Debian sources, as lines for ``release``."""
    codename = _codename()
    lines = [
        f"deb {uri} {release}{pocket} main"
        for uri, suite in sorted(_own_sources() or _own_sources(update=True))
        for pocket in _POCKETS
        if suite == codename + pocket
    ]
    if not lines:
        raise CannotMake(f"no apt source of this machine serves {codename}: is this a Debian?")
    return lines


def _own_sources(*, update: bool = False) -> set[tuple[str, str]]:
    """Return (URI, suite) of each Debian source whose lists this machine's apt has."""
    if update:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
    fields = "$(CREATED_BY) $(COMPONENT) $(REPO_URI) $(RELEASE) $(ORIGIN)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", fields], capture_output=True, text=True, check=True
    ).stdout
    found = set()
    for line in listed.splitlines():
        kind, component, uri, suite, *origin = line.split()
        if (kind, component, origin) == ("Packages", "main", ["Debian"]):
            found.add((uri, suite))
    return found


def _codename() -> str:
    text = Path("/etc/os-release").read_text("utf-8")
    match = re.search(r"^VERSION_CODENAME=(\w+)", text, re.MULTILINE)
    return match[1] if match else ""


def _options() -> list[str]:
    """Return apt's options to reach the sources, such as proxies."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return [line.rstrip(";") for line in dump.splitlines() if re.match(_APT_OPTIONS, line)]
