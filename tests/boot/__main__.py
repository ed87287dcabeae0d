"""``make system-test``: run all chapters on each release, print each check, stop at the first failure.

python3 -m tests.boot [bookworm] [trixie]
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from scripts import package
from tests.boot import debian, departure, faults, story
from tests.boot.logger import Logger, Recorder
from tests.boot.machine import Failed, Machine
from tests.boot.stage import Stage

BATTERY = debian.ROOT / "tests/data/power_supply/dell-2s-discharging/sys/class/power_supply"
CHAPTERS = (
    story.install,
    story.access,
    story.examples,
    story.alerts,
    story.hardening,
    story.drop_ins,
    story.backup,
    faults.killed,
    faults.stuck,
    faults.upgrade,
    faults.full_disk,
    faults.reboot,
    departure.removal,
    departure.takeover_by_the_package,
    departure.checkout,
)


def tell(release: str, packages: list[Path]) -> None:
    """Run the chapters on one release; raises Failed after printing the journal."""
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"{release} {time.monotonic() - start:6.1f} s  ok  {what}", flush=True)

    root = debian.fresh(release)
    inside = []
    for built in packages:
        shutil.copy(built, root / "var/tmp")
        inside.append(f"/var/tmp/{built.name}")
    # Not bound from outside: with its own network, the container remounts /sys over it.
    (root / "etc/fstab").write_text("/srv/battery /sys/class/power_supply none bind 0 0\n")
    machine = Machine(root, [f"{BATTERY}:/srv/battery", f"{debian.ROOT}:{departure.CHECKOUT}"])
    stage = Stage(machine, Logger(machine), Recorder(machine), inside[0], inside[1], say)
    try:
        machine.boot()
        say(machine.run("systemctl", "--version").splitlines()[0])
        for chapter in CHAPTERS:
            print(f"{release} -- {chapter.__name__.replace('_', ' ')}", flush=True)
            chapter(stage)
    except Failed as failure:
        print(_journal(machine), flush=True)
        raise Failed(f"{release}: FAILED after {time.monotonic() - start:.0f} s: {failure}") from None
    finally:
        machine.power_off()
        subprocess.run(["rm", "-rf", "--one-file-system", root], check=False)


def _journal(machine: Machine) -> str:
    command = ["journalctl", "--no-pager", "-n", "300", "-o", "short-monotonic"]
    try:
        return machine.run(*command, seconds=20)
    except Failed as error:
        return f"(no journal: {error})"


def main(releases: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    unknown = set(releases) - set(debian.RELEASES)
    if unknown:
        print(f"no release {' or '.join(unknown)} here: {' '.join(debian.RELEASES)}", file=sys.stderr)
        return 2
    debian.BUILD.mkdir(parents=True, exist_ok=True)
    lock = os.open(debian.BUILD, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("another make system-test runs in this checkout", file=sys.stderr)
        return 1
    version = package.version()
    packages = [package.build(f"{version}~older"), package.build(version)]
    package.judge(packages[1])
    try:
        for release in releases or debian.RELEASES:
            tell(release, packages)
    except (Failed, debian.CannotMake) as failure:
        print(failure, file=sys.stderr)
        return 1
    print("make system-test: everything passed")
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
