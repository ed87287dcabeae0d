"""The real processes; each test has its own runtime directory and database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from query.database import reading
from telemetry.errors import UserError
from telemetry.stream.control import request_commit

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
BATTERY = DATA / "power_supply" / "dell-2s-discharging" / "sys"
PATIENCE = 30.0
"""s until a test gives up on a process. Each takes less than a second here, but machines are shared."""


class System:
    """Sampler, writer and query with one runtime directory and one database."""

    def __init__(self, directory: Path) -> None:
        self.runtime = directory / "run"
        self.runtime.mkdir(mode=0o700)
        self.database = directory / "telemetry.db"
        self.environ = {
            **{
                name: value for name, value in os.environ.items() if name not in ("JOURNAL_STREAM", "COLUMNS")
            },
            "PYTHONPATH": str(ROOT),
            "TELEMETRY_RUNTIME_DIR": str(self.runtime),
            "TELEMETRY_DB": str(self.database),
            "PYTHONWARNINGS": "error",
        }
        self._started: list[subprocess.Popen[str]] = []

    def start(self, module: str, *options: str) -> subprocess.Popen[str]:
        """Start ``module`` (sampler.main, writer.main), with standard error in a pipe."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def sampler(self, *options: str) -> subprocess.Popen[str]:
        """Start a sampler at the shortest interval, on a recorded battery."""
        return self.start("sampler.main", "--interval", "1", "--sysfs", str(BATTERY), *options)

    def writer(self, *options: str) -> subprocess.Popen[str]:
        return self.start("writer.main", *options)

    def run(self, module: str, *options: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``module`` until it exits."""
        return subprocess.run(
            [sys.executable, "-m", module, *options],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 4,
            check=False,
        )

    def query(self, *options: str) -> list[dict[str, Any]]:
        """Return a report's rows."""
        ran = self.run("query.main", *options, "--format", "json")
        assert ran.returncode == 0, ran.stderr
        rows: list[dict[str, Any]] = json.loads(ran.stdout)
        return rows

    def stored(self) -> int:
        """Return the number of samples after a commit; 0 if no database can be read yet.

        This is what a report does, without a new process for each check.
        """
        request_commit(f"ipc://{self.runtime}/writer", self.database)
        with suppress(UserError), reading(self.database) as database:
            return int(database.execute("SELECT COUNT(*) FROM system_sample").fetchone()[0])
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Kill the processes that still run."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def wait_until(true: Callable[[], object], patience: float = PATIENCE, every: float = 0.05) -> None:
    """Check a condition of another process each ``every`` s until it holds; fail after a time-out."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(every)


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Send a signal; return exit status and standard error."""
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE)
    return process.returncode, error


def sql_files(names: Sequence[str] = ()) -> list[Path]:
    """Return the original's queries."""
    found = sorted((DATA / "original-sql").glob("*.sql"))
    return [path for path in found if not names or path.stem in names]
