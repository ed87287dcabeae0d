"""An installed telemetry logger: permissions of users, and the hardening of the units.

Each chapter is a function of the stage. They run in order, each on the state that the one before left.
"""

from __future__ import annotations

from functools import partial

from query.reports import REPORTS
from tests.boot.logger import DATABASE, RUNTIME, SAMPLER, STATE, UNITS, WRITER, Logger
from tests.boot.stage import Stage

_EXAMPLES = "/usr/share/doc/telemetry-logger/examples"
_ARGUMENTS = {
    "low_battery.py": "30",  # the battery is at 29 %
    "bare_pyzmq_keys.py": "--help",  # it needs the keys of another machine
    "home_assistant.py": "--help",  # it needs a broker
}
_DROP_INS = f"{_EXAMPLES}/drop-in"
_ALERT = "telemetry-alert.service"
_USER_MANAGER = r"""
mkdir /etc/systemd/system/user@.service.d
cat >/etc/systemd/system/user@.service.d/directory.conf <<'END'
[Service]
Environment=XDG_RUNTIME_DIR=/run/user/%i
END
systemctl daemon-reload
""".rstrip()
"""Does what systemd's PAM module does at a login, because it is not installed."""
_ALERT_SETTINGS = r"""
mkdir -p ~/.config/telemetry-logger
cat >~/.config/telemetry-logger/alert <<'END'
ALERT_OPTIONS="--below 30 --run 'echo \"$TELEMETRY_ALERT $TELEMETRY_PERCENT\" >~/alerted'"
END
"""
_COUNTER = """
zone=/opt/sys/class/powercap/intel-rapl:0
mkdir -p "$zone"
echo package-0 >"$zone/name"
echo 262143328850 >"$zone/max_energy_range_uj"
echo 1000000 >"$zone/energy_uj"
chmod 0400 "$zone/energy_uj"
"""
"""An energy counter that only root may read, as in the kernel."""


