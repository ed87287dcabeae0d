"""The measured programs: our two processes and similar programs, as data."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.children import ROOT, module

_SYSSTAT: Final = ("/usr/lib/sysstat", "/usr/lib64/sa", "/usr/libexec/sysstat", "/usr/lib/sa")

COMMIT_INTERVAL: Final = 12
"""s: at one sample a second, a commit has as many samples as with the defaults, 5 s and 60 s"""


class Program(NamedTuple):
    """A program that takes a sample every second."""

    name: str
    what: str
    """A short description."""
    command: Sequence[str]
    """The command. ``{file}`` is the file that it may write; the first word is a name in PATH or a path."""
    install: str = ""
    """How to install it, if it is not ours."""
    version: tuple[str, ...] = ()
    """Options to print its version, which is the first number in the output."""


def _sadc() -> str:
    places = (str(Path(directory) / "sadc") for directory in _SYSSTAT)
    return next((place for place in places if Path(place).exists()), "sadc")


SAMPLER: Final = Program(
    "telemetry-sampler",
    "all its sensors, JSON, sockets, ring",
    module("sampler.main", "--interval", "1"),
)
WRITER: Final = Program(
    "telemetry-writer",
    "receives, checks and stores it",
    module("writer.main", "--db", "{file}", "--commit-interval", str(COMMIT_INTERVAL)),
)
PSUTIL: Final = Program(
    "psutil loop",
    "process_iter: name, CPU, memory; keeps nothing",
    module("benchmarks.psutil_loop"),
)
ATOP: Final = Program(
    "atop -w",
    "system and processes, into its own file",
    ("atop", "-w", "{file}", "1"),
    install="apt-get install atop",
    version=("-V",),
)
PROCPATH: Final = Program(
    "Procpath",
    "processes (stat, cmdline), into SQLite",
    (str(ROOT / ".venv-bench/bin/procpath"), "record", "-i", "1", "-d", "{file}"),
    install="make bench",
    version=("--version",),
)
SADC: Final = Program(
    "sadc",
    "system without processes, into its own file",
    (_sadc(), "1", "{file}"),
    install="apt-get install sysstat",
    version=("-V",),
)

PROGRAMS: Final = (SAMPLER, WRITER, PSUTIL, ATOP, PROCPATH, SADC)
"""In the order in which they are started and shown."""


def is_installed(program: Program) -> bool:
    """Return whether it is installed."""
    return shutil.which(program.command[0]) is not None


def command_line(program: Program, file: Path) -> list[str]:
    """Return the command that starts it and writes to ``file``."""
    return [word.replace("{file}", str(file)) for word in program.command]


def shown_command(program: Program) -> str:
    """Return its command as a reader would type it, without local paths."""
    words = [Path(word).name if number == 0 else word for number, word in enumerate(program.command)]
    return " ".join(words).replace("{file}", "FILE")


def version_of(program: Program) -> str:
    """Return its version, empty if it does not print one."""
    if not (program.version and is_installed(program)):
        return ""
    ran = subprocess.run(
        [program.command[0], *program.version],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=10,
    )
    found = re.search(r"\d[\w.-]*\d", ran.stdout)
    return found[0] if found else ""
