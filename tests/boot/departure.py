"""The last chapters: removal, purge, and taking over from the original logger."""

from __future__ import annotations

from tests.boot.logger import DATABASE, STATE, UNITS, WRITER
from tests.boot.stage import Stage

OLD_UNIT = "telemetry-logger.service"
CHECKOUT = "/srv/checkout"
GOLDEN = f"{CHECKOUT}/tests/data/original/telemetry.sql"
_ORIGINAL = f"""
import os, sqlite3, time
is_new = not os.path.exists("{DATABASE}")
database = sqlite3.connect("{DATABASE}", isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
if is_new:
    database.executescript(open("{GOLDEN}").read())
    database.execute("PRAGMA journal_mode = WAL")
while True:
    row = (int(time.time()), 3.9, 0.5, 1.95, 50.0, 12.0, 1500.0, 0.5, 0.4, 0.3)
    names = "ts, voltage, current, power, battery_pct, cpu_total, cpu_freq, load1, load5, load15"
    database.execute(f"INSERT OR IGNORE INTO system_sample ({{names}}) VALUES (?,?,?,?,?,?,?,?,?,?)", row)
    time.sleep(1)
"""
"""Acts like the original logger: the same statements, an open connection, WAL."""
_READ = f"""
import sqlite3
database = sqlite3.connect("file:{DATABASE}?mode=ro", uri=True)
print(database.execute("SELECT COUNT(*) FROM {{}}").fetchone()[0])
"""
_COUNT = _READ.format("system_sample WHERE voltage = 3.9")
_ROOMS = _READ.format("by_room")


