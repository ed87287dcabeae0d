"""Chapters about faults: kills, hangs, an upgrade, a full disk and a reboot."""

from __future__ import annotations

import time
from functools import partial

from tests.boot.logger import DATABASE, RUNTIME, SAMPLER, STATE, UNITS, WRITER, Logger
from tests.boot.stage import Stage, all_is_stored


def killed(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for unit in (WRITER, SAMPLER, WRITER, SAMPLER):
        before = logger.pid(unit)
        machine.run("systemctl", "kill", "-s", "KILL", unit)
        came_back = partial(_came_back, logger, unit, before)
        stage.soon(came_back, 15, f"{unit} is back after SIGKILL")
    machine.run("systemctl", "kill", "-s", "KILL", *UNITS)
    stage.soon(logger.are_active, 20, "both services are back after SIGKILL of both")
    all_is_stored(stage)
    machine.run("rm", f"{RUNTIME}/samples", f"{RUNTIME}/writer")
    stage.soon(
        lambda: machine.try_run("test", "-S", f"{RUNTIME}/samples", "-a", "-S", f"{RUNTIME}/writer")[0] == 0,
        70,
        "removed sockets are recreated",
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
    stage.check(all(logger.restarts(unit) == 0 for unit in UNITS), "both services feed a watchdog of 3 s")
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
    stage.soon(lambda: logger.count() > rows + 5, 15, "rows are kept, and new ones arrive")
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
        "the journal has the error",
    )
    stage.check(
        "cannot write" in logger.show(WRITER, "StatusText"),
        "systemctl status shows it",
        logger.show(WRITER, "StatusText"),
    )
    time.sleep(3)
    stage.check(logger.are_active() and logger.restarts(WRITER) == 0, "the writer keeps running")
    machine.run("rm", f"{STATE}/filler")
    stage.soon(lambda: _commits(stage), 30, "it stores samples again once there is space")
    stage.check(logger.journal("-g", "can be written again"), "and logs that")
    all_is_stored(stage)
    machine.run("systemctl", "stop", WRITER)
    machine.shell(f"rm -r /root/kept; cp -a {STATE} /root/kept; umount {STATE}; mv /root/kept/* {STATE}")
    machine.run("systemctl", "start", WRITER)
    all_is_stored(stage)


def _commits(stage: Stage) -> bool:
    """Return whether a request for a commit still succeeds."""
    script = (
        "from pathlib import Path; import sys; sys.path.insert(0, '/usr/share/telemetry-logger')\n"
        "from telemetry.stream.control import request_commit\n"
        f"print(request_commit('ipc://{RUNTIME}/writer', Path('{DATABASE}'), 5.0) is not None)"
    )
    return stage.machine.run("python3", "-c", script).strip() == "True"


def reboot(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    committed, _ = logger.identities()
    pending = "samples that no report asked for, and that are not committed yet"
    stage.soon(lambda: len(stage.recorder.heard() - committed) >= 3, 15, pending)
    machine.reboot()
    stage.soon(logger.are_active, 10, "both services are active within 10 s of a boot")
    stored, _ = logger.identities()
    heard = stage.recorder.heard()
    stage.check(heard <= stored, f"the reboot kept all {len(heard)} samples", sorted(heard - stored))
    stage.check(not logger.holes(), "no hole in seq", logger.holes())
    before = logger.count()
    stage.soon(lambda: logger.count() > before, 10, "new rows arrive")
    stage.check(all(logger.restarts(unit) == 0 for unit in UNITS), "systemd had to restart neither service")
    stage.check(not logger.warnings(), "neither service has logged a warning since", logger.warnings())
