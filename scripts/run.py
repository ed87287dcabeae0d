"""``make run``: sampler and writer on this machine, live on the terminal, and the reports at the end.

Settings come from the environment: RUN_SECONDS (until Ctrl-C), INTERVAL (5), DB (./telemetry.db), SYSFS
(another root for /sys: tests/data holds recorded batteries).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from telemetry import places
from telemetry.command import run
from telemetry.errors import UsageError, UserError
from telemetry.sample import Sample
from telemetry.service import StopSignal
from telemetry.stream.subscriber import Subscriber

ROOT = Path(__file__).parent.parent
REPORTS = ("status", "energy", "drain", "hotspots")
_COLUMNS = "{:<8}  {:>6}  {:>7}  {:>6}  {:>6}  {}"


def main() -> int:
    """Run both processes until RUN_SECONDS are over or Ctrl-C."""
    try:
        seconds = float(os.environ.get("RUN_SECONDS") or "inf")
    except ValueError:
        raise UsageError(f"RUN_SECONDS={os.environ['RUN_SECONDS']} is not a number of seconds") from None
    interval = os.environ.get("INTERVAL") or "5"
    database = os.environ.get("DB") or "telemetry.db"
    sysfs = os.environ.get("SYSFS") or "/sys"
    with ExitStack() as stack:
        # A separate directory, so as not to disturb a telemetry service on this machine.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telemetry-")))
        environ = {**os.environ, "TELEMETRY_RUNTIME_DIR": str(directory), "PYTHONPATH": str(ROOT)}
        stop = stack.enter_context(StopSignal())
        sampler = ["-m", "sampler.main", "--interval", interval, "--sysfs", sysfs]
        children = {
            "telemetry-sampler": stack.enter_context(_child(sampler, environ)),
            "telemetry-writer": stack.enter_context(_child(["-m", "writer.main", "--db", database], environ)),
        }
        until = "press Ctrl-C to end" if seconds == float("inf") else f"{seconds:g} s"
        print(f"Sampling every {interval} s into {database}; {until}.\n", flush=True)
        _show_live(directory, children, stop, time.monotonic() + seconds)
        print(flush=True)
        for report in REPORTS:
            query = ["-m", "query.main", "--db", database, report]
            print(f"$ {typed(query)}", flush=True)
            subprocess.run([sys.executable, *query], env=environ, check=False)
            print(flush=True)
    return 0


def typed(arguments: Sequence[str]) -> str:
    """Return the command as the user can type it in the shell that ran ``make run``.

    The product is not installed, so there is no telemetry-query command; Python finds it in the checkout.
    """
    here = Path(os.environ.get("PWD") or Path.cwd())
    python = Path(sys.executable)
    if python.is_relative_to(ROOT):
        python = python.relative_to(ROOT)
    command = shlex.join([str(python), *arguments])
    return command if here.resolve() == ROOT.resolve() else f"cd {shlex.quote(str(ROOT))} && {command}"


@contextmanager
def _child(arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that is ended cleanly. It has its own session, so that Ctrl-C does not end it."""
    child = subprocess.Popen([sys.executable, *arguments], env=environ, start_new_session=True)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def _show_live(
    directory: Path, children: Mapping[str, subprocess.Popen[bytes]], stop: StopSignal, deadline: float
) -> None:
    print(_COLUMNS.format("time", "bat %", "W", "CPU %", "load", "top processes"), flush=True)
    with Subscriber(places.publish_endpoint(directory), places.replay_endpoint(directory)) as subscriber:
        while not stop.requested and (left := deadline - time.monotonic()) > 0:
            for item in subscriber.receive(min(left, 1.0), [stop]):
                print(_line(item) if isinstance(item, Sample) else item, flush=True)
            for name, child in children.items():
                if child.poll() is not None:
                    raise UserError(f"{name} ended with status {child.returncode}; see its line above")


def _line(sample: Sample) -> str:
    battery = sample.battery
    return _COLUMNS.format(
        datetime.fromtimestamp(sample.time).astimezone().strftime("%H:%M:%S"),
        _figure(battery and battery.pct, 0),
        _figure(battery and battery.power, 2),
        _figure(sample.cpu.total, 1),
        _figure(sample.load[0], 2),
        "  ".join(f"{it.name} {it.cpu + (it.children or 0.0):.1f}" for it in sample.processes[:3]),
    )


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(run("make run", main))
