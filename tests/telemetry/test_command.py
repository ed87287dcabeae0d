"""Commands: their arguments, and the one place where exceptions become text."""

from __future__ import annotations

import argparse
import errno
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.command import ArgumentParser, folded, run, seconds, whole
from telemetry.errors import UsageError, UserError


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="telemetry-x", description="What it does.")
    parser.add_argument("--interval", type=int, help="seconds")
    parser.add_argument("--format", choices=["csv", "json"])
    return parser


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--interval", "x"], "argument --interval: invalid int value: 'x'; see telemetry-x --help"),
        (["--interval"], "argument --interval: expected one argument; see telemetry-x --help"),
        (["--int", "5"], "unrecognized arguments: --int 5; see telemetry-x --help"),
        (["more"], "unrecognized arguments: more; see telemetry-x --help"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    parser: ArgumentParser, arguments: list[str], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parser.parse_args(arguments)
    assert str(caught.value) == text


def test_an_error_about_a_choice_lists_the_valid_ones(parser: ArgumentParser) -> None:
    with pytest.raises(UsageError, match=r"--format: .*csv.*json.*see telemetry-x --help"):
        parser.parse_args(["--format", "xml"])


def test_valid_arguments_are_parsed_and_help_is_printed(
    parser: ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parser.parse_args(["--interval", "5"]) == argparse.Namespace(interval=5, format=None)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    assert "What it does." in capsys.readouterr().out


# --- exceptions become text ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 2, 7])
def test_the_exit_status_is_the_return_value_of_main(status: int) -> None:
    assert run("telemetry-x", lambda: status) == status


def raising(error: BaseException) -> int:
    def main() -> int:
        raise error

    return run("telemetry-x", main)


def test_errors_of_the_user_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(UserError("no such thing; make one")) == 1
    assert raising(UsageError("--x: what?")) == 2
    assert raising(KeyboardInterrupt()) == 130
    captured = capsys.readouterr()
    assert captured.err == "telemetry-x: no such thing; make one\ntelemetry-x: --x: what?\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        OSError("x"),
        OSError(errno.ENOSPC, "no room", "/a/file"),  # not standard output, whose error has no file name
        AssertionError("x"),
        SystemExit(3),
    ],
)
def test_a_bug_raises_with_a_traceback(error: BaseException) -> None:
    """systemd restarts the program, and the journal has the traceback."""
    with pytest.raises(type(error)):
        raising(error)


PRINT = """
import sys
from telemetry.command import run

def main():
    for _ in range(int(sys.argv[1])):
        print("x" * 100)
    return 5

sys.exit(run("telemetry-x", main))
"""


def printing(lines: int, unbuffered: str, stdout: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PRINT, str(lines)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    return done.returncode, done.stderr


BUFFERS: Final = pytest.mark.parametrize(("lines", "unbuffered"), [(1, ""), (1, "1"), (1000, "")])
"""One line is still in the buffer when main returns; flushing it would fail when Python exits."""


@BUFFERS
def test_a_reader_that_closes_the_pipe_is_not_a_failure(lines: int, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert printing(lines, unbuffered, writer) == (0, "")
    finally:
        os.close(writer)


@BUFFERS
def test_a_full_disk_gives_a_one_line_error(lines: int, unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        status, text = printing(lines, unbuffered, full.fileno())
    assert (status, text) == (1, "telemetry-x: cannot write standard output: No space left on device\n")


def test_a_closed_standard_output_gives_no_traceback() -> None:
    command = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-c", PRINT, "0"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (5, "")


@given(st.text("ab -", max_size=60).map(str.strip), st.integers(1, 80))
def test_on_a_terminal_lines_break_between_words(text: str, columns: int) -> None:
    lines = folded(text, columns)
    assert " ".join(line[2 * (number > 0) :] for number, line in enumerate(lines)) == text
    for number, line in enumerate(lines):
        assert len(line) <= columns or " " not in line[2 * (number > 0) :]


def test_remarks_wrap_only_on_a_terminal() -> None:
    script = "from telemetry.command import say; say('telemetry-x', 'of words ' * 9)"
    for terminal, lines in ((True, 3), (False, 1)):
        ours, theirs = pty.openpty() if terminal else os.pipe()
        if terminal:
            termios.tcsetwinsize(theirs, (24, 40))
        subprocess.run([sys.executable, "-c", script], stderr=theirs, check=True)
        assert os.read(ours, 1_000).count(b"\n") == lines
        os.close(ours)
        os.close(theirs)


# --- types of arguments ---


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(-10, 2000))
def test_a_number_is_accepted_only_within_its_bounds(one: int, other: int, value: int) -> None:
    least, most = sorted((one, other))
    for parse, error in (
        (whole(least, most), f"'{value}' is not a whole number from {least} to {most}"),
        (seconds(least, most), f"'{value}' is not a number of seconds from {least} to {most}"),
    ):
        if least <= value <= most:
            assert parse(str(value)) == value
        else:
            with pytest.raises(argparse.ArgumentTypeError) as told:
                parse(str(value))
            assert str(told.value) == error


@given(st.text(max_size=12) | st.sampled_from(["nan", "inf", "-inf", "1e400", "9" * 5000, "٣", "1_0"]))
def test_any_other_text_is_refused(text: str) -> None:
    if not (text.isascii() and text.isdecimal()):
        with pytest.raises(argparse.ArgumentTypeError, match=" is not a whole number from 0 to "):
            whole(0, 10**9)(text)
    with suppress(argparse.ArgumentTypeError):
        assert 0 <= seconds(0, 1000)(text) <= 1000
