"""What happens to an installed telemetry logger in its life, and what must hold.

Each chapter is a function of the stage; they are told in order, each on what the one before left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.boot.logger import DATABASE, RUNTIME, STATE, UNITS, Logger, Recorder
from tests.boot.machine import Failed, Machine, wait

REPORTS = ("recent", "drain", "energy", "hotspots", "top", "cores", "correlate", "export", "status")
WRITER, SAMPLER = UNITS


class Stage(NamedTuple):
    """What the chapters play on."""

    machine: Machine
    logger: Logger
    recorder: Recorder
    old: str
    """A package of an older version, inside."""
    new: str
    say: Callable[[str], None]

    def check(self, holds: object, what: str, found: object = "") -> None:
        """Say that it holds, or fail."""
        if not holds:
            raise Failed(f"{what}{f': {found}' if found != '' else ''}")
        self.say(what)

    def soon(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Say that it came to hold within ``seconds``, or fail."""
        taken = wait(condition, seconds, what)
        self.say(f"{what} ({taken:.1f} s)")


def install(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for user in ("member", "stranger"):
        machine.run("useradd", "-m", user)
    machine.run("apt-get", "install", "-y", "--no-install-recommends", stage.old)
    stage.soon(logger.are_active, 10, "both services are active within 10 s of the installation")
    machine.run("usermod", "-aG", "telemetry", "member")
    for unit in UNITS:
        stage.check(machine.run("systemctl", "is-enabled", unit).strip() == "enabled", f"{unit} is enabled")
    before = logger.count()
    stage.soon(lambda: logger.count() >= before + 2, 15, "rows come at the default 5 s")
    battery = logger.query("recent", "--limit", "1")[0]
    stage.check(battery["battery_pct"] is not None and battery["watts"], "the battery is read", battery)
    top = {row["name"] for row in logger.query("hotspots", "--limit", "100")}
    stage.check("systemd" in top, "processes of other users are seen", top)
    setting = """s/^SAMPLER_OPTIONS=.*/SAMPLER_OPTIONS="--interval 1"/"""
    machine.run("sed", "-i", setting, "/etc/default/telemetry-logger")
    machine.run("systemctl", "restart", SAMPLER)
    before = logger.count()
    stage.soon(lambda: logger.count() >= before + 5, 10, "a setting changes the interval to 1 s")
    stage.recorder.start()
    stage.soon(stage.recorder.has_heard, 10, "a member taps the stream")


def access(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for report in REPORTS:
        machine.run("telemetry-query", report, user="member")
    stage.say("every report answers a member of group telemetry")
    for report in (*REPORTS, "live"):
        status, output, error = machine.try_run("telemetry-query", report, user="stranger", seconds=20)
        told = status == 1 and not output and "adduser" in error and len(error.splitlines()) == 1
        stage.check(told, f"{report} is refused to one outside, with the way in", (status, output, error))
    modes = machine.shell(
        f"""cd {RUNTIME}
            stat -c '%n %U:%G %a' . samples replay writer ring {STATE} {DATABASE}*"""
    )
    expected = {".": "750", "samples": "770", "replay": "770", "writer": "770", "ring": "600"}
    expected |= {STATE: "750", DATABASE: "640", f"{DATABASE}-wal": "640", f"{DATABASE}-shm": "640"}
    expected |= {f"{DATABASE}.lock": "600"}
    found = {line.split()[0]: line.split()[2] for line in modes.splitlines()}
    stage.check(found == expected, "modes of directories, sockets, ring and database are as meant", found)
    stage.check(modes.count("telemetry:telemetry") == len(expected), "all belongs to telemetry", modes)
    writes = machine.try_run(
        "python3",
        "-c",
        f"import sqlite3; sqlite3.connect('{DATABASE}').execute('DELETE FROM run')",
        user="member",
    )
    stage.check("readonly" in writes[2], "a member cannot write the database", writes)
    machine.run("systemctl", "stop", *UNITS)
    stage.check(
        machine.try_run("test", "-S", f"{RUNTIME}/samples")[0] == 0,
        "the runtime directory outlives the services",
    )
    stage.check(logger.count() > 5, "a member reads the database of a writer that was stopped")
    machine.run("systemctl", "start", SAMPLER)
    stage.check(logger.show(WRITER, "ActiveState") == "inactive", "the sampler needs no writer")
    machine.run("systemctl", "start", WRITER)
    stage.soon(logger.are_active, 10, "the writer comes later")
    stage.check(not logger.holes(), "no hole in seq", logger.holes())


def hardening(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for unit in UNITS:
        score = logger.exposure(unit)
        stage.check(score <= 1.5, f"{unit} scores {score} in systemd-analyze security", score)
        pid = logger.pid(unit)
        text = machine.run("cat", f"/proc/{pid}/status")
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        stage.check(
            int(fields["CapEff"], 16) == 0 == int(fields["CapBnd"], 16),
            f"{unit} has no capability",
            fields["CapEff"],
        )
        stage.check(
            fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2",
            f"{unit} is under seccomp",
        )
        used = int(fields["VmHWM"].split()[0]) / 1024
        allowed = int(logger.show(unit, "MemoryMax")) / 2**20
        stage.check(
            used < allowed / 2, f"{unit} used at most {used:.0f} MB of the {allowed:.0f} it may have", used
        )
        stage.check(logger.show(unit, "CPUQuotaPerSecUSec") == "500ms", f"{unit} may use half a core")
    inside = ["nsenter", "-t", logger.pid(WRITER), "-m", "--"]
    stage.check(machine.try_run(*inside, "ls", "/sys/class")[0] != 0, "the writer sees no /sys")
    stage.check(machine.try_run(*inside, "ls", "/home/member")[0] != 0, "the writer sees no home")
    links = machine.run("nsenter", "-t", logger.pid(WRITER), "-n", "cat", "/proc/net/dev").splitlines()[2:]
    stage.check(all(line.strip().startswith("lo:") for line in links), "the writer has no network", links)
    writable = _writable(stage, SAMPLER)
    stage.check(writable == {RUNTIME}, "the sampler may write to its runtime directory alone", writable)
    writable = _writable(stage, WRITER)
    own = {RUNTIME, STATE, "/tmp", "/var/tmp"}  # the last two are private
    stage.check(writable == own, "the writer to its database's as well, and to a /tmp of its own", writable)
    stage.check(not logger.warnings(), "neither has warned of anything so far", logger.warnings())


def _writable(stage: Stage, unit: str) -> set[str]:
    """Return the directories that a service may write to, as it sees the machine."""
    account = "setpriv --reuid=telemetry --regid=telemetry --clear-groups"
    find = "find / -type d -writable -not -path '/proc/*' 2>/dev/null || true"
    return set(stage.machine.shell(f"nsenter -t {stage.logger.pid(unit)} -m {account} {find}").split())


def killed(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for unit in (WRITER, SAMPLER, WRITER, SAMPLER):
        before = logger.pid(unit)
        machine.run("systemctl", "kill", "-s", "KILL", unit)
        came_back = partial(_came_back, logger, unit, before)
        stage.soon(came_back, 15, f"{unit} is back after SIGKILL")
    machine.run("systemctl", "kill", "-s", "KILL", *UNITS)
    stage.soon(logger.are_active, 20, "both are back after SIGKILL of both")
    all_is_stored(stage)
    machine.run("rm", f"{RUNTIME}/samples", f"{RUNTIME}/writer")
    stage.soon(
        lambda: machine.try_run("test", "-S", f"{RUNTIME}/samples", "-a", "-S", f"{RUNTIME}/writer")[0] == 0,
        70,
        "sockets whose files were removed are bound anew",
    )


def _came_back(logger: Logger, unit: str, before: str) -> bool:
    return logger.pid(unit) not in (before, "0") and logger.are_active()


def stuck(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for unit in UNITS:
        machine.shell(
            f"""mkdir -p /run/systemd/system/{unit}.d
                cat >/run/systemd/system/{unit}.d/test.conf <<END
[Service]
WatchdogSec=3
TimeoutAbortSec=1
END"""
        )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", *UNITS)
    time.sleep(7)
    stage.check(all(logger.restarts(unit) == 0 for unit in UNITS), "a watchdog of 3 s is content with both")
    for unit in UNITS:
        machine.run("systemctl", "kill", "-s", "STOP", unit)
        was_restarted = partial(_was_restarted, logger, unit)
        stage.soon(was_restarted, 25, f"{unit} is restarted when it is stuck")
    machine.shell("rm -r /run/systemd/system/telemetry-*.service.d")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", *UNITS)
    all_is_stored(stage)


def _was_restarted(logger: Logger, unit: str) -> bool:
    return logger.restarts(unit) == 1 and logger.are_active()


def upgrade(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    old = machine.run("telemetry-query", "--version")
    rows = logger.count()
    machine.run("apt-get", "install", "-y", "--no-install-recommends", stage.new)
    new = machine.run("telemetry-query", "--version")
    stage.check(old != new, f"{old.split()[-1]} is upgraded to {new.split()[-1]}", (old, new))
    stage.soon(logger.are_active, 10, "both services are active after the upgrade")
    stage.check("--interval 1" in machine.run("cat", "/etc/default/telemetry-logger"), "settings are kept")
    stage.soon(lambda: logger.count() > rows + 5, 15, "rows are kept, and new ones come")
    all_is_stored(stage)


def full_disk(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    machine.run("systemctl", "stop", WRITER)
    machine.shell(
        f"""cp -a {STATE} /root/kept
            mount -t tmpfs -o size=12m,mode=0750 none {STATE}
            cp -a /root/kept/. {STATE}"""
    )
    machine.run("systemctl", "start", WRITER)
    stage.soon(logger.are_active, 10, "the writer works on a small file system")
    machine.try_run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=64k")
    stage.soon(lambda: not _commits(stage), 60, "the disk is full")
    stage.soon(
        lambda: logger.journal("-p", "err", "-g", f"cannot write {DATABASE}"),
        90,
        "the journal has it, as an error",
    )
    stage.check(
        "cannot write" in logger.show(WRITER, "StatusText"),
        "systemctl status tells it",
        logger.show(WRITER, "StatusText"),
    )
    time.sleep(3)
    stage.check(logger.are_active() and logger.restarts(WRITER) == 0, "the writer goes on")
    machine.run("rm", f"{STATE}/filler")
    stage.soon(lambda: logger.journal("-g", "can be written again"), 90, "with room again it stores again")
    all_is_stored(stage)
    machine.run("systemctl", "stop", WRITER)
    machine.shell(f"rm -r /root/kept; cp -a {STATE} /root/kept; umount {STATE}; cp -a /root/kept/. {STATE}")
    machine.run("systemctl", "start", WRITER)
    all_is_stored(stage)


def reboot(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    heard = stage.recorder.heard()
    machine.reboot()
    stage.soon(logger.are_active, 10, "both services are active within 10 s of a boot")
    stored, _ = logger.identities()
    # What the recorder had heard when it was last asked, and more: it went on until the machine was down.
    heard |= stage.recorder.heard()
    stage.check(heard <= stored, f"the reboot kept all {len(heard)} samples", sorted(heard - stored))
    stage.check(not logger.holes(), "no hole in seq", logger.holes())
    before = logger.count()
    stage.soon(lambda: logger.count() > before, 10, "new rows come")
    stage.check(all(logger.restarts(unit) == 0 for unit in UNITS), "neither had to be started twice")
    stage.check(not logger.warnings(), "neither has warned of anything since", logger.warnings())


def _commits(stage: Stage) -> bool:
    """Whether a request for a commit still succeeds."""
    script = (
        "from pathlib import Path; import sys; sys.path.insert(0, '/usr/share/telemetry-logger')\n"
        "from telemetry.stream.control import request_commit\n"
        f"print(request_commit('ipc://{RUNTIME}/writer', Path('{DATABASE}'), 5.0))"
    )
    return stage.machine.run("python3", "-c", script).strip() == "True"


def all_is_stored(stage: Stage) -> None:
    """What the recorder heard is in the database, and no run has a hole."""
    heard = stage.recorder.heard()
    what = f"all {len(heard)} samples that a listener heard are stored"
    stage.soon(lambda: heard <= stage.logger.identities()[0], 30, what)
    runs = len({run for run, _ in stage.logger.identities()[0]})
    holes = stage.logger.holes()
    stage.check(not holes, f"no hole in seq, over {runs} runs of the sampler", holes)
