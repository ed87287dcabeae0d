"""Print the Python that `make` must use, and set it up first if necessary.

    python3 scripts/environment.py run|dev|oldest|bench|deb|boot

    run     what the programs need: this python3 if it has all of it, else .venv
    dev     the same with what the tests and the linters need
    oldest  like dev, with the versions in requirements/oldest.txt: always .venv-oldest
    bench   like run; and if possible .venv-bench with the programs that are compared with ours
    deb     Debian's tools to build a package
    boot    like deb, with the tools to make and boot a fresh Debian

Only the path goes to standard output; messages for people go to standard error. Only the standard library and
the syntax of Python 3.8 are used, so that an old Python can at least report that it is too old.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - the message is for old versions
    sys.exit(
        f"setup: {sys.executable} is Python {sys.version.split()[0]}, and 3.11 or later is needed (Debian 12 "
        "and later have it). If you have another one, name it: make PYTHON=python3.11 ..."
    )

import tomllib

ROOT = Path(__file__).resolve().parent.parent
INTERPRETER = os.path.realpath(
    sys.executable
)  # never the Python of a virtual environment that may be recreated
DEBIAN_NAMES = {"psutil": "python3-psutil", "pyzmq": "python3-zmq", "tabulate": "python3-tabulate"}
DEB_TOOLS = ["dpkg-dev", "debhelper", "dh-python", "lintian", *DEBIAN_NAMES.values()]
BOOT_TOOLS = ["mmdebstrap", "systemd-container", "debian-archive-keyring"]


class SetupError(Exception):
    """What failed and what to do next, in one line."""


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def call(*command: str) -> tuple[bool, str]:
    """Run a program without showing its output; return whether it succeeded, and the output. It inherits the
    lock (close_fds=False), so that another set-up waits for the pip of a set-up that was killed."""
    out, null = subprocess.PIPE, subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=null, stdout=out, stderr=subprocess.STDOUT, close_fds=False, check=False
    )
    if done.returncode < 0:
        raise KeyboardInterrupt(f" ({Path(command[0]).name} was killed by signal {-done.returncode})")
    return done.returncode == 0, done.stdout.decode(errors="replace")


def telling(said: str) -> str:
    """Return the lines of a failed program's output that give the reason, to be printed above our message."""
    lines = said.splitlines()
    errors = [line for line in lines if re.search(r"\b(error|E): ", line, re.IGNORECASE)]
    return "".join(f"    {line.strip()[:200]}\n" for line in (errors or lines)[-6:])


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def has(requirement: str) -> bool:
    """Return whether this Python has the requirement. Anything but a plain >= or ~= is left to pip."""
    match = re.fullmatch(r"([\w.-]+)(?:(>=|~=)([\d.]+))?", requirement)
    if not match:
        return False
    name, operator, least = match.groups("")
    try:
        found = numbers(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
    series = numbers(least)[:-1] if operator == "~=" else []
    return found >= numbers(least) and found[: len(series)] == series


def apt_install(packages: list[str], why: str, *, for_python: bool = True) -> None:
    if not shutil.which("apt-get"):
        raise SetupError(f"{why}, and this is not Debian: there is no apt-get")
    if for_python and not INTERPRETER.startswith("/usr/bin/"):
        raise SetupError(f"{why}, and apt-get cannot fix that: try make PYTHON=/usr/bin/python3")
    sudo = ["sudo"] if os.geteuid() and shutil.which("sudo") else []
    by_hand = " ".join([*sudo, "apt-get update &&", *sudo, "apt-get install", *packages])
    if os.geteuid() and not sudo:
        raise SetupError(f"{why}. Run, as root: {by_hand}")
    # Without a terminal, sudo cannot ask for the password.
    if sudo and not call("sudo", "-n", "apt-get", "--version")[0] and not call("sh", "-c", ": </dev/tty")[0]:
        raise SetupError(f"{why}. Run, in a terminal: {by_hand}")
    say(f"{why}: installing {' '.join(packages)} with {' '.join([*sudo, 'apt-get'])}")
    # A fresh machine often upgrades itself first: wait for the lock that this holds.
    apt = [*sudo, "apt-get", "-o", "DPkg::Lock::Timeout=120", "-y", "--no-install-recommends"]
    done, said = call(*apt, "install", *packages)
    if not done:  # no package lists yet, or old ones
        call(*apt, "update")
        done, said = call(*apt, "install", *packages)
    if not done:
        raise SetupError(
            f"apt-get failed:\n{telling(said)}setup: is this machine online? Then run: {by_hand}"
        )


def make_venv(place: Path, *options: str) -> None:
    try:
        if place.exists():
            shutil.rmtree(place)
    except OSError as error:
        raise SetupError(f"cannot remove the old {place} ({error.strerror}): sudo rm -r {place}") from error
    probe = (INTERPRETER, "-I", "-c", "import ensurepip, venv")
    if not call(*probe)[0]:
        apt_install(["python3-venv"], f"{INTERPRETER} cannot make a virtual environment")
    done, said = call(INTERPRETER, "-I", "-m", "venv", *options, str(place))
    if not done:
        raise SetupError(f"python3 -m venv failed:\n{telling(said)}setup: fix that and run make again")


def pip_install(place: Path, needs: list[str], pins: list[str]) -> None:
    """Install into the virtual environment at `place`. If pip finds no build that fits, use Debian's."""
    say(f"installing {len(needs)} packages and what they need into {place.name}, once")
    pip = [str(place / "bin/python"), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # A small board cannot build these: an older release with a wheel is better than the newest without one.
    pip += ["--prefer-binary", *needs, *pins]
    done, said = call(*pip)
    if not done and "connection broken" in said:
        raise SetupError(
            "pip cannot reach its package index: connect this machine to the network, or name a proxy or a "
            "mirror (pip config set global.proxy ...), and run make again"
        )
    if not done and not pins and any(name in said for name in DEBIAN_NAMES):
        lacking = [package for name, package in DEBIAN_NAMES.items() if not has(name)]
        if lacking:
            apt_install(lacking, "pip finds no psutil, pyzmq or tabulate built for this machine")
        make_venv(place, "--system-site-packages")
        done, said = call(*pip)
    if not done:
        raise SetupError(
            f"pip failed:\n{telling(said)}setup: pip could not install all packages in pyproject.toml: fix "
            "that and run make again"
        )


def set_up(place: Path, parts: list[list[str]], pins: list[str]) -> Path:
    """Return the Python of a virtual environment at `place` with these requirements. Its stamp, written last,
    names the Python and the requirements that it was made for. Requirements may be added to an environment;
    any other change recreates it."""
    identity = [sys.version.split()[0], os.uname().machine, INTERPRETER, str(ROOT)]
    wanted = [" ".join(part) for part in (identity, *parts, pins) if part]
    python, stamp = place / "bin/python", place / "setup-stamp"

    def stamped() -> list[str]:
        return stamp.read_text("utf-8").splitlines() if stamp.is_file() and python.exists() else []

    if stamped()[: len(wanted)] == wanted:
        return python
    with (ROOT / "pyproject.toml").open() as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        before = stamped()
        if before[: len(wanted)] == wanted:
            return python
        stamp.unlink(missing_ok=True)
        grows = bool(before) and wanted[: len(before)] == before
        if not grows:
            make_venv(place)
        try:
            pip_install(place, [requirement for part in parts for requirement in part], pins)
        except SetupError:
            if grows and python.exists():  # it failed cleanly: the previous environment still works
                stamp.write_text("\n".join(before), "utf-8")
            raise
        stamp.write_text("\n".join(wanted), "utf-8")
    return python


def requirements(name: str) -> list[str]:
    lines = (ROOT / "requirements" / name).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def need_tools(packages: list[str]) -> None:
    """Install packages of Debian that do not depend on this Python."""
    query = ("dpkg-query", "-W", "-f", "${db:Status-Status}")
    if not shutil.which("dpkg-query"):
        raise SetupError("this builds a Debian package, and dpkg was not found: run it on Debian")
    lacking = [package for package in packages if call(*query, package) != (True, "installed")]
    if lacking:
        apt_install(lacking, "Debian's tools are missing", for_python=False)


def main(level: str) -> str | Path:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run, dev = project["dependencies"], project["optional-dependencies"]["dev"]
    if level == "oldest":
        if sys.version_info[:2] != (3, 11):
            found = sys.version.split()[0]
            raise SetupError(
                f"the oldest pyzmq is built for Python up to 3.11, and this is {found}: "
                "if you have Python 3.11, make test DEPS=oldest PYTHON=python3.11"
            )
        return set_up(ROOT / ".venv-oldest", [run, dev], requirements("oldest.txt"))
    if level in ("deb", "boot"):
        if level == "boot" and os.geteuid():
            raise SetupError("booting a fresh Debian needs root: sudo make system-test")
        need_tools(DEB_TOOLS + (BOOT_TOOLS if level == "boot" else []))
        return sys.executable
    parts = {"run": [run], "dev": [run, dev], "bench": [run]}.get(level)
    if parts is None:
        raise SetupError(f"{level!r} is not one of run, dev, oldest, bench, deb and boot")
    if level == "bench":
        try:
            set_up(ROOT / ".venv-bench", [requirements("bench.txt")], [])
        except SetupError as error:
            say(f"{error}\nsetup: continuing without it")
    if all(has(requirement) for part in parts for requirement in part):
        return sys.executable
    return set_up(ROOT / ".venv", parts, [])


if __name__ == "__main__":
    try:
        print(main(sys.argv[1]))
    except (SetupError, OSError) as error:
        sys.exit(f"setup: {error}")
    except KeyboardInterrupt as cause:
        sys.exit(f"setup: interrupted{cause}; the next make restarts it")
