"""The command as a user runs it: in its own process."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from query.blame import CANNOT_SEE
from query.correlate import BESIDE
from query.main import main
from query.reports import REPORTS
from query.time_left import LITTLE
from telemetry import __version__
from tests.needs import open_terminal
from tests.query.conftest import Ran
from tests.query.recordings import NOON, Recording, example

ROOT = Path(__file__).parents[2]
MORE = "telemetry-query: there are more rows than the 20 shown; --limit N shows more\n"
BLAME = (
    f"telemetry-query: an estimate, learned from 1.2 h on battery; {CANNOT_SEE}; "
    "little data: programs that were seldom seen share one rate\n"
)
MODEL = "telemetry-query: little data: programs that were seldom seen share one rate\n"
COMPARE = (
    "telemetry-query: A is 2026-11-21 12:00:00 to 2026-11-21 12:45:00, "
    "B is 2026-11-21 12:45:00 to 2026-11-21 13:30:00\n"
)
SAID = {
    "recent": MORE,
    "drain": f"telemetry-query: {LITTLE}\n",
    "blame": BLAME,
    "model": MODEL,
    "compare": COMPARE,
    "correlate": f"telemetry-query: {BESIDE}\n",
}
"""Remarks of a report on standard error"""
WORDS = {"compare": ("2026-11-21 12:00..2026-11-21 12:45", "2026-11-21 12:45..2026-11-21 13:30")}
"""Its arguments, for a clock in another year"""

COMMAND = [sys.executable, "-W", "error", "-m", "query.main"]
NAMES = [report.name for report in REPORTS]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("command")
    example(directory / "telemetry.db")
    with Recording(directory / "big.db") as recording:
        recording.samples(NOON, 20_000, status="x" * 50)
    with Recording(directory / "odd.db") as recording:
        recording.sample(NOON, processes=[(1, "\x1b[2Jé\u202e", 1.0, 1.0)])
    with Recording(directory / "empty.db"):
        pass
    return directory


def environ(directory: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "TELEMETRY_RUNTIME_DIR": str(directory / "nothing-runs-here"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def run(directory: Path, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    env = environ(directory) | options.pop("env", {})
    if "stdout" not in options:
        options["stdout"] = subprocess.PIPE
    ran = subprocess.run(
        [*COMMAND, *argv], cwd=directory, env=env, stderr=subprocess.PIPE, text=True, check=False, **options
    )
    # The recordings are from one day, but this is the machine's real clock: test_now.py tests the line.
    ran.stderr = re.sub(r"telemetry-query: the newest sample is .* old: .*\n", "", ran.stderr)
    return ran


# --- done ------------------------------------------------------------------------------------------


@pytest.fixture
def inside(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """The command in this process, for tests that need no separate one."""
    monkeypatch.chdir(directory)
    monkeypatch.setenv("TELEMETRY_RUNTIME_DIR", str(directory / "nothing-runs-here"))

    def run_inside(*argv: str) -> Ran:
        return Ran(main([*argv], lambda: NOON + 5400), *capsys.readouterr())

    return run_inside


@pytest.mark.parametrize("name", NAMES)
def test_every_report_is_a_table_that_fits_a_small_screen(inside: Callable[..., Ran], name: str) -> None:
    ran = inside("--db", "telemetry.db", name, *WORDS.get(name, ()), "--format", "table", "--width", "90")
    left_out: list[str] = []
    rest: list[str] = []
    for line in ran.err.splitlines(keepends=True):
        (left_out if "left out to fit 90 columns" in line else rest).append(line)
    assert (ran.status, "".join(rest)) == (0, SAID.get(name, ""))
    assert len(left_out) <= 1
    assert ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 90


@pytest.mark.parametrize("form", ["json", "csv", "github"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.fast_cases(16)
def test_every_report_in_every_format(inside: Callable[..., Ran], name: str, form: str) -> None:
    ran = inside("--db", "telemetry.db", name, *WORDS.get(name, ()), "--format", form)
    assert (ran.status, ran.err) == (0, SAID.get(name, ""))
    assert ran.out


@pytest.mark.parametrize("argv", [["--db", "telemetry.db", "top"], ["top", "--db", "telemetry.db"]])
def test_db_may_come_before_or_after_the_report(directory: Path, argv: list[str]) -> None:
    assert run(directory, *argv).returncode == 0


def test_without_db_the_environment_names_the_database(directory: Path) -> None:
    assert run(directory, "top", env={"TELEMETRY_DB": "telemetry.db"}).returncode == 0
    assert (
        "elsewhere.db: no such database" in run(directory, "top", env={"TELEMETRY_DB": "elsewhere.db"}).stderr
    )


@pytest.mark.parametrize("argv", [["--version"], ["recent", "--version"]])
def test_version(directory: Path, argv: list[str]) -> None:
    ran = run(directory, *argv)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"telemetry-query {__version__}\n", "")


def test_an_empty_result_is_not_a_failure(directory: Path) -> None:
    ran = run(directory, "--db", "empty.db", "recent", "--format", "json")
    assert (ran.returncode, ran.stdout) == (0, "[]\n")
    assert ran.stderr == "telemetry-query: database is empty: is telemetry-writer running?\n"


# --- failed, and wrong usage -----------------------------------------------------------------------


def test_a_failure_prints_one_line_and_exits_with_1(directory: Path) -> None:
    ran = run(directory, "--db", "no.db", "recent")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "telemetry-query: no.db: no such database; is telemetry-writer running? "
        "Give another file with --db PATH\n"
    )


def test_a_path_of_any_bytes_can_be_printed(directory: Path) -> None:
    ran = run(directory, "--db", os.fsdecode(b"no\xff\n.db"), "recent")
    assert ran.returncode == 1
    assert ran.stderr.startswith("telemetry-query: no\\udcff\\n.db: no such database")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--line", "drain"], "--line cannot be used with a report; see telemetry-query --help"),
        (["nonsense"], "nonsense"),
        (["recent", "--nonsense"], "--nonsense"),
        (["recent", "--lim", "3"], "--lim"),
        (["recent", "--limit", "0"], "not a whole number from 1; see telemetry-query recent --help"),
        (["recent", "--limit", "-3"], "not a whole number"),
        (["recent", "--limit", "1.5"], "not a whole number"),
        (["recent", "--limit", "9" * 5000], "not a whole number"),
        (["recent", "--since", "nan"], "--since: 'nan' is not a time; give 2026-11-24, "),
        (["recent", "--since", "-5"], "--since: '-5' is outside the years 1970 to 9999"),
        (["recent", "--until", "\x1b]0;x\x07"], "--until: '\\x1b]0;x\\x07' is not a time"),
        (["recent", "--since", "now", "--until", "1h"], "--since is not before the end of the window"),
        (["recent", "--since", "5", "--until", "5"], "--since is not before the end of the window"),
        (["top", "--at", "5", "--until", "5"], "not allowed with"),
        (["top", "--at", "5", "--since", "6"], "--since is not before the end of the window"),
        (["recent", "--at", "5"], "--at"),
        (["recent", "--format", "xml"], "--format: no format 'xml'; there are table, json, csv, "),
        (["energy", "--by", "year"], "year"),
        (["recent", "--db"], "--db"),
        (["model", "--what-if", "volume=3"], "--what-if: 'volume=3' is not brightness=PERCENT, the only"),
        (["model", "--what-if", "brightness"], "'' is not a number from 0 to 100"),
        (["model", "--what-if", "brightness=101"], "'101' is not a number from 0 to 100"),
        (["model", "--what-if", "brightness=-1"], "'-1' is not a number from 0 to 100"),
        (["model", "--what-if", "brightness=nan"], "'nan' is not a number from 0 to 100"),
    ],
)
def test_wrong_usage_prints_one_line_and_exits_with_2(
    inside: Callable[..., Ran], argv: list[str], told: str
) -> None:
    ran = inside(*argv)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("telemetry-query: ")
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_wrong_usage_is_the_exit_status_of_the_process(directory: Path) -> None:
    ran = run(directory, "nonsense")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("telemetry-query: ")
    assert ran.stderr.count("\n") == 1


# --- readers of the output -------------------------------------------------------------------------


@pytest.fixture
def reader(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that prints some megabytes into a pipe."""
    process = subprocess.Popen(
        [*COMMAND, "--db", "big.db", "export"],
        cwd=directory,
        env=environ(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_a_closed_reader_is_not_a_failure(reader: subprocess.Popen[str]) -> None:
    assert reader.stdout
    assert reader.stderr
    assert reader.stdout.readline().startswith("ts,battery_pct,")
    reader.stdout.close()
    assert reader.wait() == 0
    assert reader.stderr.read() == ""
    reader.stdout = None


def test_an_interrupt_is_quiet(reader: subprocess.Popen[str]) -> None:
    assert reader.stdout
    assert reader.stderr
    reader.stdout.read(1)  # it has started to write; the pipe fills up, and it blocks
    reader.send_signal(signal.SIGINT)
    assert reader.wait(30) == 130  # and does not try to write the rest to a reader that has gone
    assert reader.stderr.read() == ""


@pytest.mark.parametrize("argv", [["--help"], ["--db", "telemetry.db", "top"], ["--db", "big.db", "export"]])
def test_a_pipe_that_nobody_reads(directory: Path, argv: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = run(directory, *argv, stdout=write)
    finally:
        os.close(write)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("argv", [["--help"], ["--db", "telemetry.db", "top"], ["--db", "big.db", "export"]])
def test_a_full_disk(directory: Path, argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ran = run(directory, *argv, stdout=full)
    assert ran.returncode == 1
    assert ran.stderr == "telemetry-query: cannot write: No space left on device\n"


def test_closed_streams(directory: Path) -> None:
    command = f"{' '.join(COMMAND)} --db empty.db recent --format json"
    for redirection, status, out, err in [
        (">&-", 1, "", "telemetry-query: standard output is closed\n"),
        ("2>&-", 0, "[]\n", ""),
        (">&- 2>&-", 1, "", ""),
    ]:
        ran = subprocess.run(
            ["sh", "-c", f"{command} {redirection}"],
            cwd=directory,
            env=environ(directory),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (status, out, err)


@pytest.mark.fast_cases(3)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_character_that_the_locale_lacks_is_escaped(directory: Path, form: str, encoding: str) -> None:
    ran = run(
        directory,
        "--db",
        "odd.db",
        "top",
        "--format",
        form,
        env={"PYTHONIOENCODING": encoding},
        errors="replace",
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2J" in ran.stdout


# --- on a terminal ---------------------------------------------------------------------------------


def on_terminal(directory: Path, columns: int, *argv: str, env: dict[str, str] | None = None) -> str:
    import fcntl
    import struct
    import termios

    ours, theirs = open_terminal()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *argv],
        cwd=directory,
        env=environ(directory) | (env or {}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], 30)[0]:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # EIO: the other side has ended
                break
            if not piece:
                break
            shown += piece
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.fast_cases(2)
@pytest.mark.parametrize("form", ["table", "json", "csv", "html", "tsv"])
def test_no_escape_sequence_reaches_it(directory: Path, form: str) -> None:
    shown = on_terminal(directory, 80, "--db", "odd.db", "top", "--format", form, "--color", "never")
    assert "[2J" in shown
    assert all(character == "\n" or character.isprintable() or character == "\t" for character in shown)


COLORED = re.compile(r"\x1b\[[0-9]+m")


@pytest.mark.slow
def test_colors_are_used_only_on_terminals(directory: Path) -> None:
    argv = ["--db", "odd.db", "top"]
    shown = on_terminal(directory, 80, *argv)
    assert COLORED.search(shown)
    assert "\x1b" not in COLORED.sub("", shown)
    assert not COLORED.search(run(directory, *argv).stdout)
    assert COLORED.search(run(directory, *argv, "--color", "always").stdout)
    for form in ("json", "csv", "github"):
        assert not COLORED.search(run(directory, *argv, "--color", "always", "--format", form).stdout)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        assert not COLORED.search(on_terminal(directory, 80, *argv, env={name: value}))
        assert COLORED.search(on_terminal(directory, 80, *argv, "--color", "always", env={name: value}))
    assert COLORED.search(on_terminal(directory, 80, *argv, env={"NO_COLOR": ""}))


def test_columns_of_the_environment_come_before_those_of_the_terminal(directory: Path) -> None:
    argv = ["--db", "telemetry.db", "recent"]
    cases: list[tuple[int, list[str], str]] = [
        (40, [], "40"),
        (60, ["--width", "60"], "40"),
        (80, [], "wide"),
    ]
    for width, options, columns in cases:
        shown = on_terminal(directory, 80, *argv, *options, env={"COLUMNS": columns})
        assert max(map(len, COLORED.sub("", shown).splitlines()[:20])) in range(width - 12, width + 1)


@pytest.mark.parametrize(("columns", "whole"), [(200, True), (90, False)])
def test_headers_are_not_broken_if_there_is_room(directory: Path, columns: int, whole: bool) -> None:
    shown = on_terminal(directory, columns, "--db", "telemetry.db", "recent")
    assert ("drain_mah_per_min" in shown.split("---")[0]) == whole
    lines = COLORED.sub("", shown).splitlines()
    assert max(len(line) for line in lines if not line.startswith("telemetry-query: ")) <= columns


# --- what it costs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "needed"), [("csv", set()), ("json", set()), ("table", set()), ("html", {"tabulate"})]
)
def test_no_heavy_import_unless_needed(directory: Path, form: str, needed: set[str]) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "query.main",
            "--db",
            "telemetry.db",
            "top",
            "--format",
            form,
        ],
        cwd=directory,
        env=environ(directory),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert imported & {"zmq", "psutil", "tabulate", "asyncio", "http"} == needed
