"""CPU, memory and bytes per sample of all programs, measured in the same half minute.

They run in their own PID namespace if possible. There the number of processes is exact, and no other
programs run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import readings
from benchmarks.children import disk_directory, module, running, runtime_directory
from benchmarks.crowd import crowd
from benchmarks.programs import PROGRAMS, command_line, is_installed

_WARM_UP: Final = 6
"""s between the start and the measured span; the start is reported separately"""
_NAMESPACE: Final = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True)
class Cost:
    """The cost of one program. Times in ms of CPU."""

    sample: float
    """Per sample, in the steady state."""
    start: float
    """From the start of the process to the steady state, without the samples until then."""
    resident: float
    """Bytes."""
    proportional: float
    """Bytes; a page that n processes share counts as 1 / n page."""
    written: float
    """The growth of its file in bytes per sample."""


@dataclass(frozen=True)
class Round:
    """All programs at one number of processes."""

    processes: int
    """The number of processes, including these programs."""
    isolated: bool
    """Whether it ran in its own PID namespace."""
    costs: dict[str, Cost | None]
    """Costs by the program's name; None: not installed."""


def measure(processes: int, seconds: int) -> Round:
    """Run the programs beside other processes, ``processes`` in total, and measure over ``seconds``."""
    namespace = _namespace()
    # Created outside the namespace: a process inside may be killed and then cleans nothing up.
    with disk_directory() as directory, runtime_directory() as runtime:
        inside = module("benchmarks.cost", str(processes), str(seconds), directory, runtime)
        ran = subprocess.run([*namespace, *inside], stdout=subprocess.PIPE, check=True, text=True)
    found = json.loads(ran.stdout)
    costs = {name: cost and Cost(**cost) for name, cost in found["costs"].items()}
    return Round(found["processes"], bool(namespace), costs)


def _namespace() -> tuple[str, ...]:
    """Return the command that makes a PID namespace; empty if that is refused."""
    for command in (_NAMESPACE, (*_NAMESPACE, "--user", "--map-root-user")):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode
        ):
            return command
    return ()


def _measure_here(processes: int, seconds: int, directory: Path, runtime: Path) -> Round:
    with ExitStack() as stack:
        installed = [program for program in PROGRAMS if is_installed(program)]
        others = processes - readings.process_count() - len(installed)
        stack.enter_context(crowd(max(others, 0)))
        files = {program.name: directory / program.name for program in installed}
        started = {
            program.name: stack.enter_context(
                running(command_line(program, file := files[program.name]), runtime, file.with_suffix(".log"))
            ).pid
            for program in installed
        }
        time.sleep(_WARM_UP)
        cpu_before, size_before, begun = _cpu(started), _sizes(files), time.monotonic()
        count = readings.process_count()
        time.sleep(seconds)
        cpu_after, samples = _cpu(started), time.monotonic() - begun
        memory = {name: readings.memory(pid) for name, pid in started.items()}
        size_after = _sizes(files)
    costs: dict[str, Cost | None] = dict.fromkeys(program.name for program in PROGRAMS)
    for name in started:
        sample = (cpu_after[name] - cpu_before[name]) / samples
        costs[name] = Cost(
            sample=sample * 1000,
            start=max(cpu_before[name] - sample * (_WARM_UP - 1), 0.0) * 1000,
            resident=memory[name].resident,
            proportional=memory[name].proportional,
            written=(size_after[name] - size_before[name]) / samples,
        )
    return Round(count, isolated=False, costs=costs)


def _cpu(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: readings.cpu_seconds(pid) for name, pid in pids.items()}


def _sizes(files: Mapping[str, Path]) -> dict[str, int]:
    """Return the size of the file in bytes; 0 if the program writes no file."""
    return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}


if __name__ == "__main__":
    count, span, *places = sys.argv[1:]
    json.dump(asdict(_measure_here(int(count), int(span), *map(Path, places))), sys.stdout)
