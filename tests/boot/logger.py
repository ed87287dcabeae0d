"""The installed telemetry logger, as its users see it."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.boot.machine import Machine

WRITER, SAMPLER = UNITS = ("telemetry-writer.service", "telemetry-sampler.service")
STATE = "/var/lib/telemetry-logger"
RUNTIME = "/run/telemetry-logger"
DATABASE = f"{STATE}/telemetry.db"
_IDENTITIES = f"""
import json, sqlite3
database = sqlite3.connect("file:{DATABASE}?mode=ro", uri=True)
rows = "SELECT run, seq FROM system_sample JOIN run USING (run_id) ORDER BY run, seq"
gaps = "SELECT COUNT(*) FROM gap"
print(json.dumps([database.execute(rows).fetchall(), database.execute(gaps).fetchone()[0]]))
"""


class Logger:
    """The two services and the database on one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def are_active(self) -> bool:
        """Return whether both services are active."""
        return all(self.show(unit, "ActiveState") == "active" for unit in UNITS)

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self._machine.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def pid(self, unit: str) -> str:
        return self.show(unit, "MainPID")

    def restarts(self, unit: str) -> int:
        """Return how often systemd restarted a unit."""
        return int(self.show(unit, "NRestarts"))

    def query(self, *arguments: str, user: str = "member") -> list[dict[str, Any]]:
        """Return a report's rows."""
        text = self._machine.run("telemetry-query", *arguments, "--format", "json", user=user)
        rows: list[dict[str, Any]] = json.loads(text)
        return rows

    def count(self) -> int:
        """Return the number of samples, including the newest one."""
        return len(self.query("recent", "--limit", "1000000"))

    def identities(self) -> tuple[set[tuple[str, int]], int]:
        """Return (run, seq) of each stored sample, and the number of recorded gaps."""
        self.count()  # the writer commits
        stored, gaps = json.loads(self._machine.run("python3", "-c", _IDENTITIES))
        return {(run, seq) for run, seq in stored}, gaps

    def holes(self) -> str:
        """Return the runs with a hole between seq 1 and their last sample."""
        stored, gaps = self.identities()
        of: dict[str, list[int]] = {}
        for run, seq in stored:
            of.setdefault(run, []).append(seq)
        broken = [f"{run}: {sorted(seqs)}" for run, seqs in of.items() if max(seqs) != len(seqs)]
        return "; ".join(broken + ([f"{gaps} gaps"] if gaps else []))

    def journal(self, *arguments: str) -> list[str]:
        """Return lines of both services."""
        units = [argument for unit in UNITS for argument in ("-u", unit)]
        command = ["journalctl", "-q", "--no-pager", "-o", "cat", *units, *arguments]
        return self._machine.try_run(*command)[1].splitlines()  # without a line the status is 1

    def warnings(self) -> list[str]:
        """Return the warnings and errors that the two processes have logged since boot."""
        text = self._machine.run(
            *("journalctl", "-q", "--no-pager", "-o", "cat", "-b", "-p", "warning"),
            *("-t", "telemetry-sampler", "-t", "telemetry-writer"),
        )
        return text.splitlines()

    def exposure(self, unit: str) -> float:
        """Return the score of ``systemd-analyze security``."""
        text = self._machine.run("systemd-analyze", "security", "--no-pager", unit)
        match = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)
        return float(match[1]) if match else 99.0


class Recorder:
    """A member of the group who subscribes to the stream permanently and records every sample."""

    FILE = "/home/member/stream.jsonl"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def start(self) -> None:
        command = f"telemetry-query live --format json >>{self.FILE} 2>>/home/member/stream.err"
        self._machine.shell(f"setsid sh -c '{command}' </dev/null >/dev/null 2>&1 &", user="member")

    def has_heard(self) -> bool:
        """Return whether a sample has arrived."""
        return self._machine.try_run("test", "-s", self.FILE)[0] == 0

    def heard(self) -> set[tuple[str, int]]:
        """Return (run, seq) of each sample so far, without an incomplete last line."""
        lines = self._machine.run("cat", self.FILE).split("\n")[:-1]
        samples = [json.loads(line) for line in lines]
        return {(sample["run"], sample["seq"]) for sample in samples if "seq" in sample}