def install(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    for user in ("member", "stranger"):
        machine.run("useradd", "-m", user)
    said = machine.run(
        "env", "SUDO_USER=ada", "apt-get", "install", "-y", "--no-install-recommends", stage.old
    )
    next_steps = "    sudo adduser ada telemetry    # once; then log in again\n    telemetry-query\n"
    stage.check(
        next_steps in said.replace("\r", ""),
        "the installation names the group to join and the next command",
        said,
    )
    stage.soon(logger.are_active, 10, "both services are active within 10 s of the installation")
    machine.run("usermod", "-aG", "telemetry", "member")
    for unit in UNITS:
        stage.check(machine.run("systemctl", "is-enabled", unit).strip() == "enabled", f"{unit} is enabled")
    before = logger.count()
    stage.soon(lambda: logger.count() >= before + 2, 15, "rows arrive at the default interval of 5 s")
    battery = logger.query("recent", "--limit", "1")[0]
    stage.check(battery["battery_pct"] is not None and battery["watts"], "the battery is read", battery)
    top = {row["name"] for row in logger.query("hotspots", "--limit", "100")}
    stage.check("systemd" in top, "processes of other users are visible", top)
    set_sampler_options(stage, "--interval 1")
    before = logger.count()
    stage.soon(lambda: logger.count() >= before + 5, 10, "a setting changes the interval to 1 s")
    stage.recorder.start()
    stage.soon(stage.recorder.has_heard, 10, "a member can subscribe to the stream")


def access(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    reports = [report.name for report in REPORTS]
    for report in reports:
        machine.run("telemetry-query", report, user="member")
    stage.say("every report works for a member of group telemetry")
    for report in (*reports, "live", "alert --below 15"):
        command = ["telemetry-query", *report.split()]
        status, output, error = machine.try_run(*command, user="stranger", seconds=20)
        told = status == 1 and not output and "adduser" in error and len(error.splitlines()) == 1
        stage.check(
            told, f"{report} tells a user outside the group how to get access", (status, output, error)
        )
    modes = machine.shell(
        f"""cd {RUNTIME}
            stat -c '%n %U:%G %a' . samples replay writer ring {STATE} {DATABASE}*"""
    )
    expected = {".": "750", "samples": "770", "replay": "770", "writer": "770", "ring": "600"}
    expected |= {STATE: "750", DATABASE: "640", f"{DATABASE}-wal": "640", f"{DATABASE}-shm": "640"}
    expected |= {f"{DATABASE}.lock": "600"}
    found = {line.split()[0]: line.split()[2] for line in modes.splitlines()}
    stage.check(found == expected, "modes of directories, sockets, ring and database are right", found)
    stage.check(
        modes.count("telemetry:telemetry") == len(expected), "everything belongs to user telemetry", modes
    )
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
    stage.check(logger.count() > 5, "a member can read the database of a stopped writer")
    machine.run("systemctl", "start", SAMPLER)
    stage.check(logger.show(WRITER, "ActiveState") == "inactive", "the sampler runs without a writer")
    machine.run("systemctl", "start", WRITER)
    stage.soon(logger.are_active, 10, "the writer may start later")
    stage.check(not logger.holes(), "no hole in seq", logger.holes())


def examples(stage: Stage) -> None:
    machine = stage.machine
    names = [name for name in machine.run("ls", _EXAMPLES).split() if name.endswith(".py")]
    stage.check(len(names) >= 3, "the package has examples", names)
    for name in names:
        argument = _ARGUMENTS.get(name, "")
        script = f"""cd /
            python3 {_EXAMPLES}/{name} {argument} >/home/member/said &
            for _ in $(seq 200); do [ -s /home/member/said ] && break; sleep 0.1; done
            kill $! 2>/dev/null
            cat /home/member/said"""
        said = machine.try_run("sh", "-c", script, user="member")
        stage.check(said[1].strip() and not said[2], f"{name} runs as installed", said)


def alerts(stage: Stage) -> None:
    machine = stage.machine
    uid = machine.run("id", "-u", "member").strip()
    machine.shell(f"{_USER_MANAGER}; systemctl start user@{uid}")

    def of_user(*command: str) -> str:
        return machine.try_run("env", f"XDG_RUNTIME_DIR=/run/user/{uid}", *command, user="member")[1].strip()

    enabled = of_user("systemctl", "--user", "is-enabled", _ALERT)
    stage.check(enabled == "disabled", "the alert user unit is installed and disabled", enabled)
    machine.shell(f"HOME=/home/member; {_ALERT_SETTINGS}", user="member")
    of_user("systemctl", "--user", "enable", "--now", _ALERT)
    alerted = partial(machine.try_run, "cat", "/home/member/alerted")
    stage.soon(lambda: alerted()[1] == "below 29\n", 20, "enabled, it runs the command of its settings")
    state = of_user("systemctl", "--user", "is-active", _ALERT)
    stage.check(state == "active", "and keeps running", state)
    of_user("systemctl", "--user", "disable", "--now", _ALERT)
    machine.run("systemctl", "stop", f"user@{uid}")
    machine.run("rm", "-r", "/home/member/.config", "/etc/systemd/system/user@.service.d")
    machine.run("systemctl", "daemon-reload")


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
    stage.check(writable == {RUNTIME}, "the sampler may write only to its runtime directory", writable)
    writable = _writable(stage, WRITER)
    own = {RUNTIME, STATE, "/tmp", "/var/tmp"}  # the last two are private to the service
    stage.check(
        writable == own, "the writer may also write to the database's directory and a private /tmp", writable
    )
    stage.check(not logger.warnings(), "neither service has logged a warning so far", logger.warnings())


def _writable(stage: Stage, unit: str) -> set[str]:
    """Return the directories that a service can write to, in its own view of the file system."""
    account = "setpriv --reuid=telemetry --regid=telemetry --clear-groups"
    find = "find / -type d -writable -not -path '/proc/*' 2>/dev/null || true"
    return set(stage.machine.shell(f"nsenter -t {stage.logger.pid(unit)} -m {account} {find}").split())


def drop_ins(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    names = machine.run("ls", _DROP_INS).split()
    stage.check("rapl.conf" in names, "the package has the drop-ins", names)
    for name in names:
        _use_drop_in(stage, name)
        stage.soon(partial(_has_grown, logger, logger.count()), 20, f"it samples with the drop-in {name}")
    machine.shell(_COUNTER)
    _use_drop_in(stage, None, "--interval 1 --sysfs /opt/sys --power-supply rapl")
    refused = partial(logger.journal, "-g", "cannot be read: the kernel lets only root read it")
    stage.soon(refused, 15, "without the drop-in the sampler cannot read root's energy counter")
    _use_drop_in(stage, "rapl.conf", "--interval 1 --sysfs /opt/sys --power-supply rapl")
    stage.soon(partial(_has_grown, logger, logger.count()), 20, "with rapl.conf it can")
    effective = machine.shell(f"grep CapEff /proc/{logger.pid(SAMPLER)}/status").split()[1]
    stage.check(int(effective, 16) == 1 << 2, "with CAP_DAC_READ_SEARCH as the only capability", effective)
    _use_drop_in(stage, None)


def _use_drop_in(stage: Stage, name: str | None, options: str = "--interval 1") -> None:
    """Restart the sampler with only this drop-in and these options."""
    machine, own = stage.machine, f"/etc/systemd/system/{SAMPLER}.d"
    machine.run("rm", "-rf", own)
    if name:
        machine.run("install", "-D", "-m", "0644", f"{_DROP_INS}/{name}", f"{own}/{name}")
    set_sampler_options(stage, options)


def set_sampler_options(stage: Stage, options: str) -> None:
    """Change the settings as a user would."""
    line = f's|^SAMPLER_OPTIONS=.*|SAMPLER_OPTIONS="{options}"|'
    stage.machine.run("sed", "-i", line, "/etc/default/telemetry-logger")
    stage.machine.run("systemctl", "daemon-reload")
    stage.machine.try_run("systemctl", "restart", SAMPLER)


def _has_grown(logger: Logger, before: int) -> bool:
    return logger.count() > before


def backup(stage: Stage) -> None:
    machine, logger = stage.machine, stage.logger
    rows = logger.count()
    copy = (
        "import sqlite3, sys\n"
        f"source = sqlite3.connect('file:{DATABASE}?mode=ro', uri=True)\n"
        "source.backup(sqlite3.connect('/home/member/backup.db'))\n"
        "source.execute(\"VACUUM INTO '/home/member/vacuum.db'\")\n"
    )
    machine.run("python3", "-c", copy, user="member")
    for name in ("backup", "vacuum"):
        copied = logger.query("--db", f"/home/member/{name}.db", "recent", "--limit", "1000000")
        stage.check(len(copied) >= rows, f"a member's {name} has all rows while the writer runs")