def removal(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    rows = logger.count()
    machine.run("apt-get", "remove", "-y", "telemetry-logger")
    gone = [unit for unit in UNITS if machine.try_run("systemctl", "cat", unit)[0] == 0]
    stage.check(not gone, "removed: no unit is left", gone)
    running = machine.try_run("pgrep", "-fa", "telemetry-(sampler|writer)")
    stage.check(running[0] != 0, "and no process", running)
    stage.check(machine.try_run("test", "-s", DATABASE)[0] == 0, "but the database stays")
    machine.run("apt-get", "install", "-y", "--no-install-recommends", stage.new)
    stage.soon(logger.are_active, 10, "installed again, both services are active")
    stage.check(logger.count() >= rows, "with all rows")
    machine.run("apt-get", "purge", "-y", "telemetry-logger")
    left = _left_behind(stage)
    stage.check(not left, "purged: no file is left", left)
    users = (
        machine.try_run("getent", "passwd", "telemetry")[1]
        + machine.try_run("getent", "group", "telemetry")[1]
    )
    stage.check(not users, "no user or group is left", users)
    units = machine.run("systemctl", "list-units", "--all", "telemetry*", "--plain", "--no-legend")
    stage.check(not units.strip(), "systemd has no unit left", units)


def takeover_by_the_package(stage: Stage) -> None:
    machine = stage.machine
    _start_the_original(stage)
    machine.shell(f"apt-get install -y --no-install-recommends {stage.new} >/root/said 2>&1")
    _has_taken_over(stage, machine.run("cat", "/root/said"))
    machine.run("apt-get", "remove", "-y", "telemetry-logger")
    _has_given_back(stage)
    machine.run("apt-get", "purge", "-y", "telemetry-logger")
    stage.check(
        machine.try_run("test", "-s", DATABASE)[0] == 0, "a purge keeps the database that was given back"
    )
    _stop_the_original(stage)


def checkout(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    machine.run(
        "apt-get",
        "install",
        "-y",
        "--no-install-recommends",
        "python3-psutil",
        "python3-zmq",
        "python3-tabulate",
    )
    _start_the_original(stage)
    machine.shell(f"{CHECKOUT}/systemd/install.sh >/root/said 2>&1")
    machine.run("usermod", "-aG", "telemetry", "member")
    _has_taken_over(stage, machine.run("cat", "/root/said"))
    stage.check("/usr/local/bin" in logger.show(WRITER, "ExecStart"), "it runs from /usr/local")
    machine.run("systemctl", "restart", *UNITS)
    machine.shell(f"{CHECKOUT}/systemd/install.sh")
    stage.soon(logger.are_active, 10, "running install.sh again is an upgrade")
    machine.shell(f"{CHECKOUT}/systemd/install.sh --uninstall")
    _has_given_back(stage)
    _stop_the_original(stage)
    machine.run("useradd", "-m", "pi")
    machine.shell(f"{CHECKOUT}/systemd/install.sh --user pi")
    machine.run("usermod", "-aG", "telemetry", "member")
    stage.soon(logger.are_active, 10, "install.sh --user pi: both services are active")
    owner = machine.run("stat", "-c", "%U:%G", DATABASE).strip()
    stage.check(owner == "pi:telemetry", "they run as that user", owner)
    stage.soon(lambda: logger.count() > 0, 15, "rows arrive, and a member can read them")
    machine.shell(f"{CHECKOUT}/systemd/install.sh --uninstall --purge")
    left = _left_behind(stage)
    stage.check(not left, "--uninstall --purge leaves no file", left)


def _left_behind(stage: Stage) -> list[str]:
    """Return files with our name, except logs and files of this test."""
    skipped = " -o ".join(f"-path {path}" for path in ("/srv", "/proc", "/sys", "/var/log", "/var/tmp"))
    return stage.machine.shell(f"find / \\( {skipped} \\) -prune -o -iname '*telemetry*' -print").split()


def _start_the_original(stage: Stage) -> None:
    machine = stage.machine
    machine.shell(
        f"""id clockworkpi >/dev/null 2>&1 || useradd -m clockworkpi
            install -d -o clockworkpi -g clockworkpi {STATE}
            cat >/home/clockworkpi/logger.py <<'END'
{_ORIGINAL}
END
            cat >/etc/systemd/system/{OLD_UNIT} <<'END'
[Service]
User=clockworkpi
Group=clockworkpi
ExecStart=/usr/bin/python3 /home/clockworkpi/logger.py
[Install]
WantedBy=multi-user.target
END
            systemctl daemon-reload
            systemctl enable --now {OLD_UNIT}"""
    )
    stage.soon(lambda: _of_the_original(stage) > 1, 10, "the original logger runs")


def _stop_the_original(stage: Stage) -> None:
    stage.machine.run("systemctl", "disable", "--now", OLD_UNIT)
    stage.machine.run("rm", "-r", f"/etc/systemd/system/{OLD_UNIT}", STATE)
    stage.machine.run("systemctl", "daemon-reload")


def _of_the_original(stage: Stage) -> int:
    """Return the number of rows that the original logger wrote."""
    status, output, _ = stage.machine.try_run("python3", "-c", _COUNT)
    return int(output) if status == 0 else 0


def _has_taken_over(stage: Stage, said: str) -> None:
    machine, logger = stage.machine, stage.logger
    stage.soon(logger.are_active, 10, "both services are active")
    stage.check(
        "took over the database of user clockworkpi" in said, "the installer says that it took over", said
    )
    stage.check(
        "stopping and disabling the original logger" in said, "and that it stopped the old service", said
    )
    stage.check(logger.show(OLD_UNIT, "ActiveState") == "inactive", "the old service is stopped")
    stage.check(logger.show(OLD_UNIT, "UnitFileState") == "disabled", "and disabled")
    owners = machine.shell(f"stat -c '%U:%G %a' {DATABASE} {DATABASE}-wal {DATABASE}-shm").split("\n")[:-1]
    stage.check(
        owners == ["telemetry:telemetry 640"] * 3, "the database with -wal and -shm changed owner", owners
    )
    machine.run("usermod", "-aG", "telemetry", "member")
    stage.check(_of_the_original(stage) > 1, "its rows are there")
    before = logger.count()
    stage.soon(lambda: logger.count() > before, 15, "and new rows follow them")
    rooms = machine.run("python3", "-c", _ROOMS)
    stage.check(int(rooms) >= 2, "the user's own view still works", rooms)


def _has_given_back(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    owner = machine.run("stat", "-c", "%U:%G %a", DATABASE).strip()
    stage.check(owner == "clockworkpi:clockworkpi 644", "given back: the database has its old owner", owner)
    stage.check(logger.show(OLD_UNIT, "UnitFileState") == "enabled", "the old service is enabled")
    before = _of_the_original(stage)
    stage.soon(lambda: _of_the_original(stage) > before, 10, "runs, and writes into it")
